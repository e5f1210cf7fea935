package clickhouse_test

import (
	"errors"
	"strings"
	"testing"

	"tributary/internal/clickhouse"
	"tributary/test/engines"
)

func TestMain(m *testing.M) { engines.Main(m) }

// The server of the tests has its users from its configuration, as one's own may: they stay as they are, and a password that is not
// theirs is told.
func TestUsersOfTheConfigurationStay(t *testing.T) {
	t.Parallel()
	owner := engines.ClickHouse(t)
	database := clickhouse.Database(owner)
	right, wrong := map[clickhouse.Role]string{}, map[clickhouse.Role]string{}
	for _, role := range clickhouse.Roles() {
		_, after, _ := strings.Cut(engines.ClickHouseAs(owner, role), string(role)+":")
		right[role], _, _ = strings.Cut(after, "@")
		wrong[role] = "another-password-of-it"
	}
	if err := clickhouse.SetPasswords(t.Context(), owner, database, right); err != nil {
		t.Errorf("with their passwords: %v", err)
	}
	if err := clickhouse.SetPasswords(t.Context(), owner, database, wrong); err == nil || !strings.Contains(err.Error(), "must be changed there") {
		t.Errorf("with others: %v", err)
	}
	// Its owner may not make users, and is told what to allow.
	stranger := map[clickhouse.Role]string{"tributary_stranger": "a-password-of-nobody"}
	err := clickhouse.SetPasswords(t.Context(), owner, database, stranger)
	if err == nil || !strings.Contains(err.Error(), "access_management") {
		t.Errorf("a new user: %v", err)
	}
}

// Each statement that makes a log-in is one that the server can read.
func TestTheStatementsOfLoginsAreRead(t *testing.T) {
	t.Parallel()
	conn, err := clickhouse.Open(engines.ClickHouse(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, role := range clickhouse.Roles() {
		for _, statement := range clickhouse.LoginStatements(role, "it's a \\ password", "tributary") {
			if strings.Contains(statement, "password'") {
				t.Errorf("%s holds the password", statement)
			}
			var read string
			if err := conn.QueryRow(t.Context(), "SELECT formatQuerySingleLine(?)", statement).Scan(&read); err != nil || read == "" {
				t.Errorf("%s: %v", statement, err)
			}
		}
	}
}

func TestAnAddressIsOfItsRole(t *testing.T) {
	t.Parallel()
	for address, got := range map[string]string{
		"clickhouse://tributary_loader:x@h:9000/d": "", "clickhouse://h:9000/d?username=tributary_loader&password=x": "",
		"clickhouse://tributary:x@h:9000/d": "tributary", "clickhouse://h:9000/d": "", "clickhouse://tributary_reader:x@h/d": "tributary_reader",
	} {
		err := clickhouse.CheckLogin(address, clickhouse.Loader)
		login, refused := errors.AsType[*clickhouse.LoginError](err)
		if want := !strings.Contains(address, "tributary_loader"); refused != want || refused && (login.Got != got || login.Want != clickhouse.Loader) {
			t.Errorf("%s: %v, refused %v", address, err, want)
		}
	}
}

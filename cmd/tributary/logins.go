package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"tributary/internal/clickhouse"
	"tributary/internal/postgres"
	"tributary/internal/stream"
)

// owner is who owns the schema: migrate alone logs in as that.
const owner = "owner"

// postgresLogins names those that have a setting of their own.
func postgresLogins() []string {
	names := []string{}
	for _, role := range postgres.Roles() {
		names = append(names, role.Name())
	}
	return append(names, owner)
}

func postgresSetting(name string) string { return "postgres-" + name + "-url" }

// loginUser is the user that an address of the log-in names.
func loginUser(name string) string {
	if name == owner {
		return "that owns the database (migrate)"
	}
	return "tributary_" + name
}

// clickhouseLogins is the same for ClickHouse, to which nobody here logs in as the reader.
func clickhouseLogins() []string {
	names := []string{}
	for _, role := range clickhouse.Roles() {
		if role != clickhouse.Reader {
			names = append(names, role.Name())
		}
	}
	return append(names, owner)
}

func clickhouseSetting(name string) string { return "clickhouse-" + name + "-url" }

// ownPostgres tells whether any setting names a PostgreSQL, so that none is started here.
func (c *config) ownPostgres() bool { return c.PostgresURL != "" || anySet(c.PostgresOf) }

// ownClickHouse is the same for ClickHouse.
func (c *config) ownClickHouse() bool { return c.ClickHouseURL != "" || anySet(c.ClickHouseOf) }

func anySet(addresses map[string]*string) bool {
	for _, address := range addresses {
		if *address != "" {
			return true
		}
	}
	return false
}

func (c *config) checkLogins() error {
	var problems []error
	for _, name := range postgresLogins() {
		if address := c.PostgresOf[name]; address != nil {
			problems = append(problems, checkServer(postgresSetting(name), *address))
		}
	}
	for _, name := range clickhouseLogins() {
		if address := c.ClickHouseOf[name]; address != nil {
			problems = append(problems, checkServer(clickhouseSetting(name), *address))
		}
	}
	return errors.Join(problems...)
}

// postgresAddresses gives the address of each log-in that a process needs: its own setting, or postgres-url where it needs
// no other. It gives none where PostgreSQL is embedded.
func (c *config) postgresAddresses(logins []string) (map[string]string, error) {
	if !c.ownPostgres() {
		return map[string]string{}, nil
	}
	addresses, missing := addressesOf(logins, c.PostgresURL, c.PostgresOf, postgresSetting)
	if len(missing) > 0 {
		return nil, fmt.Errorf("PostgreSQL is a server of your own, to which each role logs in as itself: set %s", strings.Join(missing, ", "))
	}
	return addresses, nil
}

// clickhouseAddresses is the same for ClickHouse, which some of the logins do not use. An address of another user than the
// log-in's gives a *clickhouse.LoginError.
func (c *config) clickhouseAddresses(logins []string) (map[string]string, error) {
	if !c.ownClickHouse() {
		return map[string]string{}, nil
	}
	logins = slices.DeleteFunc(slices.Clone(logins), func(name string) bool { return !slices.Contains(clickhouseLogins(), name) })
	addresses, missing := addressesOf(logins, c.ClickHouseURL, c.ClickHouseOf, clickhouseSetting)
	if len(missing) > 0 {
		return nil, fmt.Errorf("ClickHouse is a server of your own, to which each role logs in as itself: set %s", strings.Join(missing, ", "))
	}
	for name, address := range addresses {
		if name == owner {
			continue
		}
		if err := clickhouse.CheckLogin(address, clickhouse.Role("tributary_"+name)); err != nil {
			return nil, err
		}
	}
	return addresses, nil
}

// addressesOf gives each login the address of its own setting, or one where no other login needs it, and names the settings
// that are missing.
func addressesOf(logins []string, one string, of map[string]*string, setting func(name string) string) (addresses map[string]string, missing []string) {
	addresses = map[string]string{}
	for _, name := range logins {
		if set := of[name]; set != nil {
			addresses[name] = *set
		}
		if addresses[name] == "" && len(logins) == 1 {
			addresses[name] = one
		}
		if addresses[name] == "" {
			missing = append(missing, envName(setting(name)))
		}
	}
	return addresses, missing
}

// readPasswords reads the file of migrate --role-passwords or --kafka-passwords: a role and its password on each line, # before
// a remark. It must name every role.
func readPasswords[R interface {
	~string
	Name() string
}](path string, roles []R) (map[R]string, error) {
	content, err := readSecret(path)
	if err != nil {
		return nil, fmt.Errorf("reading the roles' passwords: %w", err)
	}
	passwords := map[R]string{}
	lines := bufio.NewScanner(strings.NewReader(content))
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		role := R("tributary_" + fields[0])
		if len(fields) != 2 || !slices.Contains(roles, role) {
			return nil, fmt.Errorf("reading %s: line %d is not a role and its password, such as: tracker PASSWORD", path, n)
		}
		if err := checkRolePassword(fields[1]); err != nil {
			return nil, fmt.Errorf("reading %s: line %d: %w", path, n, err)
		}
		passwords[role] = fields[1]
	}
	for _, role := range roles {
		if passwords[role] == "" {
			return nil, fmt.Errorf("reading %s: it has no password for %s", path, role.Name())
		}
	}
	return passwords, nil
}

func checkRolePassword(text string) error {
	for _, c := range text {
		if c <= ' ' || c > '~' {
			return errors.New("a password is made of visible ASCII characters")
		}
	}
	if len(text) < 16 || slices.Contains(samplePasswords(), strings.ToLower(text)) {
		return errors.New("a password has at least 16 characters: openssl rand -hex 24 makes one")
	}
	return nil
}

// setPasswords gives the roles the passwords of a file, as the owner, on each of the two servers that is one's own.
func (a *app) setPasswords(ctx context.Context, s stores, path string) error {
	passwords, err := readPasswords(path, postgres.Roles())
	if err != nil {
		return err
	}
	if a.cfg.ownPostgres() {
		conn, err := pgx.Connect(ctx, s.postgres[owner])
		if err != nil {
			return fmt.Errorf("connecting to PostgreSQL: %w", err)
		}
		defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // the statements have been answered
		if err := postgres.SetPasswords(ctx, conn, passwords); err != nil {
			return err
		}
	}
	if !a.cfg.ownClickHouse() {
		return nil
	}
	reports := map[clickhouse.Role]string{}
	for _, role := range clickhouse.Roles() {
		reports[role] = passwords[postgres.Role(role)]
	}
	return clickhouse.SetPasswords(ctx, s.clickhouse[owner], clickhouse.Database(s.clickhouse[owner]), reports)
}

// setKafkaPasswords makes the roles' users of Kafka with the passwords of a file, and grants them their rights.
func (a *app) setKafkaPasswords(ctx context.Context, s stores, path string) error {
	passwords, err := readPasswords(path, stream.Roles())
	if err != nil {
		return err
	}
	client, err := stream.Open(s.kafka, a.log)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.SetPasswords(ctx, passwords); err != nil {
		return err
	}
	return client.Grant(ctx)
}

package embedded

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"unsafe"

	"github.com/ebitengine/purego"

	"tributary/internal/clickhouse"
)

// clickhouseServer is libchdb, ClickHouse's engine as a library, in a process of its own. It speaks the native protocol on
// 127.0.0.1 and asks for a password; no HTTP, which a web page open on this machine could speak. clickhouse-local runs its
// own session as the user "default", without a password, before it opens the port; nobody else can be that user, who is
// allowed one session.
type clickhouseServer struct {
	cfg      Config
	dir      string
	lib      string // path of libchdb
	password string
	roles    map[clickhouse.Role]string // their passwords
	port     int
	opened   bool // the database is there
}

// keepFree is how many bytes of its volume ClickHouse leaves alone.
const keepFree = 256 << 20

//go:embed clickhouse_config.xml
var clickhouseConfig string

//go:embed clickhouse_users.xml
var clickhouseUsers string

func (c *clickhouseServer) prepare(ctx context.Context, dir string, p ports) (string, error) {
	c.dir, c.port = filepath.Join(dir, "clickhouse"), p.ClickHouse
	pkg, err := clickhousePackage(platform())
	if err != nil {
		return "", err
	}
	in, err := newInstaller(c.cfg, dir)
	if err != nil {
		return "", err
	}
	installed, err := in.install(ctx, pkg, nil)
	if err != nil {
		return "", err
	}
	c.lib = filepath.Join(installed, "libchdb.so")
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return "", fmt.Errorf("making data folder: %w", err)
	}
	if c.password, err = password(filepath.Join(dir, "clickhouse.password")); err != nil {
		return "", err
	}
	c.roles = map[clickhouse.Role]string{}
	for _, role := range clickhouse.Roles() {
		if c.roles[role], err = password(filepath.Join(dir, "clickhouse-"+role.Name()+".password")); err != nil {
			return "", err
		}
	}
	if err := c.configure(dir); err != nil {
		return "", err
	}
	return c.address("tributary"), nil
}

func (c *clickhouseServer) address(database string) string {
	return c.addressOf("tributary", c.password, database)
}

func (c *clickhouseServer) addressOf(user, password, database string) string {
	address := url.URL{Scheme: "clickhouse", User: url.UserPassword(user, password), Host: loopback(c.port), Path: "/" + database}
	return address.String()
}

// addresses are those of the log-ins, by the names of their roles.
func (c *clickhouseServer) addresses() map[string]string {
	all := map[string]string{}
	for role, secret := range c.roles {
		all[role.Name()] = c.addressOf(string(role), secret, "tributary")
	}
	return all
}

// clickhouseRole is a log-in in the users file.
type clickhouseRole struct {
	Name, Hash string
	Grants     []string
	Limits     map[string]int64
}

// configure writes ClickHouse's configuration and user files.
func (c *clickhouseServer) configure(dir string) error {
	database := "tributary"
	if c.cfg.Throwaway { // tests have databases of their own
		database = "t*"
	}
	roles := make([]clickhouseRole, 0, len(c.roles))
	for _, role := range clickhouse.Roles() {
		roles = append(roles, clickhouseRole{
			Name: string(role), Hash: passwordHash(c.roles[role]), Grants: clickhouse.Grants(role, database), Limits: clickhouse.Limits(role),
		})
	}
	values := map[string]any{
		"Users": filepath.Join(dir, "clickhouse-users.xml"), "Hash": passwordHash(c.password), "Roles": roles, "Sync": !c.cfg.Throwaway,
		"Backups": c.dir + "-backups", "KeepFree": keepFree,
	}
	for name, text := range map[string]string{"clickhouse-config.xml": clickhouseConfig, "clickhouse-users.xml": clickhouseUsers} {
		t, err := template.New(name).Parse(text)
		if err != nil {
			return fmt.Errorf("reading template: %w", err)
		}
		var out strings.Builder
		if err := t.Execute(&out, values); err != nil {
			return fmt.Errorf("filling %s: %w", name, err)
		}
		if err := writeFile(filepath.Join(dir, name), []byte(out.String())); err != nil {
			return err
		}
	}
	return nil
}

func passwordHash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func (c *clickhouseServer) command() (*exec.Cmd, error) {
	cmd, err := childCommand(string(ClickHouse), c.lib,
		"--config-file="+c.dir+"-config.xml",
		"--path="+c.dir,
		"--tcp_port="+strconv.Itoa(c.port),
		"--listen_host=127.0.0.1")
	if err != nil {
		return nil, err
	}
	cmd.Dir = c.dir
	cmd.SysProcAttr = endWithParent(syscall.SIGKILL)
	return cmd, nil
}

// probe also makes the database, once.
func (c *clickhouseServer) probe(ctx context.Context) error {
	database, statement := "tributary", "SELECT 1"
	if !c.opened {
		database, statement = "default", "CREATE DATABASE IF NOT EXISTS tributary"
	}
	conn, err := clickhouse.Open(c.address(database), 1)
	if err != nil {
		return err //nolint:wrapcheck // it says what it was doing
	}
	if err := conn.Exec(ctx, statement); err != nil {
		return errors.Join(fmt.Errorf("executing %q: %w", statement, err), conn.Close())
	}
	c.opened = true
	if err := conn.Close(); err != nil {
		return fmt.Errorf("closing connection: %w", err)
	}
	return nil
}

// clickhouseListen makes clickhouse-local a server.
const clickhouseListen = "SYSTEM START LISTEN TCP; "

// clickhouseLife returns the arguments that keep the server running after it has opened its port. An interactive session,
// in which nobody types, is the right one: the other, a query that never ends, leaves an error handler in place that
// aborts the process when a connection breaks off or begins with a wrong password. It is for systems on which we can make
// no terminal.
func clickhouseLife() []string {
	if err := sitAtTerminal(); err != nil {
		return []string{"--query=" + clickhouseListen + "SELECT sleepEachRow(3) FROM system.numbers FORMAT Null " +
			"SETTINGS function_sleep_max_microseconds_per_block = 0, max_block_size = 1"}
	}
	return []string{"--interactive", "--disable_suggestion", "--progress=off", "--history_file=/dev/null", "--query=" + clickhouseListen}
}

// serveClickHouse is the server's process: the library, then the arguments of clickhouse-local.
func serveClickHouse(args []string) error {
	if len(args) == 0 {
		return errors.New("starting ClickHouse: no library was given")
	}
	lib, err := purego.Dlopen(args[0], purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return fmt.Errorf("loading %s: %w", args[0], err)
	}
	var (
		run         func(argc int32, argv unsafe.Pointer) uintptr
		resultError func(result uintptr) string
	)
	purego.RegisterLibFunc(&run, lib, "chdb_query_cmdline")
	purego.RegisterLibFunc(&resultError, lib, "chdb_result_error")

	argv := []*byte{cString("clickhouse-local")}
	for _, arg := range append(args[1:], clickhouseLife()...) {
		argv = append(argv, cString(arg))
	}
	argv = append(argv, nil)
	result := run(int32(len(argv)-1), unsafe.Pointer(&argv[0])) //nolint:gosec // an array of C strings has no other form
	runtime.KeepAlive(argv)
	if result == 0 {
		return errors.New("running ClickHouse: it returned nothing")
	}
	return fmt.Errorf("running ClickHouse: %s", resultError(result))
}

func cString(s string) *byte {
	b := append([]byte(s), 0)
	return &b[0]
}

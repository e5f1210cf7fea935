package embedded

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tributary/internal/postgres"
)

// postgresServer runs PostgreSQL's own postgres program, not pg_ctl, so that its pid is the server's.
type postgresServer struct {
	cfg      Config
	data     string // PGDATA
	bin      string
	port     int
	url      url.URL
	roles    map[postgres.Role]string // passwords
	opened   bool                     // database and log-ins are there
	identity identity
}

//go:embed postgresql.conf
var postgresConfig string

func (p *postgresServer) prepare(ctx context.Context, dir string, ports ports) (string, error) {
	p.data, p.port = filepath.Join(dir, "postgres"), ports.Postgres
	pkg, err := postgresPackage(platform())
	if err != nil {
		return "", err
	}
	in, err := newInstaller(p.cfg, dir)
	if err != nil {
		return "", err
	}
	installed, err := in.install(ctx, pkg, linkLibraries)
	if err != nil {
		return "", err
	}
	p.bin = filepath.Join(installed, "native", "bin")
	if p.identity, err = chooseIdentity(ctx, p.data, filepath.Join(p.bin, "initdb")); err != nil {
		return "", err
	}
	secretPath := filepath.Join(dir, "postgres.password")
	if _, err := os.Stat(filepath.Join(p.data, "PG_VERSION")); errors.Is(err, fs.ErrNotExist) {
		if err := p.create(ctx, in.cache, secretPath); err != nil {
			return "", err
		}
	}
	secret, err := password(secretPath)
	if err != nil {
		return "", err
	}
	p.roles = map[postgres.Role]string{}
	for _, role := range postgres.Roles() {
		if p.roles[role], err = password(filepath.Join(dir, "postgres-"+role.Name()+".password")); err != nil {
			return "", err
		}
	}
	p.url = url.URL{
		Scheme: "postgres", User: url.UserPassword("tributary", secret), Host: loopback(p.port),
		Path: "/tributary", RawQuery: "sslmode=disable",
	}
	return p.url.String(), nil
}

// linkLibraries makes the links that the package's own install script would make.
func linkLibraries(dir string) error {
	raw, err := os.ReadFile(filepath.Join(dir, "native", "pg-symlinks.json"))
	if err != nil {
		return fmt.Errorf("reading list of links: %w", err)
	}
	var links []struct {
		Source string `json:"source"`
		Target string `json:"target"`
	}
	if err := json.Unmarshal(raw, &links); err != nil {
		return fmt.Errorf("reading list of links: %w", err)
	}
	for _, l := range links {
		target := filepath.Join(dir, filepath.FromSlash(l.Target))
		source, err := filepath.Rel(filepath.Dir(target), filepath.Join(dir, filepath.FromSlash(l.Source)))
		if err != nil {
			return fmt.Errorf("linking %s: %w", l.Target, err)
		}
		if err := os.Symlink(source, target); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("linking: %w", err)
		}
	}
	return nil
}

// create makes the cluster in a folder beside its own and moves it there when it is complete.
func (p *postgresServer) create(ctx context.Context, cache, secretPath string) error {
	tmp := p.data + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return fmt.Errorf("removing incomplete cluster: %w", err)
	}
	if p.cfg.Throwaway {
		if err := p.copyTemplate(ctx, cache, tmp, secretPath); err != nil {
			return err
		}
	} else {
		if _, err := password(secretPath); err != nil {
			return err
		}
		if err := p.initdb(ctx, tmp, secretPath, initOptions()); err != nil {
			return err
		}
	}
	if err := os.Rename(tmp, p.data); err != nil {
		return fmt.Errorf("moving cluster into place: %w", err)
	}
	return nil
}

func initOptions() []string {
	return []string{
		"--username=tributary", "--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions",
		// In a plain C locale, searches in Chinese, Japanese and Korean find nothing.
		"--locale=C.UTF-8",
		// The password is random, so there is nothing that many iterations could protect; each connection pays for them.
		"--set=scram_iterations=1",
	}
}

func (p *postgresServer) initdb(ctx context.Context, data, secretPath string, options []string) error {
	args := append([]string{"--pgdata=" + data, "--pwfile=" + secretPath}, options...)
	cmd := exec.Command(filepath.Join(p.bin, "initdb"), args...) //nolint:gosec,noctx // from our package; runToEnd has ctx
	cmd.SysProcAttr = p.identity.attributes(syscall.SIGKILL)
	if out, err := runToEnd(ctx, cmd); err != nil {
		return fmt.Errorf("running initdb: %w\n%s", err, out)
	}
	return nil
}

func (p *postgresServer) command() (*exec.Cmd, error) {
	if err := p.clearLock(); err != nil {
		return nil, err
	}
	if err := p.configure(); err != nil {
		return nil, err
	}
	args := []string{filepath.Join(p.bin, "postgres"), "-D", p.data}
	cmd := exec.Command(args[0], args[1:]...) //nolint:gosec,noctx // from our package; ended by process.end
	if runtime.GOOS != "linux" {
		var err error
		if cmd, err = childCommand(rolePostgres, args...); err != nil {
			return nil, err
		}
	}
	// SIGQUIT ends all its processes at once; the next start recovers, as after any crash.
	cmd.SysProcAttr = p.identity.attributes(syscall.SIGQUIT)
	return cmd, nil
}

// configure replaces the configuration that initdb wrote.
func (p *postgresServer) configure() error {
	t, err := template.New("postgresql.conf").Parse(postgresConfig)
	if err != nil {
		return fmt.Errorf("reading template: %w", err)
	}
	var out strings.Builder
	if err := t.Execute(&out, map[string]any{"Port": p.port, "Throwaway": p.cfg.Throwaway}); err != nil {
		return fmt.Errorf("filling postgresql.conf: %w", err)
	}
	return writeFile(filepath.Join(p.data, "postgresql.conf"), []byte(out.String()))
}

// clearLock deals with the postmaster.pid of a server that was killed. A server that still runs on our data, left by a
// process that held our lock before, is ended. PostgreSQL judges the rest of the file itself (it must, for the file names
// the shared memory that surviving sessions would hold), but could take any process that was given the same number
// since then for that server; so the number is replaced by ours, which it knows to be its parent's and passes over.
func (p *postgresServer) clearLock() error {
	path := filepath.Join(p.data, "postmaster.pid")
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading lock of an earlier server: %w", err)
	}
	first, rest, _ := strings.Cut(string(raw), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		// Torn by a full disk or a power cut: it names nothing that could be checked.
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("removing lock of an earlier server: %w", err)
		}
		return nil
	}
	for deadline := time.Now().Add(stopLimit); strings.Contains(commandLine(pid), p.data); {
		if time.Now().After(deadline) {
			return fmt.Errorf("ending an earlier PostgreSQL on %s: process %d does not end", p.data, pid)
		}
		_ = syscall.Kill(pid, syscall.SIGQUIT) // an error shows at the deadline
		time.Sleep(probeEvery)
	}
	return writeFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"+rest))
}

// addresses are those of the log-ins, by the names of their roles.
func (p *postgresServer) addresses() map[string]string {
	all := map[string]string{}
	for role, secret := range p.roles {
		address := p.url
		address.User = url.UserPassword(string(role), secret)
		all[role.Name()] = address.String()
	}
	return all
}

// probe also makes the database and, once, the log-ins: the files of their passwords decide, whatever a backup brought.
func (p *postgresServer) probe(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.url.String())
	if missing := new(pgconn.PgError); errors.As(err, &missing) && missing.Code == "3D000" {
		if err := p.createDatabase(ctx); err != nil {
			return err
		}
		conn, err = pgx.Connect(ctx, p.url.String())
	}
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	if !p.opened {
		if err := postgres.SetRandomPasswords(ctx, conn, p.roles); err != nil {
			return errors.Join(err, closing(ctx, conn))
		}
		p.opened = true
	}
	return closing(ctx, conn)
}

func (p *postgresServer) createDatabase(ctx context.Context) error {
	maintenance := p.url
	maintenance.Path = "/postgres"
	conn, err := pgx.Connect(ctx, maintenance.String())
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	if _, err := conn.Exec(ctx, "CREATE DATABASE tributary"); err != nil {
		return errors.Join(fmt.Errorf("making database: %w", err), closing(ctx, conn))
	}
	return closing(ctx, conn)
}

func closing(ctx context.Context, conn *pgx.Conn) error {
	if err := conn.Close(ctx); err != nil {
		return fmt.Errorf("closing connection: %w", err)
	}
	return nil
}

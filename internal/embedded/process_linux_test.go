package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	ChildMain()
	if raw := os.Getenv(parentVariable); raw != "" {
		os.Exit(parentMain(raw))
	}
	os.Exit(m.Run())
}

// parentVariable makes this test program a process that runs engines, so that tests can treat it badly.
const parentVariable = "TRIBUTARY_EMBEDDED_TEST_PARENT"

// An errand says what such a process runs.
type errand struct {
	Dir        string `json:"dir"`
	Cache      string `json:"cache"`
	Postgres   bool   `json:"postgres"`
	Kafka      bool   `json:"kafka"`
	ClickHouse bool   `json:"clickhouse"`
}

// A report is what such a process prints when its engines are ready.
type report struct {
	Postgres   string         `json:"postgres"`
	Kafka      string         `json:"kafka"`
	Password   string         `json:"password"` // of Kafka
	ClickHouse string         `json:"clickhouse"`
	Pids       map[Engine]int `json:"pids"`
}

func (r report) addresses() Addresses {
	return Addresses{PostgresURL: r.Postgres, KafkaBrokers: r.Kafka, KafkaUser: kafkaUser, KafkaPassword: r.Password, ClickHouseURL: r.ClickHouse}
}

// parentMain runs engines until SIGTERM.
func parentMain(raw string) int {
	if done, err := disguise(); done || err != nil {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
		return 0
	}
	var e errand
	if err := json.Unmarshal([]byte(raw), &e); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	s := New(Config{Dir: e.Dir, Cache: e.Cache, Postgres: e.Postgres, Kafka: e.Kafka, ClickHouse: e.ClickHouse})
	go func() {
		a, err := s.Ready(ctx)
		if err != nil {
			return // Run says why
		}
		r := report{Postgres: a.PostgresURL, Kafka: a.KafkaBrokers, Password: a.KafkaPassword, ClickHouse: a.ClickHouseURL, Pids: map[Engine]int{}}
		for _, e := range []Engine{Kafka, ClickHouse, Postgres} {
			r.Pids[e] = s.Status(e).Pid
		}
		if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	if err := s.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// A parent is another process that runs engines.
type parent struct {
	cmd    *exec.Cmd
	report report
	stderr *bytes.Buffer
}

// spawn starts a process that runs engines as cfg says and waits until they are ready. attr may make it another user.
func spawn(t *testing.T, cfg errand, attr *syscall.SysProcAttr, env ...string) (*parent, error) {
	t.Helper()
	raw, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p := &parent{cmd: exec.Command("/proc/self/exe"), stderr: &bytes.Buffer{}}
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), parentVariable + "=" + string(raw)}, env...)
	p.cmd.SysProcAttr, p.cmd.Stderr, p.cmd.Dir = attr, p.stderr, "/"
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		await(t, "engines of the parent to end", func() bool { return len(processesOf(cfg.Dir)) == 0 })
	})
	if err := json.NewDecoder(stdout).Decode(&p.report); err != nil {
		_ = p.cmd.Wait()
		return nil, fmt.Errorf("%w: %s", err, p.stderr)
	}
	return p, nil
}

// processesOf lists the processes that name dir in their arguments, which every engine does.
func processesOf(dir string) []string {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if line := commandLine(pid); strings.Contains(line, dir) {
			found = append(found, strconv.Itoa(pid)+" "+line)
		}
	}
	return found
}

// childrenOf lists the children of a process that still runs, so that those without arguments are seen too.
func childrenOf(pid int) []int {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	var children []int
	for field := range strings.FieldsSeq(string(raw)) {
		if child, err := strconv.Atoi(field); err == nil {
			children = append(children, child)
		}
	}
	return children
}

// all asks for every engine in dir.
func all(dir string) errand { return errand{Dir: dir, Postgres: true, Kafka: true, ClickHouse: true} }

func TestEnginesEndWithTheirParent(t *testing.T) {
	t.Parallel()
	cfg := all(t.TempDir())
	cfg.Cache = ownCache(t)
	for _, how := range []syscall.Signal{syscall.SIGKILL, syscall.SIGQUIT, syscall.SIGTERM} {
		p, err := spawn(t, cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		if how == syscall.SIGKILL {
			writeAll(t, p.report.addresses())
		}
		backends := childrenOf(p.report.Pids[Postgres])
		if len(backends) == 0 {
			t.Error("PostgreSQL has no children, so this test sees less than it should")
		}
		if err := p.cmd.Process.Signal(how); err != nil {
			t.Fatal(err)
		}
		_ = p.cmd.Wait()
		ended := time.Now()
		await(t, "engines to end after "+how.String(), func() bool { return len(processesOf(cfg.Dir)) == 0 })
		for _, pid := range append(backends, p.report.Pids[Postgres], p.report.Pids[Kafka], p.report.Pids[ClickHouse]) {
			await(t, fmt.Sprintf("process %d to end", pid), func() bool { return !runs(pid) })
		}
		t.Logf("%v: all gone %v after the parent", how, time.Since(ended).Round(time.Millisecond))
	}
	_, a, _ := start(t, Config{Dir: cfg.Dir, Cache: cfg.Cache, Postgres: true, Kafka: true, ClickHouse: true})
	readAll(t, a)
}

// runs reports whether a process exists and is no zombie.
func runs(pid int) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(raw), ") ")
	return !strings.HasPrefix(state, "Z")
}

func writeAll(t *testing.T, a Addresses) {
	t.Helper()
	writePostgres(t, a)
	writeKafka(t, a)
	writeClickHouse(t, a)
}

func readAll(t *testing.T, a Addresses) {
	t.Helper()
	readPostgres(t, a)
	readKafka(t, a)
	readClickHouse(t, a)
}

// TestEveryKindOfUserRunsTheEngines starts all engines as each user, kills the parent, and starts them again.
func TestEveryKindOfUserRunsTheEngines(t *testing.T) {
	t.Parallel()
	needRoot(t)
	cache := sharedCache(t)
	as := func(uid uint32) *syscall.SysProcAttr {
		return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	for name, c := range map[string]struct {
		owner int
		attr  *syscall.SysProcAttr
		env   string
	}{
		"root":                     {0, nil, ""},
		"root without namespaces":  {0, ownNamespace(), noNamespaces + "=yes"},
		"user":                     {nobody, as(nobody), ""},
		"uid without passwd entry": {54321, as(54321), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := all(folderFor(t, c.owner))
			cfg.Cache = cache
			p, err := spawn(t, cfg, c.attr, c.env)
			if err != nil {
				t.Fatal(err)
			}
			writeAll(t, p.report.addresses())
			if err := p.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = p.cmd.Wait()
			if p, err = spawn(t, cfg, c.attr, c.env); err != nil {
				t.Fatal(err)
			}
			readAll(t, p.report.addresses())
			if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := p.cmd.Wait(); err != nil {
				t.Errorf("orderly stop: %v: %s", err, p.stderr)
			}
		})
	}
}

// TestUnnamedUserWithoutNamespacesIsTold is the one case that cannot be helped.
func TestUnnamedUserWithoutNamespacesIsTold(t *testing.T) {
	t.Parallel()
	needRoot(t)
	cfg := errand{Dir: folderFor(t, 54321), Cache: sharedCache(t), Postgres: true}
	_, err := spawn(t, cfg, ownNamespace(), noNamespaces+"=yes", becomeVariable+"=54321")
	for _, says := range []string{"uid 54321 has no name", "user namespaces", "are off here", "TRIBUTARY_POSTGRES_URL"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("starting: %v, want an error that says %q", err, says)
		}
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can become other users")
	}
}

const (
	// noNamespaces makes a parent switch off user namespaces for itself; it must be in one of its own to be able to.
	noNamespaces = "TRIBUTARY_EMBEDDED_TEST_NO_NAMESPACES"
	// becomeVariable makes a parent start itself again as this uid.
	becomeVariable = "TRIBUTARY_EMBEDDED_TEST_BECOME"
)

// ownNamespace is a user namespace in which every user is who he is outside.
func ownNamespace() *syscall.SysProcAttr {
	everyone := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1 << 20}}
	return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: everyone, GidMappings: everyone, GidMappingsEnableSetgroups: true}
}

// disguise does in a parent what the two variables ask. It reports whether this process is done.
func disguise() (done bool, err error) {
	if os.Getenv(noNamespaces) != "" {
		if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0); err != nil {
			return true, fmt.Errorf("switching off user namespaces: %w", err)
		}
	}
	uid, err := strconv.ParseUint(os.Getenv(becomeVariable), 10, 32)
	if err != nil {
		return false, nil //nolint:nilerr // nobody to become
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), noNamespaces+"=", becomeVariable+"=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return true, cmd.Run()
}

// folderFor makes a data folder for a user, in a place that everyone can reach, unlike t.TempDir.
func folderFor(t *testing.T, uid int) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tributary-embedded-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chown(dir, uid, uid); err != nil {
		t.Fatal(err)
	}
	return dir
}

// ownCache is where the tests' packages are.
func ownCache(t *testing.T) string {
	t.Helper()
	cache, err := cacheDir(Config{}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return cache
}

// sharedCache makes a cache folder that every user can read, from the packages of this one's.
func sharedCache(t *testing.T) string {
	t.Helper()
	start(t, Config{Dir: t.TempDir(), Postgres: true, ClickHouse: true, Throwaway: true}) // so that they are installed
	own := ownCache(t)
	shared := folderFor(t, 0)
	if err := os.Chmod(shared, 0o755); err != nil {
		t.Fatal(err)
	}
	packages, err := filepath.Glob(filepath.Join(own, "*", manifestName))
	if err != nil || len(packages) == 0 {
		t.Fatalf("no packages in %s: %v", own, err)
	}
	for _, manifest := range packages {
		from := filepath.Dir(manifest)
		link(t, from, filepath.Join(shared, filepath.Base(from)))
	}
	return shared
}

// link copies a folder by hard links where it can, since ClickHouse is large.
func link(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		switch {
		case d.IsDir():
			return os.MkdirAll(target, 0o755)
		case d.Type().IsRegular():
			if os.Link(path, target) == nil {
				return nil
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(target, content, 0o755)
		}
		pointsTo, err := os.Readlink(path)
		if err != nil {
			return err
		}
		return os.Symlink(pointsTo, target)
	})
	if err != nil {
		t.Fatal(err)
	}
}

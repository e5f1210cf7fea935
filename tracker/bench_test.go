package tracker

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/internal/enginetest"
	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/tracker/clickid"
	"tributary/tracker/spool"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// benchRole, when it is set, makes the test binary a server to be measured: the tracker, or a bare echo.
const benchRole = "TRIBUTARY_BENCH_ROLE"

// benchServe serves until it is interrupted. Its first line of output is the address.
func benchServe(role string) {
	runtime.GOMAXPROCS(2)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	switch role {
	case "echo":
		e := echo.New()
		e.GET("/c/:code", func(c echo.Context) error {
			return c.Redirect(http.StatusFound, "https://shop.example/boots?colour=brown#size")
		})
		e.POST("/v1/conversions", func(c echo.Context) error {
			var order benchSale
			if err := c.Bind(&order); err != nil {
				return err
			}
			return c.JSON(http.StatusOK, order)
		})
		server := &http.Server{Handler: e}
		context.AfterFunc(ctx, func() { _ = server.Close() })
		_ = server.Serve(l)
	case "tracker":
		benchTracker(ctx, l)
	}
}

// benchSale is a conversion as any handler would decode it.
type benchSale struct {
	OrderID    string `json:"order_id"`
	Amount     int64  `json:"amount"`
	Currency   string `json:"currency"`
	ClickID    string `json:"click_id"`
	CustomerID string `json:"customer_id"`
	Lines      []struct {
		SKU      string `json:"sku"`
		Quantity int64  `json:"quantity"`
		Amount   int64  `json:"amount"`
		Category string `json:"category"`
	} `json:"lines"`
}

func benchTracker(ctx context.Context, l net.Listener) {
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	pool, err := postgres.Open(ctx, os.Getenv("TRIBUTARY_BENCH_POSTGRES"), postgres.Tracker, 2)
	check(err)
	cfg := Config{Catalogue: partners.NewCatalogue(pool, quiet()), Partitions: partitions}
	check(cfg.Catalogue.Load(ctx))
	cfg.Spool, err = spool.Open(spool.Config{Dir: os.Getenv("TRIBUTARY_BENCH_SPOOL"), Lanes: 2 * partitions})
	check(err)
	cfg.Ring, err = clickid.NewRing([]clickid.Key{clickid.GenerateKey(1)})
	check(err)
	s, err := New(cfg)
	check(err)
	go func() { check(cfg.Spool.Run(ctx)) }()
	go func() { check(cfg.Catalogue.Run(ctx)) }()
	check(s.Serve(ctx, l))
}

// benched is a server under measurement.
type benched struct {
	address string
	pid     int
}

// cpu is the processor time that the server has used.
func (b benched) cpu(t *testing.T) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", b.pid))
	must(t, err)
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	ticks := 0
	for _, field := range fields[11:13] { // in user mode and in the kernel, in hundredths of a second
		n, err := strconv.Atoi(field)
		must(t, err)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// startBench starts the test binary in a role, on the first core.
func startBench(t *testing.T, role string, env ...string) benched {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "taskset", "-c", "0", os.Args[0])
	cmd.Env = append(os.Environ(), append(env, benchRole+"="+role)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	return benched{strings.TrimSpace(address), cmd.Process.Pid}
}

// rivals starts a bare echo and a tracker, and measures one after the other.
func rivals(t *testing.T, path func(s shop) string, arguments func(s shop) []string) {
	t.Helper()
	if os.Getenv("TRIBUTARY_BENCH") == "" {
		t.Skip("set TRIBUTARY_BENCH=1 to measure; it takes a while, a quiet machine, two cores and wrk")
	}
	url := enginetest.PostgresURL(t)
	db, err := postgres.Open(t.Context(), url, postgres.Operator, 2)
	must(t, err)
	defer db.Close()
	s := newShop(t, db, "GBP")
	bare := startBench(t, "echo")
	ours := startBench(t, "tracker", "TRIBUTARY_BENCH_POSTGRES="+url, "TRIBUTARY_BENCH_SPOOL="+t.TempDir())
	for _, connections := range []int{64, 256} {
		against := wrk(t, connections, bare, path(s), arguments(s))
		rate := wrk(t, connections, ours, path(s), arguments(s))
		t.Logf("%d connections: %.0f/s durable (p99 %s), bare echo %.0f/s (p99 %s), ratio %.2f; processor %s and %s a request, ratio %.2f",
			connections, rate.perSecond, rate.p99, against.perSecond, against.p99, rate.perSecond/against.perSecond,
			rate.cpu, against.cpu, float64(against.cpu)/float64(rate.cpu))
	}
}

// TestRedirectRate measures redirects whose record is durable before the answer, beside a bare echo that only answers
// 302: each on the first core, wrk on the second.
func TestRedirectRate(t *testing.T) {
	rivals(t, func(s shop) string { return "/c/" + s.link.Code }, func(shop) []string {
		return []string{"-H", "User-Agent: " + firefox, "-H", "Sec-Fetch-Dest: document", "-H", "Sec-Fetch-Mode: navigate"}
	})
}

// TestConversionRate measures orders of three lines that are durable before the answer, beside a bare echo that decodes
// the same JSON and answers with it.
func TestConversionRate(t *testing.T) {
	script := filepath.Join(t.TempDir(), "order.lua")
	must(t, os.WriteFile(script, []byte("wrk.method = 'POST'\nwrk.body = [["+benchOrder+"]]\n"), 0o600))
	rivals(t, func(shop) string { return "/v1/conversions" }, func(s shop) []string {
		return []string{"-s", script, "-H", "Content-Type: application/json", "-H", "Authorization: Bearer " + s.key}
	})
}

type load struct {
	perSecond float64
	p99       string
	cpu       time.Duration // a request
}

func wrk(t *testing.T, connections int, server benched, path string, arguments []string) load {
	t.Helper()
	before := server.cpu(t)
	seconds := os.Getenv("TRIBUTARY_BENCH_SECONDS")
	if seconds == "" {
		seconds = "5"
	}
	command := append([]string{"-c", "1", "wrk", "-t1", "-c" + strconv.Itoa(connections), "-d" + seconds + "s", "--latency"}, arguments...)
	out, err := exec.CommandContext(t.Context(), "taskset", append(command, "http://"+server.address+path)...).CombinedOutput()
	must(t, err)
	text := string(out)
	if strings.Contains(text, "Non-2xx") {
		t.Fatalf("answers went wrong:\n%s", text)
	}
	find := func(pattern string) string {
		m := regexp.MustCompile(pattern).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("wrk did not say %s:\n%s", pattern, text)
		}
		return m[1]
	}
	perSecond, err := strconv.ParseFloat(find(`Requests/sec:\s+([\d.]+)`), 64)
	must(t, err)
	requests, err := strconv.Atoi(find(`(\d+) requests in`))
	must(t, err)
	return load{perSecond, find(`99%\s+(\S+)`), (server.cpu(t) - before) / time.Duration(requests)}
}

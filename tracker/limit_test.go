package tracker

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tributary/partners/program"
)

// TestAMerchantWhoSendsTooMuchIsRefusedAlone holds S27: 429 with Retry-After, no record, and no other merchant notices.
func TestAMerchantWhoSendsTooMuchIsRefusedAlone(t *testing.T) {
	t.Parallel()
	e := newEdge(t, func(cfg *Config) { cfg.MerchantRate = 1 })
	answers := map[int]int{}
	for n := range 10 {
		a := e.post(t, "/v1/conversions", e.mine.key, fmt.Sprintf(`{"order_id":"%d","amount":1,"currency":"GBP"}`, n))
		answers[a.status]++
		if a.status == http.StatusTooManyRequests {
			if p := problem(t, a); p.Code != "too_many_reports" || a.header.Get("Retry-After") != "1" {
				t.Errorf("%s, Retry-After %q", p.Code, a.header.Get("Retry-After"))
			}
		}
	}
	if answers[200] < 2 || answers[429] < 1 || answers[200]+answers[429] != 10 || len(e.records(t)) != answers[200] {
		t.Errorf("answers %v and %d records", answers, len(e.records(t)))
	}
	if a := e.post(t, "/v1/conversions", e.theirs.key, `{"order_id":"1","amount":1,"currency":"EUR"}`); a.status != 200 {
		t.Errorf("another merchant: %d", a.status)
	}
	// What another forges in a merchant's name does not count against that merchant.
	for range 10 {
		headers := signWith(e.mine.secret, e.theirs.signer, "m", time.Now(), `{}`)
		if a := e.ask(t, "POST", "/v1/refunds", strings.NewReader(`{}`), headers...); a.status != 401 {
			t.Errorf("a forged report: %d", a.status)
		}
	}
	if a := e.post(t, "/v1/conversions", e.theirs.key, `{"order_id":"2","amount":1,"currency":"EUR"}`); a.status != 200 {
		t.Errorf("another merchant after forged reports: %d", a.status)
	}
	if a := e.ask(t, "GET", "/c/"+e.mine.link.Code, nil); a.status != 302 {
		t.Errorf("a visitor: %d", a.status)
	}
}

// Within any stretch of time no more are let through than the rate and the burst allow, and a merchant within the rate is
// never refused.
func TestARateIsKept(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		perSecond := rapid.IntRange(1, 5000).Draw(t, "rate")
		r := newRates(perSecond)
		now := time.Unix(1_800_000_000, 0)
		var let []time.Time
		for range rapid.IntRange(1, 300).Draw(t, "reports") {
			now = now.Add(time.Duration(rapid.IntRange(0, int(3*time.Second)/perSecond).Draw(t, "pause")))
			wait, ok := r.admit(1, now)
			if ok {
				let = append(let, now)
			} else if _, after := r.admit(1, now.Add(wait)); wait <= 0 || wait > time.Second || !after {
				t.Fatalf("refused for %s, and then again", wait)
			} else {
				let = append(let, now.Add(wait))
				now = now.Add(wait)
			}
		}
		for i := range let {
			for j := i; j < len(let); j++ {
				most := perSecond*2 + int(let[j].Sub(let[i])/(time.Second/time.Duration(perSecond))) + 2
				if j-i+1 > most {
					t.Fatalf("%d within %s at a rate of %d", j-i+1, let[j].Sub(let[i]), perSecond)
				}
			}
		}
		steady, at := newRates(perSecond), time.Unix(1_800_000_000, 0)
		for range 100 {
			at = at.Add(time.Second / time.Duration(perSecond))
			if _, ok := steady.admit(2, at); !ok {
				t.Fatal("a merchant within the rate was refused")
			}
		}
	})
	// A clock that ran ahead and was put right keeps nobody out.
	r, ahead := newRates(1), time.Unix(1_800_000_000, 0)
	for range 3 {
		r.admit(1, ahead)
	}
	if wait, ok := r.admit(1, ahead.Add(-time.Hour)); !ok {
		t.Errorf("refused for %s after the clock was set back", wait)
	}
	free := newRates(0)
	for range 1000 {
		if _, ok := free.admit(program.MerchantID(1), time.Unix(0, 0)); !ok {
			t.Fatal("without a bound one was refused")
		}
	}
}

// TestABodyWithoutEndIsCutOff holds S27: of a gigabyte and of a bomb no more is read than a report may have.
func TestABodyWithoutEndIsCutOff(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, err := io.CopyN(z, zeros{}, 32<<20)
	must(t, err)
	must(t, z.Close())
	bearer := []string{"Authorization", "Bearer " + e.mine.key, "Content-Type", "application/json"}
	for _, row := range []struct {
		name    string
		body    io.Reader
		headers []string
		code    string
	}{
		{"a gigabyte", io.LimitReader(zeros{}, 1<<30), bearer, "body_too_large"},
		{"a bomb", bytes.NewReader(bomb.Bytes()), append(slices.Clone(bearer), "Content-Encoding", "gzip"), "unsupported_encoding"},
		{"a bomb that hides", bytes.NewReader(bomb.Bytes()), append(slices.Clone(bearer), "Content-Encoding", "identity", "Content-Encoding", "gzip"), "unsupported_encoding"},
		{"a bomb that does not say so", bytes.NewReader(bomb.Bytes()), bearer, "malformed_json"},
		{"brackets without end", strings.NewReader(strings.Repeat("[", maxBody)), bearer, "malformed_json"},
		{"objects in objects", strings.NewReader(strings.Repeat(`{"lines":`, 5000)), bearer, "malformed_json"},
	} {
		counted := &counter{r: row.body}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.url+"/v1/conversions", counted)
		must(t, err)
		for i := 0; i < len(row.headers); i += 2 {
			r.Header.Add(row.headers[i], row.headers[i+1])
		}
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil { // it was answered and closed while the client still sent
			if row.name != "a gigabyte" {
				t.Errorf("%s: %v", row.name, err)
			}
		} else {
			text, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if !strings.Contains(string(text), `"code":"`+row.code+`"`) {
				t.Errorf("%s: %d %s", row.name, res.StatusCode, text)
			}
		}
		if sent := counted.count(); sent > 16<<20 {
			t.Errorf("%s: %d bytes were taken", row.name, sent)
		}
	}
	if n := len(e.records(t)); n != 0 {
		t.Errorf("%d records", n)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// counter counts what is read of a body.
type counter struct {
	mu sync.Mutex
	r  io.Reader
	n  int64
}

func (c *counter) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

func (c *counter) count() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// TestSlowClientsHoldNobodyUp holds S27: while many connections send a byte at a time, others are answered, and the slow
// ones are gone within the time that headers may take. TRIBUTARY_FULL makes it 5,000, with the times of the others.
func TestSlowClientsHoldNobodyUp(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	slow := 300
	full := os.Getenv("TRIBUTARY_FULL") != ""
	if full {
		slow = 5000
	}
	every := time.Duration(slow) * time.Second / 600 // however many there are, they send 600 bytes a second: it is they who take time here
	alone := e.answerTimes(t, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lived := make(chan time.Duration, slow)
	before := runtime.NumGoroutine()
	for n := range slow {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(e.url, "http://"))
		must(t, err)
		go func() { lived <- trickle(ctx, conn, n%2 == 0, e.mine.key, every) }()
	}
	beside := e.answerTimes(t, 1000)
	t.Logf("%d slow connections, %d goroutines more: p50 %s and p99 %s alone, %s and %s beside them", slow, runtime.NumGoroutine()-before,
		alone[len(alone)/2], alone[len(alone)*99/100], beside[len(beside)/2], beside[len(beside)*99/100])
	if full && beside[len(beside)*99/100] > 2*alone[len(alone)*99/100] {
		t.Error("others waited more than twice as long")
	}
	for range slow {
		if took := <-lived; took > readBodyTimeout+30*time.Second {
			t.Fatalf("a slow connection lived for %s", took)
		}
	}
}

// answerTimes follows a link many times, and gives how long each took, sorted.
func (e *edge) answerTimes(t *testing.T, times int) []time.Duration {
	t.Helper()
	took := make([]time.Duration, times)
	for n := range took {
		began := time.Now()
		if a := e.ask(t, "GET", "/c/"+e.mine.link.Code, nil, "User-Agent", firefox+strconv.Itoa(n)); a.status != 302 {
			t.Fatalf("a visitor was answered %d", a.status)
		}
		took[n] = time.Since(began)
	}
	slices.Sort(took)
	return took
}

// trickle sends a byte now and then, of the headers or of the body, until the server has had enough.
func trickle(ctx context.Context, conn net.Conn, inHeaders bool, key string, every time.Duration) time.Duration {
	defer conn.Close()
	began := time.Now()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	open := "POST /v1/conversions HTTP/1.1\r\nHost: x\r\n"
	if !inHeaders {
		open += "Authorization: Bearer " + key + "\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{"
	}
	if _, err := io.WriteString(conn, open); err != nil {
		return time.Since(began)
	}
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, conn)
		close(ended)
	}()
	next := time.NewTimer(rand.N(every))
	defer next.Stop()
	for {
		select {
		case <-ended:
			return time.Since(began)
		case <-next.C:
			next.Reset(every)
			if _, err := conn.Write([]byte("a")); err != nil {
				return time.Since(began)
			}
		}
	}
}

package tracker

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestAReportIsUTF8 holds that a body in another encoding is refused for it, and not for what its bytes look like.
func TestAReportIsUTF8(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	for contentType, code := range map[string]string{
		"application/json": "", "application/json; charset=utf-8": "", `application/json;charset="UTF-8"`: "", "application/json; odata=verbose": "",
		"application/json; charset=utf-16": "unsupported_charset", "application/json; charset=iso-8859-1": "unsupported_charset", `application/json; charset=""`: "unsupported_charset",
		"application/json; charset": "unsupported_type", "text/json": "unsupported_type",
	} {
		a := e.ask(t, "POST", "/v1/conversions", strings.NewReader(`{"order_id":"1","amount":1,"currency":"GBP"}`), "Content-Type", contentType, "Authorization", "Bearer "+e.mine.key)
		if code == "" && a.status != http.StatusOK {
			t.Errorf("%s: %d %s", contentType, a.status, a.body)
		}
		if code != "" {
			if p := problem(t, a); p.Status != http.StatusUnsupportedMediaType || p.Code != code {
				t.Errorf("%s: %d %s, want %s", contentType, p.Status, p.Code, code)
			}
		}
	}
}

// TestNoAnswerIsTakenForAnotherType holds that every answer but a redirect, which has no body, forbids guessing what it is.
func TestNoAnswerIsTakenForAnotherType(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	seen := map[string]bool{}
	for _, r := range e.echo.Routes() {
		for _, path := range []string{strings.NewReplacer("*", "nothing", ":code", "unauthorized").Replace(r.Path), strings.NewReplacer(":code", "nothing").Replace(r.Path)} {
			a := e.ask(t, r.Method, path, strings.NewReader("{}"), "Authorization", "Bearer "+e.mine.key, "Content-Type", "application/json")
			if a.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s %s: %d without nosniff", r.Method, path, a.status)
			}
			seen[r.Path] = true
		}
	}
	if len(seen) < 6 {
		t.Errorf("only %v", seen)
	}
}

// TestNothingIsReadBehindAnAmbiguousBody holds RFC 9112 section 6.1: where a request tells its length by chunks, whatever its
// Content-Length says to a proxy in front, the connection ends with its answer, and what was sent behind it is no request.
func TestNothingIsReadBehindAnAmbiguousBody(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	const order = `{"order_id":"1","amount":1,"currency":"GBP"}`
	for _, row := range []struct {
		name, framing, body string
		answers             int
	}{
		{"a length", fmt.Sprintf("Content-Length: %d\r\n", len(order)), order, 2},
		{"chunks", "Transfer-Encoding: chunked\r\n", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(order), order), 1},
		{"both", fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n", len(order)+9), fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(order), order), 1},
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(e.url, "http://"))
		must(t, err)
		must(t, conn.SetDeadline(time.Now().Add(time.Minute)))
		_, err = fmt.Fprintf(conn, "POST /v1/conversions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n%s\r\n%s"+
			"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", e.mine.key, row.framing, row.body)
		must(t, err)
		in, answers := bufio.NewReader(conn), 0
		for {
			answer, err := http.ReadResponse(in, nil)
			if err != nil {
				break
			}
			if answers++; answer.StatusCode != http.StatusOK {
				t.Errorf("%s: answer %d has status %d", row.name, answers, answer.StatusCode)
			}
			_ = answer.Body.Close()
		}
		_ = conn.Close()
		if answers != row.answers {
			t.Errorf("%s: %d answers, want %d", row.name, answers, row.answers)
		}
	}
}

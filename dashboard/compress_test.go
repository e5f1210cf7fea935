package dashboard

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// Pages are compressed for browsers that no other site made ask (BREACH), and read the same.
func TestPagesAreCompressedForTheirOwnReadersAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 20 {
		w.order(sale{id: "A-1" + number10(int64(i)), link: w.link})
	}
	c := w.as("shop@example.net")
	w.server.now = func() time.Time { return w.now } // paper names the second
	plain := c.page("/merchant/orders?q=A-1")
	for _, fact := range []struct {
		from, encoding string
		want           bool
	}{
		{"same-origin", "gzip, deflate, br", true},
		{"none", "br;q=1.0, GZIP;q=0.5", true},
		{"none", "deflate", false},
		{"none", "gzip;q=0, br", false},
		{"none", "gzip; q=0.0", false},
		{"none", "", false},
		{"same-site", "gzip", false},
		{"cross-site", "gzip", false},
		{"", "gzip", false},
	} {
		c.header = http.Header{"Sec-Fetch-Site": {fact.from}, "Accept-Encoding": {fact.encoding}}
		got := c.page("/merchant/orders?q=A-1")
		if zipped := got.header.Get("Content-Encoding") == "gzip"; zipped != fact.want {
			t.Errorf("asked by %q with %q: compressed %v, want %v", fact.from, fact.encoding, zipped, fact.want)
		}
		if !slices.Contains(got.header.Values("Vary"), "Accept-Encoding, Sec-Fetch-Site") {
			t.Errorf("it varies by %q", got.header.Values("Vary"))
		}
		if !fact.want {
			continue
		}
		if len(got.body)*3 > len(plain.body) {
			t.Errorf("%d bytes became %d", len(plain.body), len(got.body))
		}
		if got.body = unzip(t, got.body); got.text() != plain.text() {
			t.Errorf("compressed it reads: %s", got.text())
		}
	}
}

// Whoever could measure the answer that shows a key, with a label of their choice beside it, would guess it piece by piece.
func TestTheAnswerThatShowsAKeyIsNotCompressed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("shop@example.net")
	c.header = http.Header{"Sec-Fetch-Site": {"same-origin"}, "Accept-Encoding": {"gzip"}}
	for label, want := range map[string]int{"shop server": http.StatusCreated, "": http.StatusUnprocessableEntity} {
		got := c.post("/merchant/keys", url.Values{"label": {label}})
		if got.status != want || got.header.Get("Content-Encoding") != "" || !strings.Contains(got.body, "<html") {
			t.Errorf("the answer to label %q: status %d, %q", label, got.status, got.header)
		}
	}
	if got := c.page("/merchant/developers"); got.header.Get("Content-Encoding") != "gzip" {
		t.Errorf("the page of keys: %q", got.header)
	}
}

func unzip(t *testing.T, zipped string) string {
	t.Helper()
	r, err := gzip.NewReader(strings.NewReader(zipped))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

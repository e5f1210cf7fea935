package tracker

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/event"
	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/program"
)

// TestOnlyAPersonsVisitCountsInARealBrowser holds S3: a page that loads a link by itself, in every way that cookie stuffers
// use, brings no click that counts and no click id; a page that goes there brings one.
func TestOnlyAPersonsVisitCountsInARealBrowser(t *testing.T) {
	t.Parallel()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("there is no chromium")
	}
	e := newEdge(t, nil)
	var mu sync.Mutex // over what the shop knows
	var page string
	arrived := 0 // at the shop with a click id
	withID := func() int {
		mu.Lock()
		defer mu.Unlock()
		return arrived
	}
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("Content-Type", "text/html")
		if r.URL.Path == "/page" {
			_, _ = io.WriteString(w, page)
			return
		}
		if r.URL.Query().Has("tclid") {
			arrived++
		}
	}))
	defer shop.Close()
	link := localLink(t, e, shop.URL+"/shop")
	address := e.url + "/c/" + link.Code
	visit := func(content string) []*event.Event {
		mu.Lock()
		page = strings.ReplaceAll(content, "{link}", address)
		mu.Unlock()
		before := len(e.records(t))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		out, err := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
			"--disable-background-networking", "--disable-component-update", "--user-data-dir="+t.TempDir(), "--timeout=20000", "--dump-dom",
			"--user-agent=Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36", shop.URL+"/page").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return e.records(t)[before:]
	}
	stuffed := visit(`<img src="{link}?sub1=img"><iframe src="{link}?sub1=iframe"></iframe><script src="{link}?sub1=script"></script>
<link rel="stylesheet" href="{link}?sub1=style"><link rel="prefetch" href="{link}?sub1=prefetch"><object data="{link}?sub1=object"></object>
<script type="speculationrules">{"prefetch":[{"source":"list","urls":["{link}?sub1=speculation"],"eagerness":"immediate"}]}</script>
<script>fetch("{link}?sub1=fetch",{mode:"no-cors"})</script>`)
	ways := map[string]bool{}
	for _, r := range stuffed {
		ways[r.GetClick().GetSub1()] = true
		if r.GetClick().GetMarks()&event.MarkEmbedded == 0 {
			t.Errorf("loading by %s counts: %v", r.GetClick().GetSub1(), r)
		}
	}
	for _, way := range []string{"img", "iframe", "script", "style", "object", "fetch"} {
		if !ways[way] {
			t.Errorf("nothing was loaded by %s", way)
		}
	}
	if ways["prefetch"] || ways["speculation"] || withID() > 0 {
		t.Errorf("loaded by %v, %d arrived with a click id", ways, withID())
	}
	followed := visit(`<a id="a" href="{link}?sub1=anchor">go</a><script>document.getElementById("a").click()</script>`)
	if len(followed) != 1 || followed[0].GetClick().GetMarks() != 0 || withID() != 1 {
		t.Errorf("following the link: %v, %d arrived with a click id", followed, withID())
	}
}

// localLink makes a link of a program that lives on this machine.
func localLink(t *testing.T, e *edge, target string) *partners.Link {
	t.Helper()
	ctx := t.Context()
	var link *partners.Link
	must(t, postgres.InTx(ctx, e.db, func(tx pgx.Tx) error {
		program, err := partners.CreateProgram(ctx, tx, partners.NewProgram{
			Merchant: e.mine.merchant, Name: "Local", LandingURL: target, Currencies: []string{"GBP"},
			Terms: []program.Version{{Document: program.NewDocument(time.Hour, 0, 0, program.Rates{})}},
		})
		if err != nil {
			return err
		}
		if err := partners.Enrol(ctx, tx, program, e.mine.partner); err != nil {
			return err
		}
		link, err = partners.CreateLink(ctx, tx, partners.NewLink{Program: program, Partner: e.mine.partner})
		return err
	}))
	eventually(t, "the link is seen", func() bool { _, ok := e.catalogue.Link(link.ID); return ok })
	return link
}

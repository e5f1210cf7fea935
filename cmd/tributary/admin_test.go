package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/dashboard"
	"tributary/internal/money"
	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/access"
	"tributary/partners/program"
	"tributary/test/engines"
)

func TestAnOperatorMakesANetworkByCommands(t *testing.T) {
	t.Parallel()
	address := engines.PostgresURL(t)
	environ := []string{"TRIBUTARY_POSTGRES_URL=" + engines.As(address, postgres.Operator), "TRIBUTARY_DATA=" + t.TempDir()}
	soon := time.Now().Add(time.Hour).Format(time.RFC3339)
	document := program.NewDocument(720*time.Hour, 0, 200_000, program.Rates{program.Site: {"*": 90_000}})
	wrong := filepath.Join(t.TempDir(), "wrong.json")
	if err := os.WriteFile(wrong, bytes.Replace(document.JSON(), []byte("percent"), []byte("percents"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	dearer, sooner := filepath.Join(t.TempDir(), "dearer.json"), time.Now().Add(time.Minute*30).Format(time.RFC3339)
	more := program.NewDocument(720*time.Hour, 0, 250_000, nil)
	if err := os.WriteFile(dearer, more.JSON(), 0o600); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for _, row := range []struct {
		command string
		prints  string
		refused string
	}{
		{"create-merchant|Fernhill", "1\n", ""},
		{"create-merchant|", "", "merchant"},
		{"create-program|1|Partners|--landing|https://fernhill.example/|--currency|GBP,EUR|--rate|site=8|--rate|site:footwear=12.5|--rate|member=5|--network-fee|20", "1\n", ""},
		{"create-program|9|Partners|--landing|https://fernhill.example/|--currency|GBP|--rate|site=8", "", "does not exist"},
		{"create-program|1|Partners|--landing|fernhill|--currency|GBP|--rate|site=8", "", "landing_url"},
		{"create-program|1|Partners|--landing|https://fernhill.example/|--currency|GBP|--rate|site=8,5x", "", "--rate"},
		{"create-program|1|Partners|--landing|https://fernhill.example/|--currency|GBP|--rate|friend=8", "", "friend"},
		{"create-program|1|Partners|--landing|https://fernhill.example/|--currency|GBP|--rate|site=101", "", "not a number of percent"},
		{"create-program|one|Partners|--landing|https://fernhill.example/|--currency|GBP|--rate|site=1", "", "MERCHANT"},
		{"add-terms|--program|1|--from|" + soon + "|--document|-", "2\n", ""},
		{"add-terms|--program|1|--from|" + soon + "|--document|-", "", "already"},
		{"add-terms|--program|1|--from|" + sooner + "|--document|" + dearer, "3\n", ""},
		{"add-terms|--program|1|--from|" + soon + "|--document|" + wrong, "", "rules[0].pay.percents: there is no such field"},
		{"add-terms|--program|1|--from|" + soon + "|--document|/nowhere", "", "/nowhere"},
		{"void-order|--merchant|1|--order|A-1|--note|a trial", "", "No order A-1"},
		{"void-order|--merchant|1|--order|A-1", "", "note"},
		{"settle-claim|7|granted|--note|a trial", "", "no such claim"},
		{"settle-claim|seven|granted|--note|a trial", "", "seven"},
		{"open-dispute|--merchant|1|--order|A-1|--dispute|d", "", "whole-order"},
		{"open-dispute|--merchant|1|--order|A-1|--dispute|d|--amount|5|--whole-order", "", "whole-order"},
		{"open-dispute|--merchant|1|--order|A-1|--dispute|d|--amount|5", "", "No order A-1"},
		{"open-dispute|--merchant|1|--order|A-1|--dispute| |--amount|0", "", "dispute: it is missing"},
		{"settle-dispute|7|lost", "", "no such dispute"},
		{"settle-dispute|seven|lost", "", "seven"},
		{"settle-dispute|7|open", "", "give won or lost"},
		{"hold-order|--merchant|1|--order|A-1|--note|strange|--partner|1", "", "No order A-1"},
		{"release-order|--merchant|1|--order|A-1|--note|looked at", "", "No order A-1"},
		{"decline-order|--merchant|1|--order|A-1|--note|strange|--code|fraud", "", "No order A-1"},
		{"decline-order|--merchant|1|--order|A-1|--note|strange|--code|dislike", "", ": code: \"dislike\" is not one of the known values (give one of fraud, self_referral, "},
		{"hold-order|--merchant|1|--order|clicks/2026-09-07/1/1|--clicks|--note|strange", "", "No order clicks/2026-09-07/1/1"},
		{"hold-order|--merchant|1|--order|A-1|--clicks|--test|--note|strange", "", "clicks"},
		{"decline-order|--merchant|1|--order|A-1|--note|strange", "", "code"},
		{"extend-order|--merchant|1|--order|A-1|--note|more time|--until|soon", "", "--until"},
		{"extend-order|--merchant|1|--order|A-1|--note|more time|--until|2026-12-24T00:00:00Z", "", "No order A-1"},
		{"approve-order|--merchant|1|--order|A-1|--note|a good one", "", "No order A-1"},
		{"replace-report|--merchant|1|--order|A-1|--note|the right one|--report|0f", "", "report"},
		{"undo-review|1|--note|a mistake", "", "There is no review 1, or it is another side's."},
		{"undo-review|first|--note|a mistake", "", "NUMBER"},
		{"add-terms|--program|9|--from|" + soon + "|--document|-", "", "does not exist"},
		{"add-terms|--program|1|--from|tomorrow|--document|-", "", "--from"},
		{"add-terms|--program|1|--from|2020-01-01T00:00:00Z|--document|-", "", "effective_from: it is not a minute away"},
		{"create-partner|Trail Notes|--site|https://trailnotes.example", "1\n", ""},
		{"create-partner|Trail Notes|--kind|friend", "", "--kind"},
		{"enrol|1|1", "", ""},
		{"enrol|1|2", "", "does not exist"},
		{"add-fact|--program|1|--partner|1|--kind|group|--value|vip|--from|2020-01-01T00:00:00Z", "1\n", ""}, // before the first order
		{"add-fact|--program|1|--partner|1|--kind|group|--value|vip|--ends|--note|asked for it", "2\n", ""},
		{"add-fact|--program|1|--partner|1|--kind|recruiter|--value|1", "", "value: nobody recruits themselves"},
		{"add-fact|--program|1|--partner|1|--kind|recruiter|--value|987654", "", "value: partner 987654 is not in the program"},
		{"add-fact|--program|1|--partner|1|--kind|friend|--value|1", "", "kind: \"friend\" is not one of the known values"},
		{"add-fact|--program|1|--partner|2|--kind|group|--value|vip", "", "does not exist"},
		{"add-fact|--program|1|--partner|1|--kind|group|--value|vip|--from|soon", "", "--from"},
		{"set-state|--program|1|--partner|1|--state|paused|--from|2199-01-01T00:00:00.0009Z|--note|asked for it", "2199-01-01T00:00:00Z\n", ""},
		{"set-state|--program|1|--partner|1|--state|paused|--from|2199-02-01T00:00:00Z", "", "value: it cannot follow"},
		{"set-state|--program|1|--partner|1|--state|gone", "", "value: \"gone\" is not one of the known values"},
		{"set-state|--program|1|--partner|2|--state|paused", "", "does not exist"},
		{"set-state|--program|1|--partner|1|--state|paused|--from|soon", "", "--from"},
		{"add-coupon|KITCHEN10|--program|1|--partner|1|--exclusive|--from|2020-01-01T00:00:00Z", "1\n", ""}, // before the first order
		{"add-coupon| kitchen10|--program|1|--partner|1|--exclusive", "1\n", ""},
		{"add-coupon|kitchen10|--program|1", "", "code: the code \"kitchen10\" has another coupon at that time"},
		{"add-coupon|MIRA|--program|1|--kind|code", "", "partner: a referral code is a partner's"},
		{"add-coupon|MIRA|--program|9", "", "no such program"},
		{"add-coupon|MIRA|--program|1|--until|never", "", "--until"},
		{"add-coupons|-|--program|1", "Line 3, code \"GONE\": partner: no partner of the program is called \"Nobody\"; give the number, name or site of a partner of this program.\n1 added, 0 there already, 1 not added\n", "One line was not added"},
		{"add-coupons|/nowhere|--program|1", "", "/nowhere"},
		{"end-coupon|1|--from|2999-01-01T00:00:00Z", "The coupon is in force until 2999-01-01T00:00:00Z.\n", ""},
		{"end-coupon|1", "", "its end is set already"},
		{"end-coupon|99", "", "no such coupon"},
		{"end-coupon|one", "", "COUPON"},
		{"setup-code", "CODE\n", ""},
		{"invite|anna|--network", "", "e-mail"},
		{"invite|anna@trailnotes.example", "", "give one organisation"},
		{"invite|anna@trailnotes.example|--merchant|0", "", "give one organisation"},
		{"invite|anna@trailnotes.example|--network|--partner|0", "", "give one organisation"},
		{"invite|anna@trailnotes.example|--network|--merchant|1", "", "give one organisation"},
		{"invite|anna@trailnotes.example|--network|--role|king", "", "--role"},
		{"invite|anna@trailnotes.example|--merchant|1|--partner|1", "", "--partner"},
		{"invite|anna@trailnotes.example|--role|manager|--partner|1", "", "--role"},
		{"invite|anna@trailnotes.example|--partner|99", "", "no such thing"},
		{"invite|Anna@trailnotes.example|--partner|1", "LINK\n", ""}, // and she accepts
		{"invite|anna@trailnotes.example|--partner|1", "", "a seat there already"},
		{"add-seat|anna@trailnotes.example|--role|viewer|--merchant|1", "", ""},
		{"add-seat|anna@trailnotes.example|--partner|1", "", "already"},
		{"add-seat|nobody@trailnotes.example", "", "give one organisation"},
		{"add-seat|nobody@trailnotes.example|--network", "", "not"},
		{"end-seat|Anna@trailnotes.example|--merchant|1", "", ""},
		{"end-seat|anna@trailnotes.example|--merchant|1", "", "not"},
		{"end-seat|anna@trailnotes.example", "", "give one organisation"},
		{"disable|anna@trailnotes.example", "", ""},
		{"enable|anna@trailnotes.example", "", ""},
		{"reset-link|Anna@trailnotes.example", "LINK\n", ""},
		{"reset-link|nobody@trailnotes.example", "", "not"},
		{"disable|nobody@trailnotes.example", "", "not"},
	} {
		var out strings.Builder
		root := newRoot(environ)
		switch name, _, _ := strings.Cut(row.command, "|"); name {
		case "add-terms":
			root.SetIn(bytes.NewReader(document.JSON()))
		case "add-coupons":
			root.SetIn(strings.NewReader("code,partner\nMIRA,Trail Notes\nGONE,Nobody\n"))
		}
		root.SetOut(&out)
		root.SetErr(io.MultiWriter(&said, testLog{t}))
		root.SetArgs(append([]string{"admin"}, strings.Split(row.command, "|")...))
		err := root.ExecuteContext(t.Context())
		switch {
		case row.refused != "" && (err == nil || !strings.Contains(err.Error(), row.refused)):
			t.Errorf("%s: %v, want a refusal that names %q", row.command, err, row.refused)
		case row.refused == "" && err != nil:
			t.Errorf("%s: %v", row.command, err)
		case oneTime(out.String()) != row.prints: // also where something is refused
			t.Errorf("%s printed %q, want %q", row.command, out.String(), row.prints)
		}
		if _, link, found := strings.Cut(out.String(), "/invite/"); found {
			accept(t, address, access.Link(strings.TrimSpace(link)))
		}
	}
	if warned := said.String(); strings.Count(warned, "Warning") != 1 || !strings.Contains(warned, "version 2 begins later") || !strings.Contains(warned, "a network fee of 20 %, not 25 %") {
		t.Errorf("of the fee of later terms is said: %s", warned)
	}
}

// oneTime puts LINK and CODE in place of what is printed once.
func oneTime(printed string) string {
	printed = regexp.MustCompile(`http://\S+/(?:invite|reset)/[\w-]{43}\n`).ReplaceAllString(printed, "LINK\n")
	return regexp.MustCompile(`^Nobody owns this network yet. Set it up at http://\S+/setup\nwith the code [0-9A-Z-]{23}, within a day.\n$`).ReplaceAllString(printed, "CODE\n")
}

// accept accepts an invitation.
func accept(t *testing.T, address string, link access.Link) {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), engines.As(address, postgres.Dashboard))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	hash, err := dashboard.HashPassword("correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	if err := access.New(pool).Accept(t.Context(), access.Actor{}, link, "Anna", hash); err != nil {
		t.Fatal(err)
	}
}

func TestRatesAreReadAsPartsPerMillion(t *testing.T) {
	t.Parallel()
	rates, err := parseRates([]string{"site=8", "site:footwear=12.5", "member=0.0001", "member:*=100%"})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		kind     program.Kind
		category string
		want     money.Rate
	}{
		{program.Site, program.AnyCategory, 80_000}, {program.Site, "footwear", 125_000}, {program.Member, program.AnyCategory, 1_000_000},
	} {
		if got := rates[row.kind][row.category]; got != row.want {
			t.Errorf("%s %s: %d, want %d", row.kind, row.category, got, row.want)
		}
	}
	for _, texts := range [][]string{{"site"}, {"site:=1"}, {"site=1,5"}} {
		if rates, err := parseRates(texts); err == nil {
			t.Errorf("%q were read as %v", texts, rates)
		}
	}
}

func TestAnOperatorIssuesAndEndsKeys(t *testing.T) {
	t.Parallel()
	address := engines.PostgresURL(t)
	environ := []string{"TRIBUTARY_POSTGRES_URL=" + engines.As(address, postgres.Operator), "TRIBUTARY_DATA=" + t.TempDir()}
	run := func(args ...string) (string, error) {
		return tributary(t.Context(), t, environ, append([]string{"admin"}, args...)...)
	}
	if _, err := run("create-merchant", "Fernhill"); err != nil {
		t.Fatal(err)
	}
	for number, row := range []struct {
		args  []string
		opens string
	}{{[]string{"create-key", "1", "server"}, "tk_live_"}, {[]string{"create-key", "1", "server", "--signs"}, partners.SecretMark}, {[]string{"create-key", "1", "till", "--scopes", "orders"}, "tk_live_"}} {
		out, err := run(row.args...)
		if err != nil || !strings.HasPrefix(out, fmt.Sprintf("%d %s", number+1, row.opens)) || len(out) < 50 {
			t.Errorf("%v: %q, %v", row.args, out, err)
		}
		if _, err := run("revoke-key", "1", strconv.Itoa(number+1)); err != nil {
			t.Error(err)
		}
	}
	for _, args := range [][]string{{"create-key", "2", "server"}, {"create-key", "2", "server", "--signs"}, {"create-key", "x", "server"}, {"create-key", "1", "server", "--scopes", "everything"}, {"create-key", "1", "server", "--scopes", ""}, {"revoke-key", "1", "9"}, {"revoke-key", "2", "1"}, {"revoke-key", "1", "x"}} {
		if out, err := run(args...); err == nil {
			t.Errorf("%v printed %q", args, out)
		}
	}
	db, err := postgres.Open(t.Context(), engines.As(address, postgres.Operator), postgres.Operator, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var live int
	if err := db.QueryRow(t.Context(), `SELECT count(*) FROM api_key WHERE revoked_at IS NULL`).Scan(&live); err != nil || live != 0 {
		t.Errorf("%d keys live, %v", live, err)
	}
}

package partners

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"tributary/internal/fault"
	"tributary/internal/postgres"
	"tributary/partners/program"
	"tributary/test/engines"
)

func TestAProgramNamesEveryFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		change func(*NewProgram)
		want   []string
	}{
		{"as it should be", func(*NewProgram) {}, nil},
		{"no name", func(n *NewProgram) { n.Name = " " }, []string{"name"}},
		{"a landing page without https", func(n *NewProgram) { n.LandingURL = "http://shop.example/" }, []string{"landing_url"}},
		{"a landing page on this machine", func(n *NewProgram) { n.LandingURL = "http://127.0.0.1:8080/shop" }, nil},
		{"a landing page elsewhere", func(n *NewProgram) { n.Domains = []string{"other.example"} }, []string{"landing_url"}},
		{"a domain that is everyone's", func(n *NewProgram) { n.Domains = []string{"shop.example", "co.uk", "github.io", "com"} }, []string{"domains[1]", "domains[2]", "domains[3]"}},
		{"a domain that is no host", func(n *NewProgram) { n.Domains = []string{"https://shop.example"} }, []string{"domains[0]"}},
		{"a parameter that needs encoding", func(n *NewProgram) { n.ClickParam = "click id" }, []string{"click_param"}},
		{"currencies that are none", func(n *NewProgram) { n.Currencies = []string{"EUR", "DEM", "eur"} }, []string{"currencies", "currencies"}},
		{"no currency", func(n *NewProgram) { n.Currencies = nil }, []string{"currencies"}},
		{"no terms", func(n *NewProgram) { n.Terms = nil }, []string{"terms"}},
		{"terms out of bounds", func(n *NewProgram) {
			rates := program.Rates{"shop": {"*": 0}, program.Site: {"*": 1_000_001}}
			n.Terms = []program.Version{{Document: program.NewDocument(time.Millisecond, -time.Second, -1, rates)}}
		}, []string{
			"terms[0].attribution.touches.click.window", "terms[0].hold", "terms[0].network_fee",
			"terms[0].rules[0].where.partner_kind", "terms[0].rules[1].pay.percent",
		}},
		{"several at once", func(n *NewProgram) { n.Name, n.ClickParam, n.Currencies = "", "&", nil }, []string{"name", "click_param", "currencies"}},
	} {
		n := shopProgram(1)
		row.change(&n)
		_, err := n.check()
		var got []string
		if err != nil {
			var kind fault.Kind
			if kind, got = faultOf(err); kind != fault.Invalid {
				t.Errorf("%s: %v", row.name, err)
			}
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
	}
}

func TestTermsStandUnderRulesThatTheirReadersKnow(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	s := newShop(t, db)
	plain := program.NewDocument(time.Hour, 0, 0, nil)
	full := plain
	full.Currency = "GBP"
	usual := plain
	usual.Attribution.Touches.Click = &program.Touching{} // its window is left out
	for n, row := range []struct {
		version program.Version
		rules   int
	}{
		{program.Version{Document: plain}, 1},
		{program.Version{Document: full}, 3},
		{program.Version{Document: usual}, 3},
		{program.Version{Document: plain, NeedsAcceptance: true}, 3},
		{program.Version{Document: plain, Rules: 2}, 2},
		{program.Version{Document: plain}, 1},
	} {
		row.version.EffectiveFrom = time.Now().Add(time.Duration(n+1) * time.Hour)
		must(t, postgres.InTx(t.Context(), db, func(tx pgx.Tx) error {
			_, err := AddTerms(t.Context(), tx, s.program, row.version)
			return err
		}))
		terms, err := ReadTerms(t.Context(), db, s.program)
		must(t, err)
		if set := terms[s.program]; set[len(set)-1].Rules != row.rules {
			t.Errorf("row %d stands under rules %d, not %d", n, set[len(set)-1].Rules, row.rules)
		}
	}
}

func TestFirstTermsReachBackAndLaterOnesForward(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	ctx := t.Context()
	s := newShop(t, db) // its terms begin in 2010
	add := func(id program.ProgramID, from time.Time) (version int, err error) {
		err = postgres.InTx(ctx, db, func(tx pgx.Tx) error {
			version, err = AddTerms(ctx, tx, id, program.Version{EffectiveFrom: from, Document: program.NewDocument(time.Hour, 0, 0, nil)})
			return err
		})
		return version, err
	}
	later := time.Now().Add(time.Hour)
	if version, err := add(s.program, later); version != 2 || err != nil {
		t.Errorf("terms from now on: version %d, %v", version, err)
	}
	if version, err := add(s.program, later.Add(time.Hour)); version != 3 || err != nil {
		t.Errorf("terms after those: version %d, %v", version, err)
	}
	for name, row := range map[string]struct {
		program program.ProgramID
		from    time.Time
		want    fault.Kind
	}{
		"in the past":           {s.program, time.Now().Add(-time.Hour), fault.Invalid},
		"at a time that has it": {s.program, later, fault.Conflict},
		"of no program":         {s.program + 100, later, fault.NotFound},
	} {
		_, err := add(row.program, row.from)
		if kind, _ := faultOf(err); err == nil || kind != row.want {
			t.Errorf("terms %s: %v", name, err)
		}
	}
}

func TestTheTermsInForce(t *testing.T) {
	t.Parallel()
	june := time.Date(2011, 6, 1, 0, 0, 0, 0, time.UTC)
	p := &Program{Terms: []program.Terms{{Version: 1, EffectiveFrom: longAgo}, {Version: 2, EffectiveFrom: june}}}
	for _, row := range []struct {
		at   time.Time
		want int
	}{
		{longAgo.Add(-time.Microsecond), 0},
		{longAgo, 1},
		{june.Add(-time.Microsecond), 1},
		{june, 2},
		{june.AddDate(10, 0, 0), 2},
	} {
		terms, ok := p.TermsAt(row.at)
		if ok != (row.want > 0) || ok && terms.Version != row.want {
			t.Errorf("at %s: %+v, want version %d", row.at, terms, row.want)
		}
	}
}

func TestALinkIsMadeOrTheFieldNamed(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	ctx := t.Context()
	s := newShop(t, db)
	stranger, err := CreatePartner(ctx, db, NewPartner{Kind: program.Member, Name: "Stranger"})
	must(t, err)
	_, err = CreateLink(ctx, db, NewLink{Program: s.program, Partner: s.partner, Code: "taken"})
	must(t, err)
	for _, row := range []struct {
		name   string
		link   NewLink
		kind   fault.Kind
		fields []string
	}{
		{"a target elsewhere", NewLink{Target: "https://evil.example"}, fault.Invalid, []string{"target"}},
		{"a code with capitals", NewLink{Code: "Summer"}, fault.Invalid, []string{"code"}},
		{"a code too short", NewLink{Code: "ab"}, fault.Invalid, []string{"code"}},
		{"a code too long", NewLink{Code: strings.Repeat("a", 65)}, fault.Invalid, []string{"code"}},
		{"a code with a hyphen in front", NewLink{Code: "-abc"}, fault.Invalid, []string{"code"}},
		{"a code that is taken", NewLink{Code: "taken"}, fault.Conflict, []string{"code"}},
		{"a label too long", NewLink{Label: strings.Repeat("x", 201)}, fault.Invalid, []string{"label"}},
		{"a partner not enrolled", NewLink{Partner: stranger}, fault.Invalid, []string{"program"}},
		{"a program that is not there", NewLink{Program: 999}, fault.NotFound, nil},
	} {
		if row.link.Program == 0 {
			row.link.Program = s.program
		}
		if row.link.Partner == 0 {
			row.link.Partner = s.partner
		}
		_, err := CreateLink(ctx, db, row.link)
		kind, fields := faultOf(err)
		if err == nil || kind != row.kind || cmp.Diff(row.fields, fields) != "" {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	for _, code := range []string{"abc", strings.Repeat("a", 64), "summer-sale-2026"} {
		if _, err := CreateLink(ctx, db, NewLink{Program: s.program, Partner: s.partner, Code: code}); err != nil {
			t.Errorf("%s: %v", code, err)
		}
	}
}

func TestRandomCodesAreLikeOneAnotherOnlyInForm(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	letters := map[rune]int{}
	const n = 20_000
	for range n {
		code := newCode()
		if len(code) != codeLength || !validCode(code) {
			t.Fatalf("code %q", code)
		}
		seen[code] = true
		for _, r := range code {
			letters[r]++
		}
	}
	if len(seen) < n-1 { // two alike among 20,000 of 4 x 10^11 happen once in 2,000 runs
		t.Errorf("%d codes gave only %d", n, len(seen))
	}
	mean := n * codeLength / len(codeAlphabet)
	for _, r := range codeAlphabet {
		if got := letters[r]; got < mean*9/10 || got > mean*11/10 {
			t.Errorf("letter %c came %d times, the mean is %d", r, got, mean)
		}
	}
}

func TestAKeyIsShownOnceAndKeptAsItsHash(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	ctx := t.Context()
	s := newShop(t, db)
	other, err := CreateMerchant(ctx, db, "Other")
	must(t, err)
	key, id, err := IssueKey(ctx, db, s.merchant, "server", Reporting)
	must(t, err)
	sum, ok := KeyHash(key)
	if !ok || !strings.HasPrefix(key, "tk_live_") || len(key) != 57 {
		t.Fatalf("key %q", key)
	}
	var row string
	must(t, db.QueryRow(ctx, `SELECT k::text FROM api_key k WHERE id = $1`, id).Scan(&row))
	if strings.Contains(row, key[len(keyMark)+5:]) || !strings.Contains(row, key[:12]) {
		t.Errorf("the row is %s", row)
	}
	state := func() (owner program.MerchantID, revoked bool) {
		must(t, db.QueryRow(ctx, `SELECT merchant_id, revoked_at IS NOT NULL FROM api_key WHERE hash = $1`, sum[:]).Scan(&owner, &revoked))
		return owner, revoked
	}
	if owner, revoked := state(); owner != s.merchant || revoked {
		t.Errorf("owner %d, revoked %t", owner, revoked)
	}
	if kind, _ := faultOf(RevokeKey(ctx, db, other, id)); kind != fault.NotFound {
		t.Errorf("another merchant's key: kind %d", kind)
	}
	must(t, RevokeKey(ctx, db, s.merchant, id))
	must(t, RevokeKey(ctx, db, s.merchant, id))
	if _, revoked := state(); !revoked {
		t.Error("a revoked key is live")
	}
	if kind, _ := faultOf(second(IssueKey(ctx, db, 999, "", Reporting))); kind != fault.NotFound {
		t.Errorf("a key of no merchant: kind %d", kind)
	}
}

func second(_ string, _ program.KeyID, err error) error { return err }

func TestATextThatIsNoKeyHasNoHash(t *testing.T) {
	t.Parallel()
	key := newKey()
	if _, ok := KeyHash(key); !ok {
		t.Fatalf("%q is refused", key)
	}
	for i := range key {
		other := []byte(key)
		other[i] = 'A' + (other[i]-'A'+1)%26
		if string(other) == key {
			continue
		}
		if _, ok := KeyHash(string(other)); ok {
			t.Errorf("%s with character %d changed is taken for a key", key, i)
		}
	}
	for _, text := range []string{"", "tk_live_", key + "0", key[1:], strings.ToUpper(key)} {
		if _, ok := KeyHash(text); ok {
			t.Errorf("%q is taken for a key", text)
		}
	}
}

// The pages make links and keys under row policies: as the partner or merchant who asks, and for nobody else.
func TestLinksAndKeysAreMadeForOneselfOnly(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	ctx := t.Context()
	mine, theirs := newShop(t, db), newShop(t, db)
	as := func(setting string, id int64, work func(tx pgx.Tx) error) error {
		return postgres.InTx(ctx, db, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `SET LOCAL ROLE tributary_dashboard`); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `SELECT set_config($1, $2::bigint::text, true)`, setting, id); err != nil {
				return err
			}
			return work(tx)
		})
	}
	link := func(s shop) func(tx pgx.Tx) error {
		return func(tx pgx.Tx) error {
			_, err := CreateLink(ctx, tx, NewLink{Program: s.program, Partner: s.partner})
			return err
		}
	}
	key := func(s shop) func(tx pgx.Tx) error {
		return func(tx pgx.Tx) error { return second(IssueKey(ctx, tx, s.merchant, "", Reporting)) }
	}
	for _, row := range []struct {
		name    string
		setting string
		id      int64
		work    func(tx pgx.Tx) error
		ok      bool
	}{
		{"a partner's own link", "app.partner", int64(mine.partner), link(mine), true},
		{"another partner's link", "app.partner", int64(mine.partner), link(theirs), false},
		{"a merchant's own key", "app.merchant", int64(mine.merchant), key(mine), true},
		{"another merchant's key", "app.merchant", int64(mine.merchant), key(theirs), false},
	} {
		if err := as(row.setting, row.id, row.work); (err == nil) != row.ok {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

func TestAPartnerHasNoLinksWithoutEnd(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	s := newShop(t, db)
	_, err := db.Exec(t.Context(), `INSERT INTO link (code, program_id, partner_id, target_url, label, closed_at)
SELECT 'more' || n, $1, $2, 'https://shop.example/', '', CASE WHEN n % 2 = 0 THEN now() END FROM generate_series(2, $3) AS n`, s.program, s.partner, MaxLinks)
	must(t, err)
	another := func() error {
		_, err := CreateLink(t.Context(), db, NewLink{Program: s.program, Partner: s.partner})
		return err
	}
	must(t, another())
	if f := fault.Of(another()); f.Kind != fault.Conflict || f.Code != "too_many_links" || len(f.Fields) != 1 {
		t.Errorf("the link after %d: %v", MaxLinks, f)
	}
}

package evidence

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/fx"
	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/partners"
	"tributary/partners/program"
	"tributary/test/engines"
)

func TestMain(m *testing.M) { engines.Main(m) }

const day = 24 * time.Hour

func noon() time.Time { return time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC) }

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// clickOn is the text of a click id of these tests, the link and when; verifyClick reads it.
func clickOn(link program.LinkID, at time.Time) string {
	return fmt.Sprintf("%d@%d", link, at.UnixMilli())
}

func verifyClick(id string) commission.Click {
	link, at, _ := strings.Cut(id, "@")
	n, err := strconv.ParseInt(link, 10, 64)
	ms, err2 := strconv.ParseInt(at, 10, 64)
	if err != nil || err2 != nil {
		return commission.Click{ID: id, Refused: commission.MalformedClickID}
	}
	return commission.Click{ID: id, Link: program.LinkID(n), At: time.UnixMilli(ms).UTC()}
}

// sale is an order of a product for 10.00 and a service for 5.00.
func sale(merchant int64, click string, at time.Time) *event.Event {
	s := &event.Sale{MerchantId: merchant, OrderId: "A1", Currency: "GBP", ClickId: click, Lines: []*event.Line{
		{Number: 1, Sku: "A", Quantity: 1, Amount: 1000, Category: "product"},
		{Number: 2, Sku: "B", Quantity: 1, Amount: 500, Category: "service"},
	}}
	return &event.Event{Id: make([]byte, 16), ReceivedAt: event.Micros(at), OccurredAt: event.Micros(at), Body: &event.Event_Sale{Sale: s}}
}

// TestDecidingByTheNetworkInTheDatabase goes the way that the engine goes: terms, links and partners come from
// PostgreSQL, also those made since the programs were read.
func TestDecidingByTheNetworkInTheDatabase(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	ctx := t.Context()
	merchant, err := partners.CreateMerchant(ctx, db, "Shop")
	check(t, err)
	pay := func(site, member money.Rate) program.Rates {
		return program.Rates{program.Site: {"product": site}, program.Member: {"*": member}}
	}
	var shop program.ProgramID
	check(t, pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		var err error
		shop, err = partners.CreateProgram(ctx, tx, partners.NewProgram{
			Merchant: merchant, Name: "Program", LandingURL: "https://shop.example/", Currencies: []string{"GBP"},
			Terms: []program.Version{
				{EffectiveFrom: noon().Add(-100 * day), Document: program.NewDocument(7*day, day, 200_000, pay(80_000, 50_000))},
				{EffectiveFrom: noon(), Document: program.NewDocument(30*day, 2*day, 250_000, pay(100_000, 60_000))},
			},
		})
		return err
	}))
	linkOf := func(kind program.Kind) *partners.Link {
		t.Helper()
		partner, err := partners.CreatePartner(ctx, db, partners.NewPartner{Kind: kind, Name: "Partner"})
		check(t, err)
		check(t, partners.Enrol(ctx, db, shop, partner))
		link, err := partners.CreateLink(ctx, db, partners.NewLink{Program: shop, Partner: partner})
		check(t, err)
		return link
	}
	site, member, closed := linkOf(program.Site), linkOf(program.Member), linkOf(program.Site)
	_, err = db.Exec(ctx, `UPDATE link SET closed_at = now() WHERE id = $1`, closed.ID)
	check(t, err)
	known := Network{Programs: partners.NewPrograms(), Rates: fx.NewTable(), VerifyClick: verifyClick}

	for _, fact := range []struct {
		name    string
		at      time.Time
		link    program.LinkID
		age     time.Duration
		want    commission.Reason
		version int
		net     int64
	}{
		{"a site's click", noon(), site.ID, 8 * day, commission.Credited, 2, 100},
		{"a member's click", noon(), member.ID, 8 * day, commission.Credited, 2, 90},
		{"a click on a link that was closed since", noon(), closed.ID, 8 * day, commission.Credited, 2, 100},
		{"under the terms of before", noon().Add(-day), site.ID, 7 * day, commission.Credited, 1, 80},
		{"under the window of before", noon().Add(-day), site.ID, 7*day + time.Millisecond, commission.OutsideWindow, 0, 0},
		{"before all terms", noon().Add(-101 * day), site.ID, day, commission.NoTermsInForce, 0, 0},
		{"a link that does not exist", noon(), 999, day, commission.UnknownLink, 0, 0},
	} {
		o, err := commission.Fold([]*event.Event{sale(int64(merchant), clickOn(fact.link, fact.at.Add(-fact.age)), fact.at)}, commission.Said{})
		check(t, err)
		resolved, err := known.Resolve(ctx, db, []Order{{&o, &commission.Decision{}}})
		check(t, err)
		d, err := commission.Decide(o, resolved[0])
		check(t, err)
		if d.Outcome != fact.want {
			t.Errorf("%s: %s, want %s", fact.name, d.Outcome, fact.want)
			continue
		}
		if fact.want == commission.Credited && (d.Credits[0].Terms.Version != fact.version || d.Credits[0].Net != fact.net) {
			t.Errorf("%s: %d by terms %d, want %d by %d", fact.name, d.Credits[0].Net, d.Credits[0].Terms.Version, fact.net, fact.version)
		}
	}
}

// TestThePathOfASaleIsEvidence has a path from a tag: of each of its touches, the order's own click first, what its id says and
// whose its link is.
func TestThePathOfASaleIsEvidence(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	ctx := t.Context()
	merchant, err := partners.CreateMerchant(ctx, db, "Shop")
	check(t, err)
	document := program.NewDocument(30*day, day, 200_000, program.Rates{program.Site: {"*": 100_000}})
	document.Attribution.Model = program.ModelLinear
	document.Attribution.Touches.Soft = &program.Touching{}
	var shop program.ProgramID
	check(t, pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		var err error
		shop, err = partners.CreateProgram(ctx, tx, partners.NewProgram{
			Merchant: merchant, Name: "Program", LandingURL: "https://shop.example/", Currencies: []string{"GBP"},
			Terms: []program.Version{{EffectiveFrom: noon().Add(-100 * day), Document: document}},
		})
		return err
	}))
	var links [3]*partners.Link
	for i := range links {
		partner, err := partners.CreatePartner(ctx, db, partners.NewPartner{Kind: program.Site, Name: "Partner"})
		check(t, err)
		check(t, partners.Enrol(ctx, db, shop, partner))
		links[i], err = partners.CreateLink(ctx, db, partners.NewLink{Program: shop, Partner: partner})
		check(t, err)
	}
	id := func(link int, before time.Duration) string { return clickOn(links[link].ID, noon().Add(-before)) }
	e := sale(int64(merchant), id(1, time.Hour), noon())
	e.GetSale().Path = []*event.Touch{
		{ClickId: id(2, 3*time.Hour), Kind: uint32(event.PathSoft)},
		{ClickId: "forged", Kind: uint32(event.PathClick)},
		{ClickId: id(1, time.Hour), Kind: uint32(event.PathClick)},
		{ClickId: id(0, 2*time.Hour), Kind: uint32(event.PathClick)},
		{ClickId: id(0, day), Kind: uint32(event.PathClick), Marks: event.MarkBot},
	}
	o, err := commission.Fold([]*event.Event{e}, commission.Said{})
	check(t, err)
	resolved, err := Network{Programs: partners.NewPrograms(), VerifyClick: verifyClick}.Resolve(ctx, db, []Order{{&o, &commission.Decision{}}})
	check(t, err)
	if first := resolved[0].Candidates[0]; first.Click.ID != id(1, time.Hour) {
		t.Errorf("the first candidate is %+v", first)
	}
	d, err := commission.Decide(o, resolved[0])
	check(t, err)
	became := map[string]commission.Reason{}
	for _, touch := range d.Touches {
		became[touch.ID] = touch.Reason
	}
	want := map[string]commission.Reason{
		id(1, time.Hour): commission.Credited, id(0, 2*time.Hour): commission.Credited, id(0, day): commission.MarkedClick,
		id(2, 3*time.Hour): commission.Outranked, "forged": commission.MalformedClickID,
	}
	if diff := cmp.Diff(want, became); diff != "" {
		t.Errorf("touches (-want +got):\n%s", diff)
	}
	if len(d.Credits) != 2 || d.Credits[0].Partner != links[0].Partner || d.Credits[1].Link != links[1].ID {
		t.Errorf("credits %+v", d.Credits)
	}
}

func TestLinksAreLookedUpOneByOne(t *testing.T) {
	t.Parallel()
	check(t, pgx.BeginFunc(t.Context(), engines.Postgres(t), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `SELECT set_config(name, 'off', true) FROM unnest(ARRAY['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin']) name`)
		check(t, err)
		rows, err := tx.Query(t.Context(), "EXPLAIN "+strings.ReplaceAll(linksByID, "$1::bigint[]", "'{1,2}'::bigint[]"))
		check(t, err)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		check(t, err)
		plan := strings.Join(lines, "\n")
		for _, lookup := range []string{"(id = k.id)", "(id = link.partner_id)"} {
			if !strings.Contains(plan, lookup) {
				t.Errorf("links are not looked up by %s:\n%s", lookup, plan)
			}
		}
		return nil
	}))
}

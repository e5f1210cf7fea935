package engine

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/partners"
	"tributary/partners/program"
	"tributary/test/engines"
)

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
	known := network{partners.NewPrograms(), verifyClick}

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
		e := sale(int64(merchant), "A1", clickOn(fact.link, fact.at.Add(-fact.age)), 1000, 500)
		e.OccurredAt, e.ReceivedAt = fact.at.UnixMicro(), fact.at.UnixMicro()
		e.GetSale().Lines[0].Category, e.GetSale().Lines[1].Category = "product", "service"
		o := &order{events: []*event.Event{e}}
		check(t, o.read(commission.KnownForms()))
		check(t, known.resolve(ctx, db, []*order{o}))
		d, err := commission.Decide(o.folded, o.candidates)
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

package commission

import (
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/money"
	"tributary/partners"
	"tributary/partners/program"
	"tributary/test/engines"
)

func TestMain(m *testing.M) { engines.Main(m) }

// TestDecidingByTheNetworkInTheDatabase goes the way that the engine goes: terms, links and partners come from a
// catalogue that was loaded from PostgreSQL.
func TestDecidingByTheNetworkInTheDatabase(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	merchant, err := partners.CreateMerchant(ctx, db, "Shop")
	must(err)
	pay := func(site, member money.Rate) map[program.Kind]map[string]money.Rate {
		return map[program.Kind]map[string]money.Rate{program.Site: {"product": site}, program.Member: {"*": member}}
	}
	var programID program.ProgramID
	must(pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		var err error
		programID, err = partners.CreateProgram(ctx, tx, partners.NewProgram{
			Merchant: merchant, Name: "Program", LandingURL: "https://shop.example/", Currencies: []string{"GBP"},
			Terms: []program.Terms{
				{EffectiveFrom: noon().Add(-100 * day), Window: 7 * day, Hold: day, NetworkFee: 200_000, Rates: pay(80_000, 50_000)},
				{EffectiveFrom: noon(), Window: 30 * day, Hold: 2 * day, NetworkFee: 250_000, Rates: pay(100_000, 60_000)},
			},
		})
		return err
	}))
	linkOf := func(kind program.Kind) *partners.Link {
		t.Helper()
		partner, err := partners.CreatePartner(ctx, db, partners.NewPartner{Kind: kind, Name: "Partner"})
		must(err)
		must(partners.Enrol(ctx, db, programID, partner))
		link, err := partners.CreateLink(ctx, db, partners.NewLink{Program: programID, Partner: partner})
		must(err)
		return link
	}
	site, member := linkOf(program.Site), linkOf(program.Member)
	network := partners.NewCatalogue(db, slog.New(slog.DiscardHandler))
	must(network.Load(ctx))

	e := sold(goods(1, "X", "product", 1, 1_000), goods(2, "POST", "service", 1, 500))
	e.GetSale().MerchantId = int64(merchant)
	for _, fact := range []struct {
		name    string
		at      time.Time
		link    program.LinkID
		age     time.Duration
		want    Reason
		version int
		net     int64
	}{
		{"a site's click", noon(), site.ID, 8 * day, Credited, 2, 100},
		{"a member's click", noon(), member.ID, 8 * day, Credited, 2, 90},
		{"under the terms of before", noon().Add(-day), site.ID, 7 * day, Credited, 1, 80},
		{"under the window of before", noon().Add(-day), site.ID, 7*day + time.Millisecond, OutsideWindow, 0, 0},
		{"before all terms", noon().Add(-101 * day), site.ID, day, NoTermsInForce, 0, 0},
		{"a link that does not exist", noon(), 999, day, UnknownLink, 0, 0},
	} {
		e.OccurredAt, e.ReceivedAt = fact.at.UnixMicro(), fact.at.UnixMicro()
		d, err := Decide(mustFold(t, e), Click{ID: "click", Link: fact.link, At: fact.at.Add(-fact.age)}, network)
		if err != nil {
			t.Fatal(err)
		}
		if d.Outcome != fact.want {
			t.Errorf("%s: %s, want %s", fact.name, d.Outcome, fact.want)
			continue
		}
		if fact.want == Credited && (d.Credits[0].Terms.Version != fact.version || d.Credits[0].Net != fact.net) {
			t.Errorf("%s: %d by terms %d, want %d by %d", fact.name, d.Credits[0].Net, d.Credits[0].Terms.Version, fact.net, fact.version)
		}
	}
	forged, err := Decide(mustFold(t, e), Click{ID: "click", Link: site.ID, At: noon(), Refused: ForgedClickID}, network)
	if err != nil || forged.Outcome != ForgedClickID || forged.Touches[0].Link != 0 {
		t.Errorf("a forged click id is told apart as %s: %+v", forged.Outcome, forged.Touches)
	}
}

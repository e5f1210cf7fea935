package catalogue

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/program"
	"tributary/test/engines"
)

func TestMain(m *testing.M) { engines.Main(m) }

var longAgo = time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC)

// shop is a merchant with a program and a partner in it.
type shop struct {
	merchant program.MerchantID
	program  program.ProgramID
	partner  program.PartnerID
}

func newShop(tb testing.TB, db *pgxpool.Pool) shop {
	tb.Helper()
	ctx := tb.Context()
	var s shop
	must(tb, postgres.InTx(ctx, db, func(tx pgx.Tx) (err error) {
		if s.merchant, err = partners.CreateMerchant(ctx, tx, "Shop"); err != nil {
			return err
		}
		if s.program, err = partners.CreateProgram(ctx, tx, shopProgram(s.merchant)); err != nil {
			return err
		}
		if s.partner, err = partners.CreatePartner(ctx, tx, partners.NewPartner{Kind: program.Site, Name: "Blog", SiteURL: "https://blog.example"}); err != nil {
			return err
		}
		return partners.Enrol(ctx, tx, s.program, s.partner)
	}))
	return s
}

func shopProgram(merchant program.MerchantID) partners.NewProgram {
	return partners.NewProgram{
		Merchant: merchant, Name: "Shop partners", LandingURL: "https://shop.example/", Currencies: []string{"GBP", "EUR"},
		Terms: []program.Version{{EffectiveFrom: longAgo, Document: program.NewDocument(30*24*time.Hour, 14*24*time.Hour, 200_000, program.Rates{program.Site: {program.AnyCategory: 80_000, "service": 0}, program.Member: {program.AnyCategory: 50_000}})}},
	}
}

func newCatalogue(tb testing.TB, db *pgxpool.Pool) *Catalogue {
	tb.Helper()
	c := New(db, slog.New(slog.DiscardHandler))
	must(tb, c.Load(tb.Context()))
	return c
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func refresh(tb testing.TB, c *Catalogue) {
	tb.Helper()
	must(tb, c.runOnce(context.WithoutCancel(tb.Context())))
}

package dashboard

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/internal/money"
	"tributary/partners/access"
	"tributary/partners/program"
	"tributary/test/schemes"
)

// shared is an order of which the site has half, and two others parts without a click of theirs.
func (w *world) shared() int64 {
	return w.order(sale{
		id: "shared-1", link: w.link, at: w.now.Add(-2 * aDay), coupon: "AUTUMN10", customer: "c-7", key: 4711, network: "203.0.113.0/24",
		decide: schemes.Split(
			schemes.Share{Weight: 50},
			schemes.Share{Partner: w.member, Role: commission.RoleRecruiter, Weight: 30, Longer: 10 * aDay},
			schemes.Share{Partner: w.outsid, Weight: 20},
		),
	})
}

// The rows of an order that three share are hidden from each of them, and the view gives what concerns the own credit.
func TestAPartnersRowsHoldItsOwnCreditOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	no := w.shared()
	kept := w.texts(w.owner, `SELECT decision::text FROM orders WHERE no = `+number10(no))[0]
	whole, err := commission.UnmarshalRecord([]byte(kept))
	w.must(err)
	click := whole.Touches[0]
	named := regexp.MustCompile(`"(partner|link)": (\d+)`)
	for _, partner := range []program.PartnerID{w.site, w.member, w.outsid} {
		allowed, secrets := []string{`"partner": ` + number10(int64(partner))}, []string{"AUTUMN10", "c-7", "fee_exact", "4711", "203.0.113"}
		if partner == w.site {
			allowed = append(allowed, `"link": `+number10(int64(click.Link)))
		} else {
			secrets = append(secrets, click.ID)
		}
		w.must(w.access.Read(t.Context(), access.Scope{Partner: partner}, func(tx pgx.Tx) error {
			for _, hidden := range []string{`decision::text FROM orders`, `customer_id FROM orders`, `encode(payload, 'hex') FROM order_event`, `ip_prefix FROM order_event`} {
				if found := w.texts(tx, `SELECT `+hidden); len(found) > 0 {
					t.Errorf("partner %d reads %s: %q", partner, hidden, found)
				}
			}
			found := w.texts(tx, `SELECT record FROM scoped_order o JOIN scoped_order_event e ON e.order_no = o.no WHERE o.whole = '{"GBP": 100}'`)
			if len(found) != 1 {
				t.Fatalf("partner %d reads %q, want one record", partner, found)
			}
			d, err := commission.UnmarshalRecord([]byte(found[0]))
			w.must(err)
			if len(d.Credits) != 1 || d.Credits[0].Partner != partner || !d.Credits[0].SamePrices(&whole.Credits[0]) {
				t.Errorf("partner %d has the credits %+v", partner, d.Credits)
			}
			for _, secret := range append(secrets, named.FindAllString(found[0], -1)...) {
				if strings.Contains(found[0], secret) && !slices.Contains(allowed, secret) {
					t.Errorf("partner %d reads %s: %s", partner, secret, found[0])
				}
			}
			return nil
		}))
	}
}

// The operator and the order's merchant read the record as it is kept, and who has no part in the order nothing at all.
func TestAnOrdersRecordIsForItsTenants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	no := w.shared()
	kept := w.texts(w.owner, `SELECT decision::text FROM orders WHERE no = `+number10(no))
	const shown = `SELECT record FROM scoped_order o JOIN scoped_order_event e ON e.order_no = o.no`
	for _, of := range []struct {
		scope access.Scope
		want  []string
	}{
		{access.Scope{Network: true}, kept},
		{access.Scope{Merchant: w.shop}, kept},
		{access.Scope{Merchant: w.rival}, nil},
		{access.Scope{Partner: 99}, nil},
	} {
		w.must(w.access.Read(t.Context(), of.scope, func(tx pgx.Tx) error {
			if found := w.texts(tx, shown); !slices.Equal(found, of.want) {
				t.Errorf("%+v reads %q, want %q", of.scope, found, of.want)
			}
			return nil
		}))
	}
	if found := w.texts(w.pool, shown); len(found) > 0 {
		t.Errorf("without a tenant %q is read", found)
	}
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// texts are the values of a query of one column.
func (w *world) texts(db querier, sql string) []string {
	w.t.Helper()
	rows, err := db.Query(w.t.Context(), sql)
	w.must(err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	w.must(err)
	return found
}

// A record does not repeat terms and prices; of it each partner reads the own credit whole, and not for whose part it is paid.
func TestAPartnersCreditByADocumentIsWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	full := commission.Credit{
		Program: 2, Partner: 21, Weight: 1, Unit: "GBP", HoldUntil: at.Add(aDay), RefundsUntil: at.Add(9 * aDay), Lines: 1, Gross: 50, Net: 50,
		Terms:  commission.TermsApplied{Version: 3, EffectiveFrom: at.Add(-aDay), HoldSeconds: 86_400, Kind: program.Site, Full: true, Base: program.Base{Tax: true}},
		Rules:  []commission.Rule{{ID: "any", Rate: 100_000, Amount: 1_000, Base: 1_000, Net: 100}},
		Priced: []commission.Priced{{Line: 1, Base: 1_000, Net: 100}}, Lost: []commission.Lost{{ID: "other", By: commission.ByMoney, Worth: 9, Won: 100}},
	}
	same, unpaid, up := full, full, full
	same.Partner, unpaid.Partner, unpaid.Unpaid, unpaid.Rules, unpaid.Priced, unpaid.Lost = 22, 23, commission.NoRule, nil, nil, nil
	up.Partner, up.Role, up.Weight, up.Priced, up.Lost = 5, commission.RoleRecruiter, 0, nil, nil
	up.Rules, up.From = []commission.Rule{{ID: "up", Rate: 100_000, Of: program.OfCommission, Amount: 50, Base: 50, Net: 5}}, [][]program.PartnerID{{21}}
	d := commission.Decision{
		Outcome: commission.Credited, Credits: []commission.Credit{full, same, unpaid, up},
		Order: commission.Order{Merchant: 1, ID: "A1", At: at, Currency: "GBP", Amount: 1_000, Lines: []commission.Line{{Number: 1, Quantity: 1, Amount: 1_000}}},
	}
	whole, err := commission.UnmarshalRecord(d.AppendJSON(nil))
	w.must(err)
	for _, want := range whole.Credits {
		shown := w.texts(w.owner, fmt.Sprintf(`SELECT partner_record('%s', %d)`, d.AppendJSON(nil), want.Partner))[0]
		read, err := commission.UnmarshalRecord([]byte(shown))
		w.must(err)
		want.From = nil
		if diff := cmp.Diff([]commission.Credit{want}, read.Credits, cmpopts.EquateEmpty(), cmpopts.EquateComparable(money.Product{})); diff != "" {
			t.Errorf("partner %d (-want +got):\n%s", want.Partner, diff)
		}
	}
}

// Who shares an order without a click of theirs is told what they earn, and not whose click it was.
func TestAShareWithoutAClickIsExplained(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	no := w.shared()
	why := w.as("member@example.net").page("/partner/commissions/" + number10(no))
	why.holds(t, "on this order: you recruited a partner who earns on it.", "Mira Okafor recruiter 30 of 100", "coupon known to the merchant")
	for _, secret := range []string{"slow-kitchen", "The Slow Kitchen", "Ridge Notes", "AUTUMN10", "c-7", "last click before the order"} {
		if strings.Contains(why.body, secret) {
			t.Errorf("the recruiter reads %q", secret)
		}
	}
	w.as("site@example.net").page("/partner/commissions/"+number10(no)).holds(t, "the customer came through link “Sidebar” (slow-kitchen)", "The Slow Kitchen partner 50 of 100")
}

// textsOf are the values of a query of one column within a scope.
func (w *world) textsOf(scope access.Scope, sql string) (found []string) {
	w.t.Helper()
	w.must(w.access.Read(w.t.Context(), scope, func(tx pgx.Tx) error {
		found = w.texts(tx, sql)
		return nil
	}))
	return found
}

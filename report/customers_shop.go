package report

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/clickhouse"
	"tributary/partners/access"
	"tributary/partners/program"
)

// A Shop is the merchant whose customers a report is about, with what the report names: its programs, their partners, and the groups
// these were in.
type Shop struct {
	Merchant int64
	Name     string
	Programs []Choice
	// Currencies are those of its orders, the one with the most orders first.
	Currencies []string
	// Nameless counts the orders in the filter's currency that name no customer, and so are in no report of this kind.
	Nameless int64
	// Checked is the last comparison of the reports with the books; nil where there was none.
	Checked *BooksCheck

	partners map[int64]shopPartner
	groups   groupSpans
}

type shopPartner struct {
	name string
	kind program.Kind
}

// groupSpans are the times in which partners were in groups, column by column.
type groupSpans struct {
	programs, partners, from, until []int64
	names                           []string
}

// members are the partners who are members.
func (s *Shop) members() []int64 {
	var ids []int64
	for id, p := range s.partners {
		if p.kind == program.Member {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Partner is the name of a partner, or their number where they are not the merchant's any more.
func (s *Shop) Partner(id int64) string {
	if p, ok := s.partners[id]; ok {
		return p.name
	}
	return strconv.FormatInt(id, 10)
}

// GroupNames are the names of the groups, sorted.
func (s *Shop) GroupNames() []string {
	names := slices.Clone(s.groups.names)
	slices.Sort(names)
	return slices.Compact(names)
}

// Shop reads the merchant of a report on customers: the scope's own, or the one that the operator names. An empty currency in the filter
// becomes that of most orders. missing says why ClickHouse did not answer.
func (r *Reader) Shop(ctx context.Context, scope access.Scope, f *CustomersFilter) (shop *Shop, missing, err error) {
	shop = &Shop{Merchant: f.Merchant, partners: map[int64]shopPartner{}}
	if scope.Merchant != 0 {
		shop.Merchant = int64(scope.Merchant)
	}
	err = r.Snapshot(ctx, scope, func(s *Snapshot) error { return s.shop(ctx, shop) })
	if err != nil {
		return nil, nil, err
	}
	if missing = r.currenciesOf(ctx, scope, shop, f); missing != nil && f.Currency == "" {
		f.Currency = "EUR"
	}
	return shop, missing, nil
}

// MerchantNames lists the merchants of the network, by name.
func (s *Snapshot) MerchantNames(ctx context.Context) ([]Choice, error) {
	// name: merchants by name
	return s.choices(ctx, `SELECT id, name FROM merchant ORDER BY lower(name), id LIMIT 1000`)
}

func (s *Snapshot) shop(ctx context.Context, shop *Shop) (err error) {
	if shop.Name, err = s.merchantName(ctx, shop.Merchant); err != nil {
		return err
	}
	// name: programs of a merchant
	if shop.Programs, err = s.choices(ctx, `SELECT id, name FROM program WHERE merchant_id = $1 ORDER BY lower(name), id LIMIT 500`, shop.Merchant); err != nil {
		return err
	}
	// name: partners of a merchant
	rows, err := s.tx.Query(ctx, `SELECT p.id, p.name, p.kind FROM partner p
		WHERE p.id IN (SELECT e.partner_id FROM enrolment e JOIN program g ON g.id = e.program_id WHERE g.merchant_id = $1)`, shop.Merchant)
	if err != nil {
		return fmt.Errorf("listing the partners of a merchant: %w", err)
	}
	var id int64
	var p shopPartner
	if _, err = pgx.ForEachRow(rows, []any{&id, &p.name, &p.kind}, func() error { shop.partners[id] = p; return nil }); err != nil {
		return fmt.Errorf("listing the partners of a merchant: %w", err)
	}
	if shop.Checked, err = s.booksCheck(ctx, shop.Merchant); err != nil {
		return err
	}
	return s.groupsOf(ctx, shop)
}

// groupsOf reads the times in which partners were in groups: a fact begins one, and the next of the same group ends it.
func (s *Snapshot) groupsOf(ctx context.Context, shop *Shop) error {
	// name: groups of a merchant's partners
	rows, err := s.tx.Query(ctx, `SELECT program_id, partner_id, value, effective_from, until FROM (
			SELECT program_id, partner_id, value, ends, effective_from,
			       lead(effective_from) OVER (PARTITION BY program_id, partner_id, value ORDER BY effective_from) AS until
			  FROM enrolment_fact WHERE kind = 'group' AND program_id IN (SELECT id FROM program WHERE merchant_id = $1)) f
		WHERE NOT ends ORDER BY program_id, partner_id, value, effective_from`, shop.Merchant)
	if err != nil {
		return fmt.Errorf("listing groups: %w", err)
	}
	var programID, partner int64
	var name string
	var from time.Time
	var until *time.Time
	g := &shop.groups
	_, err = pgx.ForEachRow(rows, []any{&programID, &partner, &name, &from, &until}, func() error {
		end := forever
		if until != nil {
			end = until.UnixMicro()
		}
		g.programs, g.partners, g.names = append(g.programs, programID), append(g.partners, partner), append(g.names, name)
		g.from, g.until = append(g.from, max(0, from.UnixMicro())), append(g.until, max(0, end))
		return nil
	})
	if err != nil {
		return fmt.Errorf("listing groups: %w", err)
	}
	return nil
}

// currenciesOf reads in which currencies the merchant has orders, and how many of them name no customer.
func (r *Reader) currenciesOf(ctx context.Context, scope access.Scope, shop *Shop, f *CustomersFilter) error {
	limited, where, err := within(ctx, scope, map[string]string{"merchant": strconv.FormatInt(shop.Merchant, 10)})
	if err != nil {
		return err
	}
	rows, err := r.counts.Query(limited, `SELECT toString(currency) AS code, toInt64(sum(orders)), toInt64(sumIf(orders, customer_id = '')) FROM customer_order
		WHERE `+where+` AND merchant_id = {merchant:Int64} AND NOT further GROUP BY code HAVING sum(orders) > 0 ORDER BY sum(orders) DESC, code`)
	if err != nil {
		return fmt.Errorf("asking ClickHouse for currencies: %w", err)
	}
	var code string
	var orders, nameless int64
	return clickhouse.ForEachRow(rows, []any{&code, &orders, &nameless}, func() { //nolint:wrapcheck // it says what it was doing
		shop.Currencies = append(shop.Currencies, code)
		if f.Currency == "" {
			f.Currency = code
		}
		if code == f.Currency {
			shop.Nameless = nameless
		}
	})
}

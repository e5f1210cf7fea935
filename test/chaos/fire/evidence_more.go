package fire

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/clickhouse"
	"tributary/internal/event"
	"tributary/test/chaos/model"
)

func (e *Evidence) told(ctx context.Context, db *pgx.Conn) error {
	rows, err := db.Query(ctx, `SELECT o.merchant_id, o.order_id, f.payload FROM order_event f JOIN orders o ON o.no = f.order_no WHERE f.kind = 3`)
	if err != nil {
		return err
	}
	var k model.OrderKey
	var payload []byte
	_, err = pgx.ForEachRow(rows, []any{&k.Merchant, &k.Order, &payload}, func() error {
		said, err := event.Decode(payload)
		if err != nil {
			return err
		}
		t := Told{Click: strings.Clone(said.GetPath().GetClickId()), Incomplete: said.GetPath().GetIncomplete(), Before: []string{}}
		for _, touch := range said.GetPath().GetTouches() {
			t.Before = append(t.Before, strings.Clone(touch.GetClickId()))
		}
		e.Told[k] = t
		return nil
	})
	return err
}

func (e *Evidence) acts(ctx context.Context, db *pgx.Conn) error {
	rows, err := db.Query(ctx, `
SELECT i.no, substring(i.note FROM '^attempt ([0-9]+)$')::bigint, i.kind, i.ref, i.side, i.at, i.due, t.at, coalesce(t.problem, ''),
       coalesce((s.said ->> 'merchant')::bigint, 0), coalesce(s.said ->> 'order', ''), coalesce(s.said ->> 'verb', ''), coalesce(s.said ->> 'outcome', ''),
       coalesce((s.said ->> 'partner')::bigint, 0), coalesce((s.said ->> 'program')::bigint, 0), (s.said ->> 'until')::timestamptz,
       coalesce(s.said ->> 'state', ''), coalesce((s.said ->> 'amount')::bigint, 0)
  FROM inbox i LEFT JOIN inbox_taken t ON t.no = i.no
 CROSS JOIN LATERAL (SELECT nullif(convert_from(i.content, 'UTF8'), '')::json AS said OFFSET 0) s
 WHERE i.kind IN ('review', 'claim', 'dispute', 'undo')`)
	if err != nil {
		return err
	}
	var r Row
	var attempt *int64
	var kind, verb, outcome, state string
	var taken, until *time.Time
	_, err = pgx.ForEachRow(rows, []any{
		&r.No, &attempt, &kind, &r.ID, &r.Side, &r.At, &r.Due, &taken, &r.Problem, &r.Merchant, &r.Order, &verb, &outcome, &r.Partner, &r.Program, &until,
		&state, &r.Amount,
	}, func() error {
		if attempt == nil {
			return fmt.Errorf("row %d of the inbox is nobody's", r.No)
		}
		r.Verb, r.At, r.Due, r.Taken, r.Until = said(kind, verb, outcome, state), r.At.UTC(), r.Due.UTC(), time.Time{}, time.Time{}
		if taken != nil {
			r.Taken = taken.UTC()
		}
		if until != nil {
			r.Until = until.UTC()
		}
		e.Acts[*attempt] = append(e.Acts[*attempt], r)
		return nil
	})
	return err
}

// months are the numbers of all months of partners.
func (e *Evidence) months(ctx context.Context, db *pgx.Conn) (map[int64]model.Bonus, error) {
	rows, err := db.Query(ctx, `SELECT no, merchant_id, program_id, partner_id, rule, span, unit FROM period`)
	if err != nil {
		return nil, err
	}
	months := map[int64]model.Bonus{}
	var no int64
	var b model.Bonus
	_, err = pgx.ForEachRow(rows, []any{&no, &b.Merchant, &b.Program, &b.Partner, &b.Rule, &b.Month, &b.Currency}, func() error {
		months[no] = b
		return nil
	})
	return months, err
}

func (e *Evidence) paths(ctx context.Context, conn clickhouse.Conn) error {
	rows, err := conn.Query(ctx, `SELECT click_id, path FROM touch`)
	if err != nil {
		return err
	}
	var id string
	var path []string
	return clickhouse.ForEachRow(rows, []any{&id, &path}, func() { e.Paths[id] = append([]string{}, path...) })
}

// shown reads what the pages sum up: the sums by quarter hour, and not the rows that these are made of.
func (e *Evidence) shown(ctx context.Context, conn clickhouse.Conn) error {
	rows, err := conn.Query(ctx, `
SELECT merchant_id, program_id, partner_id, toString(unit), sum(orders), sum(revenue), sum(refunded), sum(gross), sum(net), sum(fee), sum(pending), sum(payable)
  FROM ledger_15m WHERE partner_id != 0 GROUP BY merchant_id, program_id, partner_id, unit`)
	if err != nil {
		return err
	}
	var of Earner
	var s Sums
	return clickhouse.ForEachRow(rows, []any{
		&of.Merchant, &of.Program, &of.Partner, &of.Currency, &s.Orders, &s.Revenue, &s.Refunded, &s.Gross, &s.Net, &s.Fee, &s.Pending, &s.Payable,
	}, func() {
		if s != (Sums{}) {
			e.Shown[of] = s
		}
	})
}

// shownMonths reads what the rows of months add up to, whose numbers say of which they are.
func (e *Evidence) shownMonths(months map[int64]model.Bonus) func(context.Context, clickhouse.Conn) error {
	return func(ctx context.Context, conn clickhouse.Conn) error {
		rows, err := conn.Query(ctx, `SELECT period_no, sum(net) FROM ledger WHERE period_no != 0 GROUP BY period_no`)
		if err != nil {
			return err
		}
		var no, net int64
		return clickhouse.ForEachRow(rows, []any{&no, &net}, func() {
			of, known := months[no]
			if !known {
				of.Rule = "month " + strconv.FormatInt(no, 10) + ", which is not in the books"
			}
			if net != 0 {
				e.ShownMonths[of] = net
			}
		})
	}
}

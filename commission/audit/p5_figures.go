package audit

// P5: a report that differs from the ledger is detected.

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"tributary/commission"
	"tributary/commission/ledger/chart"
)

// figuresKey is whose figures the reports or the ledger give: what a partner earns in one role and unit, apart from the first
// credits of orders those that are further ones.
type figuresKey struct {
	merchant, partner    int64
	role, unit, currency string
	leads                bool
}

// figures are what is compared, in this order.
type figures [10]int64

// names are the columns that the figures stand in.
func (figures) names() [10]string {
	return [10]string{"orders", "revenue", "refunded", "gross", "net", "fee", "pending", "payable", "fee_pending", "fee_earned"}
}

//go:embed query/figures.sql
var figuresSQL string

// reports verifies that ClickHouse's ledger has every event that this snapshot has sent, and that its sums are those of
// the commissions, for each merchant, partner, role, unit and currency.
func (v *Verification) reports(ctx context.Context) error {
	if v.Reports == nil {
		return nil
	}
	lanes, err := v.sent(ctx)
	if err != nil {
		return err
	}
	if complete, err := v.arrived(ctx, lanes); err != nil || !complete {
		return err
	}
	ledgerHas, err := v.ledgerFigures(ctx)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "22003" { // numeric_value_out_of_range
		v.Find(Finding{Check: "reports equal the ledger", Table: "commission", Want: "sums that fit 64 bits", Have: pg.Message})
		return nil
	}
	if err != nil {
		return err
	}
	reportsHave, err := v.reportFigures(ctx, lanes)
	if err != nil {
		return err
	}
	for key, fee := range v.disputed {
		f := ledgerHas[key]
		f[8], f[9] = f[8]+fee, f[9]-fee
		ledgerHas[key] = f
	}
	for key, want := range ledgerHas {
		v.figures(key, want, reportsHave[key])
		delete(reportsHave, key)
	}
	for key, have := range reportsHave {
		v.figures(key, figures{}, have)
	}
	return nil
}

func (v *Verification) figures(key figuresKey, want, have figures) {
	at := Finding{
		Check: "reports equal the ledger", Table: "clickhouse ledger",
		Key: fmt.Sprintf("merchant %d, partner %d as %s, %s on orders in %s", key.merchant, key.partner, key.role, key.unit, key.currency),
	}
	if !key.leads {
		at.Key += ", further credits"
	}
	for i, name := range want.names() {
		v.CompareAmounts(at, name, want[i], have[i])
	}
}

// disputedFees notes which part of the fees on an order is pending otherwise than the state of its commissions says: a dispute holds it,
// and no row has it.
func (v *Verification) disputedFees(o *order) {
	if !slices.ContainsFunc(o.decided.Order.Disputes, func(d commission.Dispute) bool { return d.State == commission.DisputeOpen }) {
		return
	}
	if v.disputed == nil {
		return // an inspection compares no figures
	}
	for i, movements := range o.decided.ByCredit(o.released) {
		e, pending := o.decided.Earning(i, o.released), int64(0)
		for n := range movements {
			m := &movements[n]
			if m.Credit == chart.FeePending {
				pending += m.Amount
			}
			if m.Debit == chart.FeePending {
				pending -= m.Amount
			}
		}
		if !e.Released || e.State == commission.Held {
			pending -= e.Fee // as figures.sql has it
		}
		if pending != 0 {
			v.disputed[figuresKey{o.merchant, int64(e.Partner), e.Role.String(), e.Unit, e.Currency, e.Leads}] += pending
		}
	}
}

// ledgerFigures adds up the commissions and periods, and under partner 0 the orders on which nobody earns.
func (v *Verification) ledgerFigures(ctx context.Context) (map[figuresKey]figures, error) {
	rows, err := v.Tx.Query(ctx, figuresSQL)
	if err != nil {
		return nil, fmt.Errorf("adding up commissions: %w", err)
	}
	defer rows.Close()
	all := make(map[figuresKey]figures)
	for rows.Next() {
		key, f, err := scanFigures(rows)
		if err != nil {
			return nil, err
		}
		sum := all[key]
		for i := range f {
			sum[i] += f[i]
		}
		all[key] = sum
	}
	return all, rows.Err()
}

// reportFigures adds up what ClickHouse has.
func (v *Verification) reportFigures(ctx context.Context, lanes []sentLane) (map[figuresKey]figures, error) {
	conditions := []string{"false"} // before an engine has run there are no lanes
	for _, l := range lanes {
		conditions = append(conditions, "("+l.selects()+")")
	}
	rows, err := v.Reports.Query(ctx, `
SELECT merchant_id, partner_id, role, unit, currency, NOT further AS leads, toInt64(sum(orders)), sum(revenue), sum(refunded), sum(gross), sum(net), sum(fee),
       sum(pending), sum(payable), sum(fee_pending), sum(fee_earned)
  FROM ledger WHERE `+strings.Join(conditions, " OR ")+` GROUP BY merchant_id, partner_id, role, unit, currency, leads`)
	if err != nil {
		return nil, fmt.Errorf("adding up the reports: %w", err)
	}
	defer func() { _ = rows.Close() }()
	all := make(map[figuresKey]figures)
	for rows.Next() {
		key, f, err := scanFigures(rows)
		if err != nil {
			return nil, err
		}
		all[key] = f
	}
	return all, rows.Err()
}

// scanner is a row of either database.
type scanner interface{ Scan(targets ...any) error }

func scanFigures(row scanner) (figuresKey, figures, error) {
	var key figuresKey
	var f figures
	targets := []any{&key.merchant, &key.partner, &key.role, &key.unit, &key.currency, &key.leads}
	for i := range f {
		targets = append(targets, &f[i])
	}
	if err := row.Scan(targets...); err != nil {
		return key, f, fmt.Errorf("reading sums: %w", err)
	}
	return key, f, nil
}

package rerun

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/commission/period"
	"tributary/partners/program"
)

// standing is a period as the tables have it.
type standing struct {
	no          int64
	key         period.Key
	first, last commission.Day
	released    time.Time
	record      []byte
	posted      []commission.Movement
}

// rebuilt is a period as its orders say.
type rebuilt struct {
	rules      period.Rules
	settlement period.Settlement
}

// periods compares the periods of a merchant with what the book comes to.
func (r *replay) periods(ctx context.Context, merchant program.MerchantID, book *period.Book) error {
	want := map[period.Key]rebuilt{}
	err := book.Settle(func(of period.Key, rules period.Rules, s *period.Settlement) { want[of] = rebuilt{rules, *s} })
	if err != nil {
		return err
	}
	waiting, err := r.waitingPeriods(ctx, merchant)
	if err != nil {
		return err
	}
	for last := int64(0); ; {
		page, err := r.standing(ctx, merchant, last)
		if err != nil {
			return fmt.Errorf("reading periods: %w", err)
		}
		if len(page) == 0 {
			break
		}
		for _, p := range page {
			last = p.no
			r.period(p, want[p.key], waiting[p.key])
			delete(want, p.key)
		}
	}
	for key, is := range want {
		if s := &is.settlement; waiting[key] {
			r.done.Waiting++
		} else if s.Amount != 0 {
			r.find(Difference{Merchant: merchant, Rule: key.Rule, Period: nameOf(&key), What: "amount", Want: strconv.FormatInt(s.Amount, 10), Have: "no such period"})
		}
	}
	return nil
}

// nameOf is a period in words.
func nameOf(k *period.Key) string {
	return fmt.Sprintf("%s of program %d, partner %d as %s, %s", k.Span, k.Program, k.Partner, k.Role, k.Unit)
}

// waitingPeriods are those that orders have changed and no engine has settled since.
func (r *replay) waitingPeriods(ctx context.Context, merchant program.MerchantID) (map[period.Key]bool, error) {
	rows, err := r.tx.Query(ctx, `SELECT DISTINCT program_id, partner_id, role, rule, span, unit FROM period_delta WHERE merchant_id = $1`, merchant)
	if err != nil {
		return nil, err
	}
	waiting := map[period.Key]bool{}
	key := period.Key{Merchant: merchant}
	var role string
	_, err = pgx.ForEachRow(rows, []any{&key.Program, &key.Partner, &role, &key.Rule, &key.Span, &key.Unit}, func() (err error) {
		key.Role, err = commission.ParseRole(role)
		waiting[key] = true
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for periods that are to be settled: %w", err)
	}
	return waiting, nil
}

// periodPage is how many periods are read at a time.
const periodPage = 500

// standing reads the next periods of a merchant, with what the books hold for them.
func (r *replay) standing(ctx context.Context, merchant program.MerchantID, after int64) ([]*standing, error) {
	rows, err := r.tx.Query(ctx, `SELECT no, merchant_id, program_id, partner_id, role, rule, span, unit, first_day - date '1970-01-01', last_day - date '1970-01-01',
       released_until, record::text FROM period WHERE merchant_id = $1 AND no > $2 ORDER BY no LIMIT $3`, merchant, after, periodPage)
	if err != nil {
		return nil, err
	}
	page, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*standing, error) {
		p := &standing{}
		var role string
		var released *time.Time
		err := row.Scan(&p.no, &p.key.Merchant, &p.key.Program, &p.key.Partner, &role, &p.key.Rule, &p.key.Span, &p.key.Unit, &p.first, &p.last, &released, &p.record)
		if err != nil {
			return nil, err
		}
		if released != nil {
			p.released = released.UTC()
		}
		p.key.Role, err = commission.ParseRole(role)
		return p, err
	})
	if err != nil || len(page) == 0 {
		return nil, err
	}
	numbers := make([]int64, len(page))
	byNo := make(map[int64]*standing, len(page))
	for i, p := range page {
		numbers[i], byNo[p.no] = p.no, p
	}
	batch := &pgx.Batch{}
	evidence.PeriodPostings(batch, numbers, func(no int64, m commission.Movement) { byNo[no].posted = append(byNo[no].posted, m) })
	return page, r.tx.SendBatch(ctx, batch).Close()
}

// period compares one period.
func (r *replay) period(p *standing, want rebuilt, waiting bool) {
	recorded, err := period.ReadRecord(p.record)
	d := Difference{Merchant: p.key.Merchant, Rule: p.key.Rule, Period: nameOf(&p.key)}
	switch {
	case err != nil:
		d.What, d.Want, d.Have = "record", "one that can be read", err.Error()
		r.find(d)
		return
	case !r.asked.In.holds(p, &recorded):
		r.done.Partial++
		return
	case waiting:
		r.done.Waiting++
		return
	}
	r.done.Periods++
	r.done.Postings += int64(len(p.posted))
	settled := &want.settlement
	contradictions := period.Contradictions(want.rules, &recorded.Settlement, settled)
	for _, m := range commission.Mismatches(p.posted, settled.Movements(p.key, p.released)) {
		d.Day, d.Band = "", ""
		if b := settled.BucketAt(&m.Movement); b != nil {
			d.Day, d.Band = b.Day.String(), settled.BandAt(want.rules, b)
		} else if b := recorded.BucketAt(&m.Movement); b != nil {
			d.Day = b.Day.String()
		}
		d.What, d.Want, d.Have = posting(&m), strconv.FormatInt(m.Want, 10), strconv.FormatInt(m.Have, 10)
		r.find(d)
	}
	if len(contradictions) > 0 {
		c := &contradictions[0]
		if d.Day, d.Band = "", c.Band; c.Day != 0 {
			d.Day = c.Day.String()
		}
		d.What, d.Want, d.Have = c.What, c.Decided, c.Recorded
		r.find(d)
	}
}

// holds reports whether all days of a period's sales are in the range.
func (in Range) holds(p *standing, recorded *period.Record) bool {
	zone := time.UTC
	if len(recorded.Rules) > 0 {
		if rule, err := program.ParsePeriodRule(recorded.Rules[0].Says); err == nil {
			zone = rule.Zone
		}
	}
	return !p.first.Start(zone).Before(in.From) && !(p.last + 1).Start(zone).After(in.To)
}

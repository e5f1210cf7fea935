package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/period"
	"tributary/partners/program"
)

// PositionState says what is known of where an order stands in a period.
type PositionState string

// The states.
const (
	// PositionSettled is of an order that the period was settled with.
	PositionSettled PositionState = "settled"
	// PositionWaits is of one that is still to be counted, or that comes after others that are.
	PositionWaits PositionState = "waits"
	// PositionNothing is of one of which nothing counts any more.
	PositionNothing PositionState = "nothing"
	// PositionOverflow is of one in a period whose sums are too large to be counted.
	PositionOverflow PositionState = "overflow"
)

// placeOrders bounds the orders of a day that are read to find the place of one after them.
const placeOrders = 500

// A Position is where an order stands in a period in which one of its credits counts, as the period was settled last.
type Position struct {
	Period  int64             `json:"period,omitempty"` // 0 of one that is not settled yet
	Partner program.PartnerID `json:"partner"`
	Role    commission.Role   `json:"role,omitzero"`
	Rule    string            `json:"rule"`
	Span    string            `json:"span"`
	Unit    string            `json:"unit"`
	State   PositionState     `json:"state"`
	// The rest is set where the state is PositionSettled.

	Day commission.Day `json:"day,omitzero"`
	// ByDay tells that Place is that of all orders of the day together, of which there are Orders. So it is for a partner who shares
	// some of them, since each part is the difference of what others have, and where there are more than placeOrders before it.
	ByDay  bool          `json:"by_day,omitempty"`
	Orders int64         `json:"orders,omitempty"`
	Place  *period.Place `json:"place,omitempty"`
	// Measured is what the rule measures in the whole period.
	Measured int64 `json:"measured,omitempty"`
	// Part is how it stands to a cap; period.Within also where that is not known of the order alone.
	Part period.Part `json:"part,omitempty"`
	// Says is the rule by which it counts.
	Says json.RawMessage `json:"says,omitempty"`

	Counting *program.Counting `json:"-"`
}

// readPositions finds where the order stands in each period in which it counts.
func (s *Snapshot) readPositions(ctx context.Context, e *Explanation) error {
	for i := range e.Decision.Credits {
		c := &e.Decision.Credits[i]
		if c.Counted == nil {
			continue
		}
		for n := range c.Counted.In {
			in := &c.Counted.In[n]
			at := positioning{
				key: period.Key{Merchant: c.Merchant, Program: c.Program, Partner: c.Partner, Role: c.Role, Rule: in.Rule, Span: in.Span, Unit: c.Unit},
				in:  period.Bucket{Day: c.Counted.Day, Rule: in.As, Hold: c.Terms.HoldSeconds},
			}
			if err := s.position(ctx, &e.Decision, i, &at); err != nil {
				return fmt.Errorf("reading where an order stands in period %s of %q: %w", in.Span, in.Rule, err)
			}
			e.Positions = append(e.Positions, at.Position)
		}
	}
	return nil
}

// positioning is a position that is being found.
type positioning struct {
	Position

	key    period.Key
	in     period.Bucket
	record period.Record
}

func (s *Snapshot) position(ctx context.Context, d *commission.Decision, credit int, at *positioning) error {
	k := &at.key
	at.Position = Position{Partner: k.Partner, Role: k.Role, Rule: k.Rule, Span: k.Span, Unit: k.Unit, State: PositionWaits}
	waits, err := s.readPeriodOf(ctx, at)
	if err != nil || waits {
		return err
	}
	if at.record.Outcome == period.Overflow {
		at.State = PositionOverflow
		return nil
	}
	own, known := s.sumsOf(d, credit, at)
	day := slices.IndexFunc(at.record.Buckets, func(p period.Paid) bool { return p.Bucket == at.in })
	if day < 0 || known && own == (period.Sums{}) {
		at.State = PositionNothing
		return nil
	}
	if err := at.rule(); err != nil {
		return err
	}
	paid := &at.record.Buckets[day]
	before, adds := paid.Before, own
	if known {
		var earlier period.Sums
		if earlier, known, err = s.earlier(ctx, &d.Order, at); err != nil {
			return err
		}
		before = before.Plus(earlier)
	}
	if at.ByDay = !known; at.ByDay {
		before, adds, at.Orders = paid.Before, paid.Sums, paid.Sums.Count
	}
	rule := &at.Counting.Period
	place := period.PlaceOf(rule, before, adds)
	at.State, at.Day, at.Place, at.Measured = PositionSettled, at.in.Day, &place, at.record.Sums.Of(rule.Measure)
	switch boundary := at.record.Cap(); {
	case boundary != nil:
		at.Part = boundary.Of(d.Order.At, d.Order.ID)
	case !at.ByDay:
		at.Part = place.Part()
	}
	return nil
}

// readPeriodOf reads the period, and whether something of it up to the order's day is still to be counted.
func (s *Snapshot) readPeriodOf(ctx context.Context, at *positioning) (waits bool, err error) {
	var record []byte
	// name: period of an order
	err = s.tx.QueryRow(ctx, `SELECT p.no, p.record::text, EXISTS (SELECT FROM period_waiting w
			WHERE w.lane = p.lane AND w.program_id = p.program_id AND w.partner_id = p.partner_id AND w.role = p.role AND w.rule = p.rule
			  AND w.span = p.span AND w.unit = p.unit AND w.day <= $7::date)
		FROM period p WHERE program_id = $1 AND partner_id = $2 AND role = $3 AND rule = $4 AND span = $5 AND unit = $6`,
		int64(at.key.Program), int64(at.key.Partner), at.key.Role.String(), at.key.Rule, at.key.Span, at.key.Unit, at.in.Day.String()).Scan(&at.Period, &record, &waits)
	if errors.Is(err, pgx.ErrNoRows) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the period: %w", err)
	}
	at.record, err = period.ReadRecord(record)
	return waits, err
}

// rule finds the rule by which the order counts.
func (at *positioning) rule() (err error) {
	i := slices.IndexFunc(at.record.Rules, func(r period.Said) bool { return r.ID == at.in.Rule })
	if i < 0 {
		return fmt.Errorf("the record of period %d lacks its rule %s", at.Period, at.in.Rule)
	}
	at.Says = at.record.Rules[i].Says
	at.Counting, err = program.ParsePeriodRule(at.Says)
	return err
}

// counts tells whether a credit counts in the period on the same terms: on the same day, by the same rule, with a hold of the same length.
func (at *positioning) counts(c *commission.Credit) bool {
	return c.Counted != nil && c.Counted.Day == at.in.Day && c.Terms.HoldSeconds == at.in.Hold && slices.ContainsFunc(c.Counted.In, func(in commission.CountedIn) bool {
		return in.Rule == at.key.Rule && in.Span == at.key.Span && in.As == at.in.Rule
	})
}

// sumsOf are what a credit adds to the period beside the order that is looked at. They are not known of a partner who shares an
// order: its record is cut to the own part.
func (s *Snapshot) sumsOf(d *commission.Decision, credit int, at *positioning) (sums period.Sums, known bool) {
	c := &d.Credits[credit]
	if !at.counts(c) {
		return sums, true
	}
	if s.scope.Partner != 0 && (c.Role != commission.RolePartner || c.Weight > 0) {
		return sums, false
	}
	for _, cell := range period.OrderOf(d, credit, at.key).Cells {
		sums = sums.Plus(cell.Sums)
	}
	return sums, true
}

// earlier are the sums of the orders that count before one on its day, as far as they are known and few enough to be read.
func (s *Snapshot) earlier(ctx context.Context, o *commission.Order, at *positioning) (sums period.Sums, known bool, err error) {
	k := &at.key
	// name: orders before one in a period
	rows, err := s.tx.Query(ctx, `SELECT o.record FROM commission c JOIN scoped_order o ON o.no = c.order_no
		WHERE c.partner_id = @partner AND c.program_id = @program AND c.role = @role AND c.unit = @unit
		  AND c.occurred_at >= @from AND c.occurred_at <= @at AND (c.occurred_at, o.order_id COLLATE "C") < (@at, @id) LIMIT @limit`, pgx.NamedArgs{
		"partner": int64(k.Partner), "program": int64(k.Program), "role": k.Role.String(), "unit": k.Unit,
		"from": at.in.Day.Start(at.Counting.Zone), "at": o.At, "id": o.ID, "limit": placeOrders + 1,
	})
	if err != nil {
		return sums, false, fmt.Errorf("reading the orders before it: %w", err)
	}
	records, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(records) > placeOrders {
		return sums, false, err
	}
	earner := commission.Earner{Partner: k.Partner, Role: k.Role, Unit: k.Unit}
	for _, record := range records {
		d, err := commission.UnmarshalRecord([]byte(record))
		if err != nil {
			return sums, false, err
		}
		i := slices.IndexFunc(d.Credits, func(c commission.Credit) bool { return c.Earner() == earner })
		if i < 0 {
			continue // what it earned was taken back
		}
		own, known := s.sumsOf(&d, i, at)
		if !known {
			return sums, false, nil
		}
		sums = sums.Plus(own)
	}
	return sums, true, nil
}

package rerun

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/commission/fx"
	"tributary/commission/period"
	"tributary/partners"
	"tributary/partners/program"
)

// Replaying is a question to Replay.
type Replaying struct {
	In Range
	// VerifyClick and Progress are as of Asked.
	VerifyClick func(id string) commission.Click
	Progress    func(done, total int64)
	// Limit bounds the differences that are kept: 1,000 by default.
	Limit int
}

// Replayed is what Replay says.
type Replayed struct {
	Range
	// Orders and Periods were rebuilt and compared, and Postings are what the books hold for them.
	Orders   int64 `json:"orders"`
	Periods  int64 `json:"periods"`
	Postings int64 `json:"postings"`
	// Waiting are orders and periods that engines are about to decide or settle again, Partial periods with sales outside of the range:
	// neither is compared.
	Waiting int64 `json:"waiting"`
	Partial int64 `json:"partial"`
	// Different is how many differences there are, of which the first are named.
	Different   int64        `json:"different"`
	Differences []Difference `json:"differences"`
}

// Difference is something in which the books, or the record of why, are not as the facts say.
type Difference struct {
	Merchant program.MerchantID `json:"merchant"`
	// Order is the merchant's id of an order and No its number; Line the first of its lines that is priced otherwise, and Rule by what,
	// 0 and empty where none is.
	Order string `json:"order,omitempty"`
	No    int64  `json:"no,omitempty"`
	Line  int64  `json:"line,omitempty"`
	Rule  string `json:"rule,omitempty"`
	// Period names a period, by Rule; Day is the first day of sales on which it is otherwise, and Band where these stand.
	Period string `json:"period,omitempty"`
	Day    string `json:"day,omitempty"`
	Band   string `json:"band,omitempty"`
	// What is different, Want what follows from the facts and Have what stands there; minor units where it is money.
	What string `json:"what"`
	Want string `json:"want"`
	Have string `json:"have"`
}

// String is the difference on one line.
func (d Difference) String() string {
	of := fmt.Sprintf("merchant %d, order %q (%d)", d.Merchant, d.Order, d.No)
	if d.Period != "" {
		of = fmt.Sprintf("merchant %d, period %s", d.Merchant, d.Period)
	}
	if d.Line != 0 {
		of += fmt.Sprintf(", line %d", d.Line)
	}
	if d.Rule != "" {
		of += fmt.Sprintf(", rule %q", d.Rule)
	}
	if d.Day != "" {
		of += ", day " + d.Day
	}
	if d.Band != "" {
		of += ", band " + d.Band
	}
	return fmt.Sprintf("%s: %s: want %s, have %s", of, d.What, d.Want, d.Have)
}

// Replay rebuilds what orders that were placed in a range and their periods should have posted, merchant by merchant, from stored
// facts and what people decided alone, and compares it with what the books hold for them and with their records. It reads in tx,
// a snapshot of the whole network, and writes nothing. How customers stood before the range, up to when holds have ended, and
// what ids of a click key that is gone said, it takes as it stands.
func Replay(ctx context.Context, tx pgx.Tx, asked Replaying) (*Replayed, error) {
	programs, rates := partners.NewPrograms(), fx.NewTable()
	if err := programs.Refresh(ctx, tx); err != nil {
		return nil, err
	}
	if err := rates.Refresh(ctx, tx); err != nil {
		return nil, err
	}
	if asked.Limit <= 0 {
		asked.Limit = maxDifferences
	}
	ids := &clicks{verify: asked.VerifyClick}
	r := &replay{
		asked: asked, tx: tx, programs: programs, clicks: ids, network: evidence.Network{Rates: rates, VerifyClick: ids.of, Links: evidence.Links{}},
		forms: commission.KnownForms(), done: Replayed{Range: asked.In, Differences: []Difference{}},
	}
	merchants, err := r.merchants(ctx)
	if err != nil {
		return nil, fmt.Errorf("replaying the books: %w", err)
	}
	for _, m := range merchants {
		if err := r.merchant(ctx, m); err != nil {
			return nil, fmt.Errorf("replaying the books of merchant %d: %w", m, err)
		}
	}
	return &r.done, nil
}

// maxDifferences is how many are named.
const maxDifferences = 1000

// replay is one run of Replay.
type replay struct {
	asked    Replaying
	tx       pgx.Tx
	programs *partners.Programs
	clicks   *clicks
	network  evidence.Network
	forms    commission.Forms
	total    int64
	done     Replayed
}

// merchants are those with orders in the range.
func (r *replay) merchants(ctx context.Context) (merchants []program.MerchantID, err error) {
	rows, err := r.tx.Query(ctx, `SELECT merchant_id, count(*) FROM orders WHERE occurred_at >= $1 AND occurred_at < $2 GROUP BY 1 ORDER BY 1`, r.asked.In.From, r.asked.In.To)
	if err != nil {
		return nil, err
	}
	var m program.MerchantID
	var orders int64
	_, err = pgx.ForEachRow(rows, []any{&m, &orders}, func() error {
		merchants = append(merchants, m)
		r.total += orders
		return nil
	})
	return merchants, err
}

func (r *replay) find(d Difference) {
	if r.done.Different++; len(r.done.Differences) < r.asked.Limit {
		r.done.Differences = append(r.done.Differences, d)
	}
}

// merchant replays the books of one merchant.
func (r *replay) merchant(ctx context.Context, merchant program.MerchantID) error {
	s := newSide(r.programs, r.network, merchant)
	chosen := byNumber
	if s.asks {
		chosen = byCustomer
	}
	h, err := openHistory(ctx, r.tx, merchant, r.asked.In, chosen)
	if err != nil {
		return err
	}
	book := &period.Book{Keeps: r.keeps(merchant)}
	for {
		orders, err := h.next(ctx)
		if err != nil {
			return err
		}
		read := len(orders)
		if read == 0 {
			break
		}
		if err := r.orders(ctx, s, book, r.whole(merchant, orders)); err != nil {
			return err
		}
		if r.done.Orders += int64(read); r.asked.Progress != nil {
			r.asked.Progress(r.done.Orders, max(r.total, r.done.Orders))
		}
	}
	if err := h.close(ctx); err != nil {
		return err
	}
	return r.periods(ctx, merchant, book)
}

// whole are the orders whose facts can be folded; the others are differences.
func (r *replay) whole(merchant program.MerchantID, orders []*past) []*past {
	return slices.DeleteFunc(orders, func(o *past) bool {
		if o.unfolded != nil {
			r.find(Difference{Merchant: merchant, Order: o.id, No: o.no, What: "facts", Want: "what can be folded", Have: o.unfolded.Error()})
		}
		return o.unfolded != nil
	})
}

// keeps tells which periods of a merchant need their orders.
func (r *replay) keeps(merchant program.MerchantID) func(of *period.Key) bool {
	known := map[program.ProgramID]func(of *period.Key) bool{}
	return func(of *period.Key) bool {
		if known[of.Program] == nil {
			known[of.Program] = ranked(of.Program, r.programs)
		}
		return of.Merchant == merchant && known[of.Program](of)
	}
}

// stored is what stands of an order.
type stored struct {
	record   []byte
	released time.Time
	posted   []commission.Movement
}

//go:embed query/posted.sql
var postedOf string

// orders decides orders, adds them to the book, and compares them with what stands.
func (r *replay) orders(ctx context.Context, s *side, book *period.Book, orders []*past) error {
	if err := r.clicks.read(ctx, r.tx, orders); err != nil {
		return err
	}
	known := &customers{}
	if s.asks {
		var err error
		if known, err = knownCustomers(ctx, r.tx, s.merchant, r.asked.In, orders); err != nil {
			return err
		}
	}
	resolved, err := s.resolve(ctx, r.tx, orders, known)
	if err != nil {
		return err
	}
	stands, err := r.stored(ctx, orders)
	if err != nil {
		return err
	}
	found := map[*past][]Difference{}
	for i, o := range orders {
		decided, err := commission.Decide(o.folded, resolved[i])
		if err != nil {
			return err
		}
		book.Add(&decided)
		at := stands[o.no]
		r.done.Postings += int64(len(at.posted))
		if d := r.compare(o, at, &decided); len(d) > 0 {
			found[o] = d
		}
	}
	return r.report(ctx, s, orders, found)
}

// stored reads what stands of orders.
func (r *replay) stored(ctx context.Context, orders []*past) (map[int64]*stored, error) {
	numbers := make([]int64, len(orders))
	byNo := make(map[int64]*stored, len(orders))
	for i, o := range orders {
		numbers[i], byNo[o.no] = o.no, &stored{}
	}
	batch := &pgx.Batch{}
	batch.Queue(`SELECT o.no, o.decision::text, o.released_until FROM unnest($1::bigint[]) k (no)
 CROSS JOIN LATERAL (SELECT no, decision, released_until FROM orders WHERE no = k.no OFFSET 0) o`, numbers).Query(func(rows pgx.Rows) error {
		var no int64
		var record []byte
		var released *time.Time
		_, err := pgx.ForEachRow(rows, []any{&no, &record, &released}, func() error {
			if byNo[no].record = record; released != nil {
				byNo[no].released = released.UTC()
			}
			return nil
		})
		return err
	})
	batch.Queue(postedOf, numbers).Query(func(rows pgx.Rows) error {
		var no int64
		var m commission.Movement
		_, err := pgx.ForEachRow(rows, []any{&no, &m.Debit, &m.Credit, &m.Merchant, &m.Partner, &m.Customer, &m.Unit, &m.Amount, &m.At}, func() error {
			m.At = m.At.UTC()
			byNo[no].posted = append(byNo[no].posted, m)
			return nil
		})
		return err
	})
	if err := r.tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("reading what stands of %d orders: %w", len(orders), err)
	}
	return byNo, nil
}

// compare gives the differences of an order: where the books are otherwise, else in what its record is.
func (r *replay) compare(o *past, at *stored, decided *commission.Decision) (all []Difference) {
	d := Difference{Merchant: decided.Order.Merchant, Order: o.id, No: o.no}
	recorded, err := r.forms.Read(at.record)
	var first commission.Contradiction
	if err != nil {
		first = commission.Contradiction{What: "record", Decided: "one that can be read", Recorded: err.Error()}
	} else {
		for _, c := range commission.Contradictions(&recorded, decided) {
			if first.What == "" || first.Line == 0 && c.Line != 0 {
				first = c
			}
		}
	}
	d.Line, d.Rule = first.Line, first.Rule
	for _, m := range commission.Mismatches(at.posted, decided.Movements(at.released)) {
		d.What, d.Want, d.Have = posting(&m), strconv.FormatInt(m.Want, 10), strconv.FormatInt(m.Have, 10)
		all = append(all, d)
	}
	if first.What != "" {
		d.What, d.Want, d.Have = first.What, first.Decided, first.Recorded
		all = append(all, d)
	}
	return all
}

// posting names what the books hold otherwise.
func posting(m *commission.Mismatch) string {
	return fmt.Sprintf("postings from %s to %s, %s, %s, effective %s", m.Credit, m.Debit, m.Whose(), m.Unit, m.At.UTC().Format(time.RFC3339Nano))
}

// report takes the differences down, but for those of orders that engines are about to decide again.
func (r *replay) report(ctx context.Context, s *side, orders []*past, found map[*past][]Difference) error {
	if len(found) == 0 {
		return nil
	}
	var numbers []int64
	var names []string
	for o := range found {
		numbers, names = append(numbers, o.no), append(names, o.folded.Customer)
	}
	rows, err := r.tx.Query(ctx, `SELECT n FROM unnest($1::bigint[], $2::text[]) k (n, customer)
 WHERE EXISTS (SELECT FROM nudge WHERE order_no = n) OR EXISTS (SELECT FROM customer_touched WHERE merchant_id = $3 AND customer_id = customer)
    OR EXISTS (SELECT FROM customer_change WHERE compared IS NULL AND $3 = ANY (merchants) AND customer = ANY (customers))`,
		numbers, names, s.merchant)
	if err != nil {
		return err
	}
	waiting := map[int64]bool{}
	var no int64
	if _, err = pgx.ForEachRow(rows, []any{&no}, func() error { waiting[no] = true; return nil }); err != nil {
		return fmt.Errorf("looking for orders that are to be decided again: %w", err)
	}
	for _, o := range orders {
		switch {
		case found[o] == nil:
		case waiting[o.no]:
			r.done.Waiting++
		default:
			for _, d := range found[o] {
				r.find(d)
			}
		}
	}
	return nil
}

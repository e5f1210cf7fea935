package report

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/internal/event"
	"tributary/partners/program"
)

// An Explanation is all that is known of one order: what was decided and why, what is on the books, and what was reported.
type Explanation struct {
	No       int64
	OrderID  string
	Version  int
	Decision commission.Decision
	Record   string // the decision as it is kept
	Merchant string
	// Earnings are the commissions on it, those of the decision's credits in their order. A partner's scope has its own alone,
	// and so it is with credits and touches in Decision and Record, which then name neither coupon nor customer.
	Earnings []Earning
	// Whole is the sum of the weights of all credits in a unit; it has no unit in which nobody shares.
	Whole map[string]int64
	// Names of what the decision speaks of by number. A link's is its code, with its label for its partner alone.
	Programs map[program.ProgramID]string
	Partners map[program.PartnerID]string
	Links    map[program.LinkID]string
	Postings []Posting
	Facts    []Fact
	// Reports are what came in, with or without effect, for merchant and operator alone.
	Reports []Report
	// Positions are where it stands in the periods in which its credits count, in the order of these and of the terms' rules.
	Positions []Position
	// Reviews are what people have said about the order, oldest first: of those about others' shares a partner sees nothing.
	Reviews []Review
	// Disputes are those of its customer with their bank, oldest first.
	Disputes []Dispute
	// Rivals are reports of it that said something else, the last first and at most 20, for merchant and operator alone.
	Rivals []Conflict
	// Conflicts counts reports of the order or of its refunds that said something else.
	Conflicts int64
}

// An Earning is a commission as the list has it.
type Earning struct {
	PartnerID int64
	Role      string
	Unit      string
	State     string
	Pending   int64
	Payable   int64
	HoldUntil time.Time
}

// A Posting of the order, in the order in which they were written. Debit and Credit are kinds of account, empty for one
// that the scope does not see.
type Posting struct {
	Version     int
	N           int
	Debit       string
	Credit      string
	Amount      int64
	Unit        string
	EffectiveAt time.Time
	PostedAt    time.Time
}

// A Fact is an event that the order is folded from.
type Fact struct {
	Kind       event.Kind
	Ref        string
	OccurredAt time.Time
	ReceivedAt time.Time
}

// A Report is a report of an order as it came, and who sent it.
type Report struct {
	Kind       event.Kind
	Ref        string
	ReceivedAt time.Time
	// Key names the API key; empty where none was used.
	Key      string
	KeyID    int64
	Network  string // where it came from, cut off as with clicks
	Imported bool
	Conflict bool // kept without effect
}

// JSON is the explanation for programs: the record as it is kept for the scope, and where the order stands in its periods.
func (e *Explanation) JSON() (string, error) {
	return written(struct {
		Record  json.RawMessage `json:"record"`
		Periods []Position      `json:"periods,omitempty"`
	}{json.RawMessage(e.Record), e.Positions})
}

// written is JSON in which letters stand for themselves.
func written(v any) (string, error) {
	var b strings.Builder
	w := json.NewEncoder(&b)
	w.SetEscapeHTML(false)
	if err := w.Encode(v); err != nil {
		return "", fmt.Errorf("writing an order as JSON: %w", err)
	}
	return strings.TrimSpace(b.String()), nil
}

// Explain reads an order that the scope may see: of a partner those with a commission of theirs. Any other is not found.
func (s *Snapshot) Explain(ctx context.Context, no int64) (Explanation, error) {
	e := Explanation{No: no}
	for _, read := range []func(context.Context, *Explanation) error{s.readOrder, s.readEarnings, s.readNames, s.readPostings, s.readFacts, s.readPositions, s.readReviews, s.readDisputes} {
		if err := read(ctx, &e); err != nil {
			return e, err
		}
	}
	if s.scope.Partner != 0 {
		return e, nil
	}
	if err := s.readReports(ctx, &e); err != nil || e.Conflicts == 0 {
		return e, err
	}
	var err error
	e.Rivals, err = s.rivals(ctx, no)
	return e, err
}

func (s *Snapshot) readOrder(ctx context.Context, e *Explanation) error {
	// name: order explained
	err := s.tx.QueryRow(ctx, `SELECT o.order_id, o.version, o.record, o.whole, m.name,
			(SELECT count(*) FROM order_conflict x WHERE x.order_no = o.no)
		FROM scoped_order o JOIN merchant m ON m.id = o.merchant_id
		WHERE o.no = $1 AND ($2::bigint = 0 OR o.merchant_id = $2)
		  AND ($3::bigint = 0 OR EXISTS (SELECT FROM commission c WHERE c.order_no = o.no AND c.partner_id = $3))`,
		e.No, int64(s.scope.Merchant), int64(s.scope.Partner)).Scan(&e.OrderID, &e.Version, &e.Record, &e.Whole, &e.Merchant, &e.Conflicts)
	if errors.Is(err, pgx.ErrNoRows) {
		return notFound()
	}
	if err != nil {
		return fmt.Errorf("reading an order: %w", err)
	}
	e.Decision, err = commission.UnmarshalRecord([]byte(e.Record))
	return err
}

func (s *Snapshot) readEarnings(ctx context.Context, e *Explanation) error {
	// name: commissions explained
	rows, err := s.tx.Query(ctx, `SELECT partner_id, role, unit, state, pending, payable, hold_until FROM commission
		WHERE order_no = $1 AND ($2::bigint = 0 OR partner_id = $2) ORDER BY leads DESC, partner_id, role, unit`, e.No, int64(s.scope.Partner))
	if err != nil {
		return fmt.Errorf("reading the commissions: %w", err)
	}
	if e.Earnings, err = pgx.CollectRows(rows, pgx.RowToStructByName[Earning]); err != nil {
		return fmt.Errorf("reading the commissions: %w", err)
	}
	place := func(of Earning) int {
		i := slices.IndexFunc(e.Decision.Credits, func(c commission.Credit) bool {
			return int64(c.Partner) == of.PartnerID && c.Role.String() == of.Role && c.Unit == of.Unit
		})
		return cmp.Or(i+1, len(e.Decision.Credits)+1) // those that no longer stand come last
	}
	slices.SortStableFunc(e.Earnings, func(a, b Earning) int { return cmp.Compare(place(a), place(b)) })
	return nil
}

// readNames looks up what the decision names by number. A link's label is its partner's own and shown to nobody else.
func (s *Snapshot) readNames(ctx context.Context, e *Explanation) error {
	var programs, people, links []int64
	for _, t := range e.Decision.Touches {
		programs, people, links = append(programs, int64(t.Program)), append(people, int64(t.Partner)), append(links, int64(t.Link))
	}
	for _, c := range slices.Concat(e.Decision.Credits, e.Decision.Would) {
		programs, people, links = append(programs, int64(c.Program)), append(people, int64(c.Partner)), append(links, int64(c.Link))
	}
	// name: names in an explanation
	rows, err := s.tx.Query(ctx, `SELECT 'program', id, name FROM program WHERE id = ANY ($1)
		UNION ALL SELECT 'partner', id, name FROM partner WHERE id = ANY ($2)
		UNION ALL SELECT 'link', id, CASE WHEN $4 OR label = '' THEN code ELSE '“' || label || '” (' || code || ')' END FROM link WHERE id = ANY ($3)`,
		programs, people, links, s.scope.Partner == 0)
	if err != nil {
		return fmt.Errorf("reading names: %w", err)
	}
	e.Programs, e.Partners, e.Links = map[program.ProgramID]string{}, map[program.PartnerID]string{}, map[program.LinkID]string{}
	var kind, name string
	var id int64
	_, err = pgx.ForEachRow(rows, []any{&kind, &id, &name}, func() error {
		switch kind {
		case "program":
			e.Programs[program.ProgramID(id)] = name
		case "partner":
			e.Partners[program.PartnerID(id)] = name
		case "link":
			e.Links[program.LinkID(id)] = name
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading names: %w", err)
	}
	return nil
}

// readPostings reads the order's postings. A partner does not see the accounts of others.
func (s *Snapshot) readPostings(ctx context.Context, e *Explanation) error {
	// name: postings of an order
	rows, err := s.tx.Query(ctx, `SELECT p.version, p.n, coalesce(d.kind, '') AS debit, coalesce(c.kind, '') AS credit, p.amount, p.unit, p.effective_at, p.posted_at
		FROM posting p LEFT JOIN account d ON d.id = p.debit LEFT JOIN account c ON c.id = p.credit
		WHERE p.source = 1 AND p.source_no = $1 ORDER BY p.version, p.n LIMIT 1000`, e.No)
	if err != nil {
		return fmt.Errorf("reading postings: %w", err)
	}
	if e.Postings, err = pgx.CollectRows(rows, pgx.RowToStructByName[Posting]); err != nil {
		return fmt.Errorf("reading postings: %w", err)
	}
	return nil
}

func (s *Snapshot) readFacts(ctx context.Context, e *Explanation) error {
	// name: facts of an order
	rows, err := s.tx.Query(ctx, `SELECT kind, ref, occurred_at, received_at FROM scoped_order_event
		WHERE order_no = $1 ORDER BY received_at, kind, ref LIMIT 1000`, e.No)
	if err != nil {
		return fmt.Errorf("reading an order's events: %w", err)
	}
	if e.Facts, err = pgx.CollectRows(rows, pgx.RowToStructByName[Fact]); err != nil {
		return fmt.Errorf("reading an order's events: %w", err)
	}
	return nil
}

//go:embed query/reports.sql
var reportsSQL string

// readReports lists what was reported of an order, oldest first.
func (s *Snapshot) readReports(ctx context.Context, e *Explanation) error {
	rows, err := s.tx.Query(ctx, reportsSQL, e.No)
	if err != nil {
		return fmt.Errorf("reading an order's reports: %w", err)
	}
	if e.Reports, err = pgx.CollectRows(rows, pgx.RowToStructByName[Report]); err != nil {
		return fmt.Errorf("reading an order's reports: %w", err)
	}
	return nil
}

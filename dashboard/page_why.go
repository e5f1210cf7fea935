package dashboard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"tributary/commission"
	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/partners/program"
)

// whyView explains one order: what is known of it, who earns on it and why, and what stands on the books.
type whyView struct {
	at          time.Time
	forMerchant bool
	no          int64
	orderID     string
	version     int
	decision    commission.Decision
	record      string // the decision as it is kept
	// state, pending and payable are of the one commission there can be; nil when nobody earns.
	earning  *earning
	merchant string
	// names of what the decision speaks of by number.
	programs map[program.ProgramID]string
	partners map[program.PartnerID]string
	links    map[program.LinkID]string
	postings []postingRow
	facts    []factRow
	// reports are what came in, with or without effect, for the merchant alone.
	reports []reportedRow
	// conflicts counts reports of the order or of its refunds that said something else.
	conflicts int64
}

// earning is a commission as the list has it.
type earning struct {
	PartnerID int64
	State     string
	Pending   int64
	Payable   int64
	HoldUntil time.Time
}

// postingRow is a posting of the order, in the order in which they were written.
type postingRow struct {
	Version     int
	N           int
	Debit       string
	Credit      string
	Amount      int64
	Unit        string
	EffectiveAt time.Time
	PostedAt    time.Time
}

// factRow is an event that the order is folded from.
type factRow struct {
	Sale       bool
	Ref        string
	OccurredAt time.Time
	ReceivedAt time.Time
}

func (s *Server) why(c echo.Context, v *visit) error {
	no := number(c.Param("order"))
	if no == 0 {
		return notFound("order")
	}
	view, err := s.loadWhy(c.Request().Context(), v, no)
	if err != nil {
		return err
	}
	return s.page(c, v, "Why: order "+view.orderID, whyPage(view))
}

func (s *Server) loadWhy(ctx context.Context, v *visit, no int64) (whyView, error) {
	view := whyView{at: v.at, forMerchant: v.login.Merchant != 0, no: no}
	err := s.see(ctx, v.scope(), func(tx pgx.Tx) (err error) {
		if err := view.readOrder(ctx, tx, v.login); err != nil {
			return err
		}
		if err := view.readNames(ctx, tx); err != nil {
			return err
		}
		if err := view.readBooks(ctx, tx); err != nil || !view.forMerchant {
			return err
		}
		view.reports, err = readReports(ctx, tx, view.no)
		return err
	})
	return view, err
}

// readOrder finds the order among the rows that the person may see: of a partner those with a commission of theirs.
func (view *whyView) readOrder(ctx context.Context, tx pgx.Tx, l login) error {
	// name: order of why
	err := tx.QueryRow(ctx, `SELECT o.order_id, o.version, o.decision::text, m.name,
			(SELECT count(*) FROM order_conflict x WHERE x.order_no = o.no)
		FROM orders o JOIN merchant m ON m.id = o.merchant_id
		WHERE o.no = $1 AND ($2::bigint = 0 OR o.merchant_id = $2)
		  AND ($3::bigint = 0 OR EXISTS (SELECT FROM commission c WHERE c.order_no = o.no AND c.partner_id = $3))`,
		view.no, int64(l.Merchant), int64(l.Partner)).Scan(&view.orderID, &view.version, &view.record, &view.merchant, &view.conflicts)
	if errors.Is(err, pgx.ErrNoRows) {
		return notFound("order")
	}
	if err != nil {
		return fmt.Errorf("reading an order: %w", err)
	}
	if view.decision, err = commission.UnmarshalRecord([]byte(view.record)); err != nil {
		return err
	}
	// name: commission of why
	rows, err := tx.Query(ctx, `SELECT partner_id, state, pending, payable, hold_until FROM commission
		WHERE order_no = $1 AND ($2::bigint = 0 OR partner_id = $2) ORDER BY partner_id`, view.no, int64(l.Partner))
	if err != nil {
		return fmt.Errorf("reading the commission: %w", err)
	}
	earnings, err := pgx.CollectRows(rows, pgx.RowToStructByName[earning])
	if err != nil {
		return fmt.Errorf("reading the commission: %w", err)
	}
	if len(earnings) > 0 {
		view.earning = &earnings[0]
	}
	return nil
}

// readNames looks up what the decision names by number. A link's label is its partner's own and shown to nobody else.
func (view *whyView) readNames(ctx context.Context, tx pgx.Tx) error {
	var programs, people, links []int64
	for _, t := range view.decision.Touches {
		programs, people, links = append(programs, int64(t.Program)), append(people, int64(t.Partner)), append(links, int64(t.Link))
	}
	// name: names of why
	rows, err := tx.Query(ctx, `SELECT 'program', id, name FROM program WHERE id = ANY ($1)
		UNION ALL SELECT 'partner', id, name FROM partner WHERE id = ANY ($2)
		UNION ALL SELECT 'link', id, CASE WHEN $4 OR label = '' THEN code ELSE '“' || label || '” (' || code || ')' END FROM link WHERE id = ANY ($3)`,
		programs, people, links, view.forMerchant)
	if err != nil {
		return fmt.Errorf("reading names: %w", err)
	}
	view.programs, view.partners, view.links = map[program.ProgramID]string{}, map[program.PartnerID]string{}, map[program.LinkID]string{}
	var kind, name string
	var id int64
	_, err = pgx.ForEachRow(rows, []any{&kind, &id, &name}, func() error {
		switch kind {
		case "program":
			view.programs[program.ProgramID(id)] = name
		case "partner":
			view.partners[program.PartnerID(id)] = name
		case "link":
			view.links[program.LinkID(id)] = name
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading names: %w", err)
	}
	return nil
}

// readBooks reads the order's postings and events. A partner does not see the accounts of others: their names are then
// not known, only that they are the merchant's or the network's.
func (view *whyView) readBooks(ctx context.Context, tx pgx.Tx) error {
	// name: postings of why
	rows, err := tx.Query(ctx, `SELECT p.version, p.n, coalesce(d.kind, '') AS debit, coalesce(c.kind, '') AS credit, p.amount, p.unit, p.effective_at, p.posted_at
		FROM posting p LEFT JOIN account d ON d.id = p.debit LEFT JOIN account c ON c.id = p.credit
		WHERE p.source = 1 AND p.source_no = $1 ORDER BY p.version, p.n LIMIT 1000`, view.no)
	if err != nil {
		return fmt.Errorf("reading postings: %w", err)
	}
	if view.postings, err = pgx.CollectRows(rows, pgx.RowToStructByName[postingRow]); err != nil {
		return fmt.Errorf("reading postings: %w", err)
	}
	// name: facts of why
	rows, err = tx.Query(ctx, `SELECT kind = 1 AS sale, ref, occurred_at, received_at FROM order_event
		WHERE order_no = $1 ORDER BY received_at, kind, ref LIMIT 1000`, view.no)
	if err != nil {
		return fmt.Errorf("reading an order's events: %w", err)
	}
	if view.facts, err = pgx.CollectRows(rows, pgx.RowToStructByName[factRow]); err != nil {
		return fmt.Errorf("reading an order's events: %w", err)
	}
	return nil
}

// credit is the decision's credit, or nil when nobody earns.
func (view *whyView) credit() *commission.Credit {
	if len(view.decision.Credits) == 0 {
		return nil
	}
	return &view.decision.Credits[0]
}

func (view *whyView) amount(minor int64) amount {
	return amount{view.decision.Order.Currency, minor}
}

// exact writes a product before rounding in units of its currency, with every decimal it has: 79.92 pence as 0.7992.
func exact(p money.Product, currency string) string {
	digits, known := money.Exponent(currency)
	whole, fraction, _ := strings.Cut(p.String(), ".")
	if !known || digits == 0 {
		return strings.TrimSuffix(whole+"."+fraction, ".")
	}
	sign := ""
	if whole[0] == '-' {
		sign, whole = "-", whole[1:]
	}
	if missing := digits + 1 - len(whole); missing > 0 {
		whole = strings.Repeat("0", missing) + whole
	}
	cut := len(whole) - digits
	return sign + thousands(whole[:cut]) + "." + whole[cut:] + fraction
}

// accountName says whose account it is, in words.
func accountName(kind string) string {
	switch commission.AccountKind(kind) {
	case commission.MerchantReceivable:
		return "Merchant owes"
	case commission.PartnerPending:
		return "Partner, pending"
	case commission.PartnerPayable:
		return "Partner, payable"
	case commission.FeePending:
		return "Network fee, pending"
	case commission.FeeEarned:
		return "Network fee, earned"
	}
	return "Merchant owes"
}

// A happening is an entry of the order's history.
type happening struct {
	at    time.Time
	title string
	text  string
	// mood is done, bad or empty for what is still to come.
	mood string
}

// history tells what happened to the order in the order of time, and what is still to come.
func (view *whyView) history() []happening {
	d := view.decision
	var list []happening
	for _, t := range d.Touches {
		if t.Kind == commission.TouchClick && !t.At.IsZero() {
			list = append(list, happening{at: t.At, title: "Click", text: "On link " + orDash(view.links[t.Link]) + ".", mood: "done"})
		}
	}
	for _, f := range view.facts {
		if f.Sale {
			list = append(list, happening{
				at: f.OccurredAt, title: "Order placed", mood: "done",
				text: view.amount(d.Order.Amount).text() + ", reported " + second(f.ReceivedAt) + ".",
			})
			continue
		}
		list = append(list, happening{
			at: f.OccurredAt, title: "Refund " + f.Ref, mood: "bad",
			text: view.amount(view.takenBy(f.Ref)).text() + " taken back, reported " + second(f.ReceivedAt) + ".",
		})
	}
	if e := view.earning; e != nil {
		list = append(list, view.holdEnd(e))
	}
	slices.SortStableFunc(list, func(a, b happening) int { return a.at.Compare(b.at) })
	return list
}

func (view *whyView) holdEnd(e *earning) happening {
	h := happening{at: e.HoldUntil, title: "Hold ends"}
	switch {
	case e.State != string(commission.Reversed) && e.Pending == 0 && e.Payable == 0:
		h.text = "Nothing was earned, so nothing becomes payable."
	case e.State == string(commission.Pending) && e.HoldUntil.After(view.at):
		h.text = "What is pending then becomes payable."
	case e.State == string(commission.Pending):
		h.text = "What is pending becomes payable shortly."
	case e.State == string(commission.Reversed):
		h.text, h.mood = "Nothing was left to become payable.", "done"
	default:
		h.text, h.mood = "The commission became payable.", "done"
	}
	return h
}

// takenBy is what a refund took from the order's lines.
func (view *whyView) takenBy(ref string) int64 {
	total := int64(0)
	for _, r := range view.decision.Order.Refunds {
		if r.ID != ref {
			continue
		}
		for _, t := range r.Taken {
			total += t.Amount
		}
	}
	return total
}

// received says when an order's report came.
func received(o commission.Order) string {
	if o.Imported {
		return second(o.Received) + ", as an import of the operator's: times are taken as stated"
	}
	return second(o.Received)
}

// clockSentence says how a click's age was measured.
func clockSentence(t commission.Touch, o commission.Order) string {
	text := "It is measured to the time that the shop stated."
	end := o.At
	switch {
	case t.Clock == event.ReceiptClock:
		text, end = "It is measured to the receipt of the order, since the shop's clock is within 5 minutes of ours.", o.Received
	case o.Imported:
		text = "It is measured to the time that the import stated."
	}
	if t.At.After(end) && t.AgeMillis == 0 {
		text += " The click is up to 5 minutes later, which counts as no time."
	}
	return text
}

// heldFrom says where a hold begins.
func heldFrom(o commission.Order) string {
	if !o.Imported && o.Received.After(o.At) {
		return "the receipt of the order"
	}
	return "the order"
}

// excessSentence says why a refund took nothing.
func excessSentence(e commission.Excess, currency string) string {
	switch e.Reason {
	case commission.NoSuchLine:
		return "The order has no such line."
	case commission.FreePieces:
		return "Only pieces that cost nothing were left of this SKU. Name the line that came back."
	case commission.OtherCurrency:
		return "The refund is in " + e.Currency + ", the order in " + currency + "."
	case commission.NothingLeft:
		return "Nothing was left to take back."
	}
	return string(e.Reason)
}

func (a amount) text() string { return a.Currency + " " + a.figures() }

func orDash(text string) string {
	if text == "" {
		return "–"
	}
	return text
}

// visibleID is a touch's id as far as the reader may see it: a customer's and a coupon's are the merchant's matter.
func (view *whyView) visibleID(t commission.Touch) string {
	if !view.forMerchant && t.Kind != commission.TouchClick {
		return "known to the merchant"
	}
	return t.ID
}

// sentence is the whole explanation in one.
func (view *whyView) sentence() string {
	c := view.credit()
	if c == nil {
		return view.decision.Outcome.Sentence()
	}
	who := "You earn "
	if view.forMerchant {
		who = orDash(view.partners[c.Partner]) + " earns "
	}
	touch := view.decision.Touches[slices.IndexFunc(view.decision.Touches, func(t commission.Touch) bool { return t.Won })]
	text := who + view.amount(c.Net).text() + " on this order: the customer came through link " + orDash(view.links[c.Link]) + " " +
		span(time.Duration(touch.AgeMillis)*time.Millisecond) + " before ordering, within the window of " +
		span(time.Duration(touch.WindowSeconds)*time.Second) + "."
	if c.Refunded > 0 {
		text += " Before refunds it was " + view.amount(c.Gross).text() + "."
	}
	return text
}

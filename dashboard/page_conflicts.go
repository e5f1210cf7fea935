package dashboard

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"tributary/commission"
	"tributary/dashboard/export"
	"tributary/internal/event"
)

// conflictRow is a report without effect: one that said something else than the one before it, with both as they came, or
// a refund beyond those that an order takes, which has no first.
type conflictRow struct {
	OrderNo       int64
	OrderID       string
	Sale          bool
	Ref           string
	ReceivedAt    time.Time
	FirstAt       time.Time
	First, Second []byte
	Reason        string
}

// conflictFilter is what the list is narrowed to.
type conflictFilter struct {
	Text     string
	From, To time.Time
	After    cursor
	limit    int
}

func readConflictFilter(q url.Values) conflictFilter {
	f := conflictFilter{Text: short(q.Get("q")), After: readCursor(q.Get("after")), limit: 20}
	f.From, f.To = readDays(q)
	return f
}

func (f conflictFilter) query() url.Values {
	q := url.Values{}
	if f.Text != "" {
		q.Set("q", f.Text)
	}
	setDays(q, f.From, f.To)
	if f.After != (cursor{}) {
		q.Set("after", f.After.text())
	}
	return q
}

func (f conflictFilter) narrowed() bool { return len(without(f.query(), "after")) > 0 }

// A contrast is one field of both versions.
type contrast struct {
	name, first, second string
}

func (d contrast) differs() bool { return d.first != d.second }

// A conflict is a row read out.
type conflict struct {
	conflictRow

	fields []contrast
}

// conflictsView is what the page shows.
type conflictsView struct {
	filter conflictFilter
	list   []conflict
	// oddRefunds counts the orders with refunds of what they do not have.
	oddRefunds int64
}

// next is the cursor of the next page. Conflicts received in one microsecond are kept apart by their order.
func (view conflictsView) next() string {
	if len(view.list) < view.filter.limit {
		return ""
	}
	last := view.list[len(view.list)-1]
	return cursor{At: last.ReceivedAt.UTC(), No: last.OrderNo}.text()
}

func (s *Server) loadConflicts(ctx context.Context, v *visit, f conflictFilter) (conflictsView, error) {
	view := conflictsView{filter: f}
	err := s.see(ctx, v.scope(), func(tx pgx.Tx) error {
		after := f.After
		if after == (cursor{}) {
			after = cursor{At: endOfTime()}
		}
		// name: conflicts
		rows, err := tx.Query(ctx, `SELECT x.order_no, o.order_id, x.kind = 1 AS sale, x.ref, x.received_at,
				coalesce(e.received_at, x.received_at) AS first_at, e.payload AS first, x.payload AS second, x.reason
			FROM order_conflict x JOIN orders o ON o.no = x.order_no
			LEFT JOIN order_event e ON e.order_no = x.order_no AND e.kind = x.kind AND e.ref = x.ref
			WHERE x.merchant_id = $1 AND ($2 = '' OR position(lower($2) IN lower(o.order_id)) > 0)
			  AND x.received_at >= $3 AND x.received_at < $4 AND (x.received_at, x.order_no) < ($5, $6)
			ORDER BY x.received_at DESC, x.order_no DESC LIMIT $7`,
			int64(v.login.Merchant), f.Text, orTime(f.From, beginningOfTime()), orTime(f.To, endOfTime()), after.At, after.No, f.limit)
		if err != nil {
			return fmt.Errorf("listing conflicts: %w", err)
		}
		list, err := pgx.CollectRows(rows, pgx.RowToStructByName[conflictRow])
		if err != nil {
			return fmt.Errorf("listing conflicts: %w", err)
		}
		for _, r := range list {
			view.list = append(view.list, conflict{conflictRow: r, fields: r.contrasts()})
		}
		// name: odd refunds
		err = tx.QueryRow(ctx, `SELECT count(*) FROM orders WHERE merchant_id = $1 AND refund_oddities > 0`, int64(v.login.Merchant)).Scan(&view.oddRefunds)
		if err != nil {
			return fmt.Errorf("counting odd refunds: %w", err)
		}
		return nil
	})
	return view, err
}

func (s *Server) conflicts(c echo.Context, v *visit) error {
	view, err := s.loadConflicts(c.Request().Context(), v, readConflictFilter(c.QueryParams()))
	if err != nil {
		return err
	}
	keepAddress(c, "/merchant/conflicts", view.filter.query())
	return s.page(c, v, "Conflicts", conflictsPage(view))
}

func (s *Server) conflictsCSV(c echo.Context, v *visit) error {
	f := readConflictFilter(c.QueryParams())
	f.After, f.limit = cursor{}, export.MaxRows/10
	view, err := s.loadConflicts(c.Request().Context(), v, f)
	if err != nil {
		return err
	}
	heading := []string{"order", "refund", "first_received_at", "received_at", "field", "first", "second"}
	return s.sendCSV(c, "conflicts", heading, func(w *export.Writer) error {
		for _, x := range view.list {
			for _, d := range x.fields {
				if !d.differs() {
					continue
				}
				err := w.Row(export.Text(x.OrderID), export.Text(x.Ref), export.Number(machine(x.FirstAt)), export.Number(machine(x.ReceivedAt)),
					export.Text(d.name), export.Text(d.first), export.Text(d.second))
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// refused tells whether the report is not held against another.
func (r *conflictRow) refused() bool { return r.Reason == "too_many_refunds" }

func (r *conflictRow) contrasts() []contrast {
	if !r.refused() {
		return contrasts(r.First, r.Second)
	}
	list := []contrast{{name: "Refused", second: "the order has " + count(commission.MaxRefunds) + " refunds already, or long ones that come to as much, the most that one can have"}}
	for _, f := range fieldsOf(r.Second) {
		list = append(list, contrast{name: f.name, second: f.value})
	}
	return list
}

// timeField is when a report says that it happened.
const timeField = "Time"

// contrasts lays two reports out field by field, in the order of the first.
func contrasts(first, second []byte) []contrast {
	a, b := fieldsOf(first), fieldsOf(second)
	var list []contrast
	seen := map[string]bool{timeField: onArrival(first) && onArrival(second)}
	for _, f := range slices.Concat(a, b) {
		if !seen[f.name] {
			seen[f.name] = true
			list = append(list, contrast{name: f.name, first: valueOf(a, f.name), second: valueOf(b, f.name)})
		}
	}
	return list
}

// onArrival tells whether a report took its time from its arrival, as it does when the shop names none: such times differ
// by nature and are no part of a conflict.
func onArrival(payload []byte) bool {
	e, err := event.Decode(payload)
	return err == nil && event.Time(e.GetReceivedAt()).Sub(event.Time(e.GetOccurredAt())).Abs() < time.Second
}

// A field is a named value of a report.
type field struct{ name, value string }

func valueOf(fields []field, name string) string {
	for _, f := range fields {
		if f.name == name {
			return f.value
		}
	}
	return ""
}

// fieldsOf reads out what a merchant said in a report.
func fieldsOf(payload []byte) []field {
	e, err := event.Decode(payload)
	if err != nil {
		return []field{{"Report", "unreadable: " + err.Error()}}
	}
	fields := []field{{timeField, second(event.Time(e.GetOccurredAt()))}}
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, field{name, value})
		}
	}
	if sale := e.GetSale(); sale != nil {
		total := int64(0)
		for _, l := range sale.GetLines() {
			total += l.GetAmount()
		}
		add("Amount", amount{sale.GetCurrency(), total}.text())
		add("Click id", sale.GetClickId())
		add("Coupon", sale.GetCoupon())
		add("Customer", sale.GetCustomerId())
		for _, l := range sale.GetLines() {
			add("Line "+strconv.Itoa(int(l.GetNumber())), lineWords(l, sale.GetCurrency()))
		}
		return fields
	}
	refund := e.GetRefund()
	if refund.GetAmount() > 0 {
		add("Amount, minor units", count(refund.GetAmount()))
	}
	if refund.GetWholeOrder() {
		add("Amount", "the whole order")
	}
	add("Currency", refund.GetCurrency())
	add("Reason", refund.GetReason())
	for i, item := range refund.GetItems() {
		add("Item "+strconv.Itoa(i+1), itemWords(item))
	}
	return fields
}

func lineWords(l *event.Line, currency string) string {
	parts := []string{amount{currency, l.GetAmount()}.text(), plural(l.GetQuantity(), "piece")}
	for _, text := range []string{l.GetSku(), l.GetCategory()} {
		if text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, " · ")
}

func itemWords(i *event.RefundItem) string {
	var parts []string
	if i.GetLine() > 0 {
		parts = append(parts, "line "+strconv.FormatInt(i.GetLine(), 10))
	}
	if i.GetSku() != "" {
		parts = append(parts, i.GetSku())
	}
	switch {
	case i.GetQuantity() > 0:
		parts = append(parts, plural(i.GetQuantity(), "piece"))
	case i.GetAmount() > 0:
		parts = append(parts, count(i.GetAmount())+" minor units")
	case i.GetWholeLine():
		parts = append(parts, "all of it")
	}
	return strings.Join(parts, " · ")
}

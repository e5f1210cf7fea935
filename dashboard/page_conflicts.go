package dashboard

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/commission"
	"tributary/dashboard/export"
	"tributary/internal/event"
	"tributary/internal/text"
	"tributary/report"
)

// A contrast is one field of both versions.
type contrast struct {
	name, first, second string
}

func (d contrast) differs() bool { return d.first != d.second }

// A conflict is a report without effect beside the one that counts, read out.
type conflict struct {
	report.Conflict

	fields []contrast
}

// conflictsView is what the page shows.
type conflictsView struct {
	filter report.ConflictFilter
	list   []conflict
	next   string
	// oddRefunds counts the orders with refunds of what they do not have.
	oddRefunds int64
}

// conflictsPageSize is small: each conflict is a table of its own.
const conflictsPageSize = 20

func (s *Server) conflicts(c echo.Context, v *visit) error {
	view, err := s.loadConflicts(c, v)
	if err != nil {
		return err
	}
	keepAddress(c, "/merchant/conflicts", view.filter.Query())
	return s.page(c, v, v.text.ConflictsTitle(), conflictsPage(view))
}

func (s *Server) loadConflicts(c echo.Context, v *visit) (view conflictsView, err error) {
	if view.filter, err = report.ParseConflicts(c.QueryParams(), v.at); err != nil {
		return view, err
	}
	ctx := c.Request().Context()
	err = s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) error {
		list, err := r.Conflicts(ctx, view.filter, conflictsPageSize)
		if err != nil {
			return err
		}
		view.next = list.Next
		for i := range list.Rows {
			view.list = append(view.list, conflict{Conflict: list.Rows[i], fields: contrastsOf(v.text, &list.Rows[i])})
		}
		view.oddRefunds, err = r.OddRefunds(ctx)
		return err
	})
	return view, err
}

func (s *Server) conflictsCSV(c echo.Context, v *visit) error {
	f, err := report.ParseConflicts(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	return listFile[report.Conflict]{
		name:    "conflicts",
		heading: []string{"order", "refund", "first_received_at", "received_at", "field", "first", "second"},
		page: func(ctx context.Context, r *report.Snapshot, after string) (report.Page[report.Conflict], error) {
			f.After = after
			return r.Conflicts(ctx, f, conflictsPageSize)
		},
		row: func(w *export.Writer, x *report.Conflict) error {
			for _, d := range contrastsOf(v.text, x) {
				if !d.differs() {
					continue
				}
				err := w.Row(export.Text(x.OrderID), export.Text(x.Ref), export.Number(text.Machine(x.FirstAt)), export.Number(text.Machine(x.ReceivedAt)),
					export.Text(d.name), export.Text(d.first), export.Text(d.second))
				if err != nil {
					return err
				}
			}
			return nil
		},
	}.send(s, c, v)
}

func contrastsOf(t *text.Printer, r *report.Conflict) []contrast {
	if !r.Refused() {
		return contrasts(t, r.First, r.Second)
	}
	list := []contrast{{name: t.FieldRefused(), second: t.FieldRefusedWhy(t.Count(commission.MaxRefunds))}}
	for _, f := range fieldsOf(t, r.Second) {
		list = append(list, contrast{name: f.name, second: f.value})
	}
	return list
}

// contrasts lays two reports out field by field, in the order of the first.
func contrasts(t *text.Printer, first, second []byte) []contrast {
	a, b := fieldsOf(t, first), fieldsOf(t, second)
	var list []contrast
	seen := map[string]bool{t.FieldTime(): onArrival(first) && onArrival(second)}
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
func fieldsOf(t *text.Printer, payload []byte) []field {
	e, err := event.Decode(payload)
	if err != nil {
		return []field{{t.FieldReport(), t.FieldUnreadable(err.Error())}}
	}
	fields := []field{{t.FieldTime(), t.Second(event.Time(e.GetOccurredAt()))}}
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
		add(t.FieldAmount(), amount{sale.GetCurrency(), total}.text())
		add(t.FieldClickID(), sale.GetClickId())
		add(t.FieldCoupon(), sale.GetCoupon())
		add(t.FieldCustomer(), sale.GetCustomerId())
		addFurther(t, sale, add)
		for _, l := range sale.GetLines() {
			add(t.FieldLine(strconv.Itoa(int(l.GetNumber()))), lineWords(t, l, sale.GetCurrency()))
		}
		return fields
	}
	refund := e.GetRefund()
	if refund.GetAmount() > 0 {
		add(t.FieldMinor(), t.Count(refund.GetAmount()))
	}
	if refund.GetWholeOrder() {
		add(t.FieldAmount(), t.FieldWholeOrder())
	}
	if refund.GetShipping() > 0 {
		add(t.FieldShipping(), t.FieldMinorUnits(refund.GetShipping()))
	}
	add(t.FieldCurrency(), refund.GetCurrency())
	add(t.FieldReason(), refund.GetReason())
	for i, item := range refund.GetItems() {
		add(t.FieldItem(strconv.Itoa(i+1)), itemWords(t, item))
	}
	return fields
}

func lineWords(t *text.Printer, l *event.Line, currency string) string {
	parts := []string{amount{currency, l.GetAmount()}.text(), t.FieldPieces(l.GetQuantity())}
	for _, name := range []string{l.GetSku(), l.GetCategory(), l.GetPart(), l.GetCountry(), l.GetDevice()} {
		if name != "" {
			parts = append(parts, name)
		}
	}
	if l.GetTax() > 0 {
		parts = append(parts, t.FieldTax(amount{currency, l.GetTax()}.text()))
	}
	if l.GetDiscount() > 0 {
		parts = append(parts, t.FieldDiscount(amount{currency, l.GetDiscount()}.text()))
	}
	return strings.Join(parts, " · ")
}

// addFurther adds the fields of a sale from its goal on.
func addFurther(t *text.Printer, sale *event.Sale, add func(name, value string)) {
	money := func(minor int64) string {
		if minor == 0 {
			return ""
		}
		return amount{sale.GetCurrency(), minor}.text()
	}
	add(t.FieldGoal(), sale.GetGoal())
	add(t.FieldReferralCode(), sale.GetReferralCode())
	add(t.FieldCoupons(), strings.Join(sale.GetCoupons(), ", "))
	var path []string
	for _, touch := range sale.GetPath() {
		path = append(path, touch.GetClickId())
	}
	add(t.FieldPath(), strings.Join(path, ", "))
	add(t.FieldCustomerStatus(), sale.GetCustomerStatus())
	add(t.FieldShipping(), money(sale.GetShipping()))
	add(t.FieldShippingTax(), money(sale.GetShippingTax()))
	add(t.FieldCountry(), sale.GetCountry())
	add(t.FieldDevice(), sale.GetDevice())
	add(t.FieldMetadata(), marksText(sale.GetMetadata()))
	if at := sale.GetCartedAt(); at != 0 {
		add(t.FieldCartedAt(), t.Second(event.Time(at)))
	}
}

// marksText writes a merchant's marks on an order by their names.
func marksText(marks map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(marks)) {
		list = append(list, name+"="+marks[name])
	}
	return strings.Join(list, ", ")
}

func itemWords(t *text.Printer, i *event.RefundItem) string {
	var parts []string
	if i.GetLine() > 0 {
		parts = append(parts, t.FieldLineOf(strconv.FormatInt(i.GetLine(), 10)))
	}
	if i.GetSku() != "" {
		parts = append(parts, i.GetSku())
	}
	switch {
	case i.GetQuantity() > 0:
		parts = append(parts, t.FieldPieces(i.GetQuantity()))
	case i.GetAmount() > 0:
		parts = append(parts, t.FieldMinorUnits(i.GetAmount()))
	case i.GetWholeLine():
		parts = append(parts, t.FieldAll())
	}
	return strings.Join(parts, " · ")
}

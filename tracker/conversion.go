package tracker

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/internal/text"
	"tributary/partners"
)

// conversion is POST /v1/conversions: a merchant's server reports an order. 200 means that it is durable. The answer
// follows from the request alone but for received_at at its end, so the same order sent twice gets the same bytes before it; the
// engine takes it once.
func (s *Server) conversion(c echo.Context, a *attempt) error {
	m := s.memory()
	defer s.bodies.Put(m)
	who, err := s.receive(c, a, m, partners.ScopeOrders)
	if err != nil {
		return err
	}
	r := &review{}
	report := readSale(m.body, r)
	report.From, a.order = s.origin(c, who), report.OrderID
	receipt, err := s.Intake.sale(c.Request().Context(), who.Merchant, report, r)
	if err != nil {
		return err
	}
	m.answer = appendSale(m.answer[:0], report, receipt)
	return stored(c, receipt, m.answer)
}

// refund is POST /v1/refunds, as conversion.
func (s *Server) refund(c echo.Context, a *attempt) error {
	m := s.memory()
	defer s.bodies.Put(m)
	who, err := s.receive(c, a, m, partners.ScopeRefunds)
	if err != nil {
		return err
	}
	currency := ""
	if all := s.cfg.Catalogue.CurrenciesOf(who.Merchant); len(all) == 1 {
		currency = all[0]
	}
	r := &review{}
	report := readRefund(m.body, r, currency)
	report.From, a.order = s.origin(c, who), report.OrderID
	receipt, err := s.Intake.refund(c.Request().Context(), who.Merchant, report, r)
	if err != nil {
		return err
	}
	m.answer = appendRefund(m.answer[:0], report, receipt)
	return stored(c, receipt, m.answer)
}

// origin is who sent a report, and from which network.
func (s *Server) origin(c echo.Context, who caller) Origin {
	return Origin{Key: who.ID, Network: networkOf(s.cfg.TrustedProxies.Client(c.Request()))}
}

// stored answers a report that is durable. The event's id differs each time, so it stands in a header.
func stored(c echo.Context, receipt *Receipt, answer []byte) error {
	h := c.Response().Header()
	h.Set("Tributary-Event", receipt.EventID.String())
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, answer)
}

// readSale reads a body that checkJSON has let through.
func readSale(body []byte, r *review) *SaleReport {
	names := []string{
		"order_id", "amount", "currency", "lines", "click_id", "coupon", "customer_id", "occurred_at", "goal", "referral_code", "coupons", "path",
		"customer_status", "shipping", "shipping_tax", "country", "device", "metadata", "carted_at", "test",
	}
	v := r.object(place{}, trimSpace(body), names)
	report := &SaleReport{
		OrderID:    r.text(place{name: "order_id"}, v[0]),
		Currency:   r.text(place{name: "currency"}, v[2]),
		ClickID:    r.text(place{name: "click_id"}, v[4]),
		Coupon:     r.text(place{name: "coupon"}, v[5]),
		CustomerID: r.text(place{name: "customer_id"}, v[6]),
		OccurredAt: r.instant(place{name: "occurred_at"}, v[7]),
	}
	report.readFurther(v[8:], r)
	var present bool
	amount := place{name: "amount"}
	if report.Amount, present = r.amount(amount, v[1], report.Currency, orderAmount()); !present && isSale(report.Goal) {
		r.note(amount, text.WrongMissing(), text.FixOrderAmount())
	}
	if values := r.list(place{name: "lines"}, v[3], text.FixOrderLines()); len(values) > 0 {
		report.Lines = make([]Line, len(values))
		for i, raw := range values {
			report.Lines[i] = readLine(raw, r, i, report.Currency)
			if !present { // what is no sale may leave it to the lines
				report.Amount += report.Lines[i].Amount
			}
		}
	}
	return report
}

func readLine(raw []byte, r *review, index int, currency string) Line {
	at := place{list: "lines", index: index}
	if raw[0] != '{' {
		r.note(at, text.WrongNotObject(), text.FixSendLike(`{"sku": ..., "quantity": ..., "amount": ...}`))
		return Line{Quantity: 1}
	}
	v := r.object(at, raw, []string{"line", "sku", "quantity", "amount", "category", "tax", "discount", "part", "country", "device"})
	l := Line{Quantity: 1}
	at.name = "line"
	l.Number, _ = r.integer(at, v[0], lineNumber())
	at.name = "sku"
	l.SKU = r.text(at, v[1])
	at.name = "quantity"
	if n, present := r.integer(at, v[2], soldPieces()); present {
		l.Quantity = n
	}
	at.name = "amount"
	var present bool
	if l.Amount, present = r.amount(at, v[3], currency, lineAmount()); !present {
		r.note(at, text.WrongMissing(), text.FixLineAmount())
	}
	at.name = "category"
	l.Category = r.text(at, v[4])
	l.readFurther(v[5:], r, at, currency)
	return l
}

// appendSale writes the answer to an order: the report as it was understood.
func appendSale(b []byte, s *SaleReport, receipt *Receipt) []byte {
	b = append(b, `{"stored":true,"order_id":`...)
	b = appendText(b, s.OrderID)
	b = append(b, `,"amount":`...)
	b = strconv.AppendInt(b, s.Amount, 10)
	b = append(b, `,"currency":`...)
	b = appendText(b, s.Currency)
	b = append(b, `,"lines":[`...)
	for i, l := range s.Lines {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"line":`...)
		b = strconv.AppendInt(b, l.Number, 10)
		b = append(b, `,"sku":`...)
		b = appendText(b, l.SKU)
		b = append(b, `,"quantity":`...)
		b = strconv.AppendInt(b, l.Quantity, 10)
		b = append(b, `,"amount":`...)
		b = strconv.AppendInt(b, l.Amount, 10)
		b = append(b, `,"category":`...)
		b = appendText(b, l.Category)
		b = l.appendFurther(b)
		b = append(b, '}')
	}
	b = append(b, ']')
	b = appendOptional(b, "coupon", s.Coupon)
	b = appendOptional(b, "customer_id", s.CustomerID)
	b = appendInstant(b, "occurred_at", s.OccurredAt)
	b = s.appendFurther(b)
	if receipt.Click != nil {
		b = append(b, `,"click":{"valid":`...)
		b = strconv.AppendBool(b, receipt.Click.Valid)
		if receipt.Click.Valid {
			b = append(b, `,"at":"`...)
			b = receipt.Click.At.AppendFormat(b, time.RFC3339Nano)
			b = append(b, '"')
		}
		b = append(b, '}')
	}
	return appendEnd(b, receipt)
}

// appendRefund writes the answer to a refund.
func appendRefund(b []byte, f *RefundReport, receipt *Receipt) []byte {
	b = append(b, `{"stored":true,"order_id":`...)
	b = appendText(b, f.OrderID)
	b = append(b, `,"refund_id":`...)
	b = appendText(b, f.RefundID)
	if len(f.Items) > 0 {
		b = append(b, `,"items":[`...)
		for i, item := range f.Items {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendItem(b, item)
		}
		b = append(b, ']')
	}
	if f.Amount > 0 {
		b = append(b, `,"amount":`...)
		b = strconv.AppendInt(b, f.Amount, 10)
	}
	b = append(b, `,"whole_order":`...)
	b = strconv.AppendBool(b, f.WholeOrder)
	b = appendOptional(b, "currency", f.Currency)
	b = appendOptional(b, "reason", f.Reason)
	b = appendInstant(b, "occurred_at", f.OccurredAt)
	b = appendAmount(b, "shipping", f.Shipping)
	b = appendTest(b, f.Test)
	return appendEnd(b, receipt)
}

func appendItem(b []byte, item RefundItem) []byte {
	if item.Line > 0 {
		b = append(b, `{"line":`...)
		b = strconv.AppendInt(b, item.Line, 10)
	} else {
		b = append(b, `{"sku":`...)
		b = appendText(b, item.SKU)
	}
	if item.Quantity > 0 {
		b = append(b, `,"quantity":`...)
		b = strconv.AppendInt(b, item.Quantity, 10)
	}
	if item.Amount > 0 {
		b = append(b, `,"amount":`...)
		b = strconv.AppendInt(b, item.Amount, 10)
	}
	if item.WholeLine {
		b = append(b, `,"whole_line":true`...)
	}
	return append(b, '}')
}

func appendEnd(b []byte, receipt *Receipt) []byte {
	b = append(b, `,"content":"`...)
	b = hex.AppendEncode(b, receipt.Content)
	b = append(b, `","warnings":[`...)
	for i, w := range receipt.Warnings {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendWarning(b, w)
	}
	b = append(b, `],"received_at":"`...)
	b = receipt.ReceivedAt.AppendFormat(b, time.RFC3339Nano)
	return append(b, "\"}\n"...)
}

func appendWarning(b []byte, w Warning) []byte {
	b = append(b, `{"code":`...)
	b = appendText(b, w.Code)
	b = append(b, `,"field":`...)
	b = appendText(b, w.Name)
	b = append(b, `,"problem":`...)
	b = appendText(b, w.Problem)
	b = append(b, `,"fix":`...)
	b = appendText(b, w.Fix)
	return append(b, '}')
}

func appendOptional(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	return appendText(b, text)
}

// appendInstant writes a time that the merchant stated, if any: never one of ours, which would differ each time.
func appendInstant(b []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, `":"`...)
	b = t.AppendFormat(b, time.RFC3339Nano)
	return append(b, '"')
}

// appendText writes a JSON string. Most texts need no escape; what does is left to the standard library.
func appendText(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, err := json.Marshal(text)
			if err != nil { // a string always has a JSON form
				quoted = []byte(`""`)
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}

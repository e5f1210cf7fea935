package tracker

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/internal/fault/inject"
	"tributary/internal/money"
	"tributary/internal/text"
	"tributary/partners/program"
	"tributary/tracker/spool"
)

// SaleReport is an order as a merchant reports it. Checking it brings its texts to their normal form and numbers its
// lines.
type SaleReport struct {
	OrderID  string
	Currency string
	// Amount is the sum of the lines in minor units.
	Amount int64
	// Lines may be left out: the order is then one line.
	Lines      []Line
	ClickID    string
	Coupon     string
	CustomerID string
	// OccurredAt is zero when the merchant does not say.
	OccurredAt time.Time
	// Goal is what the customer did: empty, or "sale", for a sale. Only a sale must have an amount.
	Goal         string
	ReferralCode string
	// Coupons are those besides Coupon, Path the click ids by which the visitor came, in the order of time.
	Coupons, Path []string
	// CustomerStatus is one of commission's CustomerStatuses, Country two letters of ISO 3166-1, Device one of its Devices;
	// each empty when the merchant does not say.
	CustomerStatus, Country, Device string
	// Shipping and its tax are minor units beside Amount.
	Shipping, ShippingTax int64
	Metadata              map[string]string
	// CartedAt is zero when the merchant does not say.
	CartedAt time.Time
	// Test makes it a trial, which is shown and never posted.
	Test bool

	// EventID is minted when it is zero. The same report told again by an import keeps it.
	EventID uuid.UUID
	// From is who sent it.
	From Origin
}

// Line is a position of an order. The numbers are given in all lines or in none.
type Line struct {
	Number   int64
	SKU      string
	Quantity int64
	// Amount is of all pieces together, in minor units, without Tax and after Discount, which are minor units, too.
	Amount, Tax, Discount int64
	Category              string
	// Part is the commission group. Country and Device go before those of the order.
	Part, Country, Device string
}

// Origin is who sent a report, which enters no content hash: the same said by another key is the same.
type Origin struct {
	// Key is the number of the API key, 0 for an operator's import.
	Key program.KeyID
	// Network is the /24 of an IPv4 address or the /48 of an IPv6 address, in text.
	Network string
}

// Receipt is what became of a report.
type Receipt struct {
	// EventID names the record; the same report sent again is another record.
	EventID uuid.UUID
	// ReceivedAt is when the report was taken, by the tracker's clock: holds run from it.
	ReceivedAt time.Time
	// Content identifies what the report says: equal reports have equal ones.
	Content []byte
	// Click is nil when the report names none.
	Click *ClickCheck
	// Warnings are what is odd in a report that was stored all the same.
	Warnings []Warning
}

// ClickCheck is what the tracker can tell about a click id without looking anything up. Whether it earns, the engine
// decides.
type ClickCheck struct {
	Valid bool
	At    time.Time
}

// Bounds of what merchants may report, seen from the time of receipt. Imports by the operator are free of them.
const (
	maxAhead = 5 * time.Minute
	maxAge   = 90 * 24 * time.Hour
)

// maxQuantity bounds the pieces of a line, and so the products that the engine takes of them.
const maxQuantity = 1_000_000_000

// Sale checks a merchant's report, stores it and waits until it is durable. It answers a fault.Invalid that names all
// that is wrong, or a fault.Unavailable when the report is not known to be stored: sending it again is then safe.
func (in *Intake) Sale(ctx context.Context, merchant program.MerchantID, report *SaleReport) (*Receipt, error) {
	return in.sale(ctx, merchant, report, &review{})
}

// sale is Sale with the problems that reading the report has shown already.
func (in *Intake) sale(ctx context.Context, merchant program.MerchantID, report *SaleReport, r *review) (*Receipt, error) {
	now := in.now()
	report.check(r, in.catalogue.CurrenciesOf(merchant))
	r.checkTime(report.OccurredAt, now)
	r.checkCart(report.CartedAt, now)
	if len(r.problems) > 0 {
		return nil, invalid("invalid_conversion", text.DetailInvalidConversion, r)
	}
	e, receipt := in.saleEvent(merchant, report, now)
	return receipt, in.store(ctx, in.orderLane(e), e)
}

// Sale appends an order whose time may be any, as an operator's import brings it.
func (b *Bulk) Sale(ctx context.Context, merchant program.MerchantID, report *SaleReport) (*Receipt, error) {
	r := &review{}
	report.check(r, b.in.catalogue.CurrenciesOf(merchant))
	if len(r.problems) > 0 {
		return nil, invalid("invalid_conversion", text.DetailInvalidConversion, r)
	}
	e, receipt := b.in.saleEvent(merchant, report, b.in.now())
	e.Imported = true
	return receipt, b.store(ctx, b.in.orderLane(e), e)
}

// invalid says that a report has problems and was not stored.
func invalid(code string, detail func(n int64) text.Message, r *review) error {
	slices.SortStableFunc(r.problems, func(a, b fault.Field) int { return strings.Compare(a.Name, b.Name) })
	f := fault.Detailed(fault.Invalid, code, detail(int64(len(r.problems))), nil)
	f.Fields = r.problems
	return f
}

// check notes everything that is wrong with a report of a merchant who may sell in the given currencies.
func (s *SaleReport) check(r *review, currencies []string) {
	s.OrderID = r.need(place{name: "order_id"}, s.OrderID, text.FixOrderID())
	s.Coupon = r.normalize(place{name: "coupon"}, s.Coupon, maxID)
	s.CustomerID = r.normalize(place{name: "customer_id"}, s.CustomerID, maxID)
	s.ClickID = plain(strings.TrimSpace(s.ClickID), maxID)
	s.OccurredAt = s.OccurredAt.Truncate(time.Microsecond)
	r.checkCurrency(s.Currency, currencies)
	s.checkFurther(r)
	if s.Amount < 0 || s.Amount > money.MaxAmount {
		r.note(place{name: "amount"}, outside(s.Amount, 0, money.MaxAmount), text.FixSendMinorUnits())
	}
	if len(s.Lines) == 0 {
		s.Lines = []Line{{Number: 1, Quantity: 1, Amount: s.Amount}}
		return
	}
	sum := s.checkLines(r)
	if sum != s.Amount && r.sound("amount") && r.sound("lines") {
		r.note(place{name: "amount"}, text.WrongSum(digits(s.Amount), digits(sum)), text.FixSum(digits(sum)))
	}
}

// checkCurrency wants a currency in force that one of the merchant's programs takes.
func (r *review) checkCurrency(currency string, currencies []string) {
	if slices.Contains(currencies, currency) {
		return
	}
	problem := text.WrongNoProgramTakes(currency)
	switch {
	case currency == "":
		problem = text.WrongMissing()
	case !money.Known(currency):
		problem = text.WrongNotInForce(strconv.Quote(cut(currency, 40)))
	}
	fix := text.FixProgramsTake(strings.Join(currencies, ", "))
	if len(currencies) == 0 {
		fix = text.FixNoProgram()
	}
	r.note(place{name: "currency"}, problem, fix)
}

// checkLines brings the lines to their normal form, numbers them, and adds them up.
func (s *SaleReport) checkLines(r *review) (sum int64) {
	numbered := 0
	var numbers map[int64]bool
	for i := range s.Lines {
		l := &s.Lines[i]
		at := func(name string) place { return place{list: "lines", index: i, name: name} }
		l.SKU = r.normalize(at("sku"), l.SKU, maxID)
		l.Category = r.normalize(at("category"), l.Category, maxID)
		l.checkFurther(r, at)
		if l.Quantity < 1 || l.Quantity > maxQuantity {
			r.note(at("quantity"), outside(l.Quantity, 1, maxQuantity), text.FixSendPieces())
		}
		if l.Amount < 0 || l.Amount > money.MaxAmount {
			r.note(at("amount"), outside(l.Amount, 0, money.MaxAmount), text.FixSendMinorUnitsOfAll())
		}
		sum += l.Amount
		switch {
		case l.Number < 0:
			r.note(at("line"), text.WrongBelowOne(digits(l.Number)), text.FixNumberLines())
		case l.Number > 0 && numbers[l.Number]:
			r.note(at("line"), text.WrongLineTaken(digits(l.Number)), text.FixLineTaken())
		case l.Number > 0:
			if numbered++; numbers == nil {
				numbers = make(map[int64]bool, len(s.Lines))
			}
			numbers[l.Number] = true
		}
		if sum > money.MaxAmount {
			r.note(place{name: "lines"}, text.WrongSumSize(), text.FixMinorUnitsOnce())
			return sum
		}
	}
	if numbered > 0 && numbered < len(s.Lines) && r.sound("lines") {
		r.note(place{name: "lines"}, text.WrongSomeNumbered(strconv.Itoa(numbered), strconv.Itoa(len(s.Lines))), text.FixSomeNumbered())
	}
	for i := range s.Lines {
		if numbered == 0 {
			s.Lines[i].Number = int64(i + 1)
		}
	}
	return sum
}

// checkTime holds the time that a merchant states within the bounds.
func (r *review) checkTime(stated, now time.Time) {
	at := place{name: "occurred_at"}
	switch {
	case stated.IsZero():
	case stated.After(now.Add(maxAhead)):
		r.note(at, text.WrongFuture(stated.Format(time.RFC3339)), text.FixFuture())
	case stated.Before(now.Add(-maxAge)):
		r.note(at, text.WrongTooOld(stated.Format(time.RFC3339)), text.FixTooOld())
	}
}

// saleEvent makes the event of a report that was checked.
func (in *Intake) saleEvent(merchant program.MerchantID, s *SaleReport, now time.Time) (*event.Event, *Receipt) {
	sale := &event.Sale{
		MerchantId: int64(merchant), OrderId: s.OrderID, Currency: s.Currency,
		ClickId: s.ClickID, Coupon: s.Coupon, CustomerId: s.CustomerID, Lines: make([]*event.Line, len(s.Lines)),
		Goal: s.Goal, ReferralCode: s.ReferralCode, Coupons: s.Coupons, Path: pathOf(s.Path), CustomerStatus: s.CustomerStatus,
		Shipping: s.Shipping, ShippingTax: s.ShippingTax, Country: s.Country, Device: s.Device, Metadata: s.Metadata,
		CartedAt: statedMicros(s.CartedAt), Test: s.Test,
	}
	lines := make([]event.Line, len(s.Lines))
	for i, l := range s.Lines {
		line := &lines[i]
		line.Number, line.Sku, line.Quantity, line.Amount, line.Category = l.Number, l.SKU, l.Quantity, l.Amount, l.Category
		line.Tax, line.Discount, line.Part, line.Country, line.Device = l.Tax, l.Discount, l.Part, l.Country, l.Device
		sale.Lines[i] = line
	}
	sale.ContentHash = event.SaleHash(sale, statedMicros(s.OccurredAt))
	e := in.orderEvent(s.EventID, s.From, s.OccurredAt, now)
	e.Body = &event.Event_Sale{Sale: sale}
	receipt := &Receipt{EventID: uuid.UUID(e.GetId()), ReceivedAt: event.Time(e.GetReceivedAt()), Content: sale.GetContentHash()}
	receipt.Click, receipt.Warnings = in.inspect(merchant, s, e)
	return e, receipt
}

// orderEvent begins the event of a report. A stated time that is slightly ahead becomes the present.
func (in *Intake) orderEvent(id uuid.UUID, from Origin, stated, now time.Time) *event.Event {
	received := in.received()
	id = identify(id, received)
	occurred := now
	if !stated.IsZero() && stated.Before(now) {
		occurred = stated
	}
	return &event.Event{Id: id[:], ReceivedAt: received, OccurredAt: event.Micros(occurred), ApiKeyId: int64(from.Key), IpPrefix: from.Network}
}

// statedMicros is the time as it enters the content hash: 0 when the merchant states none, so that the same report
// sent later is the same content.
func statedMicros(stated time.Time) int64 {
	if stated.IsZero() {
		return 0
	}
	return event.Micros(stated)
}

// store appends an event of an order and waits until it is durable.
func (in *Intake) store(ctx context.Context, lane int, e *event.Event) error {
	s := in.scratch.Get().(*scratch) //nolint:forcetypeassert // the pool holds nothing else
	defer in.scratch.Put(s)
	var err error
	if s.buf, err = encodeOrder(e, s.buf); err != nil {
		return err
	}
	inject.Reach(inject.TrackerBeforeAppend)
	ticket, err := in.spool.Append(lane, spool.Live, s.buf)
	if err == nil {
		err = s.wait(ticket, in.storeWait, ctx.Done())
	}
	if err != nil {
		return fault.Detailed(fault.Unavailable, "not_stored", text.DetailNotStored(), err)
	}
	inject.Reach(inject.TrackerBeforeAnswer)
	return nil
}

// encodeOrder writes an order's event to buf, as long as it fits into one.
func encodeOrder(e *event.Event, buf []byte) ([]byte, error) {
	buf, err := encode(e, buf)
	if err != nil {
		return buf, err
	}
	if len(buf) > event.MaxBytes {
		detail := text.DetailSaleTooLarge
		if e.GetRefund() != nil {
			detail = text.DetailRefundTooLarge
		}
		return buf, fault.Detailed(fault.TooLarge, "report_too_large", detail(strconv.Itoa(event.MaxBytes), strconv.Itoa(len(buf))), nil)
	}
	return buf, nil
}

func (b *Bulk) store(ctx context.Context, lane int, e *event.Event) error {
	var err error
	if b.buf, err = encodeOrder(e, b.buf); err != nil {
		return err
	}
	return b.append(ctx, lane, b.buf)
}

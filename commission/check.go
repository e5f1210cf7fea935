package commission

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"tributary/internal/event"
	"tributary/internal/money"
)

// MaxPieces bounds the pieces of a line and of a refund's item.
const MaxPieces = 1_000_000_000_000

// MaxRefunds is how many refunds of one order count, in the order in which they arrive; what comes after them is refused.
// It bounds the work that one report can cause, since each is folded with all before it, and the postings of a version.
const MaxRefunds = 1000

// MaxRefundBytes is how much the refunds of one order may be in all, as they are stored: more than as many plain ones are.
// Engines read all of an order for each report on it, and a thousand orders at once.
const MaxRefundBytes = 256 << 10

// endOfTime is 2200-01-01 in microseconds: no fact may be dated at or after it, nor before 1970.
const endOfTime = 7_258_118_400_000_000

// Check reports whether a sale, refund or path can be folded at all: amounts within money.MaxAmount, pieces within MaxPieces,
// line numbers that differ, times between 1970 and 2200, texts that a database can hold. The edge checks more and
// kindlier; what fails here can only become a dead letter.
func Check(e *event.Event) error {
	err := checkTimes(e)
	if err == nil {
		err = checkTexts(e.GetIpPrefix())
	}
	switch {
	case err != nil:
	case e.GetSale() != nil:
		err = checkSale(e.GetSale())
	case e.GetRefund() != nil:
		err = checkRefund(e.GetRefund())
	case e.GetPath() != nil:
		err = checkPathFact(e.GetPath())
	default:
		err = errors.New("it is no sale, no refund and no path")
	}
	if err != nil {
		return fmt.Errorf("checking event %x: %w", e.GetId(), err)
	}
	return nil
}

func checkTimes(e *event.Event) error {
	for _, t := range [...]int64{e.GetOccurredAt(), e.GetReceivedAt()} {
		if t < 0 || t >= endOfTime {
			return fmt.Errorf("its time of %d us is not between 1970 and 2200", t)
		}
	}
	return nil
}

func checkSale(s *event.Sale) error {
	if err := checkOrderID(s.GetMerchantId(), s.GetOrderId()); err != nil {
		return err
	}
	if !money.Known(s.GetCurrency()) {
		return fmt.Errorf("%q is not a currency in force", s.GetCurrency())
	}
	if err := checkTexts(s.GetClickId(), s.GetCoupon(), s.GetCustomerId()); err != nil {
		return err
	}
	if err := checkFurther(s); err != nil {
		return err
	}
	total := int64(0)
	last, ascending := int64(0), true
	for _, l := range s.GetLines() {
		if l.GetNumber() < 1 {
			return fmt.Errorf("line number %d is not above zero", l.GetNumber())
		}
		if l.GetQuantity() < 1 || l.GetQuantity() > MaxPieces {
			return fmt.Errorf("line %d has %d pieces", l.GetNumber(), l.GetQuantity())
		}
		if l.GetAmount() < 0 || l.GetAmount() > money.MaxAmount-total {
			return fmt.Errorf("the amounts up to line %d, which is %d, are not between 0 and %d", l.GetNumber(), l.GetAmount(), int64(money.MaxAmount))
		}
		if err := checkLineTexts(l); err != nil {
			return fmt.Errorf("line %d: %w", l.GetNumber(), err)
		}
		total += l.GetAmount()
		ascending = ascending && l.GetNumber() > last
		last = l.GetNumber()
	}
	if ascending {
		return nil
	}
	return checkNumbers(s.GetLines())
}

// checkNumbers refuses two lines of one number.
func checkNumbers(lines []*event.Line) error {
	numbers := make([]int64, len(lines))
	for i, l := range lines {
		numbers[i] = l.GetNumber()
	}
	slices.Sort(numbers)
	for i := 1; i < len(numbers); i++ {
		if numbers[i] == numbers[i-1] {
			return fmt.Errorf("two lines have the number %d", numbers[i])
		}
	}
	return nil
}

func checkRefund(r *event.Refund) error {
	if err := checkOrderID(r.GetMerchantId(), r.GetOrderId()); err != nil {
		return err
	}
	if r.GetRefundId() == "" {
		return errors.New("the refund has no id")
	}
	if err := checkTexts(r.GetRefundId(), r.GetReason()); err != nil {
		return err
	}
	if r.GetAmount() < 0 || r.GetAmount() > money.MaxAmount {
		return fmt.Errorf("the refund's amount of %d is not between 0 and %d", r.GetAmount(), int64(money.MaxAmount))
	}
	if r.GetShipping() < 0 || r.GetShipping() > money.MaxAmount-r.GetAmount() {
		return fmt.Errorf("the refund's shipping of %d is not between 0 and %d", r.GetShipping(), int64(money.MaxAmount))
	}
	back := chosen(len(r.GetItems()) > 0, r.GetAmount() > 0, r.GetWholeOrder())
	switch {
	case back == 1 && (!r.GetWholeOrder() || r.GetShipping() == 0), back == 0 && r.GetShipping() > 0:
	default:
		return errors.New("the refund takes back not just one of items, an amount and the whole order, or shipping")
	}
	for i, item := range r.GetItems() {
		if err := checkItem(item); err != nil {
			return fmt.Errorf("item %d: %w", i+1, err)
		}
	}
	return nil
}

func checkItem(i *event.RefundItem) error {
	switch {
	case i.GetLine() < 0 || i.GetLine() == 0 && i.GetSku() == "":
		return errors.New("it names neither a line nor a SKU")
	case i.GetQuantity() < 0 || i.GetQuantity() > MaxPieces:
		return fmt.Errorf("it takes back %d pieces", i.GetQuantity())
	case i.GetAmount() < 0 || i.GetAmount() > money.MaxAmount:
		return fmt.Errorf("its amount of %d is not between 0 and %d", i.GetAmount(), int64(money.MaxAmount))
	case chosen(i.GetQuantity() > 0, i.GetAmount() > 0, i.GetWholeLine()) != 1:
		return errors.New("it takes back not just one of pieces, an amount and the whole line")
	}
	return checkTexts(i.GetSku())
}

// chosen counts the choices that were made.
func chosen(choices ...bool) (n int) {
	for _, made := range choices {
		if made {
			n++
		}
	}
	return n
}

func checkOrderID(merchant int64, order string) error {
	if merchant <= 0 {
		return fmt.Errorf("merchant %d does not exist", merchant)
	}
	if order == "" || len(order) > 128 {
		return fmt.Errorf("the order's id has %d bytes, not 1 to 128", len(order))
	}
	return checkTexts(order)
}

// checkTexts refuses what PostgreSQL's text cannot hold.
func checkTexts(texts ...string) error {
	for _, t := range texts {
		if !utf8.ValidString(t) || strings.IndexByte(t, 0) >= 0 {
			return fmt.Errorf("%q is not text", t)
		}
	}
	return nil
}

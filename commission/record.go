package commission

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"tributary/internal/money"
)

// AppendJSON appends the record of the decision: one line of JSON, the same bytes for the same facts, and those
// that encoding/json would write without its HTML escapes. It is written by hand since every order passes here.
func (d *Decision) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"outcome":"`...)
	dst = append(dst, d.Outcome...)
	dst = append(dst, `","order":`...)
	dst = d.Order.appendJSON(dst)
	if len(d.Touches) > 0 {
		dst = append(dst, `,"touches":[`...)
		for i := range d.Touches {
			dst = d.Touches[i].appendJSON(separate(dst, i))
		}
		dst = append(dst, ']')
	}
	dst = appendCredits(dst, `,"credits":[`, d.Order.Currency, d.Credits)
	dst = appendCredits(dst, `,"would":[`, d.Order.Currency, d.Would)
	return append(dst, '}')
}

// appendCredits appends nothing where there are none.
func appendCredits(dst []byte, name, currency string, credits []Credit) []byte {
	if len(credits) == 0 {
		return dst
	}
	dst = append(dst, name...)
	var before *Credit
	for i := range credits {
		dst = credits[i].appendJSON(separate(dst, i), currency, before)
		before = &credits[i]
	}
	return append(dst, ']')
}

// complete fills in what a record does not repeat, and refuses one whose parts do not belong together.
func (d *Decision) complete() error {
	for _, t := range d.Touches {
		if t.Kind == TouchCustomer {
			d.Order.Customer = t.ID
		}
	}
	if len(d.Would) > 0 && !d.Order.Test || len(d.Credits) > 0 && d.Order.Test {
		return errors.New("reading the record of a decision: the credits are not where those of such an order are")
	}
	if d.Order.Test {
		d.Credits, d.Would = d.Would, nil
		defer func() { d.Credits, d.Would = nil, d.Credits }()
	}
	d.stand()
	for i := range d.Credits {
		c := &d.Credits[i]
		c.takeOver(&d.Order)
		if len(c.Rules) == 0 && len(c.Priced) == 0 && i > 0 && c.Unpaid == "" {
			before := &d.Credits[i-1]
			c.Rules, c.Priced, c.Lost = before.Rules, before.Priced, before.Lost
		}
		if c.Terms == (TermsApplied{}) && i > 0 {
			before := &d.Credits[i-1]
			c.Terms, c.HoldUntil, c.RefundsUntil, c.Rate = before.Terms, before.HoldUntil, before.RefundsUntil, before.Rate
		}
		if err := c.check(&d.Order); err != nil {
			return fmt.Errorf("reading the record of a decision: %w", err)
		}
		if err := c.checkCounted(&d.Order); err != nil {
			return err
		}
	}
	if err := d.checkCredits(); err != nil {
		return fmt.Errorf("reading the record of a decision: %w", err)
	}
	for _, r := range d.Order.Refunds {
		for _, t := range r.Taken {
			if _, ok := d.Order.line(t.Line); !ok {
				return fmt.Errorf("reading the record of a decision: refund %q took from line %d, which is not there", r.ID, t.Line)
			}
		}
	}
	return nil
}

func (o *Order) appendJSON(dst []byte) []byte {
	dst = appendNumber(dst, `{"merchant":`, int64(o.Merchant))
	dst = appendText(dst, `,"id":`, o.ID)
	dst = optTime(dst, `,"at":`, o.At)
	dst = optTime(dst, `,"received_at":`, o.Received)
	if o.Imported {
		dst = append(dst, `,"imported":true`...)
	}
	if o.Late {
		dst = append(dst, `,"late":true`...)
	}
	dst = optText(dst, `,"currency":`, o.Currency)
	if len(o.Lines) > 0 {
		dst = append(dst, `,"lines":[`...)
		for i := range o.Lines {
			dst = o.Lines[i].appendJSON(separate(dst, i))
		}
		dst = append(dst, ']')
	}
	dst = appendNumber(dst, `,"amount":`, o.Amount)
	dst = optNumber(dst, `,"refunded":`, o.Refunded)
	dst = optNumber(dst, `,"over_refund":`, o.OverRefund)
	if len(o.Refunds) > 0 {
		dst = append(dst, `,"refunds":[`...)
		for i := range o.Refunds {
			dst = o.Refunds[i].appendJSON(separate(dst, i))
		}
		dst = append(dst, ']')
	}
	if len(o.Excess) > 0 {
		dst = append(dst, `,"excess":[`...)
		for i := range o.Excess {
			dst = o.Excess[i].appendJSON(separate(dst, i))
		}
		dst = append(dst, ']')
	}
	return append(o.appendFurther(dst), '}')
}

// appendFurther appends the fields of an order that came after form 1, each only where it is set.
func (o *Order) appendFurther(dst []byte) []byte {
	dst = optText(dst, `,"goal":`, o.Goal)
	dst = optText(dst, `,"customer_status":`, o.CustomerStatus)
	dst = optNumber(dst, `,"shipping":`, o.Shipping)
	dst = optNumber(dst, `,"shipping_tax":`, o.ShippingTax)
	dst = optNumber(dst, `,"shipping_refunded":`, o.ShippingRefunded)
	dst = optText(dst, `,"country":`, o.Country)
	dst = optText(dst, `,"device":`, o.Device)
	if len(o.Metadata) > 0 {
		dst = append(dst, `,"metadata":{`...)
		for i, key := range slices.Sorted(maps.Keys(o.Metadata)) {
			dst = appendText(separate(dst, i), "", key)
			dst = appendText(dst, ":", o.Metadata[key])
		}
		dst = append(dst, '}')
	}
	if o.PathIncomplete {
		dst = append(dst, `,"path_incomplete":true`...)
	}
	dst = optTime(dst, `,"carted_at":`, o.CartedAt)
	if c := o.Clicks; c != nil {
		dst = appendNumber(dst, `,"clicks":{"program":`, int64(c.Program))
		dst = appendNumber(dst, `,"partner":`, int64(c.Partner))
		dst = append(appendText(dst, `,"day":`, c.Day), '}')
	}
	if o.Test {
		dst = append(dst, `,"test":true`...)
	}
	if len(o.Added) > 0 {
		dst = append(dst, `,"added":[`...)
		for i, a := range o.Added {
			dst = appendText(separate(dst, i), `{"field":`, a.Field)
			dst = appendText(dst, `,"value":`, a.Value)
			dst = append(appendTime(dst, `,"at":`, a.At), '}')
		}
		dst = append(dst, ']')
	}
	if len(o.Reviews) > 0 {
		dst = append(dst, `,"reviews":[`...)
		for i, r := range o.Reviews {
			dst = appendText(separate(dst, i), `{"id":`, r.ID)
			dst = appendTime(dst, `,"at":`, r.At)
			dst = appendText(dst, `,"verb":`, string(r.Verb))
			dst = optText(dst, `,"code":`, r.Code)
			dst = optNumber(dst, `,"partner":`, int64(r.Partner))
			dst = optTime(dst, `,"until":`, r.Until)
			dst = optText(dst, `,"report":`, r.Report)
			dst = optText(dst, `,"by":`, string(r.By))
			dst = append(optText(dst, `,"no_effect":`, string(r.NoEffect)), '}')
		}
		dst = append(dst, ']')
	}
	return appendList(dst, `,"disputes":[`, o.Disputes, (*Dispute).appendJSON)
}

func (l *Line) appendJSON(dst []byte) []byte {
	dst = appendNumber(dst, `{"n":`, l.Number)
	dst = optText(dst, `,"sku":`, l.SKU)
	dst = optText(dst, `,"category":`, l.Category)
	dst = appendNumber(dst, `,"quantity":`, l.Quantity)
	dst = appendNumber(dst, `,"amount":`, l.Amount)
	dst = optNumber(dst, `,"refunded":`, l.Refunded)
	dst = optNumber(dst, `,"tax":`, l.Tax)
	dst = optNumber(dst, `,"discount":`, l.Discount)
	dst = optText(dst, `,"part":`, l.Part)
	dst = optText(dst, `,"country":`, l.Country)
	dst = optText(dst, `,"device":`, l.Device)
	return append(dst, '}')
}

func (r *Refund) appendJSON(dst []byte) []byte {
	dst = appendText(dst, `{"id":`, r.ID)
	dst = appendTime(dst, `,"at":`, r.At)
	dst = optTime(dst, `,"effective":`, r.Effective)
	if len(r.Taken) > 0 {
		dst = append(dst, `,"taken":[`...)
		for i, t := range r.Taken {
			dst = appendNumber(separate(dst, i), `{"n":`, t.Line)
			dst = appendNumber(dst, `,"amount":`, t.Amount)
			dst = optNumber(dst, `,"pieces":`, t.Pieces)
			dst = append(dst, '}')
		}
		dst = append(dst, ']')
	}
	dst = optNumber(dst, `,"shipping":`, r.Shipping)
	dst = optTime(dst, `,"received_at":`, r.Received)
	if r.Whole {
		dst = append(dst, `,"whole":true`...)
	}
	if r.Dispute {
		dst = append(dst, `,"dispute":true`...)
	}
	return append(optNumber(dst, `,"beyond":`, r.Beyond), '}')
}

func (e *Excess) appendJSON(dst []byte) []byte {
	dst = appendText(dst, `{"refund":`, e.Refund)
	dst = optNumber(dst, `,"n":`, e.Line)
	dst = optText(dst, `,"sku":`, e.SKU)
	dst = optNumber(dst, `,"quantity":`, e.Quantity)
	dst = optNumber(dst, `,"amount":`, e.Amount)
	dst = optText(dst, `,"currency":`, e.Currency)
	dst = appendText(dst, `,"reason":`, string(e.Reason))
	if e.Shipping {
		dst = append(dst, `,"shipping":true`...)
	}
	return append(dst, '}')
}

func (t *Touch) appendJSON(dst []byte) []byte {
	dst = appendText(dst, `{"kind":`, string(t.Kind))
	dst = appendText(dst, `,"id":`, t.ID)
	if t.Won {
		dst = append(dst, `,"won":true`...)
	}
	dst = appendText(dst, `,"reason":`, string(t.Reason))
	dst = optTime(dst, `,"at":`, t.At)
	dst = optNumber(dst, `,"age_ms":`, t.AgeMillis)
	dst = optText(dst, `,"clock":`, string(t.Clock))
	dst = optNumber(dst, `,"window_s":`, t.WindowSeconds)
	dst = optNumber(dst, `,"link":`, int64(t.Link))
	dst = optNumber(dst, `,"program":`, int64(t.Program))
	dst = optNumber(dst, `,"partner":`, int64(t.Partner))
	if t.Rank != 0 {
		dst = appendText(dst, `,"rank":`, t.Rank.String())
	}
	dst = optText(dst, `,"part":`, string(t.Part))
	dst = optNumber(dst, `,"weight":`, t.Weight)
	if len(t.Signs) > 0 {
		dst = append(dst, `,"signs":[`...)
		for i, sign := range t.Signs {
			dst = appendText(separate(dst, i), "", string(sign))
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// appendList appends nothing where there is none.
func appendList[T any](dst []byte, name string, list []T, one func(t *T, dst []byte) []byte) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = append(dst, name...)
	for i := range list {
		dst = one(&list[i], separate(dst, i))
	}
	return append(dst, ']')
}

// separate puts a comma before all elements of a list but the first.
func separate(dst []byte, index int) []byte {
	if index > 0 {
		return append(dst, ',')
	}
	return dst
}

func appendNumber(dst []byte, name string, n int64) []byte {
	return strconv.AppendInt(append(dst, name...), n, 10)
}

// optNumber appends nothing for 0, as the tag omitempty says.
func optNumber(dst []byte, name string, n int64) []byte {
	if n == 0 {
		return dst
	}
	return appendNumber(dst, name, n)
}

// optProduct appends nothing for 0, as the tag omitzero says.
func optProduct(dst []byte, name string, p money.Product) []byte {
	if p == (money.Product{}) {
		return dst
	}
	return append(p.Append(append(append(dst, name...), '"')), '"')
}

func appendTime(dst []byte, name string, t time.Time) []byte {
	dst = append(append(dst, name...), '"')
	return append(t.AppendFormat(dst, time.RFC3339Nano), '"')
}

func optTime(dst []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return dst
	}
	return appendTime(dst, name, t)
}

func optText(dst []byte, name, text string) []byte {
	if text == "" {
		return dst
	}
	return appendText(dst, name, text)
}

// appendText appends a JSON string. Nearly all are plain ASCII and are copied whole.
func appendText(dst []byte, name, text string) []byte {
	dst = append(append(dst, name...), '"')
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return append(appendEscaped(append(dst, text[:i]...), text[i:]), '"')
		}
	}
	return append(append(dst, text...), '"')
}

// appendEscaped appends the rest of a JSON string from the first character that is not plain on.
func appendEscaped(dst []byte, text string) []byte {
	const hex = "0123456789abcdef"
	for _, r := range text {
		switch r {
		case '"', '\\':
			dst = append(dst, '\\', byte(r))
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		case '\u2028', '\u2029':
			dst = append(dst, `\u202`...)
			dst = append(dst, hex[r&0xf])
		default:
			if r < ' ' {
				dst = append(dst, `\u00`...)
				dst = append(dst, hex[r>>4], hex[r&0xf])
			} else {
				dst = utf8.AppendRune(dst, r)
			}
		}
	}
	return dst
}

// Package oracle recomputes the retail replay from its input file alone. It stands beside the whole life of a
// click, steps 1 to 6: the product sends the file through tracker, Kafka, engine and ledger, this package reads the
// same file and does the sums, and the two answers must be equal.
//
// It is an independent reading of the published rule: it shares no code with the product, imports the standard
// library only, keeps everything in memory and prefers the plainest arithmetic to speed. Comments quote the sentence
// of the rule that each decision comes from.
package oracle

import (
	"fmt"
	"io"
	"math/big"
	"time"
)

// day is 24 hours: the rule's times are UTC, where no day is longer or shorter.
const day = 24 * time.Hour

// Answer is what `tributary replay retail FILE --json` must print; it marshals to the same fields in the same order.
// Amounts are in pence.
type Answer struct {
	// Orders and Lines count what was sent: orders with at least one line, and those lines, service lines included.
	Orders int64 `json:"orders"`
	Lines  int64 `json:"lines"`
	// Revenue and Refunded are the sums of line amounts and refunded amounts over all orders, credited or not.
	Revenue  int64 `json:"revenue"`
	Refunded int64 `json:"refunded"`
	// Unattributed counts the orders sent that no click earned; Orders - Unattributed is Total.Orders.
	Unattributed int64 `json:"unattributed"`
	// UnmatchedPieces counts cancelled pieces that found no line to be taken back from.
	UnmatchedPieces int64 `json:"unmatched_pieces"`
	// Total is the sum of Partners.
	Total Row `json:"total"`
	// Partners has a row for each of P00 to P49, zero where a partner earned nothing.
	Partners map[string]Row `json:"partners"`
}

// Row is what one partner, or all of them, earned. Amounts are in pence.
type Row struct {
	// Orders counts credited orders, also those that have only lines at a rate of zero.
	Orders int64 `json:"orders"`
	// Lines counts the lines of credited orders whose rate is above zero, also those refunded in full.
	Lines int64 `json:"lines"`
	// Gross is the commission before refunds, Net after them, Fee the network's fee on Net.
	Gross int64 `json:"gross"`
	Net   int64 `json:"net"`
	Fee   int64 `json:"fee"`
	// Pending and Payable split Net by whether the order's hold had ended on 2011-12-10 00:00:00 UTC.
	Pending int64 `json:"pending"`
	Payable int64 `json:"payable"`
}

// Compute reads the decompressed CSV file and returns the answer of the rule. It fails on a row that cannot be read
// exactly, and on a row dated 2011-12-10 or later, for which the rule does not say what is pending and payable.
func Compute(csv io.Reader) (Answer, error) {
	shop, err := readShop(csv)
	if err != nil {
		return Answer{}, err
	}

	answer := Answer{Partners: map[string]Row{}}
	for partner := range partnerCount {
		answer.Partners[partnerName(partner)] = Row{}
	}

	answer.UnmatchedPieces = shop.takeBack()

	for customer, orders := range shop.ordersByCustomer() {
		clicks := clicksOf(customer, orders)
		for _, o := range orders {
			// "An order with no line left is not sent." It still was an order: it has its k and its click.
			if len(o.lines) > 0 {
				answer.add(o, clicks)
			}
		}
	}

	return answer, nil
}

// add counts one order that was sent, and credits the partner of the click that earned it.
func (a *Answer) add(o *order, clicks []click) {
	a.Orders++

	for _, l := range o.lines {
		a.Lines++
		a.Revenue += l.amount
		a.Refunded += l.refundedAmount()
	}

	c, attributed := creditedClick(o, clicks)
	if !attributed {
		a.Unattributed++

		return
	}

	earned := earnings(o, c.partner)
	name := partnerName(c.partner)
	a.Partners[name] = a.Partners[name].plus(earned)
	a.Total = a.Total.plus(earned)
}

// earnings is what a partner has of one credited order.
func earnings(o *order, partner int) Row {
	row := Row{Orders: 1}
	sold, left := map[int64]int64{}, map[int64]int64{}

	for _, l := range o.lines {
		rate := ratePercent(o.at, partner, l.product)
		if rate == 0 {
			// "`lines` credited lines with a rate above zero"; and a rate of zero earns nothing to add.
			continue
		}

		row.Lines++
		sold[rate] += l.amount
		left[rate] += l.amount - l.refundedAmount()
	}

	// "Commission of an order = for each rate, round(rate x the sum over its lines of that rate of (amount - refunded
	// amount)), half away from zero, in pence". Before refunds it is the same with nothing refunded.
	for rate := range sold {
		row.Gross += percentOf(rate, sold[rate])
		row.Net += percentOf(rate, left[rate])
	}

	// "Network fee: 20 % of the order's commission, rounded once the same way"
	row.Fee = percentOf(20, row.Net)

	if holdEnded(o.at) {
		row.Payable = row.Net
	} else {
		row.Pending = row.Net
	}

	return row
}

// asOf is the instant of "the pending/payable split as of 2011-12-10 00:00:00 UTC".
func asOf() time.Time {
	return time.Date(2011, time.December, 10, 0, 0, 0, 0, time.UTC)
}

// holdEnded tells whether the commission of an order is payable at the instant of the split.
//
// "Hold: 30 days from the order time (the replay is an operator's import: its times are taken as stated)." A hold that ends exactly at the instant has ended: what is held for 30 days is
// free once 30 days have passed. Every cancellation of the file is older than the instant, so the whole net of an order
// stands on one side: a refund takes from where the commission is.
func holdEnded(orderedAt time.Time) bool {
	return !orderedAt.Add(30 * day).After(asOf())
}

// ratePercent is the table of terms. "in force from (order time, UTC)": an order at exactly 2011-06-01 00:00:00 has
// the new rates.
func ratePercent(orderedAt time.Time, partner int, product bool) int64 {
	second := !orderedAt.Before(time.Date(2011, time.June, 1, 0, 0, 0, 0, time.UTC))

	switch {
	case !product:
		return 0
	case isSite(partner) && second:
		return 10
	case isSite(partner):
		return 8
	case second:
		return 6
	default:
		return 5
	}
}

func (r Row) plus(s Row) Row {
	return Row{
		Orders:  r.Orders + s.Orders,
		Lines:   r.Lines + s.Lines,
		Gross:   r.Gross + s.Gross,
		Net:     r.Net + s.Net,
		Fee:     r.Fee + s.Fee,
		Pending: r.Pending + s.Pending,
		Payable: r.Payable + s.Payable,
	}
}

// percentOf is percent/100 of an amount, rounded half away from zero. Amounts past 9e16 pence would overflow; a
// line's amount is bounded to 1e12 when it is read, and no order has 90,000 lines.
func percentOf(percent, amount int64) int64 {
	return round(big.NewRat(percent*amount, 100)).Int64()
}

// round rounds to a whole number, half away from zero.
func round(x *big.Rat) *big.Int {
	// |x| + 1/2, cut to a whole number, with the sign restored.
	shifted := new(big.Rat).Abs(x)
	shifted.Add(shifted, big.NewRat(1, 2))
	whole := new(big.Int).Quo(shifted.Num(), shifted.Denom())

	if x.Sign() < 0 {
		whole.Neg(whole)
	}

	return whole
}

func partnerName(partner int) string {
	return fmt.Sprintf("P%02d", partner)
}

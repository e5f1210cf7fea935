package commission

import (
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"tributary/commission/ledger/chart"
	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/partners/program"
)

// retailRow is what a partner, or all of them, earned, as the answers on file have it.
type retailRow struct {
	Orders  int64 `json:"orders"`
	Lines   int64 `json:"lines"`
	Gross   int64 `json:"gross"`
	Net     int64 `json:"net"`
	Fee     int64 `json:"fee"`
	Pending int64 `json:"pending"`
	Payable int64 `json:"payable"`
}

type retailAnswer struct {
	Orders          int64                `json:"orders"`
	Lines           int64                `json:"lines"`
	Revenue         int64                `json:"revenue"`
	Refunded        int64                `json:"refunded"`
	Unattributed    int64                `json:"unattributed"`
	UnmatchedPieces int64                `json:"unmatched_pieces"`
	Total           retailRow            `json:"total"`
	Partners        map[string]retailRow `json:"partners"`
}

// TestRealOrdersEarnWhatTheRuleSays sends the orders of a real shop through fold, decision, movements and difference,
// their events in random batches and random order, and compares with the answer that was worked out from the same file
// by other code.
func TestRealOrdersEarnWhatTheRuleSays(t *testing.T) {
	t.Parallel()
	for name, files := range map[string][2]string{
		"sample": {"../examples/retail/sample.csv.gz", "../examples/retail/sample.answer.json"},
		"whole":  {wholeRetailFile(), "../test/oracle/testdata/whole.answer.json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if files[0] == "" {
				t.Skip("the whole Online Retail file is not here: set TRIBUTARY_RETAIL_FILE to its online-retail.csv.gz")
			}
			var want retailAnswer
			text, err := os.ReadFile(files[1])
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			shop := openShop(t, files[0])
			unmatched := shop.takeBack()
			got := shop.earn(t)
			got.UnmatchedPieces = unmatched
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("what was earned (-want +got):\n%s", diff)
			}
		})
	}
}

// wholeRetailFile finds the real file where TRIBUTARY_RETAIL_FILE says or beside the repository; "" without one.
func wholeRetailFile() string {
	if path := os.Getenv("TRIBUTARY_RETAIL_FILE"); path != "" {
		return path
	}
	folder, err := os.Getwd()
	for err == nil {
		path := filepath.Join(folder, "shared", "data", "uci-online-retail", "online-retail.csv.gz")
		if _, err := os.Stat(path); err == nil {
			return path
		}
		if filepath.Dir(folder) == folder {
			break
		}
		folder = filepath.Dir(folder)
	}
	return ""
}

// retailShop is the file as events. Orders are by customer, oldest first once they are sorted.
type retailShop struct {
	byInvoice  map[string]*retailOrder
	byCustomer map[string][]*retailOrder
	cancelled  []*retailCancellation
}

type retailOrder struct {
	number    int
	at        time.Time
	rows      int64
	sale      *event.Sale
	left      []int64 // pieces of each line
	refunds   []*event.Event
	click     Click
	clickedOn int // the number of the partner
}

type retailCancellation struct {
	invoice, customer string
	at                time.Time
	rows              []retailReturn
}

type retailReturn struct {
	sku    string
	pieces int64
}

func openShop(t *testing.T, path string) *retailShop {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	shop := &retailShop{byInvoice: map[string]*retailOrder{}, byCustomer: map[string][]*retailOrder{}}
	cancellations := map[string]*retailCancellation{}
	rows := csv.NewReader(unpacked)
	rows.ReuseRecord = true
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return shop
		}
		if err != nil {
			t.Fatal(err)
		}
		invoice, customer := row[0], strings.TrimSuffix(row[6], ".0")
		at, err := time.Parse(time.DateTime, row[4])
		if err != nil || customer == "" {
			continue // the heading, and who is not known
		}
		if number, err := strconv.Atoi(invoice); err == nil {
			shop.sell(number, strings.Clone(customer), at, row)
			continue
		}
		if !strings.HasPrefix(invoice, "C") {
			continue
		}
		c := cancellations[invoice]
		if c == nil {
			c = &retailCancellation{invoice: strings.Clone(invoice), customer: strings.Clone(customer), at: at}
			cancellations[c.invoice] = c
			shop.cancelled = append(shop.cancelled, c)
		}
		if pieces := integer(row[3]); pieces < 0 && categoryOf(row[1]) == "product" {
			c.rows = append(c.rows, retailReturn{sku: strings.Clone(row[1]), pieces: -pieces})
		}
	}
}

// sell adds a row to its order.
func (s *retailShop) sell(number int, customer string, at time.Time, row []string) {
	o := s.byInvoice[row[0]]
	if o == nil {
		o = &retailOrder{number: number, at: at, sale: &event.Sale{MerchantId: 1, OrderId: strings.Clone(row[0]), Currency: "GBP", CustomerId: customer}}
		s.byInvoice[o.sale.GetOrderId()] = o
		s.byCustomer[customer] = append(s.byCustomer[customer], o)
	}
	o.rows++
	whole, fraction, _ := strings.Cut(row[5], ".")
	pieces, price := integer(row[3]), integer(whole+fraction)
	if pieces <= 0 || price <= 0 {
		return
	}
	unit := int64(1) // of the price's last decimal, in parts of a pound
	for range fraction {
		unit *= 10
	}
	o.sale.Lines = append(o.sale.Lines, goods(o.rows, strings.Clone(row[1]), categoryOf(row[1]), pieces, money.Scale(pieces*price, 100, unit)))
	o.left = append(o.left, pieces)
}

// takeBack makes refunds of the cancellations and gives the pieces for which there is no line.
func (s *retailShop) takeBack() int64 {
	for _, orders := range s.byCustomer {
		slices.SortFunc(orders, func(a, b *retailOrder) int {
			return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.number, b.number))
		})
	}
	slices.SortStableFunc(s.cancelled, func(a, b *retailCancellation) int { return a.at.Compare(b.at) })
	unmatched := int64(0)
	for _, c := range s.cancelled {
		for n, r := range c.rows {
			for _, o := range slices.Backward(s.byCustomer[c.customer]) {
				if !o.at.After(c.at) {
					r.pieces = o.takeBack(fmt.Sprint(c.invoice, "/", n), c.at, r)
				}
			}
			unmatched += r.pieces
		}
	}
	return unmatched
}

// takeBack makes a refund of what the order has of a return, and gives the pieces that are left over.
func (o *retailOrder) takeBack(id string, at time.Time, r retailReturn) int64 {
	var items []*event.RefundItem
	for i, l := range slices.Backward(o.sale.GetLines()) {
		if pieces := min(r.pieces, o.left[i]); l.GetSku() == r.sku && pieces > 0 {
			items = append(items, piecesOf(l.GetNumber(), pieces))
			o.left[i] -= pieces
			r.pieces -= pieces
		}
	}
	if len(items) > 0 {
		o.refunds = append(o.refunds, &event.Event{
			Id: idOf(id), ReceivedAt: event.Micros(at), OccurredAt: event.Micros(at),
			Body: &event.Event_Refund{Refund: &event.Refund{MerchantId: 1, OrderId: o.sale.GetOrderId(), RefundId: id, Items: items}},
		})
	}
	return r.pieces
}

// earn decides on every order and reads the books as of the day on which the rule looks at them.
func (s *retailShop) earn(t *testing.T) retailAnswer {
	t.Helper()
	asOf := time.Date(2011, time.December, 10, 0, 0, 0, 0, time.UTC)
	answer := retailAnswer{Partners: map[string]retailRow{}}
	for n := range 50 {
		answer.Partners[retailPartner(n)] = retailRow{}
	}
	for customer, orders := range s.byCustomer {
		clickThrough(customer, orders)
		for _, o := range orders {
			if len(o.sale.GetLines()) == 0 {
				continue
			}
			d, posted := o.arrive(t, asOf)
			answer.Orders++
			answer.Lines += int64(len(d.Order.Lines))
			answer.Revenue += d.Order.Amount
			answer.Refunded += d.Order.Refunded
			if d.Outcome != Credited {
				answer.Unattributed++
				continue
			}
			row := retailRow{
				Orders: 1, Lines: int64(d.Credits[0].Lines), Gross: d.Credits[0].Gross, Net: d.Credits[0].Net, Fee: d.Credits[0].Fee,
				Pending: holds(posted, asOf, chart.PartnerPending), Payable: holds(posted, asOf, chart.PartnerPayable),
			}
			name := retailPartner(o.clickedOn)
			answer.Partners[name] = answer.Partners[name].plus(row)
			answer.Total = answer.Total.plus(row)
		}
	}
	return answer
}

// arrive sends the order's events in a random order, in random batches, and gives the last decision and the books.
func (o *retailOrder) arrive(t *testing.T, asOf time.Time) (Decision, []Movement) {
	t.Helper()
	sale := &event.Event{Id: idOf(o.sale.GetOrderId()), Imported: true, OccurredAt: event.Micros(o.at), Body: &event.Event_Sale{Sale: o.sale}}
	events := append([]*event.Event{sale}, o.refunds...)
	rand.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	found := retailTerms(o.at, o.clickedOn)
	var b books
	var d Decision
	for len(events) > 0 {
		n := 1 + rand.IntN(len(events))
		d = b.arrive(t, found, o.click, !o.at.Add(30*day).After(asOf), events[:n]...)
		events = events[n:]
	}
	return d, b.posted
}

// clickThrough gives each order the customer's last click at or before it.
func clickThrough(customer string, orders []*retailOrder) {
	for i, clicked := range orders {
		k := i + 1
		if k%3 != 1 {
			continue
		}
		hash := fnv.New64a()
		fmt.Fprintf(hash, "%s:%d", customer, k)
		at := clicked.at.Add(-time.Hour)
		for _, o := range orders {
			if !at.After(o.at) {
				o.sale.ClickId = fmt.Sprint("click", k)
				o.click = Click{ID: o.sale.GetClickId(), Link: 7, At: at}
				o.clickedOn = int(hash.Sum64() % 50)
			}
		}
	}
}

// retailTerms are those of the rule, for a partner's link.
func retailTerms(at time.Time, partner int) program.LinkTerms {
	pay := func(site, member money.Rate) program.Rates {
		return program.Rates{program.Site: {"product": site}, program.Member: {"product": member}}
	}
	found := linkTerms(at,
		program.Terms{EffectiveFrom: time.Unix(0, 0), NetworkFee: 200_000, Rates: pay(80_000, 50_000)},
		program.Terms{EffectiveFrom: time.Date(2011, time.June, 1, 0, 0, 0, 0, time.UTC), NetworkFee: 200_000, Rates: pay(100_000, 60_000)})
	if partner >= 40 {
		found.Kind = program.Member
	}
	return found
}

func retailPartner(number int) string { return fmt.Sprintf("P%02d", number) }

func (r retailRow) plus(s retailRow) retailRow {
	return retailRow{
		r.Orders + s.Orders, r.Lines + s.Lines, r.Gross + s.Gross, r.Net + s.Net, r.Fee + s.Fee,
		r.Pending + s.Pending, r.Payable + s.Payable,
	}
}

// categoryOf is "product" for five digits and letters behind them.
func categoryOf(sku string) string {
	digits := len(sku) - len(strings.TrimLeft(sku, "0123456789"))
	letters := strings.Trim(strings.ToLower(sku[digits:]), "abcdefghijklmnopqrstuvwxyz")
	if digits == 5 && letters == "" {
		return "product"
	}
	return "service"
}

// integer reads a whole number, which the file's quantities and the digits of its prices are.
func integer(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

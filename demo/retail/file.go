// Package retail sends the orders of a real web shop through the whole life of a click, steps 1 to 5: it reads the UCI Online
// Retail file by a fixed rule, sends its clicks, orders and cancellations to a tracker's spool with their historic times, and
// reads from the books what everyone earned.
package retail

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"tributary/internal/money"
)

// partnerCount is how many partners the rule of the retail replay knows: P00 to P39 are sites, the rest members.
const (
	partnerCount = 50
	siteCount    = 40
)

// sale is an order of the retail file. Its lines are those that are sent.
type sale struct {
	id       string
	number   int64
	at       time.Time
	customer string
	lines    []saleLine
	k        int    // the customer's how-manieth order it is, from 1
	click    *visit // the customer's last click at or before it
}

type saleLine struct {
	number   int64
	sku      string
	category string
	quantity int64
	amount   int64 // pence
	left     int64 // pieces that no cancellation took
}

// visit is the click that the rule puts one hour before an order.
type visit struct {
	customer string
	k        int
	at       time.Time
	partner  int
}

// takeback is what one cancellation takes back from one order: pieces by line number.
type takeback struct {
	order  string
	id     string
	at     time.Time
	pieces map[int64]int64
}

// History is the whole file, read by the rule of the retail replay.
type History struct {
	orders          []*sale // in file order, also those without lines
	clicks          []*visit
	refunds         []*takeback
	unmatchedPieces int64
}

// Counts are how many orders, clicks and refunds the file holds.
func (h *History) Counts() (orders, clicks, refunds int) {
	return len(h.orders), len(h.clicks), len(h.refunds)
}

// Read reads the CSV of the retail replay, plain or gzipped.
func Read(path string) (*History, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the retail file: %w", err)
	}
	defer file.Close()
	var in io.Reader = bufio.NewReaderSize(file, 1<<20)
	if strings.HasSuffix(path, ".gz") {
		unzipped, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("unpacking %s: %w", path, err)
		}
		in = unzipped
	}
	book := book{invoices: map[string]*invoiceRows{}}
	if err := book.read(in); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return book.history(), nil
}

// invoiceRows is an invoice while the file is being read.
type invoiceRows struct {
	id    string
	rows  int64
	order *sale // of a digits-only invoice with a customer
	at    time.Time
	taken []returned // of a cancellation
}

// returned is a row of a cancellation.
type returned struct {
	customer, sku string
	pieces        int64
}

type book struct {
	invoices map[string]*invoiceRows
	order    []*invoiceRows // in file order
}

const columns = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"

func (b *book) read(in io.Reader) error {
	rows := csv.NewReader(in)
	rows.ReuseRecord = true
	header, err := rows.Read()
	if err != nil {
		return fmt.Errorf("reading its header: %w", err)
	}
	if got := strings.Join(header, ","); strings.TrimPrefix(got, "\ufeff") != columns {
		return fmt.Errorf("its columns are %s, not %s", got, columns)
	}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading a row: %w", err)
		}
		if err := b.add(row); err != nil {
			line, _ := rows.FieldPos(0)
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

// add takes one row into its invoice. Every row counts for the line numbers, also one that earns nothing.
func (b *book) add(row []string) error {
	invoice := b.invoices[row[0]]
	if invoice == nil {
		invoice = &invoiceRows{id: strings.Clone(row[0])}
		b.invoices[invoice.id] = invoice
		b.order = append(b.order, invoice)
	}
	invoice.rows++
	number := invoice.rows
	customer := strings.TrimSuffix(row[6], ".0")
	if customer == "" {
		return nil
	}
	at, err := time.ParseInLocation(time.DateTime, row[4], time.UTC)
	if err != nil {
		return fmt.Errorf("reading InvoiceDate: %w", err)
	}
	quantity, err := strconv.ParseInt(row[3], 10, 32) // more than any line has, and no product overflows
	if err != nil {
		return fmt.Errorf("reading Quantity: %w", err)
	}
	if strings.HasPrefix(invoice.id, "C") {
		if invoice.at.IsZero() {
			invoice.at = at
		}
		if quantity < 0 && productCode(row[1]) {
			invoice.taken = append(invoice.taken, returned{strings.Clone(customer), strings.Clone(row[1]), -quantity})
		}
		return nil
	}
	no, err := strconv.ParseUint(invoice.id, 10, 62)
	if err != nil {
		return nil //nolint:nilerr // an invoice that is neither digits nor a cancellation is no order by the rule
	}
	if invoice.order == nil {
		invoice.order = &sale{id: invoice.id, number: int64(no), at: at, customer: strings.Clone(customer)}
	}
	return invoice.order.addLine(number, row[1], quantity, row[5])
}

func (o *sale) addLine(number int64, sku string, quantity int64, price string) error {
	mills, err := parseMills(price)
	if err != nil {
		return fmt.Errorf("reading UnitPrice: %w", err)
	}
	if quantity <= 0 || mills <= 0 {
		return nil
	}
	amount := (quantity*mills + 5) / 10 // thousandths of a pound to pence; both are positive
	if amount > money.MaxAmount {
		return fmt.Errorf("%d pieces at %s are more than an order can be worth", quantity, price)
	}
	category := "service"
	if productCode(sku) {
		category = "product"
	}
	o.lines = append(o.lines, saleLine{
		number: number, sku: strings.Clone(sku), category: category, quantity: quantity, left: quantity,
		amount: amount,
	})
	return nil
}

// maxMills bounds a price: a million pounds.
const maxMills = 1_000_000_000

// parseMills reads a price of at most three decimals as thousandths.
func parseMills(text string) (int64, error) {
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	if len(fraction) > 3 {
		if strings.Trim(fraction[3:], "0") != "" {
			return 0, fmt.Errorf("%q has more than three decimals", text)
		}
		fraction = fraction[:3]
	}
	value, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", 3-len(fraction)), 10, 64)
	if err != nil || value < 0 || value > maxMills {
		return 0, fmt.Errorf("%q is not a price", text)
	}
	if strings.HasPrefix(text, "-") {
		value = -value
	}
	return value, nil
}

// productCode tells a product from a service: five digits followed by letters or nothing.
func productCode(code string) bool {
	if len(code) < 5 {
		return false
	}
	for i, c := range []byte(code) {
		digit, letter := c >= '0' && c <= '9', c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if i < 5 && !digit || i >= 5 && !letter {
			return false
		}
	}
	return true
}

// history numbers the orders, places the clicks and matches the cancellations.
func (b *book) history() *History {
	data := &History{}
	byCustomer := map[string][]*sale{}
	var cancellations []*invoiceRows
	for _, invoice := range b.order {
		switch {
		case invoice.order != nil:
			data.orders = append(data.orders, invoice.order)
			byCustomer[invoice.order.customer] = append(byCustomer[invoice.order.customer], invoice.order)
		case len(invoice.taken) > 0:
			cancellations = append(cancellations, invoice)
		}
	}
	for _, o := range data.orders {
		orders := byCustomer[o.customer]
		if orders[0].k == 0 {
			data.clicks = append(data.clicks, placeClicks(orders)...)
		}
	}
	slices.SortStableFunc(cancellations, func(x, y *invoiceRows) int { return x.at.Compare(y.at) })
	for _, c := range cancellations {
		data.cancel(c, byCustomer)
	}
	return data
}

// placeClicks numbers the orders of one customer by time and gives each the last click at or before it.
func placeClicks(orders []*sale) []*visit {
	slices.SortFunc(orders, func(x, y *sale) int {
		if c := x.at.Compare(y.at); c != 0 {
			return c
		}
		return int(x.number - y.number)
	})
	var clicks []*visit
	for i, o := range orders {
		o.k = i + 1
		if o.k%3 != 1 {
			continue
		}
		h := fnv.New64a()
		fmt.Fprintf(h, "%s:%d", o.customer, o.k)
		clicks = append(clicks, &visit{customer: o.customer, k: o.k, at: o.at.Add(-time.Hour), partner: int(h.Sum64() % partnerCount)})
	}
	for _, o := range orders {
		for _, c := range clicks { // in time order, as the orders are
			if !c.at.After(o.at) {
				o.click = c
			}
		}
	}
	return clicks
}

// cancel takes a cancellation's pieces from the customer's orders: the latest first, in an order the last line first.
func (h *History) cancel(c *invoiceRows, byCustomer map[string][]*sale) {
	refunds := map[string]*takeback{}
	for _, row := range c.taken {
		pieces := row.pieces
		orders := byCustomer[row.customer]
		for i := len(orders) - 1; i >= 0 && pieces > 0; i-- {
			o := orders[i]
			if o.at.After(c.at) {
				continue
			}
			for j := len(o.lines) - 1; j >= 0 && pieces > 0; j-- {
				line := &o.lines[j]
				take := min(pieces, line.left)
				if line.sku != row.sku || take == 0 {
					continue
				}
				line.left -= take
				pieces -= take
				refund := refunds[o.id]
				if refund == nil {
					refund = &takeback{order: o.id, id: c.id, at: c.at, pieces: map[int64]int64{}}
					refunds[o.id] = refund
					h.refunds = append(h.refunds, refund)
				}
				refund.pieces[line.number] += take
			}
		}
		h.unmatchedPieces += pieces
	}
}

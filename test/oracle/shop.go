package oracle

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxPieces and maxPence bound what one row may carry, so that int64 sums over any file that fits a disk are exact.
const (
	maxPieces = 1_000_000_000
	maxPence  = 1_000_000_000_000
)

// shop is the file after the section "Orders" of the rule.
type shop struct {
	// orders by InvoiceNo.
	orders map[string]*order
	// cancellations in the file order of their first rows.
	cancellations []*cancellation
}

// order is an InvoiceNo of digits only, with the time and customer of its first row.
type order struct {
	number   int64
	at       time.Time
	customer string
	// lines are in the order of their line numbers.
	lines []*line
}

// line is a row of an order with a quantity and a price above zero. Amounts are in pence.
type line struct {
	sku      string
	product  bool
	pieces   int64
	refunded int64
	amount   int64
}

// cancellation is an InvoiceNo starting with C, with the time and customer of its first row, as for an order. (One
// cancellation of the real file has rows of two times; no invoice has rows of two customers.)
type cancellation struct {
	at       time.Time
	customer string
	rows     []returned
}

// returned is a row of a cancellation: so many pieces of one product.
type returned struct {
	sku    string
	pieces int64
}

// record is one row of the file, its fields read.
type record struct {
	invoice  string
	sku      string
	quantity int64
	at       time.Time
	price    *big.Rat
	customer string
}

// readShop reads the whole file. Row numbers in errors count the heading as row 1.
func readShop(file io.Reader) (*shop, error) {
	reader := csv.NewReader(file)

	heading, err := reader.Read()
	if err != nil {
		return nil, fmt.Errorf("reading heading: %w", err)
	}

	want := []string{"InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"}
	if !slices.Equal(heading, want) {
		return nil, fmt.Errorf("reading heading: columns %q, want %q", heading, want)
	}

	s := &shop{orders: map[string]*order{}}
	cancelled := map[string]*cancellation{}

	for row := 2; ; row++ {
		fields, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return s, nil
		}

		if err != nil {
			return nil, fmt.Errorf("reading row %d: %w", row, err)
		}

		r, err := parseRecord(fields)
		if err != nil {
			return nil, fmt.Errorf("reading row %d: %w", row, err)
		}

		switch {
		case r.customer == "": // "rows without a customer are ignored"
		case isDigits(r.invoice): // "Order: an InvoiceNo of digits only."
			err = s.addToOrder(r)
		case strings.HasPrefix(r.invoice, "C"): // "Cancellation: an InvoiceNo starting with C."
			s.addToCancellation(r, cancelled)
		}

		if err != nil {
			return nil, fmt.Errorf("reading row %d: %w", row, err)
		}
	}
}

func parseRecord(fields []string) (record, error) {
	quantity, err := strconv.ParseInt(fields[3], 10, 64)
	if err != nil {
		return record{}, fmt.Errorf("reading Quantity: %w", err)
	}

	if quantity > maxPieces || quantity < -maxPieces {
		return record{}, fmt.Errorf("reading Quantity: %d is past %d", quantity, maxPieces)
	}

	// "Times are UTC", and so is what time.Parse returns for a text without a zone.
	at, err := time.Parse("2006-01-02 15:04:05", fields[4])
	if err != nil {
		return record{}, fmt.Errorf("reading InvoiceDate: %w", err)
	}

	if !at.Before(asOf()) {
		return record{}, fmt.Errorf("reading InvoiceDate: %s is not before %s", fields[4], asOf().Format(time.DateTime))
	}

	// SetString alone would also take fractions and exponents.
	price, ok := new(big.Rat).SetString(fields[5])
	if !ok || strings.Trim(fields[5], "-.0123456789") != "" {
		return record{}, fmt.Errorf("reading UnitPrice: %q is not a decimal", fields[5])
	}

	return record{
		invoice:  fields[0],
		sku:      fields[1],
		quantity: quantity,
		at:       at,
		price:    price,
		// "`CustomerID` "17850.0" means customer `17850`"
		customer: strings.TrimSuffix(fields[6], ".0"),
	}, nil
}

func (s *shop) addToOrder(r record) error {
	o, known := s.orders[r.invoice]
	if !known {
		number, err := strconv.ParseInt(r.invoice, 10, 64)
		if err != nil {
			return fmt.Errorf("reading InvoiceNo: %w", err)
		}

		// "time = the `InvoiceDate` of its first row; customer = that of its first row."
		o = &order{number: number, at: r.at, customer: r.customer}
		s.orders[r.invoice] = o
	}

	// "Line: a row of an order with `Quantity > 0` and `UnitPrice > 0`". The line number is not kept: nothing but the
	// order of lines depends on it, and rows come in that order.
	if r.quantity <= 0 || r.price.Sign() <= 0 {
		return nil
	}

	// "Amount in pence = Quantity x UnitPrice x 100, rounded half away from zero, from the exact decimals." A line of
	// less than half a penny is a line of 0 pence (the real file has four, all service lines).
	pence := new(big.Rat).Mul(r.price, big.NewRat(r.quantity*100, 1))

	amount := round(pence)
	if amount.Cmp(big.NewInt(maxPence)) > 0 {
		return fmt.Errorf("reading UnitPrice: a line of %s pence is past %d", amount, int64(maxPence))
	}

	o.lines = append(o.lines, &line{
		sku:     r.sku,
		product: isProduct(r.sku),
		pieces:  r.quantity,
		amount:  amount.Int64(),
	})

	return nil
}

func (s *shop) addToCancellation(r record, known map[string]*cancellation) {
	c := known[r.invoice]
	if c == nil {
		c = &cancellation{at: r.at, customer: r.customer}
		known[r.invoice] = c
		s.cancellations = append(s.cancellations, c)
	}

	// "Each of its rows with a product StockCode and `Quantity < 0` takes back |Quantity| pieces". Other rows do
	// nothing, and are not unmatched either.
	if isProduct(r.sku) && r.quantity < 0 {
		c.rows = append(c.rows, returned{sku: r.sku, pieces: -r.quantity})
	}
}

// ordersByCustomer returns each customer's orders "by time (ties: order id as a number)".
func (s *shop) ordersByCustomer() map[string][]*order {
	byCustomer := map[string][]*order{}
	for _, o := range s.orders {
		byCustomer[o.customer] = append(byCustomer[o.customer], o)
	}

	for _, orders := range byCustomer {
		slices.SortFunc(orders, func(a, b *order) int {
			if c := a.at.Compare(b.at); c != 0 {
				return c
			}

			return cmp.Compare(a.number, b.number)
		})
	}

	return byCustomer
}

// takeBack applies every cancellation to the lines and returns how many pieces found none.
//
// They are taken as the rule says: "Cancellations are taken in time order, ties in file order.", a cancellation's time
// and place being those of its first row.
func (s *shop) takeBack() int64 {
	byTime := slices.Clone(s.cancellations)
	slices.SortStableFunc(byTime, func(a, b *cancellation) int { return a.at.Compare(b.at) })

	orders := s.ordersByCustomer()

	var unmatched int64

	for _, c := range byTime {
		for _, r := range c.rows {
			unmatched += takeFrom(orders[c.customer], c.at, r)
		}
	}

	return unmatched
}

// takeFrom takes the returned pieces from the orders of one customer, given oldest first, and returns the pieces that
// are left over.
//
// "from the same customer's orders with time at or before the cancellation's (its own InvoiceDate): the latest order
// first (ties: the higher order id as a number), within an order the highest line number first, never more than the
// pieces still left on a line".
func takeFrom(orders []*order, at time.Time, r returned) int64 {
	wanted := r.pieces

	for _, o := range slices.Backward(orders) {
		if o.at.After(at) {
			continue
		}

		for _, l := range slices.Backward(o.lines) {
			if l.sku == r.sku {
				taken := min(wanted, l.pieces-l.refunded)
				l.refunded += taken
				wanted -= taken
			}
		}
	}

	return wanted
}

// refundedAmount is "round(line amount x refunded pieces / pieces), half away from zero, from the pieces refunded in
// total".
func (l *line) refundedAmount() int64 {
	share := new(big.Rat).Mul(big.NewRat(l.amount, 1), big.NewRat(l.refunded, l.pieces))

	return round(share).Int64()
}

// isProduct is "StockCode is five digits followed by letters or nothing (`^[0-9]{5}[A-Za-z]*$`)".
func isProduct(sku string) bool {
	if len(sku) < 5 || !isDigits(sku[:5]) {
		return false
	}

	for _, c := range []byte(sku[5:]) {
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}

	return true
}

func isDigits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}

	return s != ""
}

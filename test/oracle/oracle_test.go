package oracle

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const heading = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"

// answerOf computes the answer for the rows of a file, partners without an order left out.
func answerOf(t *testing.T, rows string) Answer {
	t.Helper()

	got, err := Compute(strings.NewReader(heading + strings.TrimLeft(rows, "\n")))
	if err != nil {
		t.Fatal(err)
	}

	if len(got.Partners) != 50 {
		t.Fatalf("%d partners, want all 50", len(got.Partners))
	}

	for name, row := range got.Partners {
		if row == (Row{}) {
			delete(got.Partners, name)
		}
	}

	return got
}

// The answers are worked out by hand, from the partners of three customers: 102:1 is P03 (a site), 106:1 is P43 (a
// member referrer), and 101 has P32 (a site) at k = 1 and P49 (a member referrer) at k = 4.
func TestAnswerWorkedOutByHand(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct {
		name string
		rows string
		want Answer
	}{
		{
			// 10 x 2.55 = 2550, of which 3 of 10 pieces come back: 765. 8 % of 2550 = 204; 8 % of 1785 = 142.8.
			// The fee is 20 % of 143 = 28.6. Postage is a line that earns nothing and is not taken back.
			name: "some pieces of a line come back, and postage is a service",
			rows: `
100001,85123A,HOLDER,10,2011-05-02 10:00:00,2.55,102.0,United Kingdom
100001,POST,POSTAGE,1,2011-05-02 10:00:00,18.00,102.0,United Kingdom
C100002,85123A,HOLDER,-3,2011-05-20 09:00:00,2.55,102.0,United Kingdom
C100002,POST,POSTAGE,-1,2011-05-20 09:00:00,18.00,102.0,United Kingdom
`,
			want: Answer{
				Orders: 1, Lines: 2, Revenue: 4350, Refunded: 765,
				Total:    Row{Orders: 1, Lines: 1, Gross: 204, Net: 143, Fee: 29, Payable: 143},
				Partners: map[string]Row{"P03": {Orders: 1, Lines: 1, Gross: 204, Net: 143, Fee: 29, Payable: 143}},
			},
		},
		{
			// 4 x 0.85 = 340; 8 % = 27.2. Six pieces come back in two cancellations, four find the line.
			name: "more pieces come back than were bought",
			rows: `
100001,22222,MUG,4,2011-05-02 10:00:00,0.85,102.0,United Kingdom
C100002,22222,MUG,-3,2011-05-20 09:00:00,0.85,102.0,United Kingdom
C100003,22222,MUG,-3,2011-05-21 09:00:00,0.85,102.0,United Kingdom
`,
			want: Answer{
				Orders: 1, Lines: 1, Revenue: 340, Refunded: 340, UnmatchedPieces: 2,
				Total:    Row{Orders: 1, Lines: 1, Gross: 27},
				Partners: map[string]Row{"P03": {Orders: 1, Lines: 1, Gross: 27}},
			},
		},
		{
			// 100001 is k = 1 and has the click; 100002 is k = 2, and is earned by that click. 8 % of 100 = 8,
			// 20 % of 8 = 1.6.
			name: "an order without lines is not sent, and its click still earns",
			rows: `
100001,22222,MUG,6,2011-05-02 10:00:00,0.0,102.0,United Kingdom
100001,22222,MUG,-2,2011-05-02 10:00:00,1.00,102.0,United Kingdom
100002,22222,MUG,1,2011-05-03 10:00:00,1.00,102.0,United Kingdom
`,
			want: Answer{
				Orders: 1, Lines: 1, Revenue: 100,
				Total:    Row{Orders: 1, Lines: 1, Gross: 8, Net: 8, Fee: 2, Payable: 8},
				Partners: map[string]Row{"P03": {Orders: 1, Lines: 1, Gross: 8, Net: 8, Fee: 2, Payable: 8}},
			},
		},
		{
			// The click is at 2011-05-31 22:59:59. The second order is 30 x 24 h after it, the third a second more.
			// 8 % of 100 = 8, fee 1.6; from June 10 % of 105 = 10.5, fee 20 % of 11 = 2.2.
			name: "the window holds to the second",
			rows: `
100001,22222,MUG,1,2011-05-31 23:59:59,1.00,102.0,United Kingdom
100002,22222,MUG,1,2011-06-30 22:59:59,1.05,102.0,United Kingdom
100003,22222,MUG,1,2011-06-30 23:00:00,2.00,102.0,United Kingdom
`,
			want: Answer{
				Orders: 3, Lines: 3, Revenue: 405, Unattributed: 1,
				Total:    Row{Orders: 2, Lines: 2, Gross: 19, Net: 19, Fee: 4, Payable: 19},
				Partners: map[string]Row{"P03": {Orders: 2, Lines: 2, Gross: 19, Net: 19, Fee: 4, Payable: 19}},
			},
		},
		{
			// 5 % of 450 = 22.5, fee 20 % of 23 = 4.6; 6 % of 450 = 27, fee 5.4.
			name: "new terms hold from the first second of June",
			rows: `
100001,22222,MUG,1,2011-05-31 23:59:59,4.50,106.0,United Kingdom
100002,22222,MUG,1,2011-06-01 00:00:00,4.50,106.0,United Kingdom
`,
			want: Answer{
				Orders: 2, Lines: 2, Revenue: 900,
				Total:    Row{Orders: 2, Lines: 2, Gross: 50, Net: 50, Fee: 10, Payable: 50},
				Partners: map[string]Row{"P43": {Orders: 2, Lines: 2, Gross: 50, Net: 50, Fee: 10, Payable: 50}},
			},
		},
		{
			// 10 % of 100 and of 200, fees 2 and 4. The first hold ends at 2011-12-10 00:00:00 itself.
			name: "a hold that ends at the instant of the split has ended",
			rows: `
100001,22222,MUG,1,2011-11-10 00:00:00,1.00,102.0,United Kingdom
100002,22222,MUG,1,2011-11-10 00:00:01,2.00,102.0,United Kingdom
`,
			want: Answer{
				Orders: 2, Lines: 2, Revenue: 300,
				Total:    Row{Orders: 2, Lines: 2, Gross: 30, Net: 30, Fee: 6, Pending: 20, Payable: 10},
				Partners: map[string]Row{"P03": {Orders: 2, Lines: 2, Gross: 30, Net: 30, Fee: 6, Pending: 20, Payable: 10}},
			},
		},
		{
			// Of two orders at one time 100000 is the later one: as text it would be the earlier. Two pieces come
			// back: the one of its second line (350) and one of two of its first (300). 8 % of 600, 350, 500 = 48 + 28
			// + 40; of what is left, 300, 0, 500 = 24 + 0 + 40; fees 4.8 and 8.
			name: "of orders at one time the higher number gives first, and its last line first",
			rows: `
100000,22222,MUG,2,2011-05-02 10:00:00,3.00,102.0,United Kingdom
100000,22222,MUG,1,2011-05-02 10:00:00,3.50,102.0,United Kingdom
99999,22222,MUG,5,2011-05-02 10:00:00,1.00,102.0,United Kingdom
C100003,22222,MUG,-2,2011-05-03 10:00:00,3.00,102.0,United Kingdom
`,
			want: Answer{
				Orders: 2, Lines: 3, Revenue: 1450, Refunded: 650,
				Total:    Row{Orders: 2, Lines: 3, Gross: 116, Net: 64, Fee: 13, Payable: 64},
				Partners: map[string]Row{"P03": {Orders: 2, Lines: 3, Gross: 116, Net: 64, Fee: 13, Payable: 64}},
			},
		},
		{
			// Three pieces come back: two from the second order (600), one from the first (100); none from the order
			// a second after the cancellation, none from customer 106. P03: 8 % of 500, 600, 1400 = 40 + 48 + 112; of
			// what is left 32 + 0 + 112; fees 6.4 and 22.4. P43: 5 % of 400 = 20, fee 4.
			name: "the customer's latest order gives first, then the one before",
			rows: `
100001,22222,MUG,5,2011-05-02 10:00:00,1.00,102.0,United Kingdom
100002,22222,MUG,2,2011-05-03 10:00:00,3.00,102.0,United Kingdom
100003,22222,MUG,4,2011-05-03 10:00:00,1.00,106.0,United Kingdom
C100004,22222,MUG,-3,2011-05-04 10:00:00,3.00,102.0,United Kingdom
100005,22222,MUG,7,2011-05-04 10:00:01,2.00,102.0,United Kingdom
`,
			want: Answer{
				Orders: 4, Lines: 4, Revenue: 2900, Refunded: 700,
				Total: Row{Orders: 4, Lines: 4, Gross: 220, Net: 164, Fee: 32, Payable: 164},
				Partners: map[string]Row{
					"P03": {Orders: 3, Lines: 3, Gross: 200, Net: 144, Fee: 28, Payable: 144},
					"P43": {Orders: 1, Lines: 1, Gross: 20, Net: 20, Fee: 4, Payable: 20},
				},
			},
		},
		{
			// 8 % of 200 = 16, of 100 = 8; fee 1.6.
			name: "an order can be cancelled from its own second on, wherever the row stands",
			rows: `
C100001,22222,MUG,-1,2011-05-02 09:59:59,1.00,102.0,United Kingdom
C100002,22222,MUG,-1,2011-05-02 10:00:00,1.00,102.0,United Kingdom
100003,22222,MUG,2,2011-05-02 10:00:00,1.00,102.0,United Kingdom
`,
			want: Answer{
				Orders: 1, Lines: 1, Revenue: 200, Refunded: 100, UnmatchedPieces: 1,
				Total:    Row{Orders: 1, Lines: 1, Gross: 16, Net: 8, Fee: 2, Payable: 8},
				Partners: map[string]Row{"P03": {Orders: 1, Lines: 1, Gross: 16, Net: 8, Fee: 2, Payable: 8}},
			},
		},
		{
			// The click of the fourth order is at 11:30:00, the very time of the third. P32: 8 % of 100 twice, fees
			// 1.6 each; P49: 5 % of 100 twice, fees 1 each.
			name: "a click made for a later order earns the order at its time",
			rows: `
100001,22222,MUG,1,2011-05-02 10:00:00,1.00,101.0,United Kingdom
100002,22222,MUG,1,2011-05-02 10:30:00,1.00,101.0,United Kingdom
100003,22222,MUG,1,2011-05-05 11:30:00,1.00,101.0,United Kingdom
100004,22222,MUG,1,2011-05-05 12:30:00,1.00,101.0,United Kingdom
`,
			want: Answer{
				Orders: 4, Lines: 4, Revenue: 400,
				Total: Row{Orders: 4, Lines: 4, Gross: 26, Net: 26, Fee: 6, Payable: 26},
				Partners: map[string]Row{
					"P32": {Orders: 2, Lines: 2, Gross: 16, Net: 16, Fee: 4, Payable: 16},
					"P49": {Orders: 2, Lines: 2, Gross: 10, Net: 10, Fee: 2, Payable: 10},
				},
			},
		},
		{
			name: "rows without a customer and invoices of other letters are ignored",
			rows: `
100001,22222,MUG,1,2011-05-02 10:00:00,1.00,,United Kingdom
C100002,22222,MUG,-1,2011-05-02 10:00:00,1.00,,United Kingdom
A100003,B,Adjust bad debt,1,2011-05-02 10:00:00,11.00,102.0,United Kingdom
`,
			want: Answer{Partners: map[string]Row{}},
		},
		{
			// 0.1, 0.5 and 0.4 pence are 0, 1 and 0. 8 % of 1 = 0.08. The bank's charge is a service.
			name: "a line of less than half a penny is a line of nothing",
			rows: `
100001,BANK CHARGES,CHARGE,1,2011-05-02 10:00:00,0.001,102.0,United Kingdom
100001,22222,MUG,1,2011-05-02 10:00:00,0.005,102.0,United Kingdom
100001,22223,MUG,1,2011-05-02 10:00:00,0.004,102.0,United Kingdom
`,
			want: Answer{
				Orders: 1, Lines: 3, Revenue: 1,
				Total:    Row{Orders: 1, Lines: 2},
				Partners: map[string]Row{"P03": {Orders: 1, Lines: 2}},
			},
		},
		{
			// 2 x 0.125 = 25; one piece of two is 12.5, so 13. 8 % of 25 = 2; of 12 = 0.96; fee 0.2. With each piece
			// rounded apart, the second would leave a penny too many: a line refunded in full refunds its amount.
			name: "a refund is rounded once, from all pieces of the line",
			rows: `
100001,22222,MUG,2,2011-05-02 10:00:00,0.125,102.0,United Kingdom
100001,22223,MUG,2,2011-05-02 10:00:00,0.125,102.0,United Kingdom
C100002,22222,MUG,-1,2011-05-02 10:00:00,0.125,102.0,United Kingdom
C100003,22223,MUG,-1,2011-05-02 10:00:00,0.125,102.0,United Kingdom
C100004,22223,MUG,-1,2011-05-02 10:00:00,0.125,102.0,United Kingdom
`,
			want: Answer{
				Orders: 1, Lines: 2, Revenue: 50, Refunded: 38,
				Total:    Row{Orders: 1, Lines: 2, Gross: 4, Net: 1, Payable: 1},
				Partners: map[string]Row{"P03": {Orders: 1, Lines: 2, Gross: 4, Net: 1, Payable: 1}},
			},
		},
		{
			// All of it is of customer 102 and of May: 8 % of 200 = 16, fee 3.2.
			name: "an order has the time and the customer of its first row",
			rows: `
100001,22222,MUG,1,2011-05-31 23:59:00,1.00,102.0,United Kingdom
100001,22223,MUG,1,2011-06-01 00:01:00,1.00,106.0,United Kingdom
`,
			want: Answer{
				Orders: 1, Lines: 2, Revenue: 200,
				Total:    Row{Orders: 1, Lines: 2, Gross: 16, Net: 16, Fee: 3, Payable: 16},
				Partners: map[string]Row{"P03": {Orders: 1, Lines: 2, Gross: 16, Net: 16, Fee: 3, Payable: 16}},
			},
		},
		{
			// 8 % of 4 x 9 = 2.88, fee 20 % of 3 = 0.6. Each line by itself would earn 0.72, so 4 in all, and no fee.
			name: "lines of one rate are summed before they are rounded",
			rows: `
100001,22222,MUG,1,2011-05-02 10:00:00,0.09,102.0,United Kingdom
100001,22223,MUG,1,2011-05-02 10:00:00,0.09,102.0,United Kingdom
100001,22224,MUG,1,2011-05-02 10:00:00,0.09,102.0,United Kingdom
100001,22225,MUG,1,2011-05-02 10:00:00,0.09,102.0,United Kingdom
100002,22222,MUG,1,2011-05-02 10:00:00,0.09,106.0,United Kingdom
100002,22223,MUG,2,2011-05-02 10:00:00,0.09,106.0,United Kingdom
C100003,22223,MUG,-1,2011-05-02 10:00:00,0.09,106.0,United Kingdom
`,
			// 106 has P43: 5 % of 27 = 1.35, of 18 = 0.9.
			want: Answer{
				Orders: 2, Lines: 6, Revenue: 63, Refunded: 9,
				Total: Row{Orders: 2, Lines: 6, Gross: 4, Net: 4, Fee: 1, Payable: 4},
				Partners: map[string]Row{
					"P03": {Orders: 1, Lines: 4, Gross: 3, Net: 3, Fee: 1, Payable: 3},
					"P43": {Orders: 1, Lines: 2, Gross: 1, Net: 1, Payable: 1},
				},
			},
		},
		{
			// An order of services only is attributed all the same: credited, with no credited line.
			name: "an order of services only is credited and earns nothing",
			rows: `
100001,M,Manual,1,2011-05-02 10:00:00,5.00,102.0,United Kingdom
`,
			want: Answer{
				Orders: 1, Lines: 1, Revenue: 500,
				Total:    Row{Orders: 1},
				Partners: map[string]Row{"P03": {Orders: 1}},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			if diff := cmp.Diff(tt.want, answerOf(t, tt.rows)); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRowsThatCannotBeReadExactlyAreRefused(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct{ name, file, want string }{
		{"empty file", "", "reading heading: EOF"},
		{"other columns", "a,b\n", "reading heading: columns"},
		{"short row", heading + "1,2\n", "reading row 2: record on line 2: wrong number of fields"},
		{"quantity", heading + "100001,22222,MUG,1.5,2011-05-02 10:00:00,1.00,102.0,UK\n", "reading row 2: reading Quantity"},
		{"large quantity", heading + "100001,22222,MUG,1000000001,2011-05-02 10:00:00,1.00,102.0,UK\n", "is past 1000000000"},
		{"large price", heading + "100001,22222,MUG,1,2011-05-02 10:00:00,10000000000.01,102.0,UK\n", "is past 1000000000000"},
		{"date", heading + "100001,22222,MUG,1,02/05/2011 10:00,1.00,102.0,UK\n", "reading InvoiceDate"},
		{"date of the split", heading + "100001,22222,MUG,1,2011-12-10 00:00:00,1.00,102.0,UK\n", "is not before 2011-12-10 00:00:00"},
		{"fraction", heading + "100001,22222,MUG,1,2011-05-02 10:00:00,1/3,102.0,UK\n", `"1/3" is not a decimal`},
		{"exponent", heading + "100001,22222,MUG,1,2011-05-02 10:00:00,1e2,102.0,UK\n", `"1e2" is not a decimal`},
		{"long number", heading + "99999999999999999999,22222,MUG,1,2011-05-02 10:00:00,1.00,102.0,UK\n", "reading InvoiceNo"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			_, err := Compute(strings.NewReader(tt.file))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestRoundingIsHalfAwayFromZero(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]int64{
		"0": 0, "0.499": 0, "0.5": 1, "1.5": 2, "2.5": 3, "2.49999": 2, "-0.499": 0, "-0.5": -1, "-1.5": -2, "-2.5": -3, "7": 7,
	} {
		x, _ := new(big.Rat).SetString(text)
		if got := round(x).Int64(); got != want {
			t.Errorf("round(%s) = %d, want %d", text, got, want)
		}
	}
}

// The expected partners come from the published FNV-1a parameters, worked out outside this package; 17850:1 hashes to
// 10561086449137782471.
func TestPartnerOfAClick(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct {
		customer string
		k, want  int
	}{{"17850", 1, 21}, {"101", 1, 32}, {"101", 4, 49}, {"102", 1, 3}, {"106", 1, 43}, {"105", 1, 0}} {
		if got := clickedPartner(tt.customer, tt.k); got != tt.want {
			t.Errorf("clickedPartner(%s, %d) = %d, want %d", tt.customer, tt.k, got, tt.want)
		}
	}
}

func TestOfTwoClicksAtOneInstantTheLaterOrderWins(t *testing.T) {
	t.Parallel()

	at := time.Date(2011, time.May, 2, 10, 0, 0, 0, time.UTC)
	clicks := []click{{at: at, partner: 1}, {at: at, partner: 2}}

	got, attributed := creditedClick(&order{at: at.Add(time.Minute)}, clicks)
	if got.partner != 2 || !attributed {
		t.Errorf("credited %d, %v; want partner 2", got.partner, attributed)
	}
}

func TestProductsAreFiveDigitsAndLetters(t *testing.T) {
	t.Parallel()

	for sku, want := range map[string]bool{
		"22222": true, "85123A": true, "15056bl": true, "2222": false, "222222": false, "85123A1": false, "85123 A": false,
		"": false, "POST": false, "C2": false, "2222A": false, "22222\n": false, "２２２２２": false, "85123É": false,
	} {
		if got := isProduct(sku); got != want {
			t.Errorf("isProduct(%q) = %v, want %v", sku, got, want)
		}
	}
}

func TestAnswerMarshalsAsPublished(t *testing.T) {
	t.Parallel()

	got, err := json.Marshal(Answer{Partners: map[string]Row{"P00": {}}})
	if err != nil {
		t.Fatal(err)
	}

	want := `{"orders":0,"lines":0,"revenue":0,"refunded":0,"unattributed":0,"unmatched_pieces":0,` +
		`"total":{"orders":0,"lines":0,"gross":0,"net":0,"fee":0,"pending":0,"payable":0},` +
		`"partners":{"P00":{"orders":0,"lines":0,"gross":0,"net":0,"fee":0,"pending":0,"payable":0}}}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

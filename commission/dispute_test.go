package commission

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tributary/commission/ledger/chart"
	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/partners/program"
)

// disputesOf reads "a@5=2500 b@6=all c@6=99JPY a:lost@9": the dispute, the day after noon, and what is disputed in minor units, of the
// order's currency where none is said.
func disputesOf(t rapid.TB, text string) (said []Dispute) {
	t.Helper()
	number := func(text string) int64 {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for one := range strings.FieldsSeq(text) {
		name, rest, _ := strings.Cut(one, "@")
		id, state, settled := strings.Cut(name, ":")
		days, amount, _ := strings.Cut(rest, "=")
		d := Dispute{ID: id, At: noon().Add(time.Duration(number(days)) * day), State: DisputeOpen}
		switch {
		case settled:
			d.State = DisputeState(state)
		case amount == "all":
			d.Whole = true
		default:
			digits := strings.TrimRight(amount, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
			d.Amount, d.Currency = number(digits), amount[len(digits):]
		}
		said = append(said, d)
	}
	return said
}

// inWhole is a time by which all has happened.
const inWhole = 99

// TestWhatDisputesDoToTheBooks has an order of 100.00 at 10 % with a fee of 20 % of that, a hold of 30 days, and refunds until
// day 35.
func TestWhatDisputesDoToTheBooks(t *testing.T) {
	t.Parallel()
	const (
		halfPending = "merchant_receivable 600, partner_pending 500, fee_pending 100"
		halfPayable = "merchant_receivable 600, partner_payable 500, fee_earned 100"
		halfHeld    = "merchant_receivable 1200, partner_pending 500, fee_pending 200, partner_held 500"
		restPayable = "merchant_receivable 1200, partner_payable 500, fee_pending 100, fee_earned 100, partner_held 500"
	)
	back := func(days int, amount int64) *event.Event {
		return refunded(fmt.Sprint("R", days), time.Duration(days)*day, amount)
	}
	for _, row := range []struct {
		disputes, reviews string
		refunds           []*event.Event
		day               int
		want              string
	}{
		{"a@5=5000", "", nil, 4, isPending},
		{"a@5=5000", "", nil, 5, halfHeld},
		{"a@5=5000", "", nil, 30, restPayable},
		{"a@5=5000 a:won@9", "", nil, 8, halfHeld},
		{"a@5=5000 a:won@9", "", nil, 9, isPending},
		{"a@5=5000 a:won@9", "", nil, 30, isPayable},
		{"a@5=5000 a:won@40", "", nil, 39, restPayable},
		{"a@5=5000 a:won@40", "", nil, 40, isPayable},
		{"a@5=5000 a:won@30", "", nil, 30, isPayable},
		{"a@5=5000 a:lost@9", "", nil, 9, halfPending},
		{"a@5=5000 a:lost@9", "", nil, 30, halfPayable},
		{"a@5=5000 a:lost@40", "", nil, 39, restPayable},
		{"a@5=5000 a:lost@40", "", nil, 40, halfPayable},
		{"a@32=5000", "", nil, 31, isPayable},
		{"a@32=5000", "", nil, 32, restPayable},
		{"a@5=all", "", nil, 5, isHeld},
		{"a@5=all a:won@40", "", nil, 40, isPayable},
		{"a@5=all a:lost@40", "", nil, 40, ""},
		{"a@5=99999", "", nil, 5, isHeld},
		{"a@5=99999 a:lost@6", "", nil, 6, ""},

		// an amount of a currency that the order no longer is in
		{"a@5=5000USD", "", nil, 5, halfHeld},
		{"a@5=5000JPY", "", nil, 5, isPending},
		{"a@5=5000JPY a:lost@9", "", nil, 30, isPayable},
		{"a@5=5000JPY b@6=5000", "", nil, 6, halfHeld},

		// by when it was opened, the refund window
		{"a@35=5000 a:lost@60", "", nil, 60, halfPayable},
		{"a@36=5000", "", nil, 36, isPayable},
		{"a@36=5000 a:lost@60", "", nil, 60, isPayable},

		// refunds before, meanwhile and after
		{"a@5=5000", "", []*event.Event{back(2, 3_000)}, 5, "merchant_receivable 840, partner_pending 200, fee_pending 140, partner_held 500"},
		{"a@5=5000 a:lost@9", "", []*event.Event{back(2, 3_000)}, 9, "merchant_receivable 240, partner_pending 200, fee_pending 40"},
		{"a@5=5000 a:lost@9", "", []*event.Event{back(2, 8_000)}, 8, "merchant_receivable 240, fee_pending 40, partner_held 200"},
		{"a@5=5000 a:lost@9", "", []*event.Event{back(2, 8_000)}, 9, ""},
		{"a@5=5000", "", []*event.Event{back(6, 3_000)}, 6, "merchant_receivable 840, partner_pending 500, fee_pending 140, partner_held 200"},
		{"a@5=5000 a:lost@9", "", []*event.Event{back(6, 3_000)}, 9, halfPending},
		{"a@5=5000 a:won@9", "", []*event.Event{back(6, 3_000)}, 9, "merchant_receivable 840, partner_pending 700, fee_pending 140"},
		{"a@5=5000 a:lost@9", "", []*event.Event{back(6, 6_000)}, 6, "merchant_receivable 480, partner_pending 400, fee_pending 80"},
		{"a@5=5000 a:lost@9", "", []*event.Event{back(6, 6_000)}, 9, "merchant_receivable 480, partner_pending 400, fee_pending 80"},
		{"a@5=all", "", []*event.Event{back(6, 6_000)}, 6, "merchant_receivable 480, fee_pending 80, partner_held 400"},
		{"a@5=all a:lost@9", "", []*event.Event{back(6, 6_000)}, 9, ""},
		{"a@5=5000 a:lost@9", "", []*event.Event{back(9, 3_000)}, 9, halfPending},
		{"a@5=5000 a:lost@9", "", []*event.Event{back(10, 3_000)}, 10, "merchant_receivable 240, partner_pending 200, fee_pending 40"},
		{"a@5=5000 a:lost@9", "", []*event.Event{back(10, 9_000)}, 10, ""},
		{"a@5=5000", "", []*event.Event{back(5, 3_000)}, 5, "merchant_receivable 840, partner_pending 200, fee_pending 140, partner_held 500"},

		// several
		{"a@5=3000 b@6=4000", "", nil, 6, "merchant_receivable 1200, partner_pending 300, fee_pending 200, partner_held 700"},
		{"a@5=3000 b@6=4000 a:lost@7", "", nil, 7, "merchant_receivable 840, partner_pending 300, fee_pending 140, partner_held 400"},
		{"a@5=3000 b@6=4000 a:lost@7 b:won@8", "", nil, 8, "merchant_receivable 840, partner_pending 700, fee_pending 140"},
		{"a@5=3000 b@6=4000 b:lost@7 a:lost@8", "", nil, 8, "merchant_receivable 360, partner_pending 300, fee_pending 60"},
		{"a@5=7000 b@6=7000", "", nil, 6, isHeld},
		{"a@5=7000 b@6=7000 a:lost@7", "", nil, 7, "merchant_receivable 360, fee_pending 60, partner_held 300"},
		{"a@5=7000 b@6=7000 a:won@7", "", nil, 7, "merchant_receivable 1200, partner_pending 300, fee_pending 200, partner_held 700"},
		{"a@5=7000 b@6=all a:lost@7 b:lost@8", "", nil, 8, ""},
		{"a@5=3000 b@6=4000", "", []*event.Event{back(7, 5_000)}, 7, "merchant_receivable 600, partner_pending 300, fee_pending 100, partner_held 200"},
		{"a@5=3000 b@6=4000 a:lost@8 b:lost@9", "", []*event.Event{back(7, 5_000)}, 9, "merchant_receivable 360, partner_pending 300, fee_pending 60"},
		{"a@5=5000 a:won@6 b@7=5000", "", nil, 7, halfHeld},

		// beside reviews
		{"a@5=5000", "hold@6", nil, 6, isHeld},
		{"a@5=5000", "hold@4", nil, 5, isHeld},
		{"a@5=5000", "hold@4", nil, 40, isHeld},
		{"a@5=5000", "hold@6 unhold@7", nil, 7, halfHeld},
		{"a@5=5000 a:won@7", "hold@6", nil, 7, isHeld},
		{"a@5=5000 a:won@7", "hold@6 unhold@8", nil, 8, isPending},
		{"a@5=5000 a:lost@7", "hold@6", nil, 7, "merchant_receivable 600, fee_pending 100, partner_held 500"},
		{"a@5=5000 a:lost@40", "hold@6 unhold@41", nil, 41, halfPayable},
		{"a@5=5000", "decline@6", nil, 6, ""},
		{"a@5=5000 a:won@7", "decline@6", nil, 7, ""},
		{"a@5=5000 a:lost@7", "decline@6", nil, 7, ""},
		{"a@7=5000", "decline@6", nil, 7, ""},
		{"a@5=5000", "approve@6", nil, 6, restPayable},
		{"a@5=5000 a:won@7", "approve@6", nil, 7, isPayable},
		{"a@5=5000", "extend@6", nil, 35, halfHeld},
		{"a@5=5000 a:won@35", "extend@6", nil, 35, isPending},
		{"a@5=5000", "extend@6", nil, 40, restPayable},

		// before the order's own time, which is when it counts
		{"a@-2=5000", "", nil, 0, halfHeld},
		{"a@-2=5000 a:lost@-1", "", nil, 0, halfPending},
		{"a@-2=5000 a:won@-1", "", nil, 0, isPending},
	} {
		s := order(10_000).back(row.refunds...)
		s.disputes, s.reviews = disputesOf(t, row.disputes), reviewsOf(t, row.reviews)
		d := decideBy(t, reviewable(t), s)
		if got := stands(&d, row.day); got != row.want {
			t.Errorf("%q, %q, %d refunds, day %d:\n%s, want\n%s", row.disputes, row.reviews, len(row.refunds), row.day, got, row.want)
		}
		checkEarnings(t, &d, row.disputes)
		if slices.ContainsFunc(d.Order.Excess, func(e Excess) bool { return !strings.HasPrefix(e.Refund, "R") }) {
			t.Errorf("%q is shown as too much: %v", row.disputes, d.Order.Excess)
		}
	}
}

// TestManyRefundsBesideDisputesTakeLittleMemory has many lines, each of which every open dispute would take from after each refund.
func TestManyRefundsBesideDisputesTakeLittleMemory(t *testing.T) { //nolint:paralleltest // it measures what all tests allocate
	const many = 300
	lines, refunds := make([]*event.Line, many), make([]*event.Event, many)
	for n := range many {
		lines[n] = goods(int64(n+1), "X", "any", 1, 10_000)
		refunds[n] = refunded(fmt.Sprint("R", n), day, int64(n+1))
	}
	s := of(lines...).back(refunds...)
	for n := range MaxDisputes {
		s.disputes = append(s.disputes, disputesOf(t, fmt.Sprintf("d%d@0=%d", n, 90_000+n))...)
	}
	d := decideBy(t, reviewable(t), s)
	happened := d.happened()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	d.afterEach(happened)
	runtime.ReadMemStats(&after)
	if mb := (after.TotalAlloc - before.TotalAlloc) >> 20; mb > 80 {
		t.Errorf("%d MB are allocated for %d lines, %d refunds and %d disputes", mb, many, many, MaxDisputes)
	}
}

// extreme is an order of as many credits, refunds and disputes as there can be, about which little is the same.
func extreme(tb rapid.TB) Decision {
	levels := document(tb, `"hold":"30d"`, `"network_fee":200000`, `"rules":[{"pay":{"percent":100000}},{"to":"recruiter","pay":{"percent":100000,"of":"commission"}},
		{"to":"recruiter2","pay":{"percent":50000,"of":"commission"}},{"to":"customer","pay":{"fixed":30}}]`)
	refunds := make([]*event.Event, MaxRefunds)
	for n := range refunds {
		refunds[n] = refunded(fmt.Sprint("R", n), time.Duration(n+1)*time.Minute, int64(n+1))
	}
	s := order(100_000_000).is(1).back(refunds...)
	for n := range MaxDisputes {
		s.disputes = append(s.disputes, disputesOf(tb, fmt.Sprintf("d%d@0=%d", n, 1_000+n))...)
	}
	var enrolled []program.Enrolment
	for n := range program.PartnerID(9) {
		enrolled = append(enrolled, program.Enrolment{Recruiter: 100 + n, Recruiter2: 200 + n})
	}
	return partnersOf(tb, levels, s, enrolled...)
}

// BenchmarkMovementsOfAnExtremeOrder works out what 28 credits amount to through 1,000 refunds and 20 disputes.
func BenchmarkMovementsOfAnExtremeOrder(b *testing.B) {
	d := extreme(b)
	for b.Loop() {
		d.Movements(noon().Add(40 * day))
	}
}

// checkEarnings holds that the rows of all credits are what the books hold of their owners in the end.
func checkEarnings(t rapid.TB, d *Decision, what string) {
	t.Helper()
	asOf := noon().Add(inWhole * day)
	for i, movements := range d.ByCredit(asOf) {
		e := d.Earning(i, asOf)
		if e.Pending+e.Payable+e.Held != e.Net || min(e.Pending, e.Payable, e.Held) < 0 {
			t.Errorf("%s: a row that does not add up: %+v", what, e)
		}
		places := d.Credits[i].places()
		has := func(kind chart.Kind) int64 { return holds(movements, asOf, kind) }
		held := has(places.held)
		if places.held == places.pending {
			held = 0
		}
		if got := [3]int64{has(places.pending), has(places.payable), held}; got != [3]int64{e.Pending, e.Payable, e.Held} {
			t.Errorf("%s: the books have %v, the row says %+v", what, got, e)
		}
	}
}

// TestStatesOfDisputedCredits has those of an order of which a part or all is disputed.
func TestStatesOfDisputedCredits(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		disputes string
		want     string // on days 10 and 40
	}{
		{"", "pending 0, payable 0"},
		{"a@5=5000", "pending 500, payable 500"},
		{"a@5=all", "held 1000, held 1000"},
		{"a@5=5000 b@6=5000", "held 1000, held 1000"},
		{"a@5=all a:won@6", "pending 0, payable 0"},
		{"a@5=all a:lost@6", "reversed 0, reversed 0"},
		{"a@5=2 b@6=3", "pending 0, payable 0"}, // 999.5 would be left, which is 1000 again
		{"a@5=2 b@6=4", "pending 1, payable 1"},
	} {
		s := order(10_000)
		s.disputes = disputesOf(t, row.disputes)
		d := decideBy(t, reviewable(t), s)
		c := &d.Credits[0]
		got := fmt.Sprintf("%s %d, %s %d", c.State(noon().Add(10*day)), c.Disputed, c.State(noon().Add(40*day)), c.Disputed)
		if got != row.want {
			t.Errorf("%q: %s, want %s", row.disputes, got, row.want)
		}
	}
}

// TestWhatIsDisputedOfASharedOrder has partners, a recruiter and a customer, fixed amounts and delivery.
func TestWhatIsDisputedOfASharedOrder(t *testing.T) {
	t.Parallel()
	shared := document(t, `"hold":"30d"`, `"network_fee":200000`, `"rules":[{"pay":{"percent":100000}},{"to":"recruiter","pay":{"percent":100000,"of":"commission"}},{"to":"customer","pay":{"fixed":30}}]`)
	pieces := document(t, `"hold":"30d"`, `"rules":[{"pay":{"fixed":25,"per":"piece"}}]`)
	byFive, free := program.Enrolment{Recruiter: 5}, program.Enrolment{}
	least := document(t, `"hold":"30d"`, `"rules":[{"where":{"order_amount":{"min":5000}},"pay":{"fixed":1000}}]`)
	delivered := document(t, `"hold":"30d"`, `"base":{"shipping":true}`, `"rules":[{"pay":{"percent":100000}}]`)
	for _, row := range []struct {
		name     string
		document program.Document
		sale     sale
		partners []program.Enrolment
		disputes string
		want     string
	}{
		{"half of three", shared, order(10_000).is(1), []program.Enrolment{byFive, free, byFive}, "a@1=5000", "21: 167 of 334; 22: 166 of 333; 23: 167 of 333; 5: 34 of 67; 0: 0 of 30"},
		{"all of three", shared, order(10_000).is(1), []program.Enrolment{byFive, free, byFive}, "a@1=all", "21: 334 of 334; 22: 333 of 333; 23: 333 of 333; 5: 67 of 67; 0: 30 of 30"},
		{"lost of three", shared, order(10_000).is(1), []program.Enrolment{byFive, free, byFive}, "a@1=5000 a:lost@2", "21: 0 of 167; 22: 0 of 167; 23: 0 of 166; 5: 0 of 33; 0: 0 of 30"},
		{"of pieces", pieces, of(goods(1, "X", "any", 4, 1_000)), []program.Enrolment{free}, "a@1=500", "21: 0 of 100"},
		{"of all pieces", pieces, of(goods(1, "X", "any", 4, 1_000)), []program.Enrolment{free}, "a@1=1000", "21: 100 of 100"},
		{"of pieces that cost nothing", pieces, of(goods(1, "X", "any", 4, 0)), []program.Enrolment{free}, "a@1=all", "21: 100 of 100"},
		{"below the least order", least, order(6_000), []program.Enrolment{free}, "a@1=1001", "21: 1000 of 1000"},
		{"above the least order", least, order(6_000), []program.Enrolment{free}, "a@1=1000", "21: 0 of 1000"},
		{"of delivery, too", delivered, order(10_000).with(func(s *event.Sale) { s.Shipping = 500 }), []program.Enrolment{free}, "a@1=10200", "21: 1020 of 1050"},
		{"all with delivery", delivered, order(10_000).with(func(s *event.Sale) { s.Shipping = 500 }), []program.Enrolment{free}, "a@1=all", "21: 1050 of 1050"},
		{"lost with delivery", delivered, order(10_000).with(func(s *event.Sale) { s.Shipping = 500 }), []program.Enrolment{free}, "a@1=10200 a:lost@2", "21: 0 of 30"},
	} {
		row.sale.disputes = disputesOf(t, row.disputes)
		d := partnersOf(t, row.document, row.sale, row.partners...)
		var got []string
		for i := range d.Credits {
			c := &d.Credits[i]
			got = append(got, fmt.Sprintf("%d: %d of %d", c.Partner, c.Disputed, c.Net))
		}
		if diff := cmp.Diff(row.want, strings.Join(got, "; ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
		checkEarnings(t, &d, row.name)
	}
}

// TestPlainTermsHoldWhatIsDisputed follows an order by terms that are rows.
func TestPlainTermsHoldWhatIsDisputed(t *testing.T) {
	t.Parallel()
	o, err := Fold([]*event.Event{sold(goods(1, "A", "", 1, 8_000), goods(2, "B", "", 2, 2_000)), refunded("R", day, 0, piecesOf(2, 1))}, Said{Disputes: disputesOf(t, "a@2=4500 b@3=all b:lost@4")})
	if err != nil {
		t.Fatal(err)
	}
	d := decide(o, clicked(time.Hour), tenPercent())
	want := []string{"R 1000", "b 9000 dispute"} // a and b dispute the same money
	var got []string
	for i := range d.Order.Refunds {
		r, sum := &d.Order.Refunds[i], int64(0)
		for _, taken := range r.Taken {
			sum += taken.Amount
		}
		got = append(got, strings.TrimSuffix(fmt.Sprintf("%s %d %s", r.ID, sum, map[bool]string{true: "dispute"}[r.Dispute]), " "))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("refunds (-want +got):\n%s", diff)
	}
	if held := holds(d.Movements(noon().Add(3*day)), noon().Add(3*day), chart.PartnerHeld); held != 900 {
		t.Errorf("%d is held while both are open, want 900", held)
	}
	holdsItsRecord(t, &d)
	checkEarnings(t, &d, "plain")
}

// TestDisputesAsTheyAreTold folds what was said in every order.
func TestDisputesAsTheyAreTold(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ said, want string }{
		{"a@1=5", "a 5 open"},
		{"a@1=5 a@2=7", "a 5 open"},
		{"a@1=5 a:won@2 a:lost@3", "a 5 won@2"},
		{"a@1=5 a:lost@1", "a 5 lost@1"},
		{"a@1=all b@1=6 b:lost@4", "a all open, b 6 lost@4"},
		{"b@1=1 a@2=2", "b 1 open, a 2 open"},
	} {
		said := disputesOf(t, row.said)
		for range 10 {
			slices.Reverse(said[len(said)/2:])
			said = append(said[1:], said[0])
			var got []string
			for _, d := range FoldDisputes(said) {
				amount, state := strconv.FormatInt(d.Amount, 10), string(d.State)
				if d.Whole {
					amount = "all"
				}
				if !d.Settled.IsZero() {
					state += fmt.Sprintf("@%d", d.Settled.Sub(noon())/day)
				}
				got = append(got, fmt.Sprintf("%s %s %s", d.ID, amount, state))
			}
			if got := strings.Join(got, ", "); got != row.want {
				t.Errorf("%q: %s, want %s", row.said, got, row.want)
			}
		}
	}
}

// TestTheOldestDisputesCount tells one dispute too many, and what became of it and of the last that counts.
func TestTheOldestDisputesCount(t *testing.T) {
	t.Parallel()
	var said []Dispute
	for n := range MaxDisputes + 1 {
		said = append(said, disputesOf(t, fmt.Sprintf("d%d@%d=5 d%d:lost@40", n, n, n))...)
	}
	slices.Reverse(said)
	got := FoldDisputes(said)
	if len(got) != MaxDisputes {
		t.Fatalf("%d disputes count, want %d", len(got), MaxDisputes)
	}
	for n, d := range got {
		if want := fmt.Sprint("d", n); d.ID != want || d.State != DisputeLost {
			t.Errorf("dispute %d is %s, %s; want %s, lost", n, d.ID, d.State, want)
		}
	}
}

// TestParseDisputed reads rows of the inbox.
func TestParseDisputed(t *testing.T) {
	t.Parallel()
	key := []byte("1|A")
	for _, row := range []struct{ content, want string }{
		{`{"merchant":1,"order":"A","dispute":"d","state":"open","amount":5}`, ""},
		{`{"merchant":1,"order":"A","dispute":"d","state":"lost","whole":true}`, ""},
		{`{`, "unexpected end of JSON input"},
		{`{"merchant":1,"order":"A","dispute":"d"}`, "lacks its id or its state"},
		{`{"merchant":1,"order":"A","state":"open","amount":5}`, "lacks its id or its state"},
		{`{"merchant":1,"order":"A","dispute":"d","state":"halved","amount":5}`, `this version does not know the state "halved" of a dispute`},
		{`{"merchant":1,"order":"A","dispute":"d","state":"open"}`, "of 0, and of the whole order: false"},
		{`{"merchant":1,"order":"A","dispute":"d","state":"open","amount":5,"whole":true}`, "of 5, and of the whole order: true"},
		{`{"merchant":1,"order":"A","dispute":"d","state":"open","amount":-5}`, "of -5"},
		{fmt.Sprintf(`{"merchant":1,"order":"A","dispute":"d","state":"open","amount":%d}`, int64(money.MaxAmount)+1), "of "},
		{`{"merchant":2,"order":"A","dispute":"d","state":"open","amount":5}`, `of order "A" of merchant 2, its row of "1|A"`},
	} {
		_, err := ParseDisputed([]byte(row.content), key)
		if got := fmt.Sprint(err); row.want == "" != (err == nil) || !strings.Contains(got, row.want) && err != nil {
			t.Errorf("%s: %v, want %s", row.content, err, row.want)
		}
	}
}

// drawDisputes draws what was said of up to three disputes.
func drawDisputes(t *rapid.T, tame func(string) string) (said []Dispute) {
	for n := range rapid.SampledFrom([]int{0, 0, 0, 1, 3}).Draw(t, "disputes") {
		d := Dispute{ID: fmt.Sprint(n, tame(rapid.String().Draw(t, "dispute"))), At: noon().Add(time.Duration(rapid.IntRange(-1, 50).Draw(t, "opened")) * day), State: DisputeOpen}
		if d.Whole = rapid.Bool().Draw(t, "whole"); !d.Whole {
			d.Amount = rapid.Int64Range(1, 20_000).Draw(t, "disputed")
		}
		said = append(said, d)
		if state := rapid.SampledFrom(DisputeStates()).Draw(t, "state"); state != DisputeOpen {
			d.State, d.At = state, d.At.Add(time.Duration(rapid.IntRange(0, 9).Draw(t, "settled after"))*day)
			said = append(said, d)
		}
	}
	return said
}

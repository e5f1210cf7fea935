package event

import (
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// samples are one event of each kind with every field set. Their bytes in testdata are what records in spools and in
// Kafka look like: a change of them is a change of the contract.
func samples() map[string]*Event {
	id := []byte("\x01\x9a\xaa\xbb\xcc\xdd\x7e\xff\x80\x11\x22\x33\x44\x55\x66\x77")
	hash := []byte("0123456789abcdef")
	const received, occurred = 1_795_000_000_123_456, 1_795_000_000_000_001
	return map[string]*Event{
		"click": {Id: id, ReceivedAt: received, OccurredAt: occurred, Body: &Event_Click{Click: &Click{
			ClickId: "AQEAAAAAAAAAKgGaqrvM3QARIjNEVWZ3iJmqu8zd7v8AESIzRFVmdw", MerchantId: 1, ProgramId: 2, PartnerId: 3, LinkId: 42,
			Marks: MarkBot | MarkDuplicate, Sub1: "review", Sub2: "b", Sub3: "c", Sub4: "d", Sub5: "e", Referrer: "trail.example/boots",
			UserAgent: "Mozilla/5.0", IpPrefix: "203.0.113.0/24", Browser: "Firefox", Os: "Linux", Device: "desktop", Bot: "crawler",
		}}},
		"visit": {Id: id, ReceivedAt: received, OccurredAt: occurred, Body: &Event_Click{Click: &Click{
			ClickId: "AQEAAAAAAAAAKgGaqrvM3QARIjNEVWZ3iJmqu8zd7v8AESIzRFVmdw", MerchantId: 1, ProgramId: 2, PartnerId: 3, LinkId: 42,
			Path: []string{"AQEA", "AQEB"}, Country: "SE",
		}}},
		"soft": {Id: id, ReceivedAt: received, OccurredAt: occurred, Body: &Event_Click{Click: &Click{
			ClickId: "AgEAAAAAAAAAKgGaqrvM3QARIjNEVWZ3iJmqu8zd7v8AESIzRFVmdw", MerchantId: 1, ProgramId: 2, PartnerId: 3, LinkId: 42, Channel: "tag",
		}}},
		"sale": {Id: id, ReceivedAt: received, OccurredAt: occurred, ApiKeyId: 17, IpPrefix: "203.0.113.0/24", Body: &Event_Sale{Sale: &Sale{
			MerchantId: 1, OrderId: "A-1001", Currency: "GBP", ClickId: "AQEA", Coupon: "WELCOME10", CustomerId: "c-77", ContentHash: hash,
			Lines: []*Line{
				{Number: 1, Sku: "BOOT-41", Quantity: 1, Amount: 12900, Category: "footwear"},
				{Number: 14_632_938_340_631, Sku: "SOCK-3", Quantity: 2, Amount: 4398, Category: "clothing"},
			},
		}}},
		"conversion": {Id: id, ReceivedAt: received, OccurredAt: occurred, ApiKeyId: 17, IpPrefix: "203.0.113.0/24", Body: &Event_Sale{Sale: conversion()}},
		"delivery": {Id: id, ReceivedAt: received, OccurredAt: occurred, Body: &Event_Refund{Refund: &Refund{
			MerchantId: 1, OrderId: "A-1001", RefundId: "R-56", Shipping: 495, ContentHash: hash, Test: true,
		}}},
		"refund": {Id: id, ReceivedAt: received, OccurredAt: occurred, ApiKeyId: 1 << 40, IpPrefix: "2001:db8:1::/48", Imported: true, Body: &Event_Refund{Refund: &Refund{
			MerchantId: 1, OrderId: "A-1001", RefundId: "R-55", Amount: 100, Reason: "returned", ContentHash: hash, WholeOrder: true, Currency: "GBP",
			Items: []*RefundItem{{Line: 14_632_938_340_631, Quantity: 1}, {Sku: "BOOT-41", Amount: 250}, {Line: math.MaxInt64, WholeLine: true}},
		}}},
		"ledger": {Id: id, ReceivedAt: received, OccurredAt: occurred, Body: &Event_Ledger{Ledger: &Ledger{
			OrderNo: 7, Version: 2, Step: 1, MerchantId: 1, ProgramId: 2, PartnerId: 3, LinkId: 42, OrderId: "A-1001", CustomerId: "c-77",
			Currency: "GBP", OrderedAt: occurred, Cause: "refund", Orders: -1, Revenue: -2, Refunded: 3, Gross: -4, Net: -5, Fee: -6,
			Pending: -7, Payable: 8, FeePending: -9, FeeEarned: 10,
		}}},
		"credit": {Id: id, ReceivedAt: received, OccurredAt: occurred, Body: &Event_Ledger{Ledger: &Ledger{
			OrderNo: 7, Version: 2, Step: 2, MerchantId: 1, ProgramId: 2, PartnerId: 4, OrderId: "A-1001", Currency: "GBP", OrderedAt: occurred,
			Cause: "sale", Orders: 1, Revenue: 2, Gross: 4, Net: 4, Pending: 4, Further: true, Role: "recruiter", Unit: "POINT",
		}}},
		"accounts": {Id: id, ReceivedAt: received, OccurredAt: occurred, Body: &Event_Ledger{Ledger: &Ledger{
			OrderNo: 7, Version: 2, Step: 1, MerchantId: 1, ProgramId: 2, PartnerId: 3, LinkId: 42, OrderId: "A-1001", Currency: "GBP", OrderedAt: occurred,
			Cause: "sale", Orders: 1, Revenue: 100, Gross: 10, Net: 10, Fee: 2, Pending: 10, FeePending: 2,
			Accounts: []*AccountChange{{Kind: 1, Amount: 12}, {Kind: 2, Amount: -10}, {Kind: 4, Amount: -2}},
		}}},
		"path": {Id: id, ReceivedAt: received, OccurredAt: occurred, Body: &Event_Path{Path: &Path{
			MerchantId: 1, OrderId: "A-1001", ClickId: "AQEC", Incomplete: true, Test: true,
			Touches: []*Touch{{ClickId: "AQEA", Kind: uint32(PathClick)}, {ClickId: "AQEB", Kind: uint32(PathClick)}},
		}}},
		"counted": {Id: id, ReceivedAt: received, OccurredAt: occurred, Body: &Event_Sale{Sale: &Sale{
			MerchantId: 1, OrderId: "clicks/2026-09-07/2/3", Currency: "GBP", Goal: "click", ContentHash: hash,
			Counted: &CountedClicks{ProgramId: 2, PartnerId: 3, Day: "2026-09-07"},
			Lines:   []*Line{{Number: 1, Quantity: 812, Country: "DE", Device: "mobile"}},
		}}},
		"period": {Id: id, ReceivedAt: received, OccurredAt: occurred, Body: &Event_Ledger{Ledger: &Ledger{
			Version: 2, Step: 1, MerchantId: 1, ProgramId: 2, PartnerId: 3, Currency: "GBP", OrderedAt: occurred,
			Cause: "period", Net: 10, Fee: 2, Pending: 10, FeePending: 2, Further: true, PeriodNo: 5, Rule: "volume", Span: "2026-09",
			Accounts: []*AccountChange{{Kind: 1, Amount: 12}, {Kind: 2, Amount: -10}, {Kind: 4, Amount: -2}},
		}}},
	}
}

// conversion sets every field that came after form 1.
func conversion() *Sale {
	return &Sale{
		MerchantId: 1, OrderId: "L-7", Currency: "EUR", ContentHash: []byte("0123456789abcdef"),
		Goal: "trial", ReferralCode: "MAYA20", Coupons: []string{"SPRING", "VIP"},
		Path: []*Touch{
			{ClickId: "AQEA", Kind: uint32(PathClick)},
			{ClickId: "AQEB", Kind: uint32(PathImpression), At: 1_794_990_000_000_000, LinkId: 42, Marks: MarkDuplicate},
		},
		CustomerStatus: "returning", Shipping: 495, ShippingTax: 94, Country: "DE", Device: "mobile",
		Metadata: map[string]string{"plan": "yearly"}, CartedAt: 1_794_990_000_000_001, Test: true,
		Lines: []*Line{{Number: 1, Quantity: 1, Amount: 9900, Tax: 1881, Discount: 1000, Part: "gold", Country: "AT", Device: "desktop"}},
	}
}

func TestTheWireIsAsTheSamplesSay(t *testing.T) {
	t.Parallel()
	for name, e := range samples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("testdata", name+".hex")
			got, err := e.MarshalVT()
			if err != nil {
				t.Fatal(err)
			}
			if os.Getenv("TRIBUTARY_EVENT_REWRITE") != "" {
				if err := os.WriteFile(path, []byte(hex.EncodeToString(got)+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want, err := hex.DecodeString(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != string(want) {
				t.Errorf("the event is written as\n%x, want\n%x", got, want)
			}
			read, err := Decode(want)
			if err != nil {
				t.Fatal(err)
			}
			if !proto.Equal(read, e) {
				t.Errorf("the sample is read as %v, want %v", read, e)
			}
			// The reference implementation agrees with the fast one.
			if slow, err := proto.Marshal(e); err != nil || len(slow) != len(want) {
				t.Errorf("the reference implementation writes %d bytes (%v), want %d", len(slow), err, len(want))
			}
			if len(got) > MaxBytes {
				t.Errorf("the sample has %d bytes", len(got))
			}
		})
	}
}

// TestTheSamplesSetEveryField holds that a field cannot be added without its bytes in a sample.
func TestTheSamplesSetEveryField(t *testing.T) {
	t.Parallel()
	set := map[protoreflect.FullName]bool{}
	var note func(m protoreflect.Message)
	note = func(m protoreflect.Message) {
		m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			set[f.FullName()] = true
			switch {
			case f.Message() != nil && f.IsList():
				for i := range v.List().Len() {
					note(v.List().Get(i).Message())
				}
			case f.Message() != nil && !f.IsMap():
				note(v.Message())
			}
			return true
		})
	}
	for _, e := range samples() {
		note(e.ProtoReflect())
	}
	messages := File_event_proto.Messages()
	for i := range messages.Len() {
		fields := messages.Get(i).Fields()
		for j := range fields.Len() {
			if name := fields.Get(j).FullName(); !set[name] {
				t.Errorf("no sample sets %s", name)
			}
		}
	}
}

func TestWhatCannotBeAnEventIsRefused(t *testing.T) {
	t.Parallel()
	whole, err := samples()["sale"].MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"nothing":     nil,
		"cut":         whole[:len(whole)-1],
		"no body":     {0x0a, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
		"a short id":  {0x0a, 3, 1, 2, 3, 0xa2, 0x01, 0},
		"other bytes": []byte("GET / HTTP/1.1\r\n"),
	} {
		if e, err := Decode(data); err == nil {
			t.Errorf("%s: read as %v", name, e)
		}
	}
}

// Where an order's records lie must never change for topics that exist.
func TestKeysAndLanesStayWhereTheyAre(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		merchant   int64
		order      string
		key        string
		partitions int
		lane       int
	}{
		{1, "A-1001", "1|A-1001", 6, 0},
		{1, "A-1002", "1|A-1002", 6, 3},
		{17, "ORDER 9", "17|ORDER 9", 12, 6},
	} {
		key := OrderKey(row.merchant, row.order)
		if string(key) != row.key {
			t.Errorf("OrderKey(%d, %q) = %q, want %q", row.merchant, row.order, key, row.key)
		}
		if lane := Lane(key, row.partitions); lane != row.lane {
			t.Errorf("Lane(%q, %d) = %d, want %d", key, row.partitions, lane, row.lane)
		}
	}
	if got, want := string(TestKey(1, "A-1001")), "1!A-1001"; got != want {
		t.Errorf("the key of a test order is %q, want %q", got, want)
	}
}

// No id, whatever is in it, makes the key of an order of one kind that of another, or of another merchant's.
func TestNoIDSpellsTheKeyOfAnotherKind(t *testing.T) {
	t.Parallel()
	ids := []string{"A", "!A", "|A", "1!A", "1|A", "", "!", "|", "2|A", "\x00A"}
	seen := map[string]string{}
	for _, merchant := range []int64{1, 11, 2} {
		for _, kind := range []KeyKind{Live, Trial} {
			for _, id := range ids {
				key, what := string(kind.Key(merchant, id)), fmt.Sprintf("%q of merchant %d, kind %d", id, merchant, kind)
				if other, taken := seen[key]; taken {
					t.Errorf("%s and %s share the key %q", what, other, key)
				}
				seen[key] = what
			}
		}
	}
}

func TestTheContentHashIsOfWhatTheMerchantSaid(t *testing.T) {
	t.Parallel()
	sale := samples()["sale"].GetSale()
	base := string(SaleHash(sale, 0))
	const want = "5fe17bd2b00619c0bf31410fde258ecc"
	if got := hex.EncodeToString([]byte(base)); got != want {
		t.Errorf("the hash of the sample is %s, want %s", got, want)
	}
	for name, row := range map[string]struct {
		change func(s *Sale)
		at     int64
		same   bool
	}{
		"nothing changed":        {func(*Sale) {}, 0, true},
		"lines in another order": {func(s *Sale) { slices.Reverse(s.GetLines()) }, 0, true},
		"a stated time":          {func(*Sale) {}, 1, false},
		"an amount":              {func(s *Sale) { s.Lines[0].Amount++ }, 0, false},
		"a sku":                  {func(s *Sale) { s.Lines[0].Sku += "x" }, 0, false},
		"text moved between fields": {func(s *Sale) {
			s.Coupon, s.CustomerId = s.GetCoupon()+s.GetCustomerId(), ""
		}, 0, false},
		"the click": {func(s *Sale) { s.ClickId = "" }, 0, false},
	} {
		s := proto.CloneOf(sale)
		row.change(s)
		if got := string(SaleHash(s, row.at)) == base; got != row.same {
			t.Errorf("%s: same content is %v, want %v", name, got, row.same)
		}
	}
	differing(t, conversion(), map[string]func(s *Sale){
		"the goal":                 func(s *Sale) { s.Goal = "lead" },
		"the code":                 func(s *Sale) { s.ReferralCode = "" },
		"the code as a goal":       func(s *Sale) { s.Goal, s.ReferralCode = s.GetReferralCode(), s.GetGoal() },
		"a coupon":                 func(s *Sale) { s.Coupons = s.GetCoupons()[:1] },
		"coupons in another order": func(s *Sale) { slices.Reverse(s.GetCoupons()) },
		"a touch less":             func(s *Sale) { s.Path = s.GetPath()[:1] },
		"a touch's kind":           func(s *Sale) { s.Path[0].Kind++ },
		"a touch's time":           func(s *Sale) { s.Path[0].At++ },
		"a touch's link":           func(s *Sale) { s.Path[0].LinkId++ },
		"a touch's marks":          func(s *Sale) { s.Path[0].Marks++ },
		"the customer's status":    func(s *Sale) { s.CustomerStatus = "new" },
		"delivery":                 func(s *Sale) { s.Shipping++ },
		"the tax on delivery":      func(s *Sale) { s.ShippingTax++ },
		"the country":              func(s *Sale) { s.Country = "AT" },
		"the device":               func(s *Sale) { s.Device = "" },
		"a mark":                   func(s *Sale) { s.Metadata["plan"] = "monthly" },
		"a mark more":              func(s *Sale) { s.Metadata["seats"] = "5" },
		"the cart":                 func(s *Sale) { s.CartedAt++ },
		"no test":                  func(s *Sale) { s.Test = false },
		"tax":                      func(s *Sale) { s.Lines[0].Tax++ },
		"a discount":               func(s *Sale) { s.Lines[0].Discount++ },
		"tax for a discount": func(s *Sale) {
			s.Lines[0].Tax, s.Lines[0].Discount = s.GetLines()[0].GetDiscount(), s.GetLines()[0].GetTax()
		},
		"a group":          func(s *Sale) { s.Lines[0].Part = "" },
		"a line's country": func(s *Sale) { s.Lines[0].Country = "" },
		"a line's device":  func(s *Sale) { s.Lines[0].Device = "mobile" },
	})
	refund := samples()["refund"].GetRefund()
	seen := map[string]string{string(RefundHash(refund, 0)): "the sample", string(RefundHash(refund, 5)): "a stated time"}
	for name, change := range map[string]func(r *Refund){
		"pieces":         func(r *Refund) { r.Items[0].Quantity++ },
		"a line":         func(r *Refund) { r.Items[0].Line++ },
		"a whole line":   func(r *Refund) { r.Items[2].WholeLine = false },
		"no whole order": func(r *Refund) { r.WholeOrder = false },
		"a currency":     func(r *Refund) { r.Currency = "" },
		"a reason":       func(r *Refund) { r.Reason = "" },
		"delivery":       func(r *Refund) { r.Shipping = 1 },
		"a test":         func(r *Refund) { r.Test = true },
	} {
		other := proto.CloneOf(refund)
		change(other)
		hash := string(RefundHash(other, 0))
		if same, found := seen[hash]; found {
			t.Errorf("%s has the hash of %s", name, same)
		}
		seen[hash] = name
	}
}

// differing says that a sale changed in each of these ways has a hash of its own.
func differing(t *testing.T, sale *Sale, changes map[string]func(s *Sale)) {
	t.Helper()
	seen := map[string]string{string(SaleHash(sale, 0)): "the sample"}
	for name, change := range changes {
		other := proto.CloneOf(sale)
		change(other)
		hash := string(SaleHash(other, 0))
		if same, found := seen[hash]; found {
			t.Errorf("%s: the hash is that of %s", name, same)
		}
		seen[hash] = name
	}
}

func TestANewEventHasItsTimesAndAnIDThatSorts(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 10, 0, 0, 123_000, time.UTC)
	a, err := New(at, at.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	b, err := New(at, at)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.GetId()) != 16 || string(a.GetId()) >= string(b.GetId()) {
		t.Errorf("ids %x and %x do not sort in the order of their making", a.GetId(), b.GetId())
	}
	if !Time(a.GetReceivedAt()).Equal(at) || !Time(a.GetOccurredAt()).Equal(at.Add(-time.Hour)) {
		t.Errorf("times are %v and %v", Time(a.GetReceivedAt()), Time(a.GetOccurredAt()))
	}
}

func FuzzDecode(f *testing.F) {
	for _, e := range samples() {
		data, err := e.MarshalVT()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := Decode(data)
		if err != nil {
			return
		}
		again, err := e.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(again)
		if err != nil || !proto.Equal(e, back) {
			t.Errorf("what was read does not survive writing: %v, %v", err, back)
		}
	})
}

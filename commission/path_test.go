package commission

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tributary/internal/event"
	"tributary/partners/program"
)

// pathOfClick is what is said of the order's click: the clicks before it, or with none that they are lost.
func pathOfClick(click string, before ...string) *event.Event {
	p := &event.Path{MerchantId: 1, OrderId: "A1", ClickId: click, Incomplete: len(before) == 0}
	for _, id := range before {
		p.Touches = append(p.Touches, &event.Touch{ClickId: id, Kind: uint32(event.PathClick)})
	}
	return &event.Event{Id: make([]byte, 16), ReceivedAt: event.Micros(noon()), OccurredAt: event.Micros(noon()), Body: &event.Event_Path{Path: p}}
}

func TestWhichOrdersWaitForTheirPath(t *testing.T) {
	t.Parallel()
	asks := program.Attribution{Model: program.ModelLinear, Path: true, Touches: every(30*day, 0, 0)}
	path, none := by(7, asks), by(7, usual(program.ModelLinear))
	sale := func(change func(s *event.Sale)) *event.Event {
		e := sold(goods(1, "X", "", 1, 10_000))
		if change != nil {
			change(e.GetSale())
		}
		return e
	}
	own := sold().GetSale().GetClickId()
	void := Review{ID: "v", At: noon(), Verb: Void}
	for _, fact := range []struct {
		name    string
		events  []*event.Event
		reviews []Review
		of      program.LinkTerms
		refused Reason
		want    Reason
		visits  int
	}{
		{"terms that count it", []*event.Event{sale(nil)}, nil, path, "", AwaitingPath, 1},
		{"terms that do not", []*event.Event{sale(nil)}, nil, none, "", Credited, 1},
		{"the path is told", []*event.Event{sale(nil), pathOfClick(own, "b")}, nil, path, "", Credited, 2},
		{"told before the sale", []*event.Event{pathOfClick(own, "b"), sale(nil)}, nil, path, "", Credited, 2},
		{"told twice, the first stands", []*event.Event{sale(nil), pathOfClick(own, "b"), pathOfClick(own)}, nil, path, "", Credited, 2},
		{"the row was lost", []*event.Event{sale(nil), pathOfClick(own)}, nil, path, "", Credited, 1},
		{"that of another click", []*event.Event{sale(nil), pathOfClick("other", "b")}, nil, path, "", AwaitingPath, 1},
		{"a refund does not end it", []*event.Event{sale(nil), refunded("R", day, 100)}, nil, path, "", AwaitingPath, 1},
		{"the sale tells it", []*event.Event{sale(func(s *event.Sale) { s.Path = []*event.Touch{{ClickId: "b", Kind: 1}} }), pathOfClick(own, "c")}, nil, path, "", Credited, 2},
		{"a click that is refused", []*event.Event{sale(nil)}, nil, path, ForgedClickID, ForgedClickID, 1},
		{"an order that never was", []*event.Event{sale(nil)}, []Review{void}, path, "", Voided, 1},
		{"a test order", []*event.Event{sale(func(s *event.Sale) { s.Test = true })}, nil, path, "", AwaitingPath, 1},
		{"a path alone", []*event.Event{pathOfClick(own, "b")}, nil, path, "", AwaitingSale, 0},
	} {
		t.Run(fact.name, func(t *testing.T) {
			t.Parallel()
			o, err := Fold(fact.events, Said{Reviews: fact.reviews})
			if err != nil {
				t.Fatal(err)
			}
			var e Evidence
			for n, v := range o.Visits() {
				c := visit(TouchClick, fact.of, time.Duration(n+1)*time.Hour)
				c.Click.ID, c.Click.Refused = v.ClickID, fact.refused
				e.Candidates = append(e.Candidates, c)
			}
			d, err := Decide(o, e)
			if err != nil {
				t.Fatal(err)
			}
			if d.Outcome != fact.want || len(e.Candidates) != fact.visits {
				t.Errorf("%s with %d visits, want %s with %d", d.Outcome, len(e.Candidates), fact.want, fact.visits)
			}
			_, bound := BaseWinner(&o, &e)
			switch waits := d.Awaited(); {
			case (waits != nil) != (fact.want == AwaitingPath):
				t.Errorf("it waits for %+v", waits)
			case waits != nil && (waits.ID != own || bound || len(d.Credits) > 0 || len(d.Movements(ended())) > 0):
				t.Errorf("it waits for %s, binds: %t, and credits %v", waits.ID, bound, d.Credits)
			}
		})
	}
}

func TestTheRecordOfAnOrderWhosePathIsLost(t *testing.T) {
	t.Parallel()
	o := mustFold(t, sold(goods(1, "X", "", 1, 10_000)), pathOfClick(sold().GetSale().GetClickId()))
	d := Decision{Outcome: NoClick, Order: o}
	read, err := UnmarshalRecord(d.AppendJSON(nil))
	if err != nil {
		t.Fatal(err)
	}
	if !read.Order.PathIncomplete {
		t.Errorf("the record says %s", d.AppendJSON(nil))
	}
	if diff := cmp.Diff(string(d.AppendJSON(nil)), string(read.AppendJSON(nil))); diff != "" {
		t.Error(diff)
	}
}

func TestPathsThatCannotBeFolded(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(p *event.Path){
		"no click":                   func(p *event.Path) { p.ClickId = "" },
		"a click id too long":        func(p *event.Path) { p.ClickId = string(make([]byte, event.MaxText+1)) },
		"no order":                   func(p *event.Path) { p.OrderId = "" },
		"incomplete, and has clicks": func(p *event.Path) { p.Incomplete = true },
		"a touch of no kind":         func(p *event.Path) { p.Touches[0].Kind = 0 },
		"too many":                   func(p *event.Path) { p.Touches = make([]*event.Touch, event.MaxPath+1) },
	} {
		e := pathOfClick("a", "b")
		change(e.GetPath())
		if err := Check(e); err == nil {
			t.Errorf("a path with %s can be folded", name)
		}
	}
	if err := Check(pathOfClick("a", "b")); err != nil {
		t.Error(err)
	}
}

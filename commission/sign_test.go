package commission

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tributary/internal/event"
	"tributary/partners/program"
)

// TestWhichSignsATouchShows has terms that look for all signs, but where the row says otherwise.
func TestWhichSignsATouchShows(t *testing.T) {
	t.Parallel()
	all := program.Signs()
	marked := func(marks uint32) func(*Candidate) { return func(c *Candidate) { c.Marks = marks } }
	for _, fact := range []struct {
		name   string
		before time.Duration
		signs  []program.Sign
		change func(c *Candidate)
		order  func(o *Order)
		use    Use
		want   string
	}{
		{"none", time.Hour, all, nil, nil, Use{}, "credited"},
		{"at once", 0, all, nil, nil, Use{}, "credited order_within_seconds"},
		{"almost ten seconds", Fast - time.Millisecond, all, nil, nil, Use{}, "credited order_within_seconds"},
		{"ten seconds", Fast, all, nil, nil, Use{}, "credited"},
		{"nobody looks", 0, []program.Sign{program.SignMarked}, nil, nil, Use{}, "credited"},
		{"the third order", time.Hour, all, nil, nil, Use{Orders: ManyOrders}, "credited"},
		{"the fourth", time.Hour, all, nil, nil, Use{Orders: ManyOrders + 1}, "credited many_orders_per_click"},
		{"a third customer", time.Hour, all, nil, nil, Use{Orders: 3, Other: true}, "credited many_customers_per_click"},
		{"of another click id", time.Hour, all, nil, func(o *Order) { o.ClickID = "another" }, Use{Orders: ManyOrders + 1, Other: true}, "credited"},
		{"a bot", time.Hour, all, marked(event.MarkBot), nil, Use{}, "credited marked_click"},
		{"a duplicate", time.Hour, all, marked(event.MarkDuplicate), nil, Use{}, "credited marked_click"},
		{"a bot in a frame", time.Hour, all, marked(event.MarkBot | event.MarkEmbedded), nil, Use{}, "marked_click marked_click"}, //nolint:dupword // a reason and a sign
		{"nobody navigated", time.Hour, all, marked(event.MarkEmbedded), nil, Use{}, "marked_click"},
		{"a bot that nobody looks for", time.Hour, []program.Sign{program.SignFast}, marked(event.MarkBot), nil, Use{}, "marked_click"},
		{"added", time.Hour, all, nil, func(o *Order) { o.Added = []Added{{Field: "path", Value: "x, the click, y"}} }, Use{}, "credited added_touch"},
		{"another was added", time.Hour, all, nil, func(o *Order) { o.Added = []Added{{Field: "click_id", Value: "the click's"}} }, Use{}, "credited"},
		{"several, in their order", 0, []program.Sign{program.SignFast, program.SignManyOrders}, nil, nil, Use{Orders: ManyOrders + 1}, "credited many_orders_per_click order_within_seconds"},
	} {
		o := plainOrder(t)
		o.ClickID = "the click"
		if fact.order != nil {
			fact.order(&o)
		}
		c := click(by(3, usual("")), fact.before)
		c.Click.ID = "the click"
		c.Link.Terms.Scheme.Document.Signs = fact.signs
		if fact.change != nil {
			fact.change(&c)
		}
		touch := c.judge(&o, &fact.use)
		words := []string{string(touch.Reason)}
		for _, sign := range touch.Signs {
			words = append(words, string(sign))
		}
		got := strings.Join(words, " ")
		if got != fact.want {
			t.Errorf("%s: %s, want %s", fact.name, got, fact.want)
		}
	}
}

// TestHowAClickIDIsUsedNeverDependsOnArrival folds the orders of one click id as they come, and all at once.
func TestHowAClickIDIsUsedNeverDependsOnArrival(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		orders := make([]Used, rapid.IntRange(1, 12).Draw(t, "orders"))
		for i := range orders {
			orders[i] = Used{
				At: noon().Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "hour")) * time.Hour), Ref: fmt.Sprint("A", i),
				Customer: rapid.SampledFrom([]string{"", "a", "b", "c", "d"}).Draw(t, "customer"), Void: rapid.Bool().Draw(t, "void"),
			}
		}
		other := rapid.Permutation(orders).Draw(t, "other")
		FoldClick(orders)
		FoldClick(other)
		named, counted := []string{}, 0
		for i := range orders {
			u := &orders[i]
			if !u.Use.Equal(&other[i].Use) {
				t.Fatalf("%+v, and in another order %+v", u, other[i])
			}
			if !u.Void {
				counted++
				if u.Customer != "" && !slices.Contains(named, u.Customer) {
					named = append(named, u.Customer)
				}
			}
			many := !u.Void && u.Customer != "" && slices.Index(named, u.Customer) >= ManyCustomers
			if u.Use.Orders != min(counted, ManyOrders+1) || u.Use.Other != many {
				t.Fatalf("order %d of %s: %+v", i, strings.Join(named, ", "), u)
			}
		}
	})
}

package whatif

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"pgregory.net/rapid"
)

// object is one of JSON.
type object = map[string]any

// scene is terms and facts of one merchant.
type scene struct {
	terms string
	// known are lines about partners, clicks, coupons, rates and bindings; those of partners come first.
	partners, known []string
	// told are reports of orders, in the order in which they arrive, and reviews, claims and disputes come after them.
	told    []told
	reviews []string
	orders  []string
}

// told is a report: of one fact the first stands, so those of one fact keep their order.
type told struct{ fact, line string }

func line(kind string, o object) string {
	data, err := json.Marshal(object{kind: o})
	if err != nil {
		panic(err)
	}
	return string(data)
}

// when is a time of September or October 2026, as so many hours after its beginning.
func when(hours int) string {
	return time.Date(2026, time.September, 1, hours, 0, 0, 0, time.UTC).Format(time.RFC3339)
}

func chance(t *rapid.T, of int, what string) bool { return rapid.IntRange(1, of).Draw(t, what) == 1 }

func oneOf[T any](t *rapid.T, what string, from ...T) T { return rapid.SampledFrom(from).Draw(t, what) }

// drawScene draws terms that pay in some of all ways, and up to three orders under them with all that may befall these.
func drawScene(t *rapid.T) scene {
	s := scene{terms: drawTerms(t)}
	partners := rapid.IntRange(1, 4).Draw(t, "partners")
	s.partners = []string{line("partner", object{"id": 9}), line("partner", object{"id": 8, "recruiter": 9})}
	for id := 1; id <= partners; id++ {
		p := object{"id": id, "kind": oneOf(t, "kind", "site", "member")}
		if by := oneOf(t, "recruiter", 8, 9, 0, 8, 9); by != 0 {
			p["recruiter"] = by
		}
		if chance(t, 3, "vip") {
			p["groups"] = []string{"vip"}
		}
		s.partners = append(s.partners, line("partner", p))
	}
	who := func() int { return rapid.IntRange(1, partners).Draw(t, "whose") }
	var clicks []string
	for n := range rapid.IntRange(1, 5).Draw(t, "clicks") {
		id := fmt.Sprint("k", n)
		clicks = append(clicks, id)
		s.known = append(s.known, line("click", object{"id": id, "partner": who(), "at": when(rapid.IntRange(0, 250).Draw(t, "clicked")), "kind": oneOf(t, "kind of click", "click", "click", "soft")}))
	}
	s.known = append(s.known,
		line("coupon", object{"code": "SUMMER", "partner": who(), "exclusive": true, "from": when(0), "until": when(600)}),
		line("coupon", object{"code": "SHARED", "partner": who(), "from": when(100)}),
		line("coupon", object{"code": "MAYA", "kind": "code", "partner": who(), "from": when(0)}),
		line("rate", object{"base": "EUR", "quote": "USD", "day": "2026-08-31", "num": rapid.IntRange(1, 20_000).Draw(t, "rate"), "den": 10_000}))
	if chance(t, 3, "bound") && s.binds() {
		s.known = append(s.known, line("bind", object{"customer": "u1", "partner": oneOf(t, "to", 0, who()), "from": when(rapid.IntRange(0, 400).Draw(t, "from"))}))
	}
	for n := range rapid.IntRange(1, 3).Draw(t, "orders") {
		s.drawOrder(t, fmt.Sprint("o", n), clicks)
	}
	return s
}

// binds reports whether the terms bind customers.
func (s *scene) binds() bool {
	var terms struct {
		Attribution struct {
			Bind object `json:"bind"`
		} `json:"attribution"`
	}
	if err := json.Unmarshal([]byte(s.terms), &terms); err != nil {
		panic(err)
	}
	return terms.Attribution.Bind != nil
}

// drawOrder draws an order with its refunds, what was added to its report, and what contradicts it.
func (s *scene) drawOrder(t *rapid.T, id string, clicks []string) {
	s.orders = append(s.orders, id)
	at := rapid.IntRange(200, 600).Draw(t, "at")
	var lines []object
	for n := range rapid.IntRange(1, 4).Draw(t, "lines") {
		lines = append(lines, object{
			"n": n + 1, "category": oneOf(t, "category", "gold", "tin"), "quantity": rapid.IntRange(1, 4).Draw(t, "pieces"),
			"amount": rapid.OneOf(rapid.IntRange(0, 20), rapid.IntRange(0, 90_000)).Draw(t, "amount"),
			"tax":    rapid.IntRange(0, 90).Draw(t, "tax"), "discount": rapid.IntRange(0, 90).Draw(t, "discount"),
		})
	}
	o := object{"id": id, "at": when(at), "currency": oneOf(t, "currency", "USD", "USD", "EUR"), "lines": lines}
	some := func(field string, of int, value any) {
		if chance(t, of, field) {
			o[field] = value
		}
	}
	some("click", 2, oneOf(t, "clicked", clicks...))
	some("path", 1, rapid.SliceOfNDistinct(rapid.SampledFrom(clicks), 0, len(clicks), rapid.ID).Draw(t, "path"))
	some("coupons", 4, []string{oneOf(t, "coupon", "summer", "SHARED", "STAFF", "?")})
	some("referral_code", 4, "MAYA")
	some("customer", 2, oneOf(t, "who", "u1", "u2"))
	some("customer_status", 6, oneOf(t, "status", "new", "returning"))
	some("shipping", 2, rapid.IntRange(1, 900).Draw(t, "delivery"))
	some("shipping_tax", 3, rapid.IntRange(1, 90).Draw(t, "its tax"))
	some("goal", 8, "lead")
	some("carted_at", 6, when(at-rapid.IntRange(0, 100).Draw(t, "in the cart")))
	some("test", 12, true)
	some("received", 3, when(at+rapid.IntRange(0, 30).Draw(t, "received after")))
	s.tell("sale "+id, line("order", o))
	if chance(t, 4, "told again") {
		again := maps.Clone(o)
		again["received"] = when(at + 31)
		switch oneOf(t, "with", "a click", "a customer", "a coupon", "other goods") {
		case "a click":
			again["click"] = clicks[0]
		case "a customer":
			again["customer"] = "u1"
		case "a coupon":
			again["coupons"] = []string{"SHARED"}
		default:
			again["lines"] = []object{{"n": 1, "amount": 7}}
		}
		s.tell("sale "+id, line("order", again))
	}
	for n := range rapid.IntRange(0, 4).Draw(t, "refunds") {
		s.drawRefund(t, id, fmt.Sprint("r", n), len(lines))
	}
	if chance(t, 6, "claimed") {
		s.reviews = append(s.reviews, line("claim", object{
			"order": id, "id": "c", "at": when(rapid.IntRange(300, 700).Draw(t, "claimed at")), "partner": 1,
			"outcome": oneOf(t, "outcome", "open", "granted", "declined"),
		}))
	}
	for n := range oneOf(t, "disputes", 0, 0, 1, 2) {
		s.drawDispute(t, id, fmt.Sprint("d", n), lines)
	}
	for n := range oneOf(t, "acts", 0, 0, 0, 1, 2, 3) {
		s.drawReview(t, id, fmt.Sprint("a", n))
	}
	if chance(t, 8, "void") {
		s.reviews = append(s.reviews, line("review", object{"order": id, "id": "v", "at": when(700), "verb": "void"}))
	}
}

func (s *scene) tell(fact, line string) { s.told = append(s.told, told{fact, line}) }

// drawReview draws what people do with an order, or with one partner's share of it.
func (s *scene) drawReview(t *rapid.T, order, id string) {
	r := object{"order": order, "id": id, "at": when(rapid.IntRange(100, 900).Draw(t, "reviewed"))}
	switch verb := oneOf(t, "verb", "hold", "hold", "unhold", "decline", "extend", "approve"); verb {
	case "extend":
		r["verb"] = verb
	case "decline":
		r["verb"], r["code"] = verb, "fraud"
	default:
		if r["verb"] = verb; chance(t, 3, "a share") {
			r["partner"] = 1
		}
	}
	s.reviews = append(s.reviews, line("review", r))
}

// drawDispute draws what is said of a dispute: that it is open and, maybe, what became of it.
func (s *scene) drawDispute(t *rapid.T, order, id string, lines []object) {
	opened := rapid.IntRange(100, 900).Draw(t, "disputed")
	d := object{"order": order, "id": id, "at": when(opened), "state": "open"}
	if chance(t, 3, "the whole order") {
		d["whole_order"] = true
	} else {
		sum := 2
		for _, l := range lines {
			if amount, is := l["amount"].(int); is {
				sum += amount
			}
		}
		d["amount"] = max(1, sum*rapid.IntRange(0, 12).Draw(t, "tenths in dispute")/10)
	}
	s.reviews = append(s.reviews, line("dispute", d))
	if state := oneOf(t, "state", "open", "open", "won", "lost"); state != "open" {
		settled := maps.Clone(d)
		settled["state"], settled["at"] = state, when(opened+rapid.IntRange(0, 300).Draw(t, "settled after"))
		s.reviews = append(s.reviews, line("dispute", settled))
	}
}

// drawRefund draws a refund of some lines, an amount or the whole order, maybe with delivery.
func (s *scene) drawRefund(t *rapid.T, order, id string, lines int) {
	r := object{"order": order, "id": id, "at": when(rapid.IntRange(150, 900).Draw(t, "refunded"))}
	switch oneOf(t, "of", "pieces", "amounts", "order", "whole", "delivery") {
	case "pieces":
		r["lines"] = []object{{"n": rapid.IntRange(1, lines).Draw(t, "n"), "quantity": rapid.IntRange(1, 3).Draw(t, "back")}}
	case "amounts":
		r["lines"] = []object{{"n": rapid.IntRange(1, lines).Draw(t, "n"), "amount": rapid.IntRange(1, 50_000).Draw(t, "back")}}
	case "order":
		r["amount"] = rapid.IntRange(1, 100_000).Draw(t, "back")
	case "whole":
		r["whole_order"] = true
	default:
		r["amount"], r["shipping"] = 1, rapid.IntRange(1, 900).Draw(t, "delivery back")
	}
	s.tell("refund "+order+" "+id, line("refund", r))
}

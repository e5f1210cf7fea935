package whatif

import (
	"encoding/json"
	"fmt"

	"pgregory.net/rapid"
)

// drawTerms draws a document that may be added.
func drawTerms(t *rapid.T) string {
	rules, recruits := drawRules(t)
	d := object{
		"schema": 1, "currency": "USD", "zone": oneOf(t, "zone", "UTC", "America/New_York"), "hold": oneOf(t, "hold", "0d", "10d", "30d"),
		"network_fee": oneOf(t, "fee", 0, 200_000, 333_333), "attribution": drawAttribution(t), "rules": rules,
	}
	maybe := func(name string, of int, value any) {
		if chance(t, of, name) {
			d[name] = value
		}
	}
	maybe("base", 2, oneOf(t, "of what", object{"tax": true}, object{"shipping": true}, object{"shipping": true, "shipping_tax": true, "before_discount": true}))
	maybe("zero", 3, []object{{"id": "own", "where": object{"coupon": "STAFF"}, "code": "staff"}})
	maybe("overrides", 2, []object{{"group": "vip", "hold": "20d", "rules": []object{{"id": "vip", "pay": drawPay(t)}}}})
	var periods []object
	for n := range rapid.IntRange(0, 2).Draw(t, "periods") {
		periods = append(periods, drawPeriod(t, fmt.Sprint("p", n), recruits))
	}
	if len(periods) > 0 {
		d["periods"] = periods
	}
	data, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	return string(data)
}

func drawAttribution(t *rapid.T) object {
	click := object{"window": "30d"}
	if chance(t, 3, "a least age") {
		click["min_age"] = "15s"
	}
	if chance(t, 3, "with carts") {
		click["cart"] = "3d"
	}
	a := object{"model": oneOf(t, "model", "last", "first", "linear", "linear", "position", "decay"), "touches": object{"click": click, "coupon": object{}, "code": object{}, "soft": object{"window": "7d"}}}
	if a["model"] == "decay" {
		a["half_life"] = "2d"
	}
	if chance(t, 4, "asks for paths") {
		a["path"] = true
	}
	if chance(t, 2, "binds") {
		a["bind"] = oneOf(t, "for", object{"life": true}, object{"months": 1}, object{"life": true, "only": "new"})
	}
	return a
}

// drawPay draws what a rule pays of the sale.
func drawPay(t *rapid.T) object {
	p := object{}
	if kind := oneOf(t, "pays", "rate", "fixed", "both"); kind != "fixed" {
		p["percent"] = rapid.IntRange(1, 500_000).Draw(t, "percent")
		if kind == "both" {
			p["fixed"] = rapid.IntRange(1, 300).Draw(t, "fixed")
		}
	} else {
		p["fixed"], p["per"] = rapid.IntRange(1, 300).Draw(t, "fixed"), oneOf(t, "per", "order", "line", "piece", "mille")
	}
	if chance(t, 4, "bounded") {
		p["max"] = rapid.IntRange(1, 2_000).Draw(t, "max")
	}
	return p
}

// drawRules draws the rules of a program, and says whether some pay recruiters.
func drawRules(t *rapid.T) (rules []object, recruits bool) {
	add := func(id string, of int, r object) {
		if chance(t, of, id) {
			r["id"] = id
			rules = append(rules, r)
		}
	}
	add("any", 1, object{"pay": drawPay(t)})
	add("gold", 2, object{"where": object{"category": "gold"}, "pay": drawPay(t)})
	add("big", 3, object{"where": object{"order_amount": object{"min": 5_000}}, "pay": drawPay(t)})
	add("new", 3, object{"where": object{"customer": "new"}, "adds": true, "pay": drawPay(t)})
	add("lead", 3, object{"where": object{"goal": "lead"}, "pay": object{"fixed": 250}})
	earned := func() object {
		return object{"percent": rapid.IntRange(1, 1_000_000).Draw(t, "percent of"), "of": oneOf(t, "of", "commission", "fee")}
	}
	before := len(rules)
	add("up", 2, object{"to": "recruiter", "pay": oneOf(t, "what", drawPay(t), earned())})
	if recruits = len(rules) > before; recruits {
		add("up2", 2, object{"to": "recruiter2", "pay": oneOf(t, "what", drawPay(t), earned())})
	}
	add("friend", 3, object{"to": "customer", "pay": oneOf(t, "what", object{"fixed": 500, "unit": "POINT"}, drawPay(t))})
	return rules, recruits
}

// drawPeriod draws a tier or a cap.
func drawPeriod(t *rapid.T, id string, recruits bool) object {
	p := object{"id": id, "measure": oneOf(t, "measure", "count", "revenue", "commission"), "period": oneOf(t, "length", "day", "month", "ever")}
	upward := chance(t, 4, "to a recruiter")
	if upward {
		p["to"] = "recruiter"
	}
	switch {
	case chance(t, 3, "of gold") && !upward:
		p["where"] = object{"category": "gold"}
	case chance(t, 3, "of any") && !upward:
		p["rules"] = []string{"any"}
	}
	from := rapid.IntRange(1, 3).Draw(t, "from")
	if p["measure"] != "count" {
		from = rapid.IntRange(1, 5_000).Draw(t, "from")
	}
	if chance(t, 3, "cap") && (!upward || recruits) {
		p["cap"] = from
		return p
	}
	p["mode"] = oneOf(t, "mode", "marginal", "retroactive")
	p["tiers"] = []object{
		{"from": from, oneOf(t, "first", "percent", "of_commission", "each", "once"): 20_000},
		{"from": 2*from + 1, oneOf(t, "second", "percent", "of_commission", "each", "once"): 40_000},
	}
	return p
}

package program

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tributary/internal/fault"
)

// example is a document that says a bit of everything.
const example = `{"schema":1,"currency":"USD","zone":"America/New_York","hold":"30d","extension":"30d","refund_window":"180d","network_fee":200000,
 "goals":["trial"],"signs":["order_within_seconds"],
 "attribution":{"model":"position","bind":{"months":12,"only":"new"},"touches":{"click":{"window":"30d","min_age":"15s","cart":"90d"},"coupon":{},"code":{},"soft":{"window":"7d"},"impression":{}},"path":true,"exclusive_codes":true},
 "base":{"tax":true,"shipping":true,"shipping_tax":true,"before_discount":true},
 "zero":[{"id":"own-coupon","where":{"coupon":["STAFF"]},"code":"staff_coupon"}],
 "rules":[{"id":"gold","where":{"category":"gold"},"pay":{"percent":400000}},
          {"id":"new","where":{"customer":"new"},"adds":true,"pay":{"fixed":500}},
          {"id":"any","pay":{"percent":100000,"max":5000}},
          {"id":"lead","where":{"goal":"lead"},"pay":{"fixed":250}},
          {"id":"trial","where":{"goal":"trial"},"pay":{"percent":10000,"fixed":250,"per":"piece"}},
          {"id":"much","where":{"any":[{"country":["DE","AT"],"not":{"device":"mobile"}},{"meta.gift":"yes","partner_group":"vip"}],"order_amount":{"min":3000,"max":90000},"months_bound":{"max":11},"link":7,"partner":[17,18],"property":"coupon_site","sku":["A","B"],"part":"x"},"pay":{"percent":1}},
          {"id":"up","to":"recruiter","pay":{"percent":100000,"of":"commission"}},
          {"id":"up2","to":"recruiter2","pay":{"percent":50000,"of":"fee"}},
          {"id":"friend","to":"customer","where":{"customer":"new","order_amount":{"min":3000}},"pay":{"fixed":500,"unit":"POINT"}}],
 "overrides":[{"group":"vip","rules":[{"id":"vip","pay":{"percent":120000}}],"periods":[]},{"partner":17,"hold":"7d"}],
 "periods":[{"id":"vol","measure":"revenue","period":"month","mode":"marginal","rules":["any"],"tiers":[{"from":20000,"percent":20000},{"from":40000,"percent":40000}]},
            {"id":"goal","where":{"goal":"lead"},"measure":"count","period":"ever","mode":"retroactive","tiers":[{"from":10,"each":50}],"skip_hold":true},
            {"id":"boost","to":"recruiter","measure":"count","period":"week","tiers":[{"from":1,"of_commission":100000},{"from":5,"percent":0}]},
            {"id":"step","measure":"commission","period":"quarter","tiers":[{"from":10000,"once":2000}]},
            {"id":"cap","measure":"commission","period":"month","cap":1000000}]}`

// full are documents that say more than kinds and categories.
func full() []document {
	edit := func(name, from, to, wrong string) document {
		if !strings.Contains(example, from) {
			panic(from)
		}
		return document{name: name, text: strings.Replace(example, from, to, 1), wrong: wrong, whole: true}
	}
	beyond := func(name, from, to, wrong string) document {
		d := edit(name, from, to, wrong)
		d.beyondSchema = true
		return d
	}
	deep := strings.Repeat(`{"not":`, maxDepth) + `{"device":"tablet"}` + strings.Repeat(`}`, maxDepth)
	return []document{
		{name: "a bit of everything", text: example, whole: true},
		beyond("a currency that is none", `"USD"`, `"DEM"`, "currency"),
		beyond("amounts without a currency", `"currency":"USD",`, ``, "currency"),
		beyond("a zone that is none", `America/New_York`, `Mars/Olympus`, "zone"),
		beyond("the zone of the machine", `America/New_York`, `Local`, "zone"),
		edit("no time for refunds", `"180d"`, `"0d"`, "refund_window"),
		beyond("an extension beyond a century", `"extension":"30d"`, `"extension":"40000d"`, "extension"),
		beyond("a goal of every program", `["trial"]`, `["trial","sale"]`, "goals[1]"),
		beyond("a goal twice", `["trial"]`, `["trial","trial"]`, "goals[1]"),
		beyond("a goal with a blank at its end", `"goals":["trial"]`, `"goals":["trial","a b "]`, "goals[1]"),
		edit("a model that there is not", `"position"`, `"u-shaped"`, "attribution.model"),
		edit("a device that no order can name", `"device":"mobile"`, `"device":"fridge"`, "rules[5].where.any[0].not.device"),
		beyond("decay without a half-life", `"position"`, `"decay"`, "attribution.half_life"),
		beyond("a half-life without decay", `"position"`, `"linear","half_life":"7d"`, "attribution.half_life"),
		beyond("bound for months and for life", `"months":12`, `"months":12,"life":true`, "attribution.bind"),
		beyond("bound for nothing", `"months":12,`, ``, "attribution.bind"),
		edit("bound for no months", `"months":12`, `"months":0`, "attribution.bind.months"),
		beyond("bound for too many months", `"months":12`, `"months":1201`, "attribution.bind.months"),
		beyond("bound to somebody else", `"only":"new"`, `"only":"old"`, "attribution.bind.only"),
		edit("a window of nothing for soft clicks", `"7d"`, `"0d"`, "attribution.touches.soft.window"),
		beyond("a click older than its window", `"15s"`, `"31d"`, "attribution.touches.click.min_age"),
		edit("a coupon with a window", `"coupon":{}`, `"coupon":{"window":"1d"}`, "attribution.touches.coupon"),
		edit("a soft click measured to the cart", `{"window":"7d"}`, `{"window":"7d","cart":"9d"}`, "attribution.touches.soft.cart"),
		edit("a base that is a number", `"tax":true`, `"tax":1`, "base.tax"),
		edit("a zero rule without a code", `,"code":"staff_coupon"`, ``, "zero[0].code"),
		beyond("a zero rule with a sentence", `"staff_coupon"`, `"no staff"`, "zero[0].code"),
		edit("a payee that there is not", `"to":"recruiter2"`, `"to":"uncle"`, "rules[7].to"),
		beyond("a second recruiter without a first", `"to":"recruiter",`, `"to":"recruiter2","adds":true,`, "rules[6].to, rules[7].to"),
		beyond("a fixed amount beside what others earn", `"percent":100000,"of":"commission"`, `"percent":100000,"fixed":5,"of":"commission"`, "rules[6].pay.fixed"),
		beyond("single lines beside what others earn", `"id":"up","to":"recruiter",`, `"id":"up","to":"recruiter","where":{"any":[{"sku":"A"},{"part":"x"}]},`, "rules[6].where"),
		beyond("a commission of itself", `"to":"recruiter",`, ``, "rules[6].pay.of, rules[6].where, rules[7].to"),
		beyond("two rules of one name", `"id":"new"`, `"id":"gold"`, "rules[1].id"),
		beyond("two rules about the same, in another order", `"where":{"goal":"lead"}`, `"where":{"any":[{"partner_group":"vip","meta.gift":"yes"},{"not":{"device":"mobile"},"country":["AT","DE"]}],"sku":["B","A"],"part":"x","months_bound":{"max":11},"link":7,"partner":[18,17],"property":"coupon_site","order_amount":{"min":3000,"max":90000}}`, "rules[5].where"),
		edit("an amount below zero", `"max":5000`, `"max":-1`, "rules[2].pay.max"),
		edit("an amount of 0", `"max":5000`, `"max":0`, "rules[2].pay.max"),
		edit("an amount in words", `"max":5000`, `"max":"50"`, "rules[2].pay.max"),
		beyond("an amount beyond all orders", `"max":5000`, `"max":10000000000001`, "rules[2].pay.max"),
		beyond("too much for each piece", `"fixed":250,"per"`, `"fixed":9000001,"per"`, "rules[4].pay.fixed"),
		beyond("for each piece of nothing", `{"percent":100000,"max":5000}`, `{"percent":100000,"per":"piece"}`, "rules[2].pay.per"),
		beyond("points for a partner", `{"percent":100000,"max":5000}`, `{"fixed":1,"unit":"POINT"}`, "rules[2].pay.unit"),
		edit("a unit that there is not", `"POINT"`, `"MILES"`, "rules[8].pay.unit"),
		edit("a condition that there is not", `"device"`, `"weather"`, "rules[5].where.any[0].not.weather"),
		edit("a condition of nothing", `["DE","AT"]`, `[]`, "rules[5].where.any[0].country"),
		beyond("a country that there is not", `"AT"`, `"ZZ"`, "rules[5].where.any[0].country[1]"),
		beyond("a country by another name", `"AT"`, `"UK"`, "rules[5].where.any[0].country[1]"),
		beyond("a country in words", `"AT"`, `"Austria"`, "rules[5].where.any[0].country[1]"),
		beyond("a value twice", `"AT"`, `"DE"`, "rules[5].where.any[0].country[1]"),
		edit("no alternative", `"any":[{"country":["DE","AT"],"not":{"device":"mobile"}},{"meta.gift":"yes","partner_group":"vip"}]`, `"any":[]`, "rules[5].where.any"),
		edit("one alternative without a list", `"any":[{"country":["DE","AT"],"not":{"device":"mobile"}},{"meta.gift":"yes","partner_group":"vip"}]`, `"any":{"device":"tablet"}`, "rules[5].where.any"),
		edit("metadata without a name", `"meta.gift"`, `"meta."`, "rules[5].where.any[1].meta."),
		edit("a range without an end", `{"max":11}`, `{}`, "rules[5].where.months_bound"),
		edit("a range that is a number", `{"max":11}`, `11`, "rules[5].where.months_bound"),
		beyond("a range of nothing", `{"min":3000,"max":90000}`, `{"min":3000,"max":2999}`, "rules[5].where.order_amount"),
		edit("a link below one", `"link":7`, `"link":0`, "rules[5].where.link"),
		edit("a kind of customer that there is not", `"where":{"customer":"new"}`, `"where":{"customer":"old"}`, "rules[1].where.customer"),
		beyond("a goal that there is not", `{"goal":"trial"}`, `{"goal":"visit"}`, "rules[4].where.goal"),
		beyond("conditions without end", `{"country":["DE","AT"],"not":{"device":"mobile"}}`, deep, "rules[5].where.any[0]"+strings.Repeat(".not", maxDepth-1)),
		beyond("an override of two", `"partner":17,`, `"partner":17,"group":"top",`, "overrides[1].group"),
		beyond("an override of nobody", `"partner":17,`, ``, "overrides[1].group"),
		beyond("an override of nothing", `,"hold":"7d"`, ``, "overrides[1].rules"),
		beyond("an override twice", `"partner":17,`, `"group":"vip",`, "overrides[1].group"),
		beyond("an override of a rule that is wrong", `{"percent":120000}`, `{"percent":120000,"of":"fee"}`, "overrides[0].rules[0].pay.of"),
		beyond("a period of a rule that there is not", `"rules":["any"]`, `"rules":["all"]`, "periods[0].rules[0]"),
		edit("a period without a name", `"id":"vol",`, ``, "periods[0].id"),
		beyond("two periods of one name", `"id":"vol"`, `"id":"cap"`, "periods[4].id"),
		edit("a measure that there is not", `"measure":"revenue"`, `"measure":"clicks"`, "periods[0].measure"),
		edit("a length that there is not", `"period":"week"`, `"period":"fortnight"`, "periods[2].period"),
		beyond("neither tiers nor a cap", `,"cap":1000000`, ``, "periods[4].tiers"),
		beyond("a cap with a mode", `"cap":1000000`, `"mode":"marginal","cap":1000000`, "periods[4].mode"),
		beyond("tiers that do not ascend", `"from":40000`, `"from":20000`, "periods[0].tiers[1].from"),
		edit("tiers from 0", `"from":20000`, `"from":0`, "periods[0].tiers[0].from"),
		edit("a tier that pays nothing said", `,"each":50`, ``, "periods[1].tiers[0].percent"),
		beyond("a tier that pays in two ways", `"each":50`, `"each":50,"once":9`, "periods[1].tiers[0]"),
		beyond("a tier that pays too much each", `"each":50`, `"each":9000001`, "periods[1].tiers[0].each"),
		beyond("more than a document may have", `"yes"`, `["`+strings.Repeat("y", maxText)+`"`+manyTexts(600)+`]`, "document"),
	}
}

// manyTexts are further values of a condition.
func manyTexts(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`,"` + strings.Repeat("z", maxText-5) + fmt.Sprintf("%05d", i) + `"`)
	}
	return b.String()
}

func TestTheExampleIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	var d Document
	if bad := decode([]byte(example), &d); len(bad) > 0 {
		t.Fatalf("%+v", bad)
	}
	var again Document
	if bad := decode(d.JSON(), &again); len(bad) > 0 {
		t.Fatalf("%s: %+v", d.JSON(), bad)
	}
	if diff := cmp.Diff(d, again); diff != "" || d.Plain() {
		t.Errorf("plain: %t (-first +second):\n%s", d.Plain(), diff)
	}
}

// Of two numbers in a sentence each stands in its place.
func TestNumbersOfAMistakeStandInTheirPlaces(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ from, to, want string }{
		{`"months":12`, `"months":1300`, "1300 is not within 1 and 1200"},
		{`{"min":3000,"max":90000}`, `{"min":5,"max":3}`, "5 is more than 3"},
		{`{"from":40000,"percent":40000}`, `{"from":20000,"percent":40000}`, "20000 is not above 20000"},
		{`{"from":5,"percent":0}`, `{"from":1,"percent":0}`, "1 is not above 1"},
		{`{"from":10,"each":50}`, `{"from":10,"each":9000001}`, "9000001 is more than 9000000"},
	} {
		d, bad := readDocument([]byte(strings.Replace(example, row.from, row.to, 1)))
		if len(bad) > 0 {
			t.Fatalf("%s: %+v", row.to, bad)
		}
		wrong := d.CheckWhole("")
		if !slices.ContainsFunc(wrong, func(f fault.Field) bool { return f.Problem == row.want }) {
			t.Errorf("%s: %+v, want %q", row.to, wrong, row.want)
		}
	}
}

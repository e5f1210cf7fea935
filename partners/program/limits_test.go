package program

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sized is a document with so many rules and periods, half of each of a group's own, conditions of such a depth, and a text.
func sized(rules, periods, depth int, text string) string {
	list := func(from, to int, one string) string {
		var all []string
		for n := from; n < to; n++ {
			all = append(all, fmt.Sprintf(one, n))
		}
		return strings.Join(all, ",")
	}
	const rule, period = `{"id":"r%[1]d","where":{"order_amount":{"min":%[1]d}},"pay":{"percent":1}}`, `{"id":"p%d","measure":"count","period":"day","cap":1}`
	deep := strings.Repeat(`{"not":`, depth-1) + `{"device":"tablet"}` + strings.Repeat(`}`, depth-1)
	return `{"schema":1,"attribution":{"touches":{"click":{}}},"hold":"0d","network_fee":0,"zero":[{"where":` + deep + `,"code":"x` + text + `"}],` +
		`"rules":[` + list(0, rules/2, rule) + `],"periods":[` + list(0, periods/2, period) + `],` +
		`"overrides":[{"group":"g","rules":[` + list(rules/2, rules, rule) + `],"periods":[` + list(periods/2, periods, period) + `]}]}`
}

func TestTheLimitsOfADocument(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, text, wrong string }{
		{"200 rules", sized(200, 2, 1, ""), ""},
		{"201 rules", sized(201, 2, 1, ""), "rules"},
		{"50 periods", sized(2, 50, 1, ""), ""},
		{"51 periods", sized(2, 51, 1, ""), "periods"},
		{"20 levels", sized(2, 2, 20, ""), ""},
		{"21 levels", sized(2, 2, 21, ""), "zero[0].where" + strings.Repeat(".not", 20)},
		{"a code of 40 letters", sized(2, 2, 1, strings.Repeat("y", 39)), ""},
		{"a code of 41 letters", sized(2, 2, 1, strings.Repeat("y", 40)), "zero[0].code"},
	} {
		d, bad := readDocument([]byte(row.text))
		if len(bad) == 0 {
			bad = d.CheckWhole("")
		}
		var got []string
		for _, f := range bad {
			got = append(got, f.Name)
		}
		if diff := cmp.Diff(row.wrong, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
	}
}

// A document of 64 KiB is taken, one of a byte more is not.
func TestADocumentHasAtMost64KiB(t *testing.T) {
	t.Parallel()
	d := whole(t, sized(2, 2, 1, ""))
	where := Test{Key: KeySKU}
	add := func(size int) { where.Texts = append(where.Texts, fmt.Sprintf("%0*d", size, len(where.Texts))) }
	for add(8); ; add(maxText - 3) {
		d.Rules[0].Where = All(where)
		if left := MaxDocument - len(d.JSON()); left < maxText && left >= 12 {
			add(left - 3) // its quotes and a comma
			break
		}
	}
	d.Rules[0].Where = All(where)
	if bad := d.CheckWhole(""); len(d.JSON()) != MaxDocument || len(bad) > 0 {
		t.Errorf("%d bytes: %+v", len(d.JSON()), bad)
	}
	where.Texts[0] += "0"
	d.Rules[0].Where = All(where)
	if bad := d.CheckWhole(""); len(bad) != 1 || bad[0].Name != "document" {
		t.Errorf("%d bytes: %+v", len(d.JSON()), bad)
	}
}

// Every field that the schema describes has its line in the reference, and each line says what it means.
func TestTheReferenceListsEachFieldOnce(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, h := range Reference() {
		if seen[h.Path] || h.Says == "" || h.Like == "" {
			t.Errorf("%+v", h)
		}
		seen[h.Path] = true
	}
	for _, path := range []string{
		"schema", "attribution.touches.click.cart", "attribution.touches.soft.window", "attribution.bind.only", "base.tax", "zero[].code", "rules[].pay.percent",
		"overrides[].partner", "periods[].tiers[].once", "where.months_bound", "where.meta.",
	} {
		if !seen[path] {
			t.Errorf("no line for %s", path)
		}
	}
	for _, path := range []string{"attribution.touches.coupon.window", "attribution.touches.soft.cart", "overrides[].rules[].pay"} {
		if seen[path] {
			t.Errorf("a line for %s", path)
		}
	}
}

package program

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"tributary/internal/fault"
	"tributary/internal/money"
	"tributary/internal/text"
)

// Schema is the number of the form in which documents are written.
const Schema = 1

// Document is what a version of a program's terms says: JSON, kept as it was agreed. docs/reference/terms.schema.json
// describes it and is made from this type.
type Document struct {
	Schema      int         `json:"schema"      jsonschema:"The form of the document: 1."`
	Attribution Attribution `json:"attribution" jsonschema:"What earns."`
	Hold        Duration    `json:"hold"        jsonschema:"How long a commission stays pending, from the order on."`
	NetworkFee  money.Rate  `json:"network_fee" jsonschema:"What the merchant owes the network on top of each commission, in millionths of the commission."`
	Rules       []Rule      `json:"rules"       jsonschema:"What is paid. The rule that names a line's category comes before one that names none, then the one that names the kind of partner. A line without a rule earns nothing."`
}

// Attribution says what earns.
type Attribution struct {
	Touches Touches `json:"touches" jsonschema:"What can earn credit."`
}

// Touches are what can earn credit: the last click before the order.
type Touches struct {
	Click Touching `json:"click" jsonschema:"A visitor who comes by a tracking link."`
}

// Touching bounds what earns credit.
type Touching struct {
	Window Duration `json:"window" jsonschema:"How old it may be when the order is placed; exactly this old still earns."`
}

// Rule pays for the lines of an order that it is about.
type Rule struct {
	Where Where `json:"where,omitzero" jsonschema:"What the rule is about; all of it must hold. Without it the rule is about every line."`
	Pay   Pay   `json:"pay"            jsonschema:"What the rule pays."`
}

// Where says what a rule is about. What is left out does not matter.
type Where struct {
	PartnerKind Kind   `json:"partner_kind,omitempty" jsonschema:"The kind of the partner who earns."`
	Category    string `json:"category,omitempty"     jsonschema:"The category of the goods, as orders name it."`
}

// Pay is what a rule pays.
type Pay struct {
	Percent money.Rate `json:"percent" jsonschema:"Millionths of what is left of the lines after refunds: 80000 is 8 %."`
}

// NewDocument is the document of terms that pay by kind and category alone.
func NewDocument(window, hold time.Duration, networkFee money.Rate, rates Rates) Document {
	return Document{
		Schema:      Schema,
		Attribution: Attribution{Touches{Click: Touching{Window: Duration(window)}}},
		Hold:        Duration(hold),
		NetworkFee:  networkFee,
		Rules:       rates.rules(),
	}
}

// ParseDocument reads a document. What does not belong there, and what is missing, is a fault.Invalid that names each
// field by its path, or the schema alone where that is a later one; what the fields say is for Check. Beside such an error
// the document holds what could be read of it.
func ParseDocument(data []byte) (Document, error) {
	var d Document
	bad := decode(data, &d)
	if d.Schema > Schema || len(bad) == 0 && d.Schema != Schema {
		bad = []fault.Field{fault.Wrong("schema", text.WrongForm(strconv.Itoa(d.Schema)), text.FixForm())}
	}
	if len(bad) > 0 {
		return d, badDocument(bad)
	}
	return d, nil
}

func badDocument(fields []fault.Field) error {
	return &fault.Error{Kind: fault.Invalid, Code: "bad_terms", Fields: fields}
}

// JSON is the document as it is kept.
func (d *Document) JSON() []byte {
	data, err := json.Marshal(d)
	if err != nil {
		panic("program: writing a document: " + err.Error()) // numbers and texts alone
	}
	return data
}

// Bounds of a document.
const (
	maxRules    = 1000
	maxCategory = 128 // bytes, as an order may have
)

// Check gives what is wrong with a document that is to be added, each field's path behind prefix.
func (d *Document) Check(prefix string) []fault.Field {
	var bad []fault.Field
	note := func(name string, problem, fix text.Message) {
		bad = append(bad, fault.Wrong(prefix+name, problem, fix))
	}
	if d.Schema != Schema {
		note("schema", text.WrongIs(strconv.Itoa(d.Schema)), text.FixSchema())
	}
	if window := d.Attribution.Touches.Click.Window; window <= 0 || window.fraction() {
		note("attribution.touches.click.window", text.WrongWindow(time.Duration(window).String()), text.FixWindow())
	}
	if d.Hold < 0 || d.Hold.fraction() {
		note("hold", text.WrongHold(time.Duration(d.Hold).String()), text.FixHold())
	}
	rate := func(name string, r money.Rate) {
		if r < 0 || r > money.One {
			note(name, text.WrongRate(r.String()), text.FixRate())
		}
	}
	rate("network_fee", d.NetworkFee)
	if len(d.Rules) > maxRules {
		note("rules", text.WrongRules(int64(len(d.Rules))), text.FixGiveAtMost(strconv.Itoa(maxRules)))
		return bad
	}
	earlier := map[Where]int{}
	for i, r := range d.Rules {
		at := fmt.Sprintf("rules[%d].", i)
		if k := r.Where.PartnerKind; k != "" && k != Site && k != Member {
			note(at+"where.partner_kind", text.WrongPartnerKind(string(k)), text.FixPartnerKind())
		}
		if problem, fix, ok := checkCategory(r.Where.Category); !ok {
			note(at+"where.category", problem, fix)
		}
		if first, taken := earlier[r.Where]; taken {
			note(at+"where", text.WrongSameRule(strconv.Itoa(first)), text.FixLeaveOneOut())
		} else {
			earlier[r.Where] = i
		}
		rate(at+"pay.percent", r.Pay.Percent)
	}
	return bad
}

// checkCategory holds a category against what an order can name.
func checkCategory(category string) (problem, fix text.Message, ok bool) {
	switch {
	case category == AnyCategory:
		return text.WrongAnyCategory(), text.FixAnyCategory(), false
	case len(category) > maxCategory:
		return text.WrongLabelSize(int64(len(category))), text.FixCategorySize(maxCategory), false
	case strings.TrimSpace(category) != category || strings.ContainsFunc(category, unseen):
		return text.WrongCategoryBlank(category), text.FixCategoryBlank(), false
	case !norm.NFC.IsNormalString(category):
		return text.WrongCategoryNfc(category), text.FixCategoryNfc(), false
	}
	return problem, fix, true
}

// unseen tells of characters that show nothing. A blank is seen between others.
func unseen(r rune) bool { return !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r) }

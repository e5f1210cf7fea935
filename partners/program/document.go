package program

import (
	"encoding/json"
	"strconv"
	"time"

	"tributary/internal/fault"
	"tributary/internal/money"
	"tributary/internal/text"
)

// Schema is the number of the form in which documents are written.
const Schema = 1

// Document is what a version of a program's terms says: JSON, kept as it was agreed. docs/reference/terms.schema.json
// describes it and is made from this type. Amounts are minor units of Currency, rates millionths.
type Document struct {
	Schema       int         `json:"schema"                 jsonschema:"The form of the document: 1."`
	Currency     string      `json:"currency,omitempty"     jsonschema:"The ISO 4217 currency of fixed amounts, tiers and caps, and of what is earned. Left out, an order earns in its own currency, and only percentages can be paid."`
	Zone         string      `json:"zone,omitempty"         jsonschema:"The IANA time zone of days and periods. Left out, UTC."`
	Attribution  Attribution `json:"attribution"            jsonschema:"What earns."`
	Hold         Duration    `json:"hold"                   jsonschema:"How long a commission stays pending, from the order, or from the receipt of its report where that is later."`
	Extension    Duration    `json:"extension,omitzero"     jsonschema:"By how much the merchant may extend the hold of an order, once."`
	RefundWindow Duration    `json:"refund_window,omitzero" jsonschema:"For how long after the end of the hold refunds still reduce the commission. Left out, without end."`
	NetworkFee   money.Rate  `json:"network_fee"            jsonschema:"What the merchant owes the network on top of each commission, in millionths of the commission."`
	Goals        []string    `json:"goals,omitempty"        jsonschema:"Goals of orders beside sale, lead, click and impression."`
	Signs        []Sign      `json:"signs,omitempty"        jsonschema:"Warning signs that put an order on hold until somebody looks at it."`
	Base         Base        `json:"base,omitzero"          jsonschema:"What percentages are taken of. Left out, the lines after discount, before tax, without shipping."`
	Zero         []Zero      `json:"zero,omitempty"         jsonschema:"Orders on which nothing is paid."`
	Rules        []Rule      `json:"rules"                  jsonschema:"What is paid. The closest rule that matches a line pays for it: one that names the sku comes before one that names the category or part, then the one with more conditions. A line without a rule earns nothing."`
	Overrides    []Override  `json:"overrides,omitempty"    jsonschema:"Rules of their own for groups and partners."`
	Periods      []Period    `json:"periods,omitempty"      jsonschema:"Tiers, caps and bonuses over a period, beside what the rules pay."`
}

// Attribution says what earns.
type Attribution struct {
	Model          Model    `json:"model,omitempty"           jsonschema:"Who of several earns: the last touch, the first, or all of them. Left out, the last."`
	HalfLife       Duration `json:"half_life,omitzero"        jsonschema:"The age at which a touch weighs half as much, for the model decay."`
	Bind           *Bind    `json:"bind,omitempty"            jsonschema:"Customers stay with the partner who brought them."`
	Touches        Touches  `json:"touches"                   jsonschema:"What can earn credit. A kind that is not listed earns nothing."`
	Path           bool     `json:"path,omitempty"            jsonschema:"The earlier clicks of the visitor count too, as far as the tracker knows them with the visitor's consent."`
	ExclusiveCodes bool     `json:"exclusive_codes,omitempty" jsonschema:"A referral code ranks like an exclusive coupon: before clicks."`
}

// Model says who of several touches earns.
type Model string

// The models. The zero value is ModelLast.
const (
	ModelLast     Model = "last"
	ModelFirst    Model = "first"
	ModelLinear   Model = "linear"
	ModelPosition Model = "position"
	ModelDecay    Model = "decay"
)

// Models are all of them.
func Models() []Model { return []Model{ModelLast, ModelFirst, ModelLinear, ModelPosition, ModelDecay} }

// Bind keeps a customer with the partner who brought them: for some months or for life.
type Bind struct {
	Months int    `json:"months,omitempty" jsonschema:"For so many months; the customer is free at the end of the last."`
	Life   bool   `json:"life,omitempty"   jsonschema:"For ever."`
	Only   string `json:"only,omitempty"   jsonschema:"new: only customers who had not bought before."`
}

// OnlyNew is the one value of Bind.Only.
const OnlyNew = "new"

// Touches are what can earn credit; nil earns nothing.
type Touches struct {
	Click      *Touching `json:"click,omitempty"      jsonschema:"A visitor who comes by a tracking link."`
	Coupon     *Touching `json:"coupon,omitempty"     jsonschema:"A coupon of a partner."`
	Code       *Touching `json:"code,omitempty"       jsonschema:"A referral code of a partner."`
	Soft       *Touching `json:"soft,omitempty"       jsonschema:"A click that a tag or a browser extension reports."`
	Impression *Touching `json:"impression,omitempty" jsonschema:"A creative that was shown."`
}

// Touching bounds what earns credit. The zero Duration of Window stands for the kind's own: see Touches.Of.
type Touching struct {
	Window Duration `json:"window,omitzero"  jsonschema:"How old it may be when the order is placed; exactly this old still earns. Left out, 30 days, and 24 hours for an impression."`
	MinAge Duration `json:"min_age,omitzero" jsonschema:"How old it must be when the order is placed; exactly this old earns."`
	Cart   Duration `json:"cart,omitzero"    jsonschema:"How long after it was put into the cart an order still earns. The age of a click is then measured to the cart."`
}

// The kinds of touch that Touches bounds.
const (
	TouchClick      = "click"
	TouchCoupon     = "coupon"
	TouchReferral   = "code"
	TouchSoft       = "soft"
	TouchImpression = "impression"
)

const aDay = Duration(24 * time.Hour)

// Of gives the bounds of a kind of touch, its window filled in, and whether it can earn at all. Coupons and codes have no
// window: they earn from when to when they are in force.
func (t *Touches) Of(kind string) (bounds Touching, earns bool) {
	var given *Touching
	var window Duration
	switch kind {
	case TouchClick:
		given, window = t.Click, 30*aDay
	case TouchCoupon:
		given = t.Coupon
	case TouchReferral:
		given = t.Code
	case TouchSoft:
		given, window = t.Soft, 30*aDay
	case TouchImpression:
		given, window = t.Impression, aDay
	}
	if given == nil {
		return Touching{}, false
	}
	if bounds = *given; bounds.Window == 0 {
		bounds.Window = window
	}
	return bounds, true
}

// boundsOf are the fields of Touching that mean something for a kind of touch. Coupons and codes earn while they are in force.
func boundsOf(kind string) []string {
	switch kind {
	case TouchClick:
		return []string{"window", "min_age", "cart"}
	case TouchSoft, TouchImpression:
		return []string{"window", "min_age"}
	}
	return nil
}

// Base says what percentages are taken of, beside the amounts of the lines, which are after discount and before tax.
type Base struct {
	Tax            bool `json:"tax,omitempty"             jsonschema:"The tax on the lines as well."`
	Shipping       bool `json:"shipping,omitempty"        jsonschema:"Shipping as well."`
	ShippingTax    bool `json:"shipping_tax,omitempty"    jsonschema:"The tax on shipping as well."`
	BeforeDiscount bool `json:"before_discount,omitempty" jsonschema:"The lines before their discount."`
}

// Zero is an order on which nothing is paid, which is recorded with the code.
type Zero struct {
	ID    string `json:"id,omitempty"   jsonschema:"A name within the document."`
	Where Cond   `json:"where,omitzero" jsonschema:"Which orders: one of whose lines it holds for. Without it, all."`
	Code  string `json:"code"           jsonschema:"The reason that merchant and partner see, as restricted:CODE."`
}

// Rule pays for the lines of an order that it is about.
type Rule struct {
	ID    string `json:"id,omitempty"   jsonschema:"A name within its list; periods name rules by it, and records keep it."`
	To    Payee  `json:"to,omitempty"   jsonschema:"Who is paid. Left out, the partner."`
	Where Cond   `json:"where,omitzero" jsonschema:"What the rule is about; all of it must hold. Without it the rule is about every line."`
	Adds  bool   `json:"adds,omitempty" jsonschema:"The rule does not compete with others: it comes on top."`
	Pay   Pay    `json:"pay"            jsonschema:"What the rule pays."`
}

// Payee is who is paid.
type Payee string

// The payees. The zero value is ToPartner.
const (
	ToPartner    Payee = "partner"
	ToRecruiter  Payee = "recruiter"
	ToRecruiter2 Payee = "recruiter2"
	ToCustomer   Payee = "customer"
)

// Payees are all of them.
func Payees() []Payee { return []Payee{ToPartner, ToRecruiter, ToRecruiter2, ToCustomer} }

// Pay is what a rule pays: a percentage, a fixed amount, or both.
type Pay struct {
	Percent money.Rate `json:"percent,omitempty" jsonschema:"Millionths of what is left of the lines after refunds: 80000 is 8 %."`
	Of      Of         `json:"of,omitempty"      jsonschema:"What the percentage is of. Left out, the sale."`
	Fixed   int64      `json:"fixed,omitempty"   jsonschema:"An amount in minor units, for each of what per says."`
	Per     Per        `json:"per,omitempty"     jsonschema:"What the fixed amount is for. Left out, the order."`
	Max     int64      `json:"max,omitempty"     jsonschema:"The most that the rule pays on an order, in minor units."`
	Unit    string     `json:"unit,omitempty"    jsonschema:"POINT: the customer gets points in place of money."`
}

// MarshalJSON writes a percentage of 0 where the rule pays nothing else.
func (p Pay) MarshalJSON() ([]byte, error) {
	type rest Pay
	if p.Percent == 0 && p.Fixed == 0 {
		return json.Marshal(struct {
			Percent money.Rate `json:"percent"`
			rest
		}{0, rest(p)})
	}
	return json.Marshal(rest(p))
}

// missing names a field that must be there when none of its like is.
func (p Pay) missing(given map[string]bool) string {
	if given["percent"] || given["fixed"] {
		return ""
	}
	return "percent"
}

// Of is what a percentage is of.
type Of string

// What a percentage can be of. The zero value is OfSale.
const (
	OfSale       Of = "sale"
	OfCommission Of = "commission"
	OfFee        Of = "fee"
)

// Per is what a fixed amount is for.
type Per string

// What a fixed amount can be for. The zero value is PerOrder.
const (
	PerOrder Per = "order"
	PerLine  Per = "line"
	PerPiece Per = "piece"
	PerClick Per = "click"
	PerMille Per = "mille"
)

// Ofs are all of them.
func Ofs() []Of { return []Of{OfSale, OfCommission, OfFee} }

// Pers are all of them.
func Pers() []Per { return []Per{PerOrder, PerLine, PerPiece, PerClick, PerMille} }

// UnitPoint is the unit of points.
const UnitPoint = "POINT"

// Override is what a group of partners, or one partner, has instead of the program's. What it leaves out is the program's.
type Override struct {
	Group   string    `json:"group,omitempty"   jsonschema:"The group of partners."`
	Partner PartnerID `json:"partner,omitempty" jsonschema:"The number of the partner."`
	Rules   []Rule    `json:"rules,omitempty"   jsonschema:"Rules that come before the program's for each line that one of them matches."`
	Hold    *Duration `json:"hold,omitempty"    jsonschema:"Their hold."`
	Periods []Period  `json:"periods,omitzero"  jsonschema:"Their periods in place of the program's."`
}

// Period pays, or takes back, by what comes together in a period.
type Period struct {
	ID       string   `json:"id"                  jsonschema:"A name within its list; what was counted goes on under it when terms change."`
	To       Payee    `json:"to,omitempty"        jsonschema:"Who is paid. Left out, the partner."`
	Where    Cond     `json:"where,omitzero"      jsonschema:"Which lines count. Without it, every one."`
	Rules    []string `json:"rules,omitempty"     jsonschema:"Only what these rules paid counts."`
	Measure  Measure  `json:"measure"             jsonschema:"What is counted."`
	Period   Length   `json:"period"              jsonschema:"Over how long."`
	Mode     Mode     `json:"mode,omitempty"      jsonschema:"A tier pays for what is above its start (marginal), or for all once it is reached (retroactive). Left out, marginal."`
	Tiers    []Tier   `json:"tiers,omitempty"     jsonschema:"What is paid from which measure on, ascending."`
	Cap      int64    `json:"cap,omitempty"       jsonschema:"What is above this measure is not paid."`
	SkipHold bool     `json:"skip_hold,omitempty" jsonschema:"Payable at once, without a hold."`
}

// Measure is what a period counts.
type Measure string

// The measures: orders, minor units of revenue, minor units of commission.
const (
	MeasureCount      Measure = "count"
	MeasureRevenue    Measure = "revenue"
	MeasureCommission Measure = "commission"
)

// Measures are all of them.
func Measures() []Measure { return []Measure{MeasureCount, MeasureRevenue, MeasureCommission} }

// Length is how long a period is, in the document's zone.
type Length string

// The lengths of periods.
const (
	Day     Length = "day"
	Week    Length = "week"
	Month   Length = "month"
	Quarter Length = "quarter"
	Year    Length = "year"
	Ever    Length = "ever"
)

// Lengths are all of them.
func Lengths() []Length { return []Length{Day, Week, Month, Quarter, Year, Ever} }

// Mode is what a tier pays for.
type Mode string

// The modes. The zero value is Marginal.
const (
	Marginal    Mode = "marginal"
	Retroactive Mode = "retroactive"
)

// Tier is what is paid from a measure on: one of its four kinds.
type Tier struct {
	From         int64      `json:"from"                    jsonschema:"From this measure on."`
	Percent      money.Rate `json:"percent,omitempty"       jsonschema:"Millionths of the revenue."`
	OfCommission money.Rate `json:"of_commission,omitempty" jsonschema:"Millionths of the commission."`
	Each         int64      `json:"each,omitempty"          jsonschema:"Minor units for each order."`
	Once         int64      `json:"once,omitempty"          jsonschema:"Minor units, once."`
}

// MarshalJSON writes a percentage of 0 where the tier pays nothing.
func (t Tier) MarshalJSON() ([]byte, error) {
	type rest Tier
	if t.Percent == 0 && t.OfCommission == 0 && t.Each == 0 && t.Once == 0 {
		return json.Marshal(struct {
			From    int64      `json:"from"`
			Percent money.Rate `json:"percent"`
		}{t.From, 0})
	}
	return json.Marshal(rest(t))
}

// missing names a field that must be there when none of its like is.
func (t Tier) missing(given map[string]bool) string {
	if given["percent"] || given["of_commission"] || given["each"] || given["once"] {
		return ""
	}
	return "percent"
}

// NewDocument is the document of terms that pay by kind and category alone.
func NewDocument(window, hold time.Duration, networkFee money.Rate, rates Rates) Document {
	return Document{
		Schema:      Schema,
		Attribution: Attribution{Touches: Touches{Click: &Touching{Window: Duration(window)}}},
		Hold:        Duration(hold),
		NetworkFee:  networkFee,
		Rules:       rates.rules(),
	}
}

// ParseDocument reads a document. What does not belong there, what is missing, and what this version does not act on yet,
// is a fault.Invalid that names each field by its path, or the schema alone where that is a later one; what the fields say
// is for Check. Beside such an error the document holds what could be read of it.
func ParseDocument(data []byte) (Document, error) {
	d, bad := readDocument(data)
	if len(bad) == 0 {
		bad = d.unbuilt("", nil)
	}
	if len(bad) > 0 {
		return d, badDocument(bad)
	}
	return d, nil
}

// readDocument reads a document of all fields that there are.
func readDocument(data []byte) (d Document, bad []fault.Field) {
	bad = decode(data, &d)
	if d.Schema > Schema || len(bad) == 0 && d.Schema != Schema {
		bad = []fault.Field{fault.Wrong("schema", text.WrongForm(strconv.Itoa(d.Schema)), text.FixForm())}
	}
	return d, bad
}

func badDocument(fields []fault.Field) error {
	return &fault.Error{Kind: fault.Invalid, Code: "bad_terms", Fields: fields}
}

// JSON is the document as it is kept.
func (d *Document) JSON() []byte { return written(d) }

func written(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("program: writing terms: " + err.Error()) // numbers and texts alone
	}
	return data
}

package tracker

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/internal/text"
)

// saleGoal is that of an order that names none.
const saleGoal = "sale"

// countedGoals are what the network itself counts: nobody reports them.
func countedGoals() []string { return []string{"click", "impression"} }

// isSale tells whether a goal is a sale, however it is written.
func isSale(goal string) bool {
	goal = strings.TrimSpace(goal)
	return goal == "" || strings.EqualFold(goal, saleGoal)
}

// besideAmount is money beside an order's or a line's amount: 0 is none of it.
func besideAmount() bounds {
	return bounds{high: money.MaxAmount, negative: text.FixNoMinusBeside()}
}

// backShipping is shipping that goes back: 0 is none of it.
func backShipping() bounds {
	return bounds{high: money.MaxAmount, negative: text.FixNoMinus()}
}

// readFurther reads the fields from goal on, in the order of readSale's names.
func (s *SaleReport) readFurther(v [][]byte, r *review) {
	at := func(name string) place { return place{name: name} }
	s.Goal = r.text(at("goal"), v[0])
	s.ReferralCode = r.text(at("referral_code"), v[1])
	s.Coupons = r.texts("coupons", v[2])
	s.Path = r.texts("path", v[3])
	s.CustomerStatus = r.text(at("customer_status"), v[4])
	s.Shipping, _ = r.amount(at("shipping"), v[5], s.Currency, besideAmount())
	s.ShippingTax, _ = r.amount(at("shipping_tax"), v[6], s.Currency, besideAmount())
	s.Country = r.text(at("country"), v[7])
	s.Device = r.text(at("device"), v[8])
	s.Metadata = r.marks(v[9])
	s.CartedAt = r.instant(at("carted_at"), v[10])
	s.Test = r.truth(at("test"), v[11])
}

// readFurther reads the fields of a line from tax on, in the order of readLine's names.
func (l *Line) readFurther(v [][]byte, r *review, at place, currency string) {
	in := func(name string) place { at.name = name; return at }
	l.Tax, _ = r.amount(in("tax"), v[0], currency, besideAmount())
	l.Discount, _ = r.amount(in("discount"), v[1], currency, besideAmount())
	l.Part = r.text(in("part"), v[2])
	l.Country = r.text(in("country"), v[3])
	l.Device = r.text(in("device"), v[4])
}

// texts reads a list of texts, without those that are empty or null; absent it is nil. An empty list says as much.
func (r *review) texts(name string, raw []byte) (list []string) {
	if len(raw) > 0 && raw[0] == '[' && len(elements(raw)) == 0 {
		return nil
	}
	for i, value := range r.list(place{name: name}, raw, text.FixLeaveOut()) {
		if said := strings.TrimSpace(r.text(place{list: name, index: i}, value)); said != "" {
			list = append(list, said)
		}
	}
	return list
}

// marks reads an object of texts; absent or null it is nil, and one of null is empty.
func (r *review) marks(raw []byte) map[string]string {
	at := place{name: "metadata"}
	switch {
	case raw == nil || string(raw) == "null":
		return nil
	case raw[0] != '{':
		r.note(at, text.WrongNotObject(), text.FixSendLike(`{"plan": "yearly"}`))
		return nil
	}
	all := map[string]string{}
	for key, value := range members(raw) {
		name := string(key)
		within := place{name: "metadata." + cut(name, event.MaxMetadataKey)}
		if _, twice := all[name]; twice {
			r.note(within, text.WrongGivenTwice(), text.FixGiveOnce())
		}
		all[name] = r.text(within, value)
	}
	return all
}

// checkFurther brings the fields from goal on to their normal form, and notes what is wrong with them.
func (s *SaleReport) checkFurther(r *review) {
	if isSale(s.Goal) {
		s.Goal = ""
	}
	s.Goal = r.normalize(place{name: "goal"}, s.Goal, event.MaxGoal)
	if slices.ContainsFunc(countedGoals(), func(goal string) bool { return strings.EqualFold(goal, s.Goal) }) {
		r.note(place{name: "goal"}, text.WrongCountedGoal(), text.FixCountedGoal())
	}
	s.ReferralCode = r.normalize(place{name: "referral_code"}, s.ReferralCode, event.MaxText)
	s.Coupons = r.normalizeAll("coupons", s.Coupons, event.MaxCoupons)
	s.checkPath(r)
	s.CustomerStatus = r.oneOf(place{name: "customer_status"}, s.CustomerStatus, event.CustomerStatuses())
	s.CartedAt = s.CartedAt.Truncate(time.Microsecond)
	r.checkBeside(place{name: "shipping"}, s.Shipping)
	r.checkBeside(place{name: "shipping_tax"}, s.ShippingTax)
	s.Country = r.country(place{name: "country"}, s.Country)
	s.Device = r.oneOf(place{name: "device"}, s.Device, event.Devices())
	s.checkMetadata(r)
	s.checkBesideSum(r)
}

// checkBesideSum bounds the money beside the amount. Of what is too much the largest is named.
func (s *SaleReport) checkBesideSum(r *review) {
	var sum, most int64
	var largest place
	add := func(at place, amount int64) {
		if sum += amount; amount > most {
			most, largest = amount, at
		}
	}
	add(place{name: "shipping"}, s.Shipping)
	add(place{name: "shipping_tax"}, s.ShippingTax)
	for i := range s.Lines {
		add(place{list: "lines", index: i, name: "tax"}, s.Lines[i].Tax)
		add(place{list: "lines", index: i, name: "discount"}, s.Lines[i].Discount)
	}
	if sum > money.MaxAmount {
		r.note(largest, text.WrongBesideSize(), text.FixMinorUnitsOnce())
	}
}

// checkFurther brings the fields of a line from tax on to their normal form, and notes what is wrong with them.
func (l *Line) checkFurther(r *review, at func(name string) place) {
	r.checkBeside(at("tax"), l.Tax)
	r.checkBeside(at("discount"), l.Discount)
	l.Part = r.normalize(at("part"), l.Part, event.MaxText)
	l.Country = r.country(at("country"), l.Country)
	l.Device = r.oneOf(at("device"), l.Device, event.Devices())
}

func (r *review) checkBeside(at place, amount int64) {
	if amount < 0 || amount > money.MaxAmount {
		r.note(at, outside(amount, 0, money.MaxAmount), text.FixSendMinorUnits())
	}
}

// normalizeAll normalizes a list of texts, of which each is kept once.
func (r *review) normalizeAll(name string, list []string, most int) (kept []string) {
	for i, said := range list {
		if said = r.normalize(place{list: name, index: i}, said, event.MaxText); said != "" && !slices.Contains(kept, said) {
			kept = append(kept, said)
		}
	}
	r.checkSize(name, len(kept), most)
	return kept
}

func (r *review) checkSize(name string, n, most int) {
	if n > most {
		r.note(place{name: name}, text.WrongEntries(int64(n)), text.FixSendAtMost(strconv.Itoa(most)))
	}
}

// checkPath keeps the click ids of a path as that of the order is kept: whatever a shop sends in their place, warnings say.
func (s *SaleReport) checkPath(r *review) {
	for i := range s.Path {
		s.Path[i] = plain(s.Path[i], event.MaxText)
	}
	s.Path = slices.DeleteFunc(s.Path, func(id string) bool { return id == "" })
	r.checkSize("path", len(s.Path), event.MaxPath)
}

// checkMetadata brings the names and values to their normal form. An empty value says as much as leaving it out.
func (s *SaleReport) checkMetadata(r *review) {
	kept := make(map[string]string, len(s.Metadata))
	for _, key := range slices.Sorted(maps.Keys(s.Metadata)) {
		at := place{name: "metadata." + cut(key, event.MaxMetadataKey)}
		value := r.normalize(at, s.Metadata[key], event.MaxMetadataValue)
		if value == "" {
			continue
		}
		name := r.normalize(at, key, event.MaxMetadataKey)
		if name == "" {
			r.note(at, text.WrongEmpty(), text.FixLeaveOut())
		} else if _, twice := kept[name]; twice {
			r.note(place{name: "metadata." + name}, text.WrongGivenTwice(), text.FixGiveOnce())
		}
		kept[name] = value
	}
	r.checkSize("metadata", len(kept), event.MaxMetadata)
	if s.Metadata = kept; len(kept) == 0 {
		s.Metadata = nil
	}
}

// oneOf gives a text as it is among the choices, in whatever letters it is written.
func (r *review) oneOf(at place, said string, choices []string) string {
	said = strings.TrimSpace(said)
	i := slices.IndexFunc(choices, func(c string) bool { return strings.EqualFold(c, said) })
	switch {
	case i >= 0:
		return choices[i]
	case said != "":
		r.note(at, text.WrongChoice(strconv.Quote(cut(said, 40))), text.FixSendOneOf(strings.Join(choices, ", ")))
	}
	return ""
}

// country gives a country's two letters in capitals. UK is nobody else's, and is understood as GB, as terms call it.
func (r *review) country(at place, said string) string {
	said = strings.ToUpper(strings.TrimSpace(said))
	if said == "UK" {
		said = "GB"
	}
	if said != "" && !event.IsCountry(said) {
		r.note(at, text.WrongChoice(strconv.Quote(cut(said, 40))), text.FixSendCountry())
		return ""
	}
	return said
}

// checkCart holds the time of the cart that a merchant states within the bounds.
func (r *review) checkCart(stated, now time.Time) {
	if stated.After(now.Add(maxAhead)) {
		r.note(place{name: "carted_at"}, text.WrongFuture(stated.Format(time.RFC3339)), text.FixFuture())
	}
}

// checkShipping notes what is wrong with the shipping that goes back.
func (f *RefundReport) checkShipping(r *review) {
	at := place{name: "shipping"}
	switch {
	case f.Shipping < 0 || f.Shipping > money.MaxAmount-f.Amount:
		r.note(at, outside(f.Shipping, 0, money.MaxAmount), text.FixSendMinorUnits())
	case f.Shipping > 0 && f.WholeOrder:
		r.note(at, text.WrongTwoGiven("whole_order", "shipping"), text.FixLeaveShippingOut())
	}
}

// pathOf are the clicks of a path.
func pathOf(ids []string) []*event.Touch {
	if len(ids) == 0 {
		return nil
	}
	path := make([]*event.Touch, len(ids))
	for i, id := range ids {
		path[i] = &event.Touch{ClickId: id, Kind: uint32(event.PathClick)}
	}
	return path
}

// appendFurther writes the fields from goal on that are set.
func (s *SaleReport) appendFurther(b []byte) []byte {
	b = appendOptional(b, "goal", s.Goal)
	b = appendOptional(b, "referral_code", s.ReferralCode)
	b = appendTexts(b, "coupons", s.Coupons)
	b = appendTexts(b, "path", s.Path)
	b = appendOptional(b, "customer_status", s.CustomerStatus)
	b = appendAmount(b, "shipping", s.Shipping)
	b = appendAmount(b, "shipping_tax", s.ShippingTax)
	b = appendOptional(b, "country", s.Country)
	b = appendOptional(b, "device", s.Device)
	if len(s.Metadata) > 0 {
		b = append(b, `,"metadata":{`...)
		for i, key := range slices.Sorted(maps.Keys(s.Metadata)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendText(b, key), ':')
			b = appendText(b, s.Metadata[key])
		}
		b = append(b, '}')
	}
	b = appendInstant(b, "carted_at", s.CartedAt)
	return appendTest(b, s.Test)
}

// appendFurther writes the fields of a line from tax on that are set.
func (l *Line) appendFurther(b []byte) []byte {
	b = appendAmount(b, "tax", l.Tax)
	b = appendAmount(b, "discount", l.Discount)
	b = appendOptional(b, "part", l.Part)
	b = appendOptional(b, "country", l.Country)
	return appendOptional(b, "device", l.Device)
}

// appendAmount writes an amount that is not 0.
func appendAmount(b []byte, name string, amount int64) []byte {
	if amount == 0 {
		return b
	}
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	return strconv.AppendInt(b, amount, 10)
}

func appendTexts(b []byte, name string, list []string) []byte {
	if len(list) == 0 {
		return b
	}
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, `":[`...)
	for i, said := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, said)
	}
	return append(b, ']')
}

func appendTest(b []byte, test bool) []byte {
	if test {
		return append(b, `,"test":true`...)
	}
	return b
}

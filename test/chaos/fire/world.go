package fire

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/internal/keyring"
	"tributary/internal/money"
	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/program"
	"tributary/test/chaos/model"
	"tributary/tracker/clickid"
)

// World is the network of a run: who is in it, and what it takes to act as each of them.
type World struct {
	model.World

	Merchants []Merchant `json:"merchants"`
	Places    []Place    `json:"places"`

	ring, strange *clickid.Ring
}

// Merchant reports orders.
type Merchant struct {
	ID         int64    `json:"id"`
	Key        string   `json:"key"` // of its API; the network is thrown away after the run
	Currencies []string `json:"currencies"`
	// Carries says what the merchant's orders carry beside a click id.
	Carries carries `json:"carries"`
}

// carries is what a merchant reports with some orders. Where it is anything, the time of each is stated, and no line costs nothing.
type carries struct {
	Path     bool `json:"path,omitempty"`     // earlier clicks of the visitor, and coupons and referral codes
	Customer bool `json:"customer,omitempty"` // who bought
	Past     bool `json:"past,omitempty"`     // of long ago, as after a merchant's own outage
	Time     bool `json:"time,omitempty"`     // nothing but when
}

// Place is a tracking link that visitors follow.
type Place struct {
	Link     int64  `json:"link"`
	Code     string `json:"code"`
	Merchant int64  `json:"merchant"`
	// Path says that its program looks earlier clicks of the visitor up.
	Path bool `json:"path,omitempty"`
	// Exact says that the order's time matters to the minor unit: terms change, or the window is short.
	Exact bool `json:"exact"`
}

// programSpec is a program of the world before it has a number.
type programSpec struct {
	merchant   int
	currencies []string
	terms      []model.Terms
	exact      bool
}

// programs are what the merchants pay: different rates and fees, holds that end at once, during the run and long after
// it, a window that some orders miss, and terms that change under way.
func programs(now time.Time) []programSpec {
	const day = 24 * time.Hour
	past := now.Add(-200 * day)
	rates := func(site, member int64, more ...map[string]int64) map[string]map[string]int64 {
		r := map[string]map[string]int64{"site": {"*": site, "service": 0}, "member": {"*": member}}
		for _, m := range more {
			maps.Copy(r["site"], m)
		}
		return r
	}
	return []programSpec{
		{merchant: 0, currencies: []string{"GBP", "EUR"}, terms: []model.Terms{
			{From: past, Window: 30 * day, Hold: 5 * time.Second, Fee: 200_000, Path: true, Extension: 6 * time.Second, Rates: rates(80_000, 50_000, map[string]int64{"footwear": 125_000})},
		}},
		{merchant: 0, currencies: []string{"EUR"}, exact: true, terms: []model.Terms{
			{From: past, Window: 4 * time.Second, Hold: 0, Fee: 0, Rates: rates(333_333, 1)},
		}},
		{merchant: 1, currencies: []string{"JPY"}, exact: true, terms: []model.Terms{
			{From: past, Window: 30 * day, Hold: 20 * time.Second, Fee: 333_333, Rates: rates(33_333, 66_667)},
			{From: now.Add(90 * time.Second).Truncate(time.Second), Window: 30 * day, Hold: 2 * time.Second, Fee: 150_000, Rates: rates(999_999, 70_000)},
		}},
		{merchant: 2, currencies: []string{"USD", "KWD"}, terms: []model.Terms{
			{From: past, Window: 7 * day, Hold: 30 * day, Fee: 1_000_000, Rates: rates(1_000_000, 25_000, map[string]int64{"toys": 5})},
		}},
		{merchant: 3, currencies: []string{"EUR", "JPY"}, exact: true, terms: []model.Terms{
			{From: past, Window: 30 * day, Hold: 8 * time.Second, Fee: 333_333, Position: true, Codes: true, Extension: 4 * time.Second, Rates: rates(99_999, 50_001, map[string]int64{"footwear": 125_000})},
		}},
		{merchant: 3, currencies: []string{"EUR"}, exact: true, terms: []model.Terms{
			{From: past, Window: 30 * day, Hold: 30 * day, Fee: 100_000, Rates: rates(70_000, 30_000)},
		}},
		{merchant: 4, currencies: []string{"USD"}, exact: true, terms: []model.Terms{
			{From: past, Window: 30 * day, Hold: 5 * time.Second, Fee: 150_000, Months: 1, Extension: 10 * time.Second, Rates: rates(200_000, 100_000), Returning: rates(33_333, 20_000)},
		}},
		{merchant: 5, currencies: []string{"USD"}, exact: true, terms: []model.Terms{
			{From: past, Window: 30 * day, Hold: 200 * day, Fee: 200_000, Rates: rates(100_000, 50_000), Periods: []model.Period{
				{ID: "volume", Measure: "revenue", Tiers: []model.Tier{{From: 100_000, Percent: 20_000}, {From: 400_000, Percent: 33_333}}},
				{ID: "lift", Measure: "revenue", Retroactive: true, Tiers: []model.Tier{{From: 200_000, Percent: 10_000}, {From: 600_000, Percent: 15_000}}},
				{ID: "goal", Measure: "count", Tiers: []model.Tier{{From: 5, Once: 2_000}, {From: 20, Once: 10_000}}},
				{ID: "cap", Measure: "commission", Cap: 50_000},
			}},
		}},
		{merchant: 6, currencies: []string{"EUR"}, exact: true, terms: []model.Terms{
			{From: past, Window: 30 * day, Hold: 12 * time.Second, Fee: 250_000, Path: true, Position: true, Extension: 6 * time.Second, Rates: rates(99_999, 33_333)},
		}},
		{merchant: 6, currencies: []string{"EUR"}, exact: true, terms: []model.Terms{
			{From: past, Window: 30 * day, Hold: 30 * day, Fee: 100_000, Path: true, Rates: rates(50_000, 70_000)},
		}},
	}
}

// merchants are those of the world before they have numbers and keys.
func merchants() []Merchant {
	return []Merchant{
		{Currencies: []string{"GBP", "EUR"}},
		{Currencies: []string{"JPY"}},
		{Currencies: []string{"USD", "KWD"}},
		{Currencies: []string{"EUR", "JPY"}, Carries: carries{Path: true}},
		{Currencies: []string{"USD"}, Carries: carries{Customer: true, Past: true}},
		{Currencies: []string{"USD"}, Carries: carries{Past: true}},
		{Currencies: []string{"EUR"}, Carries: carries{Time: true}},
		{Currencies: []string{"EUR"}}, // of the programs that pay for clicks
	}
}

// NewWorld makes the network in an empty database, at the address of the operator's log-in.
func NewWorld(ctx context.Context, url string, key keyring.Key) (*World, error) {
	db, err := postgres.Open(ctx, url, postgres.Operator, 2)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	w := &World{World: model.World{Programs: map[int64]*model.Program{}, Links: map[int64]model.Link{}, Partners: map[int64]string{}, Codes: map[int64]map[string]model.Code{}}}
	if w.ring, err = clickid.NewRing([]keyring.Key{key}); err != nil {
		return nil, err
	}
	if w.strange, err = clickid.NewRing([]keyring.Key{keyring.Generate(key.ID + 1)}); err != nil {
		return nil, err
	}
	err = postgres.InTx(ctx, db, func(tx pgx.Tx) error { return w.create(ctx, tx, time.Now().UTC()) })
	if err != nil {
		return nil, fmt.Errorf("making the world: %w", err)
	}
	return w, nil
}

func (w *World) create(ctx context.Context, tx pgx.Tx, now time.Time) error {
	for n, m := range merchants() {
		id, err := partners.CreateMerchant(ctx, tx, fmt.Sprintf("Merchant %d", n+1))
		if err != nil {
			return err
		}
		key, _, err := partners.IssueKey(ctx, tx, id, "shop", partners.Reporting)
		if err != nil {
			return err
		}
		m.ID, m.Key = int64(id), key
		w.Merchants = append(w.Merchants, m)
	}
	for n := range 8 {
		kind := program.Site
		if n%3 == 2 {
			kind = program.Member
		}
		id, err := partners.CreatePartner(ctx, tx, partners.NewPartner{Kind: kind, Name: fmt.Sprintf("Partner %d", n+1)})
		if err != nil {
			return err
		}
		w.Partners[int64(id)] = string(kind)
	}
	for n, spec := range programs(now) {
		if err := w.createProgram(ctx, tx, fmt.Sprintf("Program %d", n+1), n, spec); err != nil {
			return err
		}
	}
	return w.plan(ctx, tx, now)
}

// createProgram makes the nth program, with a link for every other partner.
func (w *World) createProgram(ctx context.Context, tx pgx.Tx, name string, n int, spec programSpec) error {
	merchant := w.Merchants[spec.merchant].ID
	created := partners.NewProgram{
		Merchant: program.MerchantID(merchant), Name: name, LandingURL: "https://shop.example/",
		Currencies: spec.currencies,
	}
	for _, t := range spec.terms {
		created.Terms = append(created.Terms, partnerTerms(t))
	}
	id, err := partners.CreateProgram(ctx, tx, created)
	if err != nil {
		return err
	}
	w.Programs[int64(id)] = &model.Program{Merchant: merchant, Currencies: spec.currencies, Terms: spec.terms}
	for _, partner := range slices.Sorted(maps.Keys(w.Partners)) {
		if (partner+int64(n))%2 == 0 {
			continue
		}
		if err := partners.Enrol(ctx, tx, id, program.PartnerID(partner)); err != nil {
			return err
		}
		link, err := partners.CreateLink(ctx, tx, partners.NewLink{Program: id, Partner: program.PartnerID(partner)})
		if err != nil {
			return err
		}
		w.Links[int64(link.ID)] = model.Link{Program: int64(id), Partner: partner}
		w.Places = append(w.Places, Place{Link: int64(link.ID), Code: link.Code, Merchant: merchant, Path: spec.terms[0].Path, Exact: spec.exact})
		if spec.terms[0].Codes {
			if err := w.createCodes(ctx, tx, id, partner, spec.terms[0].From); err != nil {
				return err
			}
		}
	}
	return nil
}

// plan has every third partner of a program be paused for a while, and again, or leave, while the run goes on.
func (w *World) plan(ctx context.Context, tx pgx.Tx, now time.Time) error {
	for _, id := range slices.Sorted(maps.Keys(w.Links)) {
		if id%3 != 0 {
			continue
		}
		l := w.Links[id]
		out := func(after, lasts time.Duration) error {
			o := model.Out{Program: l.Program, Partner: l.Partner, From: now.Add(after + time.Duration(id)*777*time.Millisecond).Truncate(time.Millisecond)}
			n := partners.NewState{Program: program.ProgramID(l.Program), Partner: program.PartnerID(l.Partner), State: program.Left, From: o.From, Author: "operator"}
			if lasts > 0 {
				o.Until, n.State = o.From.Add(lasts), program.Paused
			}
			w.Outs = append(w.Outs, o)
			_, err := partners.SetState(ctx, tx, n)
			if err == nil && lasts > 0 {
				n.State, n.From = program.Approved, o.Until
				_, err = partners.SetState(ctx, tx, n)
			}
			return err
		}
		var err error
		if id%2 == 0 {
			err = out(time.Minute, 0)
		} else if err = out(20*time.Second, 25*time.Second); err == nil {
			err = out(75*time.Second, 25*time.Second)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// createCodes gives a partner a coupon of their own, one that is shared, and a referral code.
func (w *World) createCodes(ctx context.Context, tx pgx.Tx, id program.ProgramID, partner int64, from time.Time) error {
	merchant := w.Programs[int64(id)].Merchant
	if w.Codes[merchant] == nil {
		w.Codes[merchant] = map[string]model.Code{}
	}
	for _, n := range []partners.NewCoupon{
		{Code: fmt.Sprintf("OWN%d", partner), Exclusive: true},
		{Code: fmt.Sprintf("SHARED%d", partner)},
		{Code: fmt.Sprintf("FRIEND%d", partner), Kind: program.ReferralCode},
	} {
		n.Partner, n.From = program.PartnerID(partner), from
		if _, err := partners.AddCoupon(ctx, tx, id, "operator", n); err != nil {
			return err
		}
		w.Codes[merchant][n.Code] = model.Code{Program: int64(id), Partner: partner, Exclusive: n.Exclusive}
	}
	return nil
}

// partnerTerms are the model's terms as the network takes them.
func partnerTerms(t model.Terms) program.Version {
	d := program.NewDocument(t.Window, t.Hold, money.Rate(t.Fee), partnerRates(t.Rates))
	if t.Returning != nil {
		rules := program.NewDocument(t.Window, t.Hold, 0, partnerRates(t.Returning)).Rules
		for i := range rules {
			rules[i].Where = program.All(append(rules[i].Where, program.Test{Key: program.KeyCustomer, Texts: []string{commission.ReturningCustomer}})...)
		}
		d.Rules = append(d.Rules, rules...)
	}
	for _, country := range slices.Sorted(maps.Keys(t.PerClick)) {
		where := []program.Test{{Key: program.KeyGoal, Texts: []string{program.GoalClick}}}
		if country != "" {
			where = append(where, program.Test{Key: program.KeyCountry, Texts: []string{country}})
		}
		d.Currency = "EUR"
		pay := program.Pay{Fixed: t.PerClick[country], Per: program.PerClick}
		if pay.Fixed == 0 {
			pay = program.Pay{}
		}
		d.Rules = append(d.Rules, program.Rule{Where: program.All(where...), Pay: pay})
	}
	d.Extension = program.Duration(t.Extension)
	d.Attribution.Path = t.Path
	if t.Position {
		d.Attribution.Model = program.ModelPosition
	}
	if t.Codes {
		d.Attribution.Touches.Coupon, d.Attribution.Touches.Code = &program.Touching{}, &program.Touching{}
	}
	if t.Months > 0 {
		d.Attribution.Bind = &program.Bind{Months: t.Months}
	}
	for _, p := range t.Periods {
		d.Currency = "USD"
		d.Periods = append(d.Periods, partnerPeriod(p))
	}
	return program.Version{EffectiveFrom: t.From, Document: d}
}

func partnerRates(byKind map[string]map[string]int64) program.Rates {
	rates := program.Rates{}
	for kind, byCategory := range byKind {
		rates[program.Kind(kind)] = map[string]money.Rate{}
		for category, rate := range byCategory {
			rates[program.Kind(kind)][category] = money.Rate(rate)
		}
	}
	return rates
}

func partnerPeriod(p model.Period) program.Period {
	rule := program.Period{ID: p.ID, Measure: program.Measure(p.Measure), Period: program.Month, Cap: p.Cap}
	if p.Retroactive {
		rule.Mode = program.Retroactive
	}
	for _, t := range p.Tiers {
		rule.Tiers = append(rule.Tiers, program.Tier{From: t.From, Percent: money.Rate(t.Percent), Once: t.Once})
	}
	return rule
}

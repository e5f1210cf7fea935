package fire

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

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
}

// Place is a tracking link that visitors follow.
type Place struct {
	Link     int64  `json:"link"`
	Code     string `json:"code"`
	Merchant int64  `json:"merchant"`
	// Exact says that the order's time matters to the minor unit: terms change, or the window is short.
	Exact bool `json:"exact"`
}

// programSpec is a program of the world before it has a number.
type programSpec struct {
	merchant   int
	currencies []string
	terms      []model.Terms
	exact      bool
	// path says that the terms count a visitor's earlier clicks. No visitor of a run keeps a cookie, so there are none, and what the
	// order's own click earns stays as the model has it; but each order waits until a loader has said so.
	path bool
}

// programs are what the merchants pay: different rates and fees, holds that end at once, during the run and long after
// it, a window that some orders miss, and terms that change under way.
func programs(now time.Time) []programSpec {
	const day = 24 * time.Hour
	past := now.Add(-100 * day)
	rates := func(site, member int64, more ...map[string]int64) map[string]map[string]int64 {
		r := map[string]map[string]int64{"site": {"*": site, "service": 0}, "member": {"*": member}}
		for _, m := range more {
			maps.Copy(r["site"], m)
		}
		return r
	}
	return []programSpec{
		{merchant: 0, currencies: []string{"GBP", "EUR"}, path: true, terms: []model.Terms{
			{From: past, Window: 30 * day, Hold: 5 * time.Second, Fee: 200_000, Rates: rates(80_000, 50_000, map[string]int64{"footwear": 125_000})},
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
	}
}

// NewWorld makes the network in an empty database, at the address of the operator's log-in.
func NewWorld(ctx context.Context, url string, key keyring.Key) (*World, error) {
	db, err := postgres.Open(ctx, url, postgres.Operator, 2)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	w := &World{World: model.World{Programs: map[int64]*model.Program{}, Links: map[int64]model.Link{}, Partners: map[int64]string{}}}
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
	for n, currencies := range [][]string{{"GBP", "EUR"}, {"JPY"}, {"USD", "KWD"}} {
		id, err := partners.CreateMerchant(ctx, tx, fmt.Sprintf("Merchant %d", n+1))
		if err != nil {
			return err
		}
		key, _, err := partners.IssueKey(ctx, tx, id, "shop", partners.Reporting)
		if err != nil {
			return err
		}
		w.Merchants = append(w.Merchants, Merchant{ID: int64(id), Key: key, Currencies: currencies})
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
		if err := w.createProgram(ctx, tx, n, spec); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) createProgram(ctx context.Context, tx pgx.Tx, n int, spec programSpec) error {
	merchant := w.Merchants[spec.merchant].ID
	created := partners.NewProgram{
		Merchant: program.MerchantID(merchant), Name: fmt.Sprintf("Program %d", n+1), LandingURL: "https://shop.example/",
		Currencies: spec.currencies,
	}
	for _, t := range spec.terms {
		version := partnerTerms(t)
		version.Document.Attribution.Path = spec.path
		created.Terms = append(created.Terms, version)
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
		w.Places = append(w.Places, Place{Link: int64(link.ID), Code: link.Code, Merchant: merchant, Exact: spec.exact})
	}
	return nil
}

// partnerTerms are the model's terms as the network takes them.
func partnerTerms(t model.Terms) program.Version {
	rates := program.Rates{}
	for kind, byCategory := range t.Rates {
		rates[program.Kind(kind)] = map[string]money.Rate{}
		for category, rate := range byCategory {
			rates[program.Kind(kind)][category] = money.Rate(rate)
		}
	}
	return program.Version{EffectiveFrom: t.From, Document: program.NewDocument(t.Window, t.Hold, money.Rate(t.Fee), rates)}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/tools/txtar"

	"tributary/commission"
	"tributary/commission/audit"
	"tributary/commission/fx"
	"tributary/commission/inbox"
	"tributary/commission/whatif"
	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/program"
	"tributary/test/engines"
	"tributary/tracker"
)

// scenario is a case of the design, told as facts: docs/reference/decide.md.
type scenario struct {
	name     string
	terms    []program.Terms
	facts    []scenarioFact
	want     map[string]string // of orders and periods: what became of them
	merchant program.MerchantID
	program  program.ProgramID
	clicks   map[string]string // the click ids by their names
}

// scenarioFact is a line of a case; those that are Other cannot be sent by a tracker.
type scenarioFact struct {
	Partner *struct {
		ID                 program.PartnerID
		Kind               program.Kind
		Groups, Properties []string
		Recruiter          int64
	}
	Fact *struct {
		Partner     program.PartnerID
		Kind, Value string
		Ends        bool
		From        time.Time
	}
	Coupon *struct {
		Code, Kind  string
		Partner     program.PartnerID
		Exclusive   bool
		From, Until time.Time
	}
	Rate *struct {
		Base, Quote, Day string
		Num, Den         int64
	}
	Click *struct {
		ID, Kind string
		Partner  program.PartnerID
		At       time.Time
		Marks    []string
		Own      bool
	}
	Order *struct {
		ID, Currency, Goal, Click, Customer, Country, Device string
		At, Received                                         time.Time
		CartedAt                                             time.Time `json:"carted_at"`
		Path, Coupons                                        []string
		ReferralCode                                         string `json:"referral_code"`
		CustomerStatus                                       string `json:"customer_status"`
		Shipping                                             int64
		ShippingTax                                          int64 `json:"shipping_tax"`
		Metadata                                             map[string]string
		Test                                                 bool
		Lines                                                []struct {
			N, Amount, Tax, Discount int64
			SKU, Category, Part      string
			Country, Device          string
			Quantity                 *int64
		}
	}
	Refund *struct {
		Order, ID        string
		At, Received     time.Time
		Lines            []struct{ N, Quantity, Amount int64 }
		Amount, Shipping int64
		WholeOrder       bool `json:"whole_order"`
	}
	Bind *struct {
		Customer string
		Partner  program.PartnerID
		From     time.Time
	}
	Review, Claim, Dispute json.RawMessage
}

// beyond says that no merchant's import could tell a tracker of the fact: what people decide on pages, what pages and counters tell.
func (f *scenarioFact) beyond() bool {
	switch {
	case f.Review != nil || f.Claim != nil || f.Dispute != nil:
		return true
	case f.Partner != nil:
		return f.Partner.Kind != "" && f.Partner.Kind != program.Site
	case f.Click != nil:
		return f.Click.Kind != "" && f.Click.Kind != "click" || f.Click.Own || len(f.Click.Marks) > 0
	case f.Order != nil:
		return f.Order.Goal == "click" || f.Order.Goal == "impression" || !f.Order.Received.IsZero()
	case f.Refund != nil:
		return !f.Refund.Received.IsZero()
	}
	return false
}

// readScenario reads a case and decides it in memory; nil where it is beyond a tracker.
func readScenario(t *testing.T, file string) *scenario {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	part := map[string][]byte{}
	for _, f := range archive.Files {
		part[f.Name] = f.Data
	}
	s := &scenario{name: strings.TrimSuffix(filepath.Base(file), ".txtar"), want: map[string]string{}, clicks: map[string]string{}}
	if s.terms, err = whatif.ReadTerms(bytes.NewReader(part["terms.json"])); err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	for line := range bytes.Lines(part["facts.jsonl"]) {
		var f scenarioFact
		if err := json.Unmarshal(line, &f); err != nil { //nolint:musttag // members are named as they are written, but for capitals
			t.Fatalf("%s: %v", s.name, err)
		}
		if f.beyond() {
			return nil
		}
		s.facts = append(s.facts, f)
	}
	decided, err := whatif.Decide(s.terms, bytes.NewReader(part["facts.jsonl"]), time.Time{})
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	for i := range decided.Orders {
		d := &decided.Orders[i]
		s.want["order "+d.Order.ID] = string(d.Outcome)
		for n := range d.Credits {
			e := d.Earning(n, time.Time{})
			tell(s.want, fmt.Sprintf("%s: %s %d", d.Order.ID, e.Role, e.Partner), e.Unit, e.Gross, e.Net, e.Fee)
		}
	}
	for _, p := range decided.Periods {
		tell(s.want, fmt.Sprintf("period %s %s: %s %d", p.Of.Rule, p.Of.Span, p.Of.Role, p.Of.Partner), p.Of.Unit, p.Settlement.Amount, p.Settlement.Fee)
	}
	return s
}

// tell enters amounts of a unit, unless all are nothing.
func tell(to map[string]string, what, unit string, amounts ...int64) {
	if slices.ContainsFunc(amounts, func(n int64) bool { return n != 0 }) {
		to[what+" in "+unit] = fmt.Sprint(amounts)
	}
}

// beginning is when terms and facts without a time of their own begin.
func beginning() time.Time { return time.Unix(0, 0).UTC() }

// create makes the merchant and the program of a case, with all that decides its orders.
func (s *scenario) create(ctx context.Context, tx pgx.Tx) (err error) {
	if s.merchant, err = partners.CreateMerchant(ctx, tx, "case "+s.name); err != nil {
		return err
	}
	sold := partners.NewProgram{
		Merchant: s.merchant, Name: "case " + s.name, LandingURL: "https://shop.example/", Currencies: []string{"USD", "EUR", "GBP", "JPY"},
	}
	for i := range s.terms {
		sold.Terms = append(sold.Terms, program.Version{EffectiveFrom: s.terms[i].EffectiveFrom, Document: *s.terms[i].Document})
	}
	if s.program, err = partners.CreateProgram(ctx, tx, sold); err != nil {
		return err
	}
	for i := range s.facts {
		if p := s.facts[i].Partner; p != nil {
			if err := partners.Enrol(ctx, tx, s.program, p.ID); err != nil {
				return err
			}
		}
	}
	know := func(partner program.PartnerID, kind, value string, ends bool, from time.Time) error {
		_, err := tx.Exec(ctx, `INSERT INTO enrolment_fact (program_id, partner_id, kind, value, ends, effective_from, author) VALUES ($1, $2, $3, $4, $5, $6, 'test')`,
			s.program, partner, kind, value, ends, from)
		return err
	}
	for i := range s.facts {
		f := &s.facts[i]
		if k := f.Fact; k != nil {
			err = know(k.Partner, k.Kind, k.Value, k.Ends, k.From)
		}
		if p := f.Partner; p != nil {
			known := map[string][]string{"group": p.Groups, "property": p.Properties}
			if p.Recruiter != 0 {
				known["recruiter"] = []string{strconv.FormatInt(p.Recruiter, 10)}
			}
			for kind, values := range known {
				for _, value := range values {
					err = errors.Join(err, know(p.ID, kind, value, false, beginning()))
				}
			}
		}
		if c := f.Coupon; c != nil {
			_, err = tx.Exec(ctx, `INSERT INTO coupon (program_id, code, written, kind, partner_id, exclusive, effective_from, effective_until, author)
				VALUES ($1, $2, $3, coalesce(nullif($4, ''), 'coupon'), nullif($5::bigint, 0), $6, greatest($7, timestamptz '1970-01-01 00:00:00+00'),
					nullif($8, timestamptz '0001-01-01 00:00:00+00'), 'test')`,
				s.program, program.NormalCode(c.Code), c.Code, c.Kind, int64(c.Partner), c.Exclusive, c.From, c.Until)
		}
		if err != nil {
			return fmt.Errorf("case %s: %w", s.name, err)
		}
	}
	return nil
}

// send reports the clicks, orders and refunds of a case to a tracker, in its order.
func (s *scenario) send(ctx context.Context, r *river, bulk *tracker.Bulk, links map[program.PartnerID]program.LinkID) error {
	for i := range s.facts {
		if c := s.facts[i].Click; c != nil {
			s.clicks[c.ID] = r.ring.Mint(int64(links[c.Partner]), c.At)
		}
	}
	click := func(name string) string {
		if id, known := s.clicks[name]; known || name == "" {
			return id
		}
		return name
	}
	for i := range s.facts {
		f := &s.facts[i]
		var err error
		switch {
		case f.Order != nil:
			o := f.Order
			report := &tracker.SaleReport{
				OrderID: o.ID, Currency: o.Currency, ClickID: click(o.Click), Coupons: o.Coupons, CustomerID: o.Customer, OccurredAt: o.At,
				Goal: o.Goal, ReferralCode: o.ReferralCode, CustomerStatus: o.CustomerStatus, Country: o.Country, Device: o.Device,
				Shipping: o.Shipping, ShippingTax: o.ShippingTax, Metadata: o.Metadata, CartedAt: o.CartedAt, Test: o.Test,
			}
			for _, c := range o.Path {
				report.Path = append(report.Path, click(c))
			}
			for _, l := range o.Lines {
				line := tracker.Line{
					Number: l.N, SKU: l.SKU, Quantity: 1, Amount: l.Amount, Tax: l.Tax, Discount: l.Discount,
					Category: l.Category, Part: l.Part, Country: l.Country, Device: l.Device,
				}
				if l.Quantity != nil {
					line.Quantity = *l.Quantity
				}
				report.Amount += l.Amount
				report.Lines = append(report.Lines, line)
			}
			_, err = bulk.Sale(ctx, s.merchant, report)
		case f.Refund != nil:
			o := f.Refund
			report := &tracker.RefundReport{OrderID: o.Order, RefundID: o.ID, Amount: o.Amount, WholeOrder: o.WholeOrder, Shipping: o.Shipping, OccurredAt: o.At}
			for _, l := range o.Lines {
				report.Items = append(report.Items, tracker.RefundItem{Line: l.N, Quantity: l.Quantity, Amount: l.Amount, WholeLine: l.Quantity == 0 && l.Amount == 0})
			}
			_, err = bulk.Refund(ctx, s.merchant, report)
		}
		if err != nil {
			return fmt.Errorf("case %s: %w", s.name, err)
		}
	}
	return nil
}

// stands is what the tables say of a case, told as want is.
func (s *scenario) stands(ctx context.Context, db *pgxpool.Pool) (map[string]string, error) {
	all := map[string]string{}
	rows, err := db.Query(ctx, `SELECT order_id, outcome FROM orders WHERE merchant_id = $1`, s.merchant)
	if err != nil {
		return nil, err
	}
	var order, outcome string
	if _, err := pgx.ForEachRow(rows, []any{&order, &outcome}, func() error { all["order "+order] = outcome; return nil }); err != nil {
		return nil, err
	}
	rows, err = db.Query(ctx, `SELECT format('%s: %s %s', o.order_id, c.role, c.partner_id), c.unit, c.gross, c.net, c.fee
		FROM commission c JOIN orders o ON o.no = c.order_no WHERE o.merchant_id = $1`, s.merchant)
	if err != nil {
		return nil, err
	}
	var what, unit string
	var gross, net, fee int64
	if _, err := pgx.ForEachRow(rows, []any{&what, &unit, &gross, &net, &fee}, func() error { tell(all, what, unit, gross, net, fee); return nil }); err != nil {
		return nil, err
	}
	rows, err = db.Query(ctx, `SELECT format('period %s %s: %s %s', rule, span, role, partner_id), unit, net, fee FROM period WHERE merchant_id = $1`, s.merchant)
	if err != nil {
		return nil, err
	}
	_, err = pgx.ForEachRow(rows, []any{&what, &unit, &net, &fee}, func() error { tell(all, what, unit, net, fee); return nil })
	return all, err
}

// scenarios are the cases of the design, by their numbers, that a tracker can be told.
func scenarios(t *testing.T) (all []*scenario) {
	t.Helper()
	files, err := filepath.Glob("../../commission/whatif/testdata/cases/[0-9]*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if s := readScenario(t, file); s != nil {
			all = append(all, s)
		}
	}
	if len(all) < 60 {
		t.Fatalf("only %d cases: a tracker can be told of more", len(all))
	}
	return all
}

// TestTheCasesOfTheDesignThroughTheWholePipeline sends each case, a merchant of its own, through a tracker's spool, Kafka and an engine
// into PostgreSQL, and holds orders, commissions and periods there against what deciding its facts in memory says, which
// whatif.TestCases holds against the design.
func TestTheCasesOfTheDesignThroughTheWholePipeline(t *testing.T) {
	t.Parallel()
	all := scenarios(t)
	url, kafka := engines.PostgresURL(t), engines.Kafka(t)
	a := &app{}
	if err := newRootOf(a, nil).PersistentFlags().Parse([]string{"--data", t.TempDir(), "--partitions", "3", "--books-check", "0"}); err != nil {
		t.Fatal(err)
	}
	a.log = a.cfg.logger(testLog{t})
	r, err := newRiver(&a.cfg, a.log, stores{postgres: engines.RoleURLs(url), kafka: kafka.Cluster}, clickKeys)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	ctx := t.Context()
	if err := r.kafka.CreateTopics(ctx, a.cfg.Partitions, time.Hour); err != nil {
		t.Fatal(err)
	}
	db, err := pgxpool.New(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	links := settle(t, db, all)
	network, err := r.catalogue(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	in, err := r.intake(network)
	if err != nil {
		t.Fatal(err)
	}
	defer in.spool.Close()
	in.config.Now = func() time.Time { return time.Date(2027, time.June, 1, 0, 0, 0, 0, time.UTC) } // some cases are told of later than today
	source, err := tracker.NewIntake(in.config)
	if err != nil {
		t.Fatal(err)
	}
	err = beside(ctx, func(ctx context.Context) error {
		bulk := source.Bulk()
		for _, s := range all {
			if err := s.send(ctx, r, bulk, links[s]); err != nil {
				return err
			}
		}
		if err := bulk.Wait(ctx); err != nil {
			return err
		}
		if err := bindAll(ctx, db, all, a.cfg.Partitions); err != nil {
			return err
		}
		return awaitScenarios(ctx, t, db, all)
	}, in.spool.Run, in.relay.Run, r.engine)
	if err != nil {
		t.Fatal(err)
	}
	verdict, err := audit.Verify(ctx, audit.Check{DB: db, VerifyClick: verifyClick(r.ring), Partitions: a.cfg.Partitions})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range verdict.Findings {
		if f.Severity == audit.Broken {
			t.Errorf("verify: %s", f)
		}
	}
}

// bindAll has an operator say whom customers belong to.
func bindAll(ctx context.Context, db *pgxpool.Pool, all []*scenario, partitions int) error {
	for _, s := range all {
		for i := range s.facts {
			if b := s.facts[i].Bind; b != nil {
				to := inbox.Binding{Merchant: s.merchant, Customer: b.Customer, Program: s.program, Partner: b.Partner, From: b.From}
				if err := inbox.WriteBind(ctx, db, to, "anna", "they asked", partitions); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// settle makes the partners, the rates and every case, and gives the links of each.
func settle(t *testing.T, db *pgxpool.Pool, all []*scenario) map[*scenario]map[program.PartnerID]program.LinkID {
	t.Helper()
	links := map[*scenario]map[program.PartnerID]program.LinkID{}
	err := postgres.InTx(t.Context(), db, func(tx pgx.Tx) error {
		for last := program.PartnerID(0); last < 17; { // the cases count them from 1
			id, err := partners.CreatePartner(t.Context(), tx, partners.NewPartner{Kind: program.Site, Name: "a site"})
			if err != nil {
				return err
			}
			last = id
		}
		var rates []fx.Entry
		for _, s := range all {
			if err := s.create(t.Context(), tx); err != nil {
				return err
			}
			links[s] = map[program.PartnerID]program.LinkID{}
			for i := range s.facts {
				if p := s.facts[i].Partner; p != nil {
					link, err := partners.CreateLink(t.Context(), tx, partners.NewLink{Program: s.program, Partner: p.ID})
					if err != nil {
						return err
					}
					links[s][p.ID] = link.ID
				}
				if rate := s.facts[i].Rate; rate != nil {
					day, err := time.Parse(time.DateOnly, rate.Day)
					if err != nil {
						return err
					}
					rates = append(rates, fx.Entry{Rate: commission.Rate{Base: rate.Base, Quote: rate.Quote, Day: day, Source: "file", Num: rate.Num, Den: rate.Den}, Published: day})
				}
			}
		}
		_, err := fx.Enter(t.Context(), tx, rates, "test", "")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return links
}

// awaitScenarios waits until every case stands as it should, and tells which do not after a minute and a half.
func awaitScenarios(ctx context.Context, t *testing.T, db *pgxpool.Pool, all []*scenario) error {
	t.Helper()
	for deadline := time.Now().Add(90 * time.Second); len(all) > 0; time.Sleep(50 * time.Millisecond) {
		late := time.Now().After(deadline)
		var open []*scenario
		for _, s := range all {
			have, err := s.stands(ctx, db)
			if err != nil {
				return err
			}
			if !maps.Equal(have, s.want) {
				open = append(open, s)
				if late {
					t.Errorf("case %s (-decided +pipeline):\n%s", s.name, cmp.Diff(s.want, have))
				}
			}
		}
		if all = open; late {
			return nil
		}
	}
	return nil
}

package retail

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/commission/ledger"
	"tributary/commission/ledger/chart"
	"tributary/internal/money"
	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/catalogue"
	"tributary/partners/program"
	"tributary/tracker"
	"tributary/tracker/clickid"
)

// Answer is what the replay prints: retail-replay.md says what each figure means. Money is in pence.
type Answer struct {
	Orders          int64          `json:"orders"`
	Lines           int64          `json:"lines"`
	Revenue         int64          `json:"revenue"`
	Refunded        int64          `json:"refunded"`
	Unattributed    int64          `json:"unattributed"`
	UnmatchedPieces int64          `json:"unmatched_pieces"`
	Total           Row            `json:"total"`
	Partners        map[string]Row `json:"partners"`
}

// Row is what one partner earned.
type Row struct {
	Orders  int64 `json:"orders"`
	Lines   int64 `json:"lines"`
	Gross   int64 `json:"gross"`
	Net     int64 `json:"net"`
	Fee     int64 `json:"fee"`
	Pending int64 `json:"pending"`
	Payable int64 `json:"payable"`
}

// Shop is the replay's merchant in this installation.
type Shop struct {
	merchant program.MerchantID
	links    [partnerCount]*partners.Link
}

const merchantName = "Online Retail (replay)"

// SetUp finds or makes the merchant, program, partners and links of the replay.
func SetUp(ctx context.Context, db *pgxpool.Pool, catalogue *catalogue.Catalogue) (*Shop, error) {
	shop := &Shop{}
	err := db.QueryRow(ctx, `SELECT id FROM merchant WHERE name = $1 ORDER BY id LIMIT 1`, merchantName).Scan(&shop.merchant)
	if errors.Is(err, pgx.ErrNoRows) {
		err = postgres.InTx(ctx, db, func(tx pgx.Tx) error { return shop.create(ctx, tx) })
	}
	if err != nil {
		return nil, fmt.Errorf("setting up the retail program: %w", err)
	}
	if err := catalogue.Refresh(ctx, db); err != nil {
		return nil, err
	}
	for i := range shop.links {
		link, ok := catalogue.LinkByCode(linkCode(i))
		if !ok || link.Merchant != shop.merchant {
			return nil, fmt.Errorf("setting up the retail program: link %s is missing; use another data folder", linkCode(i))
		}
		shop.links[i] = link
	}
	return shop, nil
}

func linkCode(partner int) string { return fmt.Sprintf("retail-p%02d", partner) }

func partnerName(partner int) string { return fmt.Sprintf("P%02d", partner) }

func (s *Shop) create(ctx context.Context, tx pgx.Tx) error {
	var err error
	if s.merchant, err = partners.CreateMerchant(ctx, tx, merchantName); err != nil {
		return err
	}
	terms := func(from time.Time, site, member money.Rate) program.Version {
		return program.Version{EffectiveFrom: from, Document: program.NewDocument(30*24*time.Hour, 30*24*time.Hour, 200_000, program.Rates{
			program.Site: {"product": site, "service": 0}, program.Member: {"product": member, "service": 0},
		})}
	}
	programID, err := partners.CreateProgram(ctx, tx, partners.NewProgram{
		Merchant: s.merchant, Name: "Online Retail", LandingURL: "https://retail.example/", Currencies: []string{"GBP"},
		Terms: []program.Version{
			terms(time.Unix(0, 0).UTC(), 80_000, 50_000),
			terms(time.Date(2011, 6, 1, 0, 0, 0, 0, time.UTC), 100_000, 60_000),
		},
	})
	if err != nil {
		return err
	}
	for i := range partnerCount {
		n := partners.NewPartner{Kind: program.Site, Name: partnerName(i), SiteURL: fmt.Sprintf("https://p%02d.example/", i)}
		if i >= siteCount {
			n.Kind, n.SiteURL = program.Member, ""
		}
		id, err := partners.CreatePartner(ctx, tx, n)
		if err != nil {
			return err
		}
		if err := partners.Enrol(ctx, tx, programID, id); err != nil {
			return err
		}
		if _, err := partners.CreateLink(ctx, tx, partners.NewLink{Program: programID, Partner: id, Code: linkCode(i)}); err != nil {
			return err
		}
	}
	return nil
}

// Order is how the events of the file are sent.
type Order struct {
	// Shuffled sends them in a random order drawn from Seed, and not in that of the file.
	Shuffled bool
	Seed     uint64
	// Twice sends each of them twice.
	Twice bool
}

// Send appends every event to the spool and waits for the disk. It gives how many there were.
func (s *Shop) Send(ctx context.Context, bulk *tracker.Bulk, ring *clickid.Ring, data *History, o Order) (int, error) {
	ids := map[*visit]string{}
	for _, c := range data.clicks {
		ids[c] = ring.MintAs(int64(s.links[c.partner].ID), c.at, c.nonce())
	}
	var events []func() error
	for _, c := range data.clicks {
		events = append(events, func() error {
			_, err := bulk.Click(ctx, tracker.Click{Link: s.links[c.partner], At: c.at, ID: ids[c], EventID: tracker.ImportID("click", ids[c], c.at)})
			return err
		})
	}
	for _, order := range data.orders {
		if len(order.lines) > 0 {
			events = append(events, func() error {
				_, err := bulk.Sale(ctx, s.merchant, order.report(ids[order.click]))
				return err
			})
		}
	}
	for _, refund := range data.refunds {
		events = append(events, func() error {
			_, err := bulk.Refund(ctx, s.merchant, refund.report())
			return err
		})
	}
	if o.Twice {
		events = append(events, events...)
	}
	if o.Shuffled {
		order := rand.New(rand.NewPCG(o.Seed, 0)) //nolint:gosec // an order to be repeated, not a secret
		order.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	}
	for _, send := range events {
		if err := send(); err != nil {
			return 0, fmt.Errorf("sending the replay: %w", err)
		}
	}
	return len(events), bulk.Wait(ctx)
}

// nonce makes the click's id the same in every replay.
func (c *visit) nonce() [8]byte {
	h := fnv.New64a()
	fmt.Fprintf(h, "click %s:%d", c.customer, c.k)
	return [8]byte(h.Sum(nil))
}

func (o *sale) report(clickID string) *tracker.SaleReport {
	report := &tracker.SaleReport{
		OrderID: o.id, Currency: "GBP", ClickID: clickID, CustomerID: o.customer, OccurredAt: o.at,
		EventID: tracker.ImportID("sale", o.id, o.at),
	}
	for _, l := range o.lines {
		report.Amount += l.amount
		report.Lines = append(report.Lines, tracker.Line{Number: l.number, SKU: l.sku, Quantity: l.quantity, Amount: l.amount, Category: l.category})
	}
	return report
}

func (f *takeback) report() *tracker.RefundReport {
	report := &tracker.RefundReport{
		OrderID: f.order, RefundID: f.id, OccurredAt: f.at, EventID: tracker.ImportID("refund", f.order+"/"+f.id, f.at),
	}
	for number, pieces := range f.pieces {
		report.Items = append(report.Items, tracker.RefundItem{Line: number, Quantity: pieces})
	}
	slices.SortFunc(report.Items, func(a, b tracker.RefundItem) int { return int(a.Line - b.Line) })
	return report
}

// Answer reads the books as of 2011-12-10 00:00:00 UTC.
func (s *Shop) Answer(ctx context.Context, db *pgxpool.Pool, data *History) (*Answer, error) {
	a := &Answer{UnmatchedPieces: data.unmatchedPieces, Partners: map[string]Row{}}
	for _, o := range data.orders {
		if len(o.lines) > 0 {
			a.Orders++
			a.Lines += int64(len(o.lines))
		}
	}
	err := db.QueryRow(ctx, `SELECT coalesce(sum(amount), 0)::bigint, coalesce(sum(refunded), 0)::bigint, count(*) FILTER (WHERE outcome <> 'credited')
		FROM orders WHERE merchant_id = $1`, s.merchant).Scan(&a.Revenue, &a.Refunded, &a.Unattributed)
	if err != nil {
		return nil, fmt.Errorf("reading the orders: %w", err)
	}
	names := map[program.PartnerID]string{}
	for i, link := range s.links {
		names[link.Partner] = partnerName(i)
		a.Partners[partnerName(i)] = Row{}
	}
	if err := s.earned(ctx, db, a, names); err != nil {
		return nil, err
	}
	asOf := time.Date(2011, 12, 10, 0, 0, 0, 0, time.UTC)
	balances, err := ledger.MerchantBalances(ctx, db, s.merchant, asOf)
	if err != nil {
		return nil, fmt.Errorf("reading the ledger: %w", err)
	}
	for _, b := range balances {
		row := a.Partners[names[b.Account.Partner]]
		switch b.Account.Kind {
		case chart.PartnerPending:
			row.Pending += b.Amount()
		case chart.PartnerPayable:
			row.Payable += b.Amount()
		default:
			continue
		}
		a.Partners[names[b.Account.Partner]] = row
	}
	for _, row := range a.Partners {
		a.Total.Orders += row.Orders
		a.Total.Lines += row.Lines
		a.Total.Gross += row.Gross
		a.Total.Net += row.Net
		a.Total.Fee += row.Fee
		a.Total.Pending += row.Pending
		a.Total.Payable += row.Payable
	}
	return a, nil
}

// earned reads each partner's commissions.
func (s *Shop) earned(ctx context.Context, db *pgxpool.Pool, a *Answer, names map[program.PartnerID]string) error {
	rows, err := db.Query(ctx, `SELECT partner_id, count(*), sum(lines)::bigint, sum(gross)::bigint, sum(net)::bigint, sum(fee)::bigint
		FROM commission WHERE merchant_id = $1 GROUP BY partner_id`, s.merchant)
	if err != nil {
		return fmt.Errorf("reading the commissions: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id program.PartnerID
		var row Row
		if err := rows.Scan(&id, &row.Orders, &row.Lines, &row.Gross, &row.Net, &row.Fee); err != nil {
			return fmt.Errorf("reading the commissions: %w", err)
		}
		a.Partners[names[id]] = row
	}
	return rows.Err()
}

// PartnerNames are all of them, in order.
func PartnerNames() (names []string) {
	for i := range partnerCount {
		names = append(names, partnerName(i))
	}
	return names
}

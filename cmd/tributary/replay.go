package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"tributary/commission/ledger"
	"tributary/internal/money"
	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/program"
	"tributary/tracker"
)

func newReplay(a *app) *cobra.Command {
	var o replayOptions
	replay := &cobra.Command{Use: "replay", Short: "Send recorded history through the whole river"}
	retail := &cobra.Command{
		Use:   "retail FILE",
		Short: "Replay the orders of a real web shop and print what everyone earned",
		Long: `Replay the UCI Online Retail file (CSV, plain or gzipped): its orders and cancellations, with fifty partners and their
clicks placed by a fixed rule, go through spool, Kafka, engine and loader with their historic times. Prints the books as of
2011-12-10 00:00:00 UTC. The books are the same whatever order the events come in and how often: try --shuffle and --twice.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.file, o.out, o.progress = args[0], cmd.OutOrStdout(), cmd.ErrOrStderr()
			o.shuffled = cmd.Flags().Changed("shuffle")
			return a.withStores(cmd.Context(), everything(allLogins()...), os.Stderr, func(ctx context.Context, s stores) error {
				if err := a.prepare(ctx, s, everything(allLogins()...)); err != nil {
					return err
				}
				r, err := newRiver(&a.cfg, a.log, s, clickKeys, recordKeys)
				if err != nil {
					return err
				}
				defer r.close()
				return r.replayRetail(ctx, o)
			})
		},
	}
	retail.Flags().BoolVar(&o.json, "json", false, "print one JSON object")
	retail.Flags().Uint64Var(&o.seed, "shuffle", 0, "send the events in a random order drawn from this seed")
	retail.Flags().BoolVar(&o.twice, "twice", false, "send every event twice")
	replay.AddCommand(retail)
	return replay
}

type replayOptions struct {
	file     string
	json     bool
	shuffled bool
	seed     uint64
	twice    bool
	out      io.Writer
	progress io.Writer
}

// retailAnswer is what the replay prints: retail-replay.md says what each figure means. Money is in pence.
type retailAnswer struct {
	Orders          int64                `json:"orders"`
	Lines           int64                `json:"lines"`
	Revenue         int64                `json:"revenue"`
	Refunded        int64                `json:"refunded"`
	Unattributed    int64                `json:"unattributed"`
	UnmatchedPieces int64                `json:"unmatched_pieces"`
	Total           retailRow            `json:"total"`
	Partners        map[string]retailRow `json:"partners"`
}

type retailRow struct {
	Orders  int64 `json:"orders"`
	Lines   int64 `json:"lines"`
	Gross   int64 `json:"gross"`
	Net     int64 `json:"net"`
	Fee     int64 `json:"fee"`
	Pending int64 `json:"pending"`
	Payable int64 `json:"payable"`
}

// replayRetail runs the river for as long as it takes to send the file and for everything to arrive.
func (r *river) replayRetail(ctx context.Context, o replayOptions) error {
	began := time.Now()
	say := func(format string, args ...any) {
		fmt.Fprintf(o.progress, "%5.1fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
	data, err := readRetail(o.file)
	if err != nil {
		return err
	}
	say("read %d orders, %d clicks and %d refunds", len(data.orders), len(data.clicks), len(data.refunds))
	db, err := r.open(ctx, postgres.Operator, 4)
	if err != nil {
		return err
	}
	defer db.Close()
	catalogue, err := r.catalogue(ctx, db)
	if err != nil {
		return err
	}
	in, err := r.intake(catalogue) // before anything is made: on the folder of a running demo the replay ends here
	if err != nil {
		return err
	}
	defer in.spool.Close()
	shop, err := r.retailShop(ctx, db, catalogue)
	if err != nil {
		return err
	}
	source, err := tracker.NewIntake(in.config)
	if err != nil {
		return fmt.Errorf("making the intake: %w", err)
	}
	var answer *retailAnswer
	err = beside(ctx, func(ctx context.Context) error {
		sent, err := r.sendRetail(ctx, source.Bulk(), shop, data, o)
		if err != nil {
			return err
		}
		say("sent %d events; they are on disk", sent)
		q := &quiet{db: db, kafka: r.kafka, partitions: r.cfg.Partitions, intake: in}
		if err := q.await(ctx, func(left string) { say("waiting for %s", left) }); err != nil {
			return err
		}
		say("nothing is in flight")
		answer, err = shop.answer(ctx, db, data)
		return err
	}, in.spool.Run, in.relay.Run, r.engine, r.loader)
	if err != nil {
		return err
	}
	return answer.print(o)
}

// retailShop is the replay's merchant in this installation.
type retailShop struct {
	merchant program.MerchantID
	links    [retailPartners]*partners.Link
}

const retailMerchant = "Online Retail (replay)"

// retailShop finds or makes the merchant, program, partners and links of the replay.
func (r *river) retailShop(ctx context.Context, db *pgxpool.Pool, catalogue *partners.Catalogue) (*retailShop, error) {
	shop := &retailShop{}
	err := db.QueryRow(ctx, `SELECT id FROM merchant WHERE name = $1 ORDER BY id LIMIT 1`, retailMerchant).Scan(&shop.merchant)
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
		link, ok := catalogue.LinkByCode(retailCode(i))
		if !ok || link.Merchant != shop.merchant {
			return nil, fmt.Errorf("setting up the retail program: link %s is missing; use another data folder", retailCode(i))
		}
		shop.links[i] = link
	}
	return shop, nil
}

func retailCode(partner int) string { return fmt.Sprintf("retail-p%02d", partner) }

func retailPartnerName(partner int) string { return fmt.Sprintf("P%02d", partner) }

func (s *retailShop) create(ctx context.Context, tx pgx.Tx) error {
	var err error
	if s.merchant, err = partners.CreateMerchant(ctx, tx, retailMerchant); err != nil {
		return err
	}
	terms := func(from time.Time, site, member money.Rate) program.Terms {
		return program.Terms{
			EffectiveFrom: from, Window: 30 * day, Hold: 30 * day, NetworkFee: 200_000,
			Rates: map[program.Kind]map[string]money.Rate{
				program.Site: {"product": site, "service": 0}, program.Member: {"product": member, "service": 0},
			},
		}
	}
	programID, err := partners.CreateProgram(ctx, tx, partners.NewProgram{
		Merchant: s.merchant, Name: "Online Retail", LandingURL: "https://retail.example/", Currencies: []string{"GBP"},
		Terms: []program.Terms{
			terms(time.Unix(0, 0).UTC(), 80_000, 50_000),
			terms(time.Date(2011, 6, 1, 0, 0, 0, 0, time.UTC), 100_000, 60_000),
		},
	})
	if err != nil {
		return err
	}
	for i := range retailPartners {
		n := partners.NewPartner{Kind: program.Site, Name: retailPartnerName(i), SiteURL: fmt.Sprintf("https://p%02d.example/", i)}
		if i >= retailSites {
			n.Kind, n.SiteURL = program.Member, ""
		}
		id, err := partners.CreatePartner(ctx, tx, n)
		if err != nil {
			return err
		}
		if err := partners.Enrol(ctx, tx, programID, id); err != nil {
			return err
		}
		if _, err := partners.CreateLink(ctx, tx, partners.NewLink{Program: programID, Partner: id, Code: retailCode(i)}); err != nil {
			return err
		}
	}
	return nil
}

// sendRetail appends every event to the spool, in file order or shuffled, once or twice, and waits for the disk.
func (r *river) sendRetail(ctx context.Context, bulk *tracker.Bulk, shop *retailShop, data *retailData, o replayOptions) (int, error) {
	ids := map[*retailClick]string{}
	for _, c := range data.clicks {
		ids[c] = r.ring.MintAs(int64(shop.links[c.partner].ID), c.at, c.nonce())
	}
	var events []func() error
	for _, c := range data.clicks {
		events = append(events, func() error {
			_, err := bulk.Click(ctx, tracker.Click{Link: shop.links[c.partner], At: c.at, ID: ids[c], EventID: eventID("click", ids[c], c.at)})
			return err
		})
	}
	for _, order := range data.orders {
		if len(order.lines) > 0 {
			events = append(events, func() error {
				_, err := bulk.Sale(ctx, shop.merchant, order.report(ids[order.click]))
				return err
			})
		}
	}
	for _, refund := range data.refunds {
		events = append(events, func() error {
			_, err := bulk.Refund(ctx, shop.merchant, refund.report())
			return err
		})
	}
	if o.twice {
		events = append(events, events...)
	}
	if o.shuffled {
		order := rand.New(rand.NewPCG(o.seed, 0)) //nolint:gosec // an order to be repeated, not a secret
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
func (c *retailClick) nonce() [8]byte {
	h := fnv.New64a()
	fmt.Fprintf(h, "click %s:%d", c.customer, c.k)
	return [8]byte(h.Sum(nil))
}

// eventID is the id of an event of an import: a UUIDv7 of its own time, the same whenever it is sent.
func eventID(kind, name string, at time.Time) uuid.UUID {
	sum := uuid.NewSHA1(uuid.NameSpaceURL, []byte("tributary:replay:"+kind+":"+name))
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:], uint64(at.UnixMilli())<<16)
	copy(id[6:], sum[6:])
	id[6] = id[6]&0x0f | 0x70
	return id
}

func (o *retailOrder) report(clickID string) *tracker.SaleReport {
	report := &tracker.SaleReport{
		OrderID: o.id, Currency: "GBP", ClickID: clickID, CustomerID: o.customer, OccurredAt: o.at,
		EventID: eventID("sale", o.id, o.at),
	}
	for _, l := range o.lines {
		report.Amount += l.amount
		report.Lines = append(report.Lines, tracker.Line{Number: l.number, SKU: l.sku, Quantity: l.quantity, Amount: l.amount, Category: l.category})
	}
	return report
}

func (f *retailRefund) report() *tracker.RefundReport {
	report := &tracker.RefundReport{
		OrderID: f.order, RefundID: f.id, OccurredAt: f.at, EventID: eventID("refund", f.order+"/"+f.id, f.at),
	}
	for number, pieces := range f.pieces {
		report.Items = append(report.Items, tracker.RefundItem{Line: number, Quantity: pieces})
	}
	slices.SortFunc(report.Items, func(a, b tracker.RefundItem) int { return int(a.Line - b.Line) })
	return report
}

// answer reads the books.
func (s *retailShop) answer(ctx context.Context, db *pgxpool.Pool, data *retailData) (*retailAnswer, error) {
	a := &retailAnswer{UnmatchedPieces: data.unmatchedPieces, Partners: map[string]retailRow{}}
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
		names[link.Partner] = retailPartnerName(i)
		a.Partners[retailPartnerName(i)] = retailRow{}
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
		case ledger.PartnerPending:
			row.Pending += b.Amount()
		case ledger.PartnerPayable:
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
func (s *retailShop) earned(ctx context.Context, db *pgxpool.Pool, a *retailAnswer, names map[program.PartnerID]string) error {
	rows, err := db.Query(ctx, `SELECT partner_id, count(*), sum(lines)::bigint, sum(gross)::bigint, sum(net)::bigint, sum(fee)::bigint
		FROM commission WHERE merchant_id = $1 GROUP BY partner_id`, s.merchant)
	if err != nil {
		return fmt.Errorf("reading the commissions: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id program.PartnerID
		var row retailRow
		if err := rows.Scan(&id, &row.Orders, &row.Lines, &row.Gross, &row.Net, &row.Fee); err != nil {
			return fmt.Errorf("reading the commissions: %w", err)
		}
		a.Partners[names[id]] = row
	}
	return rows.Err()
}

// print writes the answer as JSON or as a table.
func (a *retailAnswer) print(o replayOptions) error {
	if o.json {
		out := json.NewEncoder(o.out)
		return out.Encode(a)
	}
	pounds := func(pence int64) string { return money.Format(pence, "GBP") }
	fmt.Fprintf(o.out, "%d orders, %d lines, %s sold, %s refunded; %d orders earn nobody anything; %d pieces matched no order\n\n",
		a.Orders, a.Lines, pounds(a.Revenue), pounds(a.Refunded), a.Unattributed, a.UnmatchedPieces)
	fmt.Fprintf(o.out, "%-8s %8s %8s %18s %18s %18s %18s %18s\n", "partner", "orders", "lines", "gross", "net", "fee", "pending", "payable")
	line := func(name string, r retailRow) {
		fmt.Fprintf(o.out, "%-8s %8d %8d %18s %18s %18s %18s %18s\n", name, r.Orders, r.Lines, pounds(r.Gross), pounds(r.Net), pounds(r.Fee), pounds(r.Pending), pounds(r.Payable))
	}
	for i := range retailPartners {
		line(retailPartnerName(i), a.Partners[retailPartnerName(i)])
	}
	line("total", a.Total)
	return nil
}

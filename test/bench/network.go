package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/clickhouse"
	"tributary/internal/embedded"
	"tributary/internal/keyring"
	"tributary/internal/postgres"
	"tributary/migrations"
	"tributary/partners"
	"tributary/partners/catalogue"
	"tributary/partners/program"
	"tributary/tracker"
	"tributary/tracker/clickid"
	"tributary/tracker/spool"
)

// partitions of each topic: the default of the binary.
const partitions = 6

// network is a network of its own for one row: fresh engines that sync, one merchant, forty partners with a link each.
type network struct {
	*bench
	name       string
	dir        string
	addresses  embedded.Addresses
	engines    *embedded.Supervisor
	db         *pgxpool.Pool // as the owner of the tables
	clickhouse clickhouse.Conn
	key        keyring.Key
	env        []string // of every process

	merchant program.MerchantID
	program  program.ProgramID
	partners []program.PartnerID
	links    []*partners.Link
	apiKey   string
	scheme   scheme
	known    *pgxpool.Pool // where its merchant, partners and links are read

	stops []func()
}

// network makes a network; close it.
func (b *bench) network(ctx context.Context, name string) (*network, error) {
	n := &network{bench: b, name: name, dir: filepath.Join(b.dir, name), key: keyring.Generate(1)}
	if err := n.open(ctx); err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

func (n *network) open(ctx context.Context) error {
	engines := embedded.New(embedded.Config{Dir: filepath.Join(n.dir, "engines"), Postgres: true, Kafka: true, ClickHouse: true, Progress: os.Stderr})
	n.engines = engines
	enginesCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- engines.Run(enginesCtx) }()
	n.stops = append(n.stops, func() {
		stop()
		if err := <-ended; err != nil {
			sayf("  the engines ended with %v", err)
		}
	})
	var err error
	if n.addresses, err = engines.Ready(ctx); err != nil {
		return err
	}
	if n.env, err = n.environment("tributary", "tributary."); err != nil {
		return err
	}
	if err := n.migrate(ctx, n.env); err != nil {
		return err
	}
	if n.db, err = pgxpool.New(ctx, n.addresses.PostgresURL); err != nil {
		return fmt.Errorf("opening PostgreSQL: %w", err)
	}
	n.stops = append(n.stops, n.db.Close)
	if n.clickhouse, err = clickhouse.Open(n.addresses.ClickHouseURL, 4); err != nil {
		return err
	}
	n.stops = append(n.stops, func() { _ = n.clickhouse.Close() })
	return n.people(ctx, n.db, 40)
}

// close ends everything, the last first.
func (n *network) close() {
	for _, stop := range slices.Backward(n.stops) {
		stop()
	}
	_ = os.RemoveAll(n.dir)
}

// environment is what the processes of a network are told.
func (n *network) environment(database, prefix string) ([]string, error) {
	of := func(address string) (string, error) {
		u, err := url.Parse(address)
		if err != nil {
			return "", fmt.Errorf("reading the address of a database: %w", err)
		}
		u.Path = "/" + database
		return u.String(), nil
	}
	env, err := n.addresses.PostgresEnvironment(of)
	if err != nil {
		return nil, err
	}
	reports, err := n.addresses.ClickHouseEnvironment(of)
	return append(
		append(env, reports...),
		"TRIBUTARY_KAFKA_BROKERS="+n.addresses.KafkaBrokers, "TRIBUTARY_KAFKA_PREFIX="+prefix,
		"TRIBUTARY_KAFKA_USER="+n.addresses.KafkaUser, "TRIBUTARY_KAFKA_PASSWORD="+n.addresses.KafkaPassword, "TRIBUTARY_KAFKA_MECHANISM="+n.addresses.KafkaMechanism,
		"TRIBUTARY_PARTITIONS="+strconv.Itoa(partitions),
		"TRIBUTARY_CLICK_KEYS="+n.key.Reveal(), "TRIBUTARY_RECORD_KEYS="+keyring.Generate(1).Reveal(), "TRIBUTARY_LOG_LEVEL=warn", "TRIBUTARY_MERCHANT_RATE=0",
	), err
}

func (n *network) migrate(ctx context.Context, env []string) error {
	p, err := n.start(ctx, n.name+"-migrate", "", append(env, "TRIBUTARY_DATA="+filepath.Join(n.dir, "migrate")), n.binary, "migrate")
	if err != nil {
		return err
	}
	<-p.ended
	if !p.cmd.ProcessState.Success() {
		return p.failure("migrating has failed")
	}
	return nil
}

// people fills the network.
func (n *network) people(ctx context.Context, db *pgxpool.Pool, sites int) error {
	const day = 24 * time.Hour
	terms, err := n.scheme.document()
	if err != nil {
		return err
	}
	err = postgres.InTx(ctx, db, func(tx pgx.Tx) (err error) {
		if n.merchant, err = partners.CreateMerchant(ctx, tx, "Shop"); err != nil {
			return err
		}
		n.program, err = partners.CreateProgram(ctx, tx, partners.NewProgram{
			Merchant: n.merchant, Name: "Partners", LandingURL: "https://shop.example/", Currencies: []string{"GBP"},
			Terms: []program.Version{{EffectiveFrom: time.Now().Add(-100 * day).UTC(), Document: terms}},
		})
		if err != nil {
			return err
		}
		n.apiKey, _, err = partners.IssueKey(ctx, tx, n.merchant, "", partners.Reporting)
		return err
	})
	if err != nil {
		return err
	}
	n.partners, n.links, n.known = nil, nil, db
	for i := range sites {
		partner, err := partners.CreatePartner(ctx, db, partners.NewPartner{Kind: program.Site, Name: fmt.Sprintf("Site %d", i)})
		if err != nil {
			return err
		}
		if err := partners.Enrol(ctx, db, n.program, partner); err != nil {
			return err
		}
		link, err := partners.CreateLink(ctx, db, partners.NewLink{Program: n.program, Partner: partner, Target: "https://shop.example/boots?colour=brown#size"})
		if err != nil {
			return err
		}
		n.partners, n.links = append(n.partners, partner), append(n.links, link)
	}
	return nil
}

// role is a process of the network, and where it answers.
type role struct {
	*process
	tracker, dashboard, inside string // host:port
	data                       string
}

// serve starts roles in one process, whose data folder is named, and waits until they are ready.
func (n *network) serve(ctx context.Context, folder, core string, roles ...string) (*role, error) {
	return n.serveWith(ctx, n.env, folder, core, roles...)
}

func (n *network) serveWith(ctx context.Context, env []string, folder, core string, roles ...string) (*role, error) {
	r, err := n.launch(ctx, env, folder, core, roles...)
	if err != nil {
		return nil, err
	}
	return r, r.isReady(ctx)
}

func (r *role) isReady(ctx context.Context) error { return r.ready(ctx, "http://"+r.inside+"/readyz") }

// launch starts roles in one process and does not wait.
func (n *network) launch(ctx context.Context, env []string, folder, core string, roles ...string) (*role, error) {
	addresses, err := free(3)
	if err != nil {
		return nil, err
	}
	r := &role{tracker: addresses[0], dashboard: addresses[1], inside: addresses[2], data: n.folder(folder)}
	env = append(slices.Clip(env), "TRIBUTARY_DATA="+r.data, "TRIBUTARY_TRACKER_LISTEN="+r.tracker,
		"TRIBUTARY_DASHBOARD_LISTEN="+r.dashboard, "TRIBUTARY_ADMIN_LISTEN="+r.inside)
	r.process, err = n.start(ctx, n.name+"-"+folder, core, env, append([]string{n.binary, "serve"}, roles...)...)
	if err != nil {
		return nil, err
	}
	n.stops = append(n.stops, r.stop)
	return r, nil
}

// folder is where a process of this network keeps its data.
func (n *network) folder(name string) string { return filepath.Join(n.dir, name) }

// fill puts clicks and orders into the spool of a tracker that is not running, the orders of customers of those clicks.
// The orders are numbered from first on.
func (n *network) fill(ctx context.Context, folder string, clicks, orders, first int) (err error) {
	catalogue := catalogue.New(n.known, slog.New(slog.DiscardHandler))
	if err := catalogue.Load(ctx); err != nil {
		return err
	}
	ring, err := clickid.NewRing([]keyring.Key{n.key})
	if err != nil {
		return err
	}
	s, err := spool.Open(spool.Config{Dir: filepath.Join(n.folder(folder), "spool"), Lanes: 2 * partitions})
	if err != nil {
		return err
	}
	// A tracker names the format of the folder that it begins; here it finds a spool.
	if err := os.WriteFile(filepath.Join(n.folder(folder), "format"), []byte(strconv.Itoa(migrations.Format)), 0o600); err != nil {
		return errors.Join(fmt.Errorf("naming the format of a data folder: %w", err), s.Close())
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(running) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ended, s.Close())
	}()
	intake, err := tracker.NewIntake(tracker.Config{Catalogue: catalogue, Spool: s, Ring: ring, Partitions: partitions})
	if err != nil {
		return err
	}
	bulk := intake.Bulk()
	for i := range clicks {
		if _, err := bulk.Click(ctx, n.click(i)); err != nil {
			return err
		}
	}
	for i := first; i < first+orders; i++ {
		link := n.links[i%len(n.links)]
		order := n.order(i, ring.Mint(int64(link.ID), time.Now().Add(-time.Hour)))
		if n.scheme.name != "" {
			n.scheme.more(n, ring, i, order)
		}
		if _, err := bulk.Sale(ctx, n.merchant, order); err != nil {
			return err
		}
	}
	return bulk.Wait(ctx)
}

// click is a visit such as a network sees.
func (n *network) click(i int) tracker.Click {
	return tracker.Click{
		Link: n.links[i%len(n.links)], At: time.Now(),
		Agent:     tracker.Agent{Browser: []string{"Chrome", "Firefox", "Safari", "Edge"}[i%4], OS: []string{"Windows", "macOS", "Android", "iOS"}[i/4%4], Device: "desktop"},
		UserAgent: fmt.Sprintf("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36", 100+i%40),
		Referrer:  fmt.Sprintf("blog-%d.example/posts/%d", i%400, i%307), IPPrefix: fmt.Sprintf("%d.%d.%d.0/24", 1+i%220, i/7%256, i/3%256),
		Subs: [5]string{"campaign-" + strconv.Itoa(i%50)},
	}
}

// order is a sale of three lines.
func (n *network) order(i int, clickID string) *tracker.SaleReport {
	return &tracker.SaleReport{
		OrderID: fmt.Sprintf("ORD-%07d", i), Currency: "GBP", Amount: 18_949, ClickID: clickID, CustomerID: "customer-" + strconv.Itoa(i%5000), OccurredAt: time.Now(),
		Lines: []tracker.Line{
			{Number: 1, SKU: "SOCK-3", Quantity: 2, Amount: 1999, Category: "clothing"},
			{Number: 2, SKU: "TENT-2P", Quantity: 1, Amount: 4950, Category: "camping"},
			{Number: 3, SKU: "BOOT-41", Quantity: 1, Amount: 12_000, Category: "footwear"},
		},
	}
}

// number asks PostgreSQL for one number.
func (n *network) number(ctx context.Context, sql string) (int64, error) {
	var v int64
	if err := n.db.QueryRow(ctx, sql).Scan(&v); err != nil {
		return 0, fmt.Errorf("asking %q: %w", sql, err)
	}
	return v, nil
}

// count asks ClickHouse for one number.
func (n *network) count(ctx context.Context, sql string) (int64, error) {
	var v uint64
	if err := n.clickhouse.QueryRow(ctx, sql).Scan(&v); err != nil {
		return 0, fmt.Errorf("asking %q: %w", sql, err)
	}
	return int64(v), nil
}

// The two counts that say how far the river has come.
const (
	clicksLoaded = "SELECT count() FROM touch"
	ordersRead   = "SELECT coalesce(sum(next_offset), 0)::bigint FROM position WHERE consumer = 'engine'"
)

// pace is how far something has come, at two moments.
type pace struct {
	first, last     int64
	began, complete time.Time
}

// perSecond is the rate between them.
func (p pace) perSecond() float64 {
	return float64(p.last-p.first) / p.complete.Sub(p.began).Seconds()
}

// follow watches a count go from where it stands to its end, and takes the time from its first step.
func follow(ctx context.Context, p *process, what string, end int64, count func(ctx context.Context) (int64, error)) (pace, error) {
	start, err := count(ctx)
	if err != nil {
		return pace{}, err
	}
	var m pace
	err = p.await(ctx, what+" does not come to its end", 10*time.Minute, func() (bool, error) {
		now, err := count(ctx)
		if now > start && m.began.IsZero() {
			m.first, m.began = now, time.Now()
		}
		m.last, m.complete = now, time.Now()
		return now >= end, err
	})
	return m, err
}

// pin keeps the engines on some cores.
func (n *network) pin(ctx context.Context, cores string) error {
	for _, e := range []embedded.Engine{embedded.Kafka, embedded.ClickHouse, embedded.Postgres} {
		for _, pid := range family(n.engines.Status(e).Pid) {
			if err := output(ctx, "", "taskset", "-a", "-p", "-c", cores, strconv.Itoa(pid)); err != nil && !strings.Contains(err.Error(), "No such process") {
				return err
			}
		}
	}
	return nil
}

// sibling makes a further network on the same engines, with a database and topics of its own. It ends with n.
func (n *network) sibling(ctx context.Context, name string, sites int) (*network, error) {
	s, err := n.vacant(ctx, name, n.binary)
	if err != nil {
		return nil, err
	}
	return s, s.people(ctx, s.db, sites)
}

// vacant is a sibling without people, whose roles are those of some binary.
func (n *network) vacant(ctx context.Context, name, binary string) (*network, error) {
	if _, err := n.db.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return nil, fmt.Errorf("making the database %s: %w", name, err)
	}
	if err := n.clickhouse.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return nil, fmt.Errorf("making the database %s of the reports: %w", name, err)
	}
	u, err := url.Parse(n.addresses.PostgresURL)
	if err != nil {
		return nil, fmt.Errorf("reading the address of PostgreSQL: %w", err)
	}
	u.Path = "/" + name
	s, b := *n, *n.bench
	b.binary = binary
	s.bench = &b
	s.name, s.dir, s.stops = n.name+"-"+name, n.folder(name), nil
	if s.env, err = n.environment(name, name+"."); err != nil {
		return nil, err
	}
	n.stops = append(n.stops, func() { s.close() })
	if err := s.migrate(ctx, s.env); err != nil {
		return nil, err
	}
	if s.db, err = pgxpool.New(ctx, u.String()); err != nil {
		return nil, fmt.Errorf("opening PostgreSQL: %w", err)
	}
	s.stops = append(s.stops, s.db.Close)
	return &s, nil
}

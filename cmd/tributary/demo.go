package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"tributary/commission/engine"
	"tributary/demo"
	"tributary/internal/clickhouse"
	"tributary/internal/embedded"
	"tributary/internal/event"
	"tributary/internal/postgres"
	"tributary/partners/access"
	"tributary/partners/catalogue"
	"tributary/tracker"
	"tributary/tracker/spool"
)

func newDemo(a *app) *cobra.Command {
	d := &demoCommand{app: a}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Start a living network with everything embedded",
		Long: `Start everything on this machine: PostgreSQL, Kafka, ClickHouse, all roles, a demo shop, 3 merchants and 40 partners with
90 days of history, and live traffic. Prints addresses and log-ins. Ctrl-C stops all of it; started again on the same folder,
it goes on where it was.

Unless --data says otherwise it lives in a folder of its own, "tributary-demo" beside the usual one. Addresses follow from
--port; the flags for listening addresses and public addresses are not used.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !changed(cmd.Root().PersistentFlags(), "data") {
				a.cfg.Data = filepath.Join(filepath.Dir(a.cfg.Data), "tributary-demo")
			}
			if !changed(cmd.Root().PersistentFlags(), "log-level") {
				a.cfg.LogLevel = "warn"
				a.log = a.cfg.logger(os.Stderr)
			}
			d.out, d.progress = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return d.run(cmd.Context())
		},
	}
	cmd.Flags().IntVar(&d.port, "port", 8080, "port of the tracker; the dashboard, the shop and the health checks take the next three")
	cmd.Flags().BoolVar(&d.json, "json", false, "print one JSON object when ready, instead of text")
	return cmd
}

// demoCommand is a running demonstration.
type demoCommand struct {
	*app
	port     int
	json     bool
	out      io.Writer
	progress io.Writer

	began   time.Time
	shopURL string
	network *demo.Network
}

func (d *demoCommand) sayf(format string, args ...any) {
	if !d.json {
		fmt.Fprintf(d.progress, "%5.1fs  %s\n", time.Since(d.began).Seconds(), fmt.Sprintf(format, args...))
	}
}

func (d *demoCommand) run(ctx context.Context) error {
	d.began = time.Now()
	address := func(n int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(d.port+n)) }
	d.cfg.TrackerListen, d.cfg.DashboardListen, d.cfg.AdminListen = address(0), address(1), address(3)
	d.cfg.TrackerURL, d.cfg.DashboardURL = "", ""
	d.shopURL = "http://" + address(2)
	if err := d.checkPorts(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(d.cfg.Data, 0o700); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	// A second demo would move the links of the first to its own shop.
	if _, running := embedded.Running(d.enginesDir()); running {
		return fmt.Errorf("something runs on %s already, another demo perhaps: stop it, or choose another folder with --data", d.cfg.Data)
	}
	d.sayf("starting PostgreSQL, Kafka and ClickHouse in %s", d.cfg.Data)
	return d.withStores(ctx, everything(allLogins()...), d.progress, func(ctx context.Context, s stores) error {
		d.sayf("they are up; preparing the databases")
		if err := d.prepare(ctx, s, everything(allLogins()...)); err != nil {
			return err
		}
		if err := d.readState(); err != nil {
			return err
		}
		if err := d.fill(ctx, s); err != nil {
			return err
		}
		return d.live(ctx, s)
	})
}

// checkPorts finds out before anything is started whether the four ports are free.
func (d *demoCommand) checkPorts(ctx context.Context) error {
	if d.port < 1 || d.port+3 > 65535 {
		return fmt.Errorf("--port is %d: choose one from 1 to 65532", d.port)
	}
	for n := range 4 {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(d.port+n)))
		if err != nil {
			return fmt.Errorf("the demo needs ports %d to %d; choose others with --port: %w", d.port, d.port+3, err)
		}
		_ = l.Close()
	}
	return nil
}

func (d *demoCommand) statePath() string { return filepath.Join(d.cfg.Data, "demo.json") }

func (d *demoCommand) readState() error {
	content, err := os.ReadFile(d.statePath())
	if errors.Is(err, fs.ErrNotExist) {
		d.network = demo.New(d.shopURL, demo.State{})
		return nil
	}
	var state demo.State
	if err == nil {
		err = json.Unmarshal(content, &state)
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", d.statePath(), err)
	}
	d.network = demo.New(d.shopURL, state)
	return nil
}

func (d *demoCommand) writeState() error {
	content, err := json.MarshalIndent(d.network.State, "", "  ")
	if err == nil {
		err = writeSecret(d.statePath(), content)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", d.statePath(), err)
	}
	return nil
}

// fill makes the network and its history, or finds those of the last start.
func (d *demoCommand) fill(ctx context.Context, s stores) error {
	r, err := newRiver(&d.cfg, d.log, s, clickKeys, recordKeys)
	if err != nil {
		return err
	}
	defer r.close()
	db, err := r.open(ctx, postgres.Operator, 4)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := d.makeNetwork(ctx, db); err != nil {
		return err
	}
	if err := d.network.MoveShop(ctx, db); err != nil {
		return err
	}
	if err := d.writeState(); err != nil {
		return err
	}
	catalogue, err := r.catalogue(ctx, db)
	if err != nil {
		return err
	}
	if err := d.network.Find(ctx, db, catalogue); err != nil {
		return err
	}
	if d.network.State.Seeded {
		return nil
	}
	return d.seed(ctx, r, db, catalogue)
}

// makeNetwork makes the cast in a database that holds nobody. What is shown once is written down before the database
// keeps it: a demo that was killed in between starts over, and one without its file does not touch what it finds.
func (d *demoCommand) makeNetwork(ctx context.Context, db *pgxpool.Pool) error {
	inhabited, err := demo.Inhabited(ctx, db)
	switch {
	case err != nil:
		return err
	case inhabited && len(d.network.State.Logins) == 0:
		return fmt.Errorf("the database holds a network that is not this demo's (%s is missing): choose another folder with --data, or a database that is empty", d.statePath())
	case inhabited:
		return nil
	}
	d.sayf("making 3 merchants and 40 partners")
	if err := postgres.InTx(ctx, db, func(tx pgx.Tx) error {
		if err := d.network.Create(ctx, tx); err != nil {
			return err
		}
		return d.writeState()
	}); err != nil {
		return fmt.Errorf("making the network: %w", err)
	}
	return nil
}

// seed sends the history through the tracker's own path and waits until it has arrived everywhere.
func (d *demoCommand) seed(ctx context.Context, r *river, db *pgxpool.Pool, catalogue *catalogue.Catalogue) error {
	in, err := r.intake(catalogue)
	if err != nil {
		return err
	}
	defer in.spool.Close()
	source, err := tracker.NewIntake(in.config)
	if err != nil {
		return fmt.Errorf("making the intake: %w", err)
	}
	state := &d.network.State
	if state.Past.Until.IsZero() {
		state.Past = demo.Past{Until: d.began.UTC().Truncate(time.Hour), Behind: stored(in.spool)}
		if err := d.writeState(); err != nil {
			return err
		}
	}
	return beside(ctx, func(ctx context.Context) error {
		say := func(events int) { d.sayf("sending 90 days of history: %d events", events) }
		if err := d.network.SendHistory(ctx, source, r.ring, int(stored(in.spool)-state.Past.Behind), say); err != nil {
			return err
		}
		q := &quiet{db: db, kafka: r.kafka, partitions: r.cfg.Partitions, intake: in}
		if err := q.await(ctx, func(left string) { d.sayf("waiting for %s", left) }); err != nil {
			return err
		}
		if err := d.say(ctx, r, db); err != nil {
			return err
		}
		state.Seeded = true
		return d.writeState()
	}, in.spool.Run, in.relay.Run, r.engine, r.loader)
}

// say has the demo's people say something of orders of the history.
func (d *demoCommand) say(ctx context.Context, r *river, db *pgxpool.Pool) error {
	pages, err := r.open(ctx, postgres.Dashboard, 2)
	if err != nil {
		return err
	}
	defer pages.Close()
	return d.network.Say(ctx, db, &engine.Desk{DB: access.New(pages), Partitions: r.cfg.Partitions})
}

// stored is how many records a spool has taken in all.
func stored(s *spool.Spool) (n uint64) {
	for _, last := range s.Sequences() {
		n += last
	}
	return n
}

// live runs every role, the shop and the traffic until ctx ends.
func (d *demoCommand) live(ctx context.Context, s stores) error {
	listener, err := listen(ctx, net.JoinHostPort("127.0.0.1", strconv.Itoa(d.port+2)))
	if err != nil {
		return err
	}
	defer listener.Close()
	shop, err := d.network.Shop(d.cfg.trackerURL(), d.cfg.dashboardURL())
	if err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.app.run(groupCtx, s, everything(allLogins()...), roleNames()) })
	group.Go(func() error { return serveHTTP(groupCtx, listener, shop.Handler(), d.log) })
	group.Go(func() error {
		if err := d.awaitReady(groupCtx); err != nil {
			return err
		}
		if err := d.announce(s); err != nil {
			return err
		}
		d.network.Visit(groupCtx, shop)
		return nil
	})
	err = group.Wait()
	if ctx.Err() != nil { // somebody ended it
		return nil
	}
	return err
}

// awaitReady waits until tracker and dashboard answer.
func (d *demoCommand) awaitReady(ctx context.Context) error {
	for _, address := range []string{d.cfg.trackerURL() + "/healthz", d.cfg.dashboardURL() + "/signin"} {
		for {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
			if err != nil {
				return fmt.Errorf("asking %s: %w", address, err)
			}
			response, err := http.DefaultClient.Do(request)
			if err == nil {
				_ = response.Body.Close()
				if response.StatusCode == http.StatusOK {
					break
				}
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("waiting for %s: %w", address, ctx.Err())
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	return nil
}

// announce prints where everything is.
func (d *demoCommand) announce(s stores) error {
	brokers := strings.Join(s.kafka.Brokers, ",")
	link := ""
	if code := d.network.FirstCode(); code != "" {
		link = d.cfg.trackerURL() + "/c/" + code
	}
	merchant, key := d.network.FirstMerchant()
	if d.json {
		return json.NewEncoder(d.out).Encode(struct { //nolint:gosec // G117: to tell the password is what it is for
			Tracker     string       `json:"tracker"`
			Dashboard   string       `json:"dashboard"`
			Shop        string       `json:"shop"`
			MerchantKey string       `json:"merchant_key"`
			Link        string       `json:"link"`
			Logins      []demo.Login `json:"logins"`
			Postgres    string       `json:"postgres"`
			Kafka       string       `json:"kafka"`
			User        string       `json:"kafka_user"`
			Password    string       `json:"kafka_password"`
			Mechanism   string       `json:"kafka_mechanism"`
			ClickHouse  string       `json:"clickhouse"`
		}{
			d.cfg.trackerURL(), d.cfg.dashboardURL(), d.shopURL, key, link, d.network.State.Logins,
			s.postgres[postgres.Reader.Name()], brokers, s.kafka.User, s.kafka.Password, s.kafka.Mechanism, s.clickhouse[clickhouse.Reader.Name()],
		})
	}
	d.sayf("ready")
	fmt.Fprintf(d.out, "\nTributary demo: a network with 3 merchants, 40 partners and live traffic.\n\n")
	fmt.Fprintf(d.out, "  Dashboard    %s\n", d.cfg.dashboardURL())
	for _, l := range d.network.State.Logins {
		fmt.Fprintf(d.out, "    %-10s %-24s %s\n", l.Role, l.Email, l.Password)
	}
	fmt.Fprintf(d.out, "  A link       %s\n    (leads to %s's demo shop; buy something and look at the partner's page)\n", link, merchant)
	fmt.Fprintf(d.out, "  Tracker      %s\n  API key      %s   (%s)\n", d.cfg.trackerURL(), key, merchant)
	fmt.Fprintf(d.out, "  PostgreSQL   %s (reads every row, changes none)\n  Kafka        %s (one broker, no replicas: for one machine)\n  ClickHouse   %s (the same)\n", s.postgres[postgres.Reader.Name()], brokers, s.clickhouse[clickhouse.Reader.Name()])
	if len(d.cfg.KafkaBrokers) == 0 {
		fmt.Fprintf(d.out, "    kcat -b %s -X security.protocol=SASL_PLAINTEXT -X sasl.mechanism=%s -X sasl.username=%s -X sasl.password=%s -t %s%s -C -e\n",
			brokers, s.kafka.Mechanism, s.kafka.User, s.kafka.Password, s.kafka.Prefix, event.Orders)
	}
	fmt.Fprintf(d.out, "  Data         %s\n\nCtrl-C stops everything. The same command goes on where it was.\n", d.cfg.Data)
	return nil
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"tributary/dashboard"
	"tributary/internal/embedded"
	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/program"
	"tributary/tracker"
	"tributary/tracker/spool"
)

// demoSeed draws the demo's history: the same network for everyone who starts it on the same day.
const demoSeed = 20

func newDemo(a *app) *cobra.Command {
	d := &demo{app: a}
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

// demo is a running demonstration.
type demo struct {
	*app
	port     int
	json     bool
	out      io.Writer
	progress io.Writer

	began    time.Time
	shopURL  string
	network  []*demoMerchant
	partners []*demoPartner
	state    demoState
}

// demoState is what the demo keeps in its folder, readable to its owner only: what is shown once must be printed again at
// the next start.
type demoState struct {
	Seeded bool              `json:"seeded"`
	Past   demoPast          `json:"past,omitzero"`
	Shop   string            `json:"shop"`
	Keys   map[string]string `json:"keys"` // by merchant's name
	Logins []demoLogin       `json:"logins"`
}

// demoPast says which history is being sent, so that a seeding that was interrupted goes on with the same one where it was.
type demoPast struct {
	// Until is where the history ends.
	Until time.Time `json:"until"`
	// Behind is how many records the spool had before the first of it.
	Behind uint64 `json:"behind"`
}

type demoLogin struct {
	Role     string `json:"role"`
	Email    string `json:"email"`
	Password string `json:"password"`
}

func (d *demo) sayf(format string, args ...any) {
	if !d.json {
		fmt.Fprintf(d.progress, "%5.1fs  %s\n", time.Since(d.began).Seconds(), fmt.Sprintf(format, args...))
	}
}

func (d *demo) run(ctx context.Context) error {
	d.began = time.Now()
	address := func(n int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(d.port+n)) }
	d.cfg.TrackerListen, d.cfg.DashboardListen, d.cfg.AdminListen = address(0), address(1), address(3)
	d.cfg.TrackerURL, d.cfg.DashboardURL = "", ""
	d.shopURL = "http://" + address(2)
	d.network, d.partners = demoNetwork(), demoPartners()
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
		if err := d.settle(ctx, s); err != nil {
			return err
		}
		return d.live(ctx, s)
	})
}

// checkPorts finds out before anything is started whether the four ports are free.
func (d *demo) checkPorts(ctx context.Context) error {
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

func (d *demo) statePath() string { return filepath.Join(d.cfg.Data, "demo.json") }

func (d *demo) readState() error {
	content, err := os.ReadFile(d.statePath())
	if errors.Is(err, fs.ErrNotExist) {
		d.state.Keys = map[string]string{}
		return nil
	}
	if err == nil {
		err = json.Unmarshal(content, &d.state)
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", d.statePath(), err)
	}
	return nil
}

func (d *demo) writeState() error {
	content, err := json.MarshalIndent(d.state, "", "  ")
	if err == nil {
		err = writeSecret(d.statePath(), content)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", d.statePath(), err)
	}
	return nil
}

// settle makes the network and its history, or finds those of the last start.
func (d *demo) settle(ctx context.Context, s stores) error {
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
	if err := d.moveShop(ctx, db); err != nil {
		return err
	}
	catalogue, err := r.catalogue(ctx, db)
	if err != nil {
		return err
	}
	if err := d.findNetwork(ctx, db, catalogue); err != nil {
		return err
	}
	if d.state.Seeded {
		return nil
	}
	return d.seed(ctx, r, db, catalogue)
}

// makeNetwork makes the cast in a database that holds nobody. What is shown once is written down before the database
// keeps it: a demo that was killed in between begins anew, and one without its file does not touch what it finds.
func (d *demo) makeNetwork(ctx context.Context, db *pgxpool.Pool) error {
	var inhabited bool
	if err := db.QueryRow(ctx, `SELECT EXISTS (SELECT FROM merchant) OR EXISTS (SELECT FROM partner)`).Scan(&inhabited); err != nil {
		return fmt.Errorf("looking for a network: %w", err)
	}
	switch {
	case inhabited && len(d.state.Logins) == 0:
		return fmt.Errorf("the database holds a network that is not this demo's (%s is missing): choose another folder with --data, or a database that is empty", d.statePath())
	case inhabited:
		return nil
	}
	d.sayf("making 3 merchants and 40 partners")
	if err := postgres.InTx(ctx, db, func(tx pgx.Tx) error {
		d.state = demoState{Shop: d.shopURL, Keys: map[string]string{}}
		if err := d.createNetwork(ctx, tx); err != nil {
			return err
		}
		return d.writeState()
	}); err != nil {
		return fmt.Errorf("making the network: %w", err)
	}
	return nil
}

// moveShop follows the shop when the demo was given another port than last time.
func (d *demo) moveShop(ctx context.Context, db *pgxpool.Pool) error {
	if d.state.Shop == d.shopURL {
		return nil
	}
	for _, statement := range []string{
		`UPDATE link SET target_url = $2 || substr(target_url, length($1) + 1) WHERE starts_with(target_url, $1)`,
		`UPDATE program SET landing_url = $2 || substr(landing_url, length($1) + 1) WHERE starts_with(landing_url, $1)`,
	} {
		if _, err := db.Exec(ctx, statement, d.state.Shop, d.shopURL); err != nil {
			return fmt.Errorf("moving the shop to %s: %w", d.shopURL, err)
		}
	}
	d.state.Shop = d.shopURL
	return d.writeState()
}

// createNetwork writes the cast of the demo, with its keys and log-ins.
func (d *demo) createNetwork(ctx context.Context, tx pgx.Tx) error {
	now := time.Now().UTC()
	for _, p := range d.partners {
		id, err := partners.CreatePartner(ctx, tx, partners.NewPartner{Kind: p.kind, Name: p.name, SiteURL: p.site})
		if err != nil {
			return err
		}
		p.id = id
	}
	for i, m := range d.network {
		id, err := partners.CreateMerchant(ctx, tx, m.name)
		if err != nil {
			return err
		}
		m.id = id
		m.program, err = partners.CreateProgram(ctx, tx, partners.NewProgram{
			Merchant: id, Name: m.name + " partners", LandingURL: d.shopURL + "/" + slug(m.name),
			Currencies: m.currencies, Terms: m.terms(now),
		})
		if err != nil {
			return err
		}
		if d.state.Keys[m.name], _, err = partners.IssueKey(ctx, tx, id, "demo shop", partners.AllScopes); err != nil {
			return err
		}
		if err := d.createLinks(ctx, tx, m, i); err != nil {
			return err
		}
	}
	// Partners came one after the other, before the history begins.
	if _, err := tx.Exec(ctx, `UPDATE enrolment SET created_at = now() - interval '190 days' + partner_id * interval '50 hours'`); err != nil {
		return fmt.Errorf("dating the enrolments: %w", err)
	}
	return d.createLogins(ctx, tx)
}

// createLinks enrols two thirds of the partners and gives each one or two links. The first partner is in every program.
func (d *demo) createLinks(ctx context.Context, tx pgx.Tx, m *demoMerchant, number int) error {
	for i, p := range d.partners {
		if i > 0 && i%3 != number && i%4 != number {
			continue
		}
		if err := partners.Enrol(ctx, tx, m.program, p.id); err != nil {
			return err
		}
		for n, label := range []string{"Home page", "Review"}[:1+(i+number)%2] {
			code := fmt.Sprintf("%s-%s", slug(m.name)[:4], slug(p.name))
			target := ""
			if n > 0 {
				code += "-review"
				target = d.shopURL + "/" + slug(m.name) + "?from=review"
			}
			if _, err := partners.CreateLink(ctx, tx, partners.NewLink{
				Program: m.program, Partner: p.id, Code: trimCode(code), Label: label, Target: target,
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

func trimCode(code string) string {
	if code[len(code)-1] == '-' {
		return code[:len(code)-1]
	}
	return code
}

// createLogins makes one person for each role: a site, a member, each merchant, and the operator.
func (d *demo) createLogins(ctx context.Context, tx pgx.Tx) error {
	people := []partners.NewLogin{
		{Email: "partner@demo.example", Name: d.partners[0].name, Role: "partner", Partner: d.partners[0].id},
		{Email: "member@demo.example", Name: d.partners[32].name, Role: "partner", Partner: d.partners[32].id},
		{Email: "operator@demo.example", Name: "Network operator", Role: "operator"},
	}
	for i, m := range d.network {
		email := "merchant@demo.example"
		if i > 0 {
			email = fmt.Sprintf("merchant%d@demo.example", i+1)
		}
		people = append(people, partners.NewLogin{Email: email, Name: m.name, Role: "merchant", Merchant: m.id})
	}
	for _, person := range people {
		password := randomPassword()
		hash, err := dashboard.HashPassword(password)
		if err != nil {
			return fmt.Errorf("making a password: %w", err)
		}
		person.PasswordHash = hash
		if _, err := partners.CreateLogin(ctx, tx, person); err != nil {
			return err
		}
		d.state.Logins = append(d.state.Logins, demoLogin{Role: person.Role, Email: person.Email, Password: password})
	}
	return nil
}

// findNetwork fills the cast with what the database knows of it.
func (d *demo) findNetwork(ctx context.Context, db *pgxpool.Pool, catalogue *partners.Catalogue) error {
	byName := map[string]*demoPartner{}
	for _, p := range d.partners {
		byName[p.name] = p
	}
	for _, m := range d.network {
		if err := db.QueryRow(ctx, `SELECT id FROM merchant WHERE name = $1 ORDER BY id LIMIT 1`, m.name).Scan(&m.id); err != nil {
			return fmt.Errorf("finding %s: %w", m.name, err)
		}
		m.key = d.state.Keys[m.name]
		rows, err := db.Query(ctx, `SELECT l.id, p.name FROM link l JOIN partner p ON p.id = l.partner_id JOIN program g ON g.id = l.program_id
			WHERE g.merchant_id = $1 AND l.closed_at IS NULL ORDER BY l.id`, m.id)
		if err != nil {
			return fmt.Errorf("finding the links of %s: %w", m.name, err)
		}
		var id program.LinkID
		var name string
		if _, err := pgx.ForEachRow(rows, []any{&id, &name}, func() error {
			link, known := catalogue.Link(id)
			if partner := byName[name]; known && partner != nil {
				m.links = append(m.links, &demoLink{link: link, merchant: m, partner: partner, weight: partner.reach})
			}
			return nil
		}); err != nil {
			return fmt.Errorf("finding the links of %s: %w", m.name, err)
		}
	}
	return nil
}

// seed sends the history through the tracker's own path and waits until it has arrived everywhere.
func (d *demo) seed(ctx context.Context, r *river, db *pgxpool.Pool, catalogue *partners.Catalogue) error {
	in, err := r.intake(catalogue)
	if err != nil {
		return err
	}
	defer in.spool.Close()
	source, err := tracker.NewIntake(in.config)
	if err != nil {
		return fmt.Errorf("making the intake: %w", err)
	}
	if d.state.Past.Until.IsZero() {
		d.state.Past = demoPast{Until: d.began.UTC().Truncate(time.Hour), Behind: stored(in.spool)}
		if err := d.writeState(); err != nil {
			return err
		}
	}
	return beside(ctx, func(ctx context.Context) error {
		facts := history(demoSeed, d.network, d.state.Past.Until)
		// Each fact is one record, and the spool keeps their order: what it has is the beginning.
		sender := &historySender{bulk: source.Bulk(), intake: source, ring: r.ring, stored: int(stored(in.spool) - d.state.Past.Behind)}
		d.sayf("sending 90 days of history: %d events", len(facts)-sender.stored)
		for _, f := range facts {
			if err := sender.send(ctx, f); err != nil {
				return fmt.Errorf("sending the history: %w", err)
			}
		}
		if err := sender.bulk.Wait(ctx); err != nil {
			return fmt.Errorf("sending the history: %w", err)
		}
		q := &quiet{db: db, kafka: r.kafka, partitions: r.cfg.Partitions, intake: in}
		if err := q.await(ctx, func(left string) { d.sayf("waiting for %s", left) }); err != nil {
			return err
		}
		d.state.Seeded = true
		return d.writeState()
	}, in.spool.Run, in.relay.Run, r.engine, r.loader)
}

// stored is how many records a spool has taken in all.
func stored(s *spool.Spool) (n uint64) {
	for _, last := range s.Sequences() {
		n += last
	}
	return n
}

// live runs every role, the shop and the traffic until ctx ends.
func (d *demo) live(ctx context.Context, s stores) error {
	listener, err := listen(ctx, net.JoinHostPort("127.0.0.1", strconv.Itoa(d.port+2)))
	if err != nil {
		return err
	}
	defer listener.Close()
	shop, err := newShop(d.network, d.cfg.trackerURL(), d.cfg.dashboardURL())
	if err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.app.run(groupCtx, s, everything(allLogins()...), roleNames()) })
	group.Go(func() error { return serveHTTP(groupCtx, listener, shop.handler(), d.log) })
	group.Go(func() error {
		if err := d.awaitReady(groupCtx); err != nil {
			return err
		}
		if err := d.announce(s); err != nil {
			return err
		}
		newTraffic(d.network, shop).run(groupCtx)
		return nil
	})
	err = group.Wait()
	if ctx.Err() != nil { // somebody ended it
		return nil
	}
	return err
}

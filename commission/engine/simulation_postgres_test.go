package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/commission"
	"tributary/commission/inbox"
	"tributary/internal/event"
	"tributary/internal/position"
	"tributary/partners"
	"tributary/partners/program"
)

// player has the real engine do what happened in a simulation. A gate stops each transaction at its commit: a trigger that runs
// there waits for a lock, which the player holds until the transaction is to end, one way or the other.
type player struct {
	cast
	w       *world
	db      *pgxpool.Pool // in the engine's role
	gate    *pgx.Conn
	engines map[int]*Engine
	held    map[[2]int]*lane // by engine and lane
	open    [lanes]*attempted
}

// attempted is a transaction at its commit.
type attempted struct {
	backend int
	ended   chan error
}

// gateClass is the first key of the gate's locks, the second is the lane.
const gateClass = 4711

const createGate = `
CREATE FUNCTION simulated_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_TABLE_NAME = 'position' THEN PERFORM pg_advisory_xact_lock(4711, NEW.partition);
  ELSE PERFORM pg_advisory_xact_lock(4711, OLD.lane); END IF;
  RETURN NULL;
END $$;
CREATE FUNCTION micros(t timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE RETURN coalesce((extract(epoch FROM t) * 1000000)::bigint, 0);
CREATE CONSTRAINT TRIGGER simulated_gate AFTER UPDATE ON position DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION simulated_gate();
CREATE CONSTRAINT TRIGGER simulated_gate AFTER DELETE ON customer_touched DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION simulated_gate();
CREATE CONSTRAINT TRIGGER simulated_gate AFTER UPDATE ON customer_change DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION simulated_gate();`

// newPlayer makes a network with the program of the simulation.
func newPlayer(tb testing.TB) *player {
	tb.Helper()
	w := newWorldOf(tb, lanes, 3)
	document, err := program.ParseDocument([]byte(simulatedTerms))
	check(tb, err)
	w.addMerchantOn("simulated", document)
	p := &player{w: w, engines: map[int]*Engine{}, held: map[[2]int]*lane{}}
	id := w.programs[len(w.programs)-1]
	for _, site := range w.partners {
		p.sites, p.links = append(p.sites, site), append(p.links, w.addLink(id, site))
	}
	programs := partners.NewPrograms()
	check(tb, programs.Refresh(tb.Context(), w.db))
	p.sold, _ = programs.Program(id)
	p.gate, err = pgx.Connect(tb.Context(), w.url)
	check(tb, err)
	tb.Cleanup(func() { p.gate.Close(tb.Context()) })
	p.db = w.config("").DB
	p.prepare()
	w.exec(createGate)
	return p
}

// prepare makes the rows that transactions would else wait for one another to make: accounts and rules on periods.
func (p *player) prepare() {
	tb := p.w.t
	p.w.exec(`INSERT INTO account (kind, merchant_id, partner_id, unit)
		SELECT kind, $1::bigint, NULL::bigint, 'GBP' FROM unnest('{merchant_receivable,fee_pending,fee_earned}'::text[]) kind
		UNION ALL SELECT kind, $1::bigint, partner, 'GBP' FROM unnest('{partner_pending,partner_payable,partner_held}'::text[]) kind, unnest($2::bigint[]) partner`,
		p.merchant(), p.sites)
	says := map[program.PeriodRuleID]*program.Counting{}
	var ids []program.PeriodRuleID
	for _, rule := range p.sold.Terms[0].Scheme.Counting(p.sites[0], &program.Enrolment{}) {
		says[rule.ID], ids = rule, append(ids, rule.ID)
	}
	tx, err := p.w.db.Begin(tb.Context())
	check(tb, err)
	_, err = newPeriodRules().get(tb.Context(), tx, ids, says)
	check(tb, errors.Join(err, tx.Commit(tb.Context())))
}

// play plays all that happened.
func (p *player) play(s *simulation) error {
	for n := range s.steps {
		if err := p.step(s, &s.steps[n]); err != nil {
			return fmt.Errorf("step %d, %+v: %w", n, s.steps[n], err)
		}
	}
	return nil
}

func (p *player) step(s *simulation, h *happening) error {
	at := [2]int{h.engine, h.lane}
	switch h.deed {
	case lease:
		if p.engines[h.engine] == nil {
			p.engines[h.engine] = New(Config{
				DB: p.db, Kafka: p.w.kafka, VerifyClick: verifyClick, Partitions: lanes, Owner: fmt.Sprint("engine ", h.engine), Log: quiet(), Clock: p.w.clock,
			})
		}
		p.held[at] = p.w.laneHeld(p.engines[h.engine], h.lane)
	case beginJob:
		return p.begin(p.held[at], h, s)
	case commitJob:
		return p.end(h.lane, false)
	case crashJob:
		return p.end(h.lane, true)
	case say:
		return p.say(h.said)
	case setClock:
		p.w.setClock(h.now)
	case lookAround:
		if diff := cmp.Diff(h.stored, p.stored()); diff != "" {
			return fmt.Errorf("what is stored (-memory +PostgreSQL):\n%s", diff)
		}
	}
	return nil
}

// begin has a job begun until it waits at the gate, or ends without a transaction.
func (p *player) begin(l *lane, h *happening, s *simulation) error {
	ctx := p.w.t.Context()
	if _, err := p.gate.Exec(ctx, `SELECT pg_advisory_lock($1, $2)`, gateClass, h.lane); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- p.work(l, h, s) }()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Microsecond) {
		var backend int
		err := p.gate.QueryRow(ctx, `SELECT coalesce(max(pid), 0) FROM pg_locks WHERE locktype = 'advisory' AND (classid, objid) = ($1, $2)
			AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`, gateClass, h.lane).Scan(&backend)
		if err != nil {
			return err
		}
		if backend != 0 {
			p.open[h.lane] = &attempted{backend, ended}
			if h.came != nil {
				return errors.Join(fmt.Errorf("it is done, not %w", h.came), p.end(h.lane, true))
			}
			return nil
		}
		select {
		case err := <-ended:
			return errors.Join(p.expect(h, err), p.release(h.lane))
		default:
		}
	}
	return errors.New("it neither comes to its commit nor ends")
}

// expect compares how a job ended that wrote nothing.
func (p *player) expect(h *happening, err error) error {
	switch {
	case h.came == nil:
		return fmt.Errorf("it does nothing: %w", err)
	case err != nil && (!errors.Is(h.came, position.ErrLost) || !errors.Is(err, position.ErrLost)):
		return fmt.Errorf("it fails: %w", err)
	}
	return nil // an engine that lost its lease does not learn so while there is nothing to do
}

func (p *player) release(lane int) error {
	_, err := p.gate.Exec(p.w.t.Context(), `SELECT pg_advisory_unlock($1, $2)`, gateClass, lane)
	return err
}

// end lets a transaction commit, or ends its session.
func (p *player) end(lane int, crash bool) error {
	tried := p.open[lane]
	p.open[lane] = nil
	if crash {
		if _, err := p.gate.Exec(p.w.t.Context(), `SELECT pg_terminate_backend($1, 10000)`, tried.backend); err != nil {
			return err
		}
	}
	if err := p.release(lane); err != nil {
		return err
	}
	if err := <-tried.ended; (err != nil) != crash {
		return fmt.Errorf("it ends with %w", err)
	}
	return nil
}

// work does a job of the lane.
func (p *player) work(l *lane, h *happening, s *simulation) (err error) {
	ctx := p.w.t.Context()
	switch h.job {
	case takeSlice:
		_, err = l.apply(ctx, receiveAll(s.log[h.lane][h.from:h.to]))
	case endHolds:
		_, err = l.release(ctx)
	case takeSaid:
		_, err = l.takeFromInbox(ctx)
	case sweepCustomers:
		_, err = l.sweep(ctx)
	case decideNudged:
		_, err = l.decideNudged(ctx)
	case settleSums:
		l.sums.next = time.Time{} // it does not rest
		_, err = l.settleSums(ctx)
	case settleRanked:
		l.ranks.next = time.Time{}
		_, err = l.rankOrders(ctx)
	}
	return err
}

// say writes to the inbox.
func (p *player) say(said *saidRow) error {
	ctx := p.w.t.Context()
	if said.bind.Customer != "" {
		return inbox.WriteBind(ctx, p.w.db, said.bind, "anna", "they asked", lanes)
	}
	if d := &said.dispute; d.ID != "" {
		content, err := json.Marshal(commission.Disputed{
			Merchant: said.key.merchant, Order: said.key.id, Dispute: d.ID, State: d.State, Amount: d.Amount, Whole: d.Whole,
		})
		if err != nil {
			return err
		}
		return inbox.Write(ctx, p.w.db, inbox.Row{
			Lane: said.lane, Key: said.key.bytes(), Kind: inbox.Dispute, Ref: d.ID, Content: content, Author: "anna", Side: "merchant", At: d.At,
		})
	}
	content, err := json.Marshal(commission.Reviewed{
		Merchant: said.key.merchant, Order: said.key.id, Verb: said.review.Verb, Code: said.review.Code,
		Partner: int64(said.review.Partner), Until: said.review.Until, Report: said.review.Report,
	})
	if err != nil {
		return err
	}
	return inbox.Write(ctx, p.w.db, inbox.Row{
		Lane: said.lane, Key: said.key.bytes(), Kind: inbox.Review, Ref: said.review.ID, Content: content,
		Author: "anna", Note: "they asked", Side: string(said.review.By), At: said.review.At,
	})
}

// stored is what memory.stored is, of the database.
func (p *player) stored() (lines []string) {
	tb := p.w.t
	for _, sql := range []string{
		`SELECT format('order %s version %s released %s %s', order_id, version, micros(released_until), decision) FROM orders`,
		`SELECT format('commission %s of %s %s %s %s: %s %s %s %s %s, %s %s', order_id, micros(c.occurred_at), partner_id, role, state, net, fee, pending, payable, held, micros(hold_until), released::text)
		   FROM commission c JOIN orders o ON o.no = c.order_no`,
		`SELECT format('posting of %s %s %s %s %s %s', coalesce(o.order_id, q.rule || ' ' || q.partner_id || ' ' || q.span), micros(effective_at), d.kind, c.kind,
		        coalesce(d.partner_id, c.partner_id, 0), p.amount)
		   FROM posting p JOIN account d ON d.id = p.debit JOIN account c ON c.id = p.credit
		   LEFT JOIN orders o ON p.source = 1 AND o.no = p.source_no LEFT JOIN period q ON p.source = 2 AND q.no = p.source_no`,
		`SELECT format('conflict of %s %s', order_id, encode(content_hash, 'hex')) FROM order_conflict x JOIN orders o ON o.no = x.order_no`,
		`SELECT format('fact of %s %s %s', order_id, kind, ref) FROM order_event e JOIN orders o ON o.no = e.order_no`,
		`SELECT format('seen %s %s %s %s %s %s', customer_id, ref, sale::text, void::text, coalesce(offer::text, ''), view) FROM customer_seen`,
		`SELECT format('period %s %s %s version %s released %s next %s %s', rule, partner_id, span, version, micros(released_until), micros(release_at), record) FROM period`,
		`SELECT format('touched %s %s %s', customer_id, micros(at), ref) FROM customer_touched`,
		`SELECT format('nudge %s', order_id) FROM nudge n JOIN orders o ON o.no = n.order_no`,
		`SELECT format('delta %s %s %s %s %s %s %s', rule, partner_id, span, day, count, revenue, commission) FROM period_delta`,
		fmt.Sprintf(`SELECT format('lane %%s at %%s, epoch %%s', partition, next_offset, epoch) FROM position WHERE consumer = '%s' AND topic = '%s'`, Consumer, event.Orders),
	} {
		rows, err := p.w.db.Query(tb.Context(), sql)
		check(tb, err)
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		check(tb, err)
		lines = append(lines, found...)
	}
	slices.Sort(lines)
	return lines
}

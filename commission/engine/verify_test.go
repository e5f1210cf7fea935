package engine

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tributary/commission/audit"
	"tributary/commission/ledger"
	"tributary/commission/ledger/chart"
	"tributary/internal/clickhouse"
	"tributary/internal/event"
	"tributary/internal/postgres"
	"tributary/internal/stream"
	"tributary/test/engines"
)

// tamper changes rows as a superuser who has switched the triggers off, for the length of one transaction that is
// always rolled back, and gives what Verify finds in it.
func (w *world) tamper(sql string) []audit.Finding {
	w.t.Helper()
	ctx := w.t.Context()
	tx, err := w.db.Begin(ctx)
	check(w.t, err)
	defer tx.Rollback(ctx)
	_, err = tx.Exec(ctx, `SET LOCAL session_replication_role = replica`)
	check(w.t, err)
	tag, err := tx.Exec(ctx, sql)
	check(w.t, err)
	if tag.RowsAffected() == 0 {
		w.t.Fatalf("%s changed nothing", sql)
	}
	verdict, err := audit.VerifyIn(ctx, tx, w.audited())
	check(w.t, err)
	return verdict.Findings
}

// audited is what an audit of this world needs.
func (w *world) audited() audit.Check {
	return audit.Check{DB: w.db, VerifyClick: verifyClick, Partitions: w.partitions, Limit: 100, Now: w.clock()}
}

func TestVerifyNamesEveryRowThatWasChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.setClock(noon().Add(35 * day))
	history, _ := shoppingHistory(120)
	stop := w.start(w.config("one"))
	w.send(arrival(w, history, 1)...)
	w.send(sale(1, "A1", w.click(), 10_000), refund(1, "A1", "r1", day, 1000))
	w.waitIdle()
	stop()
	w.sealAll(50)
	w.clean()
	no := w.number(`SELECT no FROM orders WHERE order_id = 'A1'`)
	partner := w.partners[0]
	of := func(sql string) string { return strings.ReplaceAll(sql, "$no", strconv.FormatInt(no, 10)) }
	facts := []struct{ sql, check, key, column, want, have string }{
		{
			`UPDATE posting SET amount = amount + 1 WHERE source_no = $no AND version = (SELECT min(version) FROM posting WHERE source_no = $no) AND n = 0`,
			"postings follow from events", fmt.Sprintf("of order %d from partner_pending to merchant_receivable, partner %d", no, partner), "amount", "1000", "1001",
		},
		{`UPDATE posting SET amount = amount + 1 WHERE source_no = $no AND n = 0`, "hash chain", "block ", "", "", ""},
		{`UPDATE posting SET amount = amount + 1 WHERE source_no = $no AND n = 0`, "commissions equal balances", "merchant_receivable of merchant 1", "balance", "", ""},
		{`UPDATE posting SET effective_at = effective_at + interval '1 second' WHERE source_no = $no AND n = 0`, "postings follow from events", "effective 2026-03-01T12:00:01Z", "amount", "0", ""},
		{`DELETE FROM posting WHERE source_no = $no AND n = 0`, "postings follow from events", fmt.Sprintf("of order %d", no), "amount", "", "0"},
		{`DELETE FROM posting WHERE source_no = $no AND n = 0`, "versions", fmt.Sprintf("(1, %d, ", no), "n", "0", "1"},
		{`UPDATE posting SET unit = 'EUR' WHERE source_no = $no AND n = 1`, "postings fit their accounts", fmt.Sprintf("(1, %d, ", no), "", "", "EUR"},
		{`UPDATE posting SET debit = 999999 WHERE source_no = $no AND n = 1`, "postings fit their accounts", fmt.Sprintf("(1, %d, ", no), "", "", "account 999999 (none)"},
		{
			`WITH a AS (INSERT INTO account (kind, unit) VALUES ('bank', 'GBP') RETURNING id) UPDATE posting SET debit = a.id FROM a WHERE source_no = $no AND n = 1`,
			"postings follow from events", fmt.Sprintf("of order %d", no), "amount", "", "",
		},
		{`UPDATE posting SET source = 7 WHERE source_no = $no AND n = 1`, "every posting has a check", fmt.Sprintf("(7, %d, ", no), "source", "", "7"},
		{`UPDATE posting SET source_no = 999999 WHERE source_no = $no AND n = 1`, "every row belongs to an order", "(1, 999999, ", "", "an order", "none"},
		{`UPDATE posting SET version = 77 WHERE source_no = $no AND n = 1`, "versions", fmt.Sprintf("(1, %d, 77", no), "version", "", "77"},
		{`UPDATE commission SET net = net + 7, pending = pending + 7 WHERE order_no = $no`, "commission follows from events", fmt.Sprintf("(%d, %d, partner, GBP)", no, partner), "net", "", ""},
		{`UPDATE commission SET gross = gross + 7 WHERE order_no = $no`, "commission follows from events", fmt.Sprintf("(%d, %d, partner, GBP)", no, partner), "gross", "1000", "1007"},
		{`UPDATE commission SET state = 'pending' WHERE order_no = $no`, "commission follows from events", fmt.Sprintf("(%d, %d, partner, GBP)", no, partner), "state", "payable", "pending"},
		{`UPDATE commission SET state = 'paid' WHERE order_no = $no`, "commission follows from events", fmt.Sprintf("(%d, %d, partner, GBP)", no, partner), "state", "payable", "paid"},
		{`UPDATE commission SET state = 'held' WHERE order_no = $no`, "commission follows from events", fmt.Sprintf("(%d, %d, partner, GBP)", no, partner), "state", "payable", "held"},
		{`UPDATE commission SET released = false WHERE order_no = $no`, "commission follows from events", fmt.Sprintf("(%d, %d, partner, GBP)", no, partner), "released", "true", "false"},
		{`UPDATE commission SET state = 'pending', released = false WHERE order_no = $no`, "holds end", fmt.Sprintf("(%d, %d, partner, GBP)", no, partner), "state", "payable since", "pending"},
		{`UPDATE ledger_sent SET through_seq = 999999 WHERE lane = 1`, "outbox is dense", "1", "through_seq", "at most", "999999"},
		{`UPDATE commission SET hold_until = hold_until + interval '1 day' WHERE order_no = $no`, "commission follows from events", fmt.Sprintf("(%d, %d, partner, GBP)", no, partner), "hold_until", "", ""},
		{`UPDATE commission SET merchant_id = 2 WHERE order_no = $no`, "every row belongs to an order", fmt.Sprintf("(%d, %d, partner, GBP)", no, partner), "merchant_id, lane", "", ""},
		{`DELETE FROM commission WHERE order_no = $no`, "commission follows from events", fmt.Sprintf("(%d, %d, partner, GBP)", no, partner), "", "", "no row"},
		{`UPDATE orders SET amount = amount + 5 WHERE no = $no`, "order", fmt.Sprintf("%d (merchant 1, \"A1\")", no), "amount", "10000", "10005"},
		{`UPDATE orders SET outcome = 'no_click' WHERE no = $no`, "order", strconv.FormatInt(no, 10), "outcome", "credited", "no_click"},
		{`UPDATE orders SET late = true WHERE no = $no`, "order", strconv.FormatInt(no, 10), "late", "false", "true"},
		{`UPDATE orders SET received_at = received_at + interval '1 second' WHERE no = $no`, "order", strconv.FormatInt(no, 10), "received_at", "", ""},
		{`UPDATE orders SET refund_oddities = 1 WHERE no = $no`, "order", strconv.FormatInt(no, 10), "refund_oddities", "0", "1"},
		{`UPDATE order_event SET api_key_id = 9 WHERE order_no = $no AND kind = 2`, "event", fmt.Sprintf("(%d, 2, \"r1\")", no), "api_key_id, ip_prefix, imported", `0, "", false`, `9, "", false`},
		{`UPDATE order_event SET ip_prefix = 'x' WHERE order_no = $no AND kind = 2`, "event", fmt.Sprintf("(%d, 2, \"r1\")", no), "api_key_id, ip_prefix, imported", "", `"x"`},
		{`UPDATE order_event SET imported = true WHERE order_no = $no AND kind = 2`, "event", fmt.Sprintf("(%d, 2, \"r1\")", no), "api_key_id, ip_prefix, imported", "", "true"},
		{`UPDATE orders SET lane = lane + 1 WHERE no = $no`, "order", strconv.FormatInt(no, 10), "lane", "", ""},
		{`UPDATE orders SET decision = replace(decision::text, '"rate":100000', '"rate":100001')::json WHERE no = $no`, "order", strconv.FormatInt(no, 10), "decision", "", ""},
		{`DELETE FROM order_event WHERE order_no = $no AND kind = 2`, "order", strconv.FormatInt(no, 10), "refunded", "0", "1000"},
		{`DELETE FROM order_event WHERE order_no = $no`, "order", strconv.FormatInt(no, 10), "", "events that it is folded from", "none"},
		{`UPDATE order_event SET ref = 'other' WHERE order_no = $no AND kind = 2`, "event", fmt.Sprintf("(%d, 2, \"other\")", no), "ref", `2 "r1"`, `2 "other"`},
		{`UPDATE order_event SET payload = substr(payload, 1, 20) WHERE order_no = $no AND kind = 2`, "event", fmt.Sprintf("(%d, 2, \"r1\")", no), "payload", "an event of this order", ""},
		{`UPDATE order_event SET content_hash = '\x00' WHERE order_no = $no AND kind = 2`, "event", fmt.Sprintf("(%d, 2, \"r1\")", no), "content_hash", "", "00"},
		{`DELETE FROM orders WHERE no = $no`, "every row belongs to an order", fmt.Sprintf("(%d, 1, '')", no), "", "an order", "none"},
		{`UPDATE checkpoint SET debits = debits + 1 WHERE (account_id, through_seq) = (SELECT account_id, through_seq FROM checkpoint ORDER BY 2, 1 LIMIT 1)`, "checkpoints equal sums", "(", "debits, credits, latest", "", ""},
		{`UPDATE checkpoint SET debits = debits + 1 WHERE (account_id, through_seq) = (SELECT account_id, max(through_seq) FROM checkpoint GROUP BY 1 LIMIT 1)`, "books balance", "all of GBP", "credits", "", ""},
		{`UPDATE posting SET amount = 9000000000000000000 WHERE seq IN (SELECT seq FROM posting WHERE debit = (SELECT debit FROM posting WHERE source_no = $no AND n = 0 LIMIT 1) LIMIT 2)`, "sums fit", "", "debits", "at most 9223372036854775807", ""},
		{`UPDATE chain SET hash = sha256('x') WHERE block = 2`, "hash chain", "block 2", "", "", ""},
		{`DELETE FROM chain WHERE block = 2`, "hash chain", "block 3", "", "", "block 2 is missing"},
		{`UPDATE position SET halted = 'a gap' WHERE partition = 1`, "partitions move", "(engine, orders, 1)", "halted", "not halted", "a gap"},
		{`INSERT INTO ledger_outbox VALUES (1, 5, 6, '')`, "outbox is dense", "(1, 5)", "last_seq", "", "6"},
		{`INSERT INTO dead_letter (consumer, topic, partition, "offset", key, value, error) VALUES ('engine', 'orders', 1, 5, '', '', 'why')`, "dead letters are settled", "(engine, orders, 1, 5)", "state", "", "open: why"},
	}
	for _, f := range facts {
		found := w.tamper(of(f.sql))
		ok := false
		for _, g := range found {
			ok = ok || g.Check == f.check && strings.Contains(g.Key, f.key) && (f.column == "" || g.Column == f.column) &&
				strings.Contains(g.Want, f.want) && strings.Contains(g.Have, f.have)
		}
		if !ok {
			t.Errorf("%s\nis not found as %+v, but as:", of(f.sql), f)
			for _, g := range found {
				t.Errorf("  %s", g)
			}
		}
	}
	w.clean()
}

func TestVerifyCountsWhatItDoesNotKeep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stop := w.start(w.config("one"))
	for i := range 5 {
		w.send(sale(1, strconv.Itoa(i), w.click(), 10_000))
	}
	w.waitIdle()
	stop()
	w.exec(`UPDATE orders SET customer_id = 'somebody'`)
	check := audit.Check{
		DB: w.db, VerifyClick: verifyClick, Partitions: w.partitions, Limit: 2, Now: w.clock(),
	}
	verdict, err := audit.Verify(t.Context(), check)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "kept, left out, broken", [3]int{len(verdict.Findings), verdict.More, verdict.Broken}, [3]int{2, 3, 5})
	equal(t, "is broken", verdict.IsBroken(), true)
	equal(t, "orders", verdict.Orders, 5)
}

// sealAll seals the books with checkpoints, as the engine's sealer would in its own time.
func (w *world) sealAll(every int) {
	w.t.Helper()
	sealer := ledger.NewSealer(w.db, quiet())
	sealer.BlockRows, sealer.CheckpointEvery = 40, every
	_, err := sealer.Seal(w.t.Context())
	check(w.t, err)
}

func TestVerifyComparesTheReportsWithTheLedger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	history, _ := shoppingHistory(100)
	stop := w.start(w.config("one"))
	w.setClock(noon().Add(20 * day))
	w.send(arrival(w, history, 2)...)
	w.waitIdle()
	w.setClock(noon().Add(80 * day))
	w.eventually("all holds have ended", func() bool { return w.number(`SELECT count(*) FROM commission WHERE NOT released`) == 0 })
	w.waitIdle()
	stop()
	url := engines.ClickHouseMigrated(t)
	reports, err := clickhouse.Open(url, 2)
	check(t, err)
	defer reports.Close()
	events := w.ledgerEvents()
	load(t, reports, events[:len(events)-3])
	found := w.verifyReports(reports)
	if len(found) == 0 || found[0].Severity != audit.Attention || found[0].Check != "reports have every event once" {
		t.Errorf("with three events missing: %v", found)
	}
	load(t, reports, events[len(events)-3:])
	for _, f := range w.verifyReports(reports) {
		t.Errorf("all is there: %s", f)
	}
	check(t, reports.Exec(t.Context(), `ALTER TABLE ledger UPDATE net = net + 1 WHERE _partition = 1 AND _seq = 2 SETTINGS mutations_sync = 1`))
	found = w.verifyReports(reports)
	if len(found) != 1 || found[0].Check != "reports equal the ledger" || found[0].Column != "net" {
		t.Errorf("with one event changed: %v", found)
	}
	load(t, reports, events[:1])
	found = w.verifyReports(reports)
	if len(found) != 1 || found[0].Check != "reports have every event once" || found[0].Severity != audit.Broken {
		t.Errorf("with one event twice: %v", found)
	}
}

func (w *world) verifyReports(reports clickhouse.Conn) []audit.Finding {
	w.t.Helper()
	db, err := postgres.Open(w.t.Context(), engines.As(w.url, postgres.Operator), postgres.Operator, 3)
	check(w.t, err)
	defer db.Close()
	verdict, err := audit.Verify(w.t.Context(), audit.Check{
		DB: db, VerifyClick: verifyClick, Partitions: w.partitions, Reports: reports, Now: w.clock(),
	})
	check(w.t, err)
	return verdict.Findings
}

// ledgerEvents reads the topic ledger, and fails unless each lane's sequence is dense from 1 on.
func (w *world) ledgerEvents() []stream.Record {
	w.t.Helper()
	var all []stream.Record
	for p := range w.partitions {
		_, end, err := w.kafka.Offsets(w.t.Context(), event.Decisions, p)
		check(w.t, err)
		seq := uint64(0)
		for next := int64(0); next < end; {
			records, err := w.kafka.Fetch(w.t.Context(), event.Decisions, p, next, 1<<20, time.Second)
			check(w.t, err)
			for _, r := range records {
				next = r.Offset + 1
				if r.Seq <= seq {
					continue // sent again
				}
				if r.Seq != seq+1 {
					w.t.Fatalf("lane %d: sequence %d follows %d", p, r.Seq, seq)
				}
				seq = r.Seq
				all = append(all, r)
			}
		}
	}
	return all
}

// load writes ledger events into ClickHouse as the loader does.
func load(tb testing.TB, reports clickhouse.Conn, records []stream.Record) {
	tb.Helper()
	batch, err := reports.PrepareBatch(tb.Context(), `INSERT INTO ledger (event_id, received_at, occurred_at, ordered_at, order_no, version, step,
		merchant_id, program_id, partner_id, link_id, order_id, customer_id, currency, cause, orders, revenue, refunded, gross, net, fee,
		pending, payable, fee_pending, fee_earned, _partition, _offset, _spool, _seq)`)
	check(tb, err)
	defer batch.Close()
	for _, r := range records {
		e, err := event.Decode(r.Value)
		check(tb, err)
		l := e.GetLedger()
		check(tb, batch.Append(uuid.UUID(e.GetId()), event.Time(e.GetReceivedAt()), event.Time(e.GetOccurredAt()), event.Time(l.GetOrderedAt()),
			l.GetOrderNo(), l.GetVersion(), l.GetStep(), l.GetMerchantId(), l.GetProgramId(), l.GetPartnerId(), l.GetLinkId(), l.GetOrderId(),
			l.GetCustomerId(), l.GetCurrency(), l.GetCause(), l.GetOrders(), l.GetRevenue(), l.GetRefunded(), l.GetGross(), l.GetNet(), l.GetFee(),
			l.GetPending(), l.GetPayable(), l.GetFeePending(), l.GetFeeEarned(), uint16(r.Partition), uint64(r.Offset), uuid.UUID(r.Spool), r.Seq))
	}
	check(tb, batch.Send())
}

func TestLedgerEventsAddUpToTheBooksAtEveryTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	history, times := shoppingHistory(200)
	w.start(w.config("one"))
	w.setClock(noon().Add(10 * day))
	events := arrival(w, history, 3)
	w.send(events[:len(events)/2]...)
	w.waitIdle()
	w.setClock(noon().Add(33 * day))
	w.send(events[len(events)/2:]...)
	w.waitIdle()
	w.eventually("holds have ended", func() bool {
		return w.number(`SELECT count(*) FROM commission WHERE NOT released AND hold_until <= $1`, w.clock()) == 0
	})
	w.waitIdle()
	records := w.ledgerEvents()
	for _, at := range times {
		got := make(books)
		for _, r := range records {
			e, err := event.Decode(r.Value)
			check(t, err)
			if !at.IsZero() && event.Time(e.GetOccurredAt()).After(at) {
				continue
			}
			l := e.GetLedger()
			sum, figures := int64(0), map[chart.Kind]int64{
				chart.PartnerPending: l.GetPending(), chart.PartnerPayable: l.GetPayable(), chart.FeePending: l.GetFeePending(), chart.FeeEarned: l.GetFeeEarned(),
			}
			for _, c := range l.GetAccounts() {
				kind := chart.Kinds()[c.GetKind()-1]
				partner := int64(0)
				if kind.Owner.HasPartner() {
					partner = l.GetPartnerId()
				}
				grown := kind.Kind.Amount(c.GetAmount(), 0)
				got[fmt.Sprintf("%s/%d/%d/%s", kind.Kind, l.GetMerchantId(), partner, l.GetCurrency())] += grown
				figures[kind.Kind] -= grown
				sum += c.GetAmount()
			}
			if sum != 0 || figures[chart.MerchantReceivable] != -l.GetNet()-l.GetFee() {
				t.Errorf("event of order %d, version %d, step %d does not add up", l.GetOrderNo(), l.GetVersion(), l.GetStep())
			}
			delete(figures, chart.MerchantReceivable)
			for kind, left := range figures {
				equal(t, fmt.Sprintf("%s of order %d that its accounts do not say", kind, l.GetOrderNo()), left, 0)
			}
		}
		for k, v := range got {
			if v == 0 {
				delete(got, k)
			}
		}
		equal(t, "as of "+at.String(), got, w.books(at))
	}
	refunded := int64(0)
	for _, r := range records {
		e, err := event.Decode(r.Value)
		check(t, err)
		refunded += e.GetLedger().GetRefunded()
	}
	equal(t, "refunded", refunded, w.number(`SELECT sum(refunded) FROM orders`))
}

func TestVerifyReadsOneSnapshotWhileTheEngineWorks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.config("one"))
	ctx, cancel := context.WithCancel(t.Context())
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i := 0; ctx.Err() == nil && i < 3000; i += 20 {
			var events []*event.Event
			for j := range 20 {
				events = append(events, sale(1, fmt.Sprint("L", i+j), w.click(), 1000))
			}
			w.send(events...)
		}
	}()
	for range 5 {
		w.clean()
	}
	cancel()
	<-sent
	w.waitIdle()
	w.clean()
}

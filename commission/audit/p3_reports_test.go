package audit_test

import (
	"cmp"
	"testing"
	"time"

	"github.com/google/uuid"

	"tributary/commission/audit"
	"tributary/internal/clickhouse"
	"tributary/internal/event"
	"tributary/internal/stream"
	"tributary/test/engines"
)

// P3: every ledger event is in ClickHouse once. P5: what the reports add up to is what the ledger does.
func TestP3AndP5ReportsThatDifferFromTheLedger(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	reports, err := clickhouse.Open(engines.ClickHouseMigrated(t), 2)
	must(t, err)
	defer reports.Close()
	b.check.Reports = reports
	events := b.ledgerEvents()
	const once, equal = "reports have every event once", "reports equal the ledger"
	change := func(sql string) func() {
		return func() {
			must(t, reports.Exec(t.Context(), `ALTER TABLE ledger UPDATE `+sql+` SETTINGS mutations_sync = 1`))
		}
	}
	for _, step := range []struct {
		name string
		do   func()
		want []audit.Finding
	}{
		{"three events are missing", func() { load(t, reports, events[:len(events)-3]) }, []audit.Finding{{Check: once, Severity: audit.Attention}}},
		{"all are there", func() { load(t, reports, events[len(events)-3:]) }, nil},
		{"a figure was changed", change(`net = net + 1 WHERE _partition = 1 AND _seq = 2`), []audit.Finding{{Check: equal, Severity: audit.Broken, Column: "net"}}},
		{"it was changed back", change(`net = net - 1 WHERE _partition = 1 AND _seq = 2`), nil},
		{"points were made pence", change(`unit = 'GBP' WHERE unit = 'POINT'`), []audit.Finding{
			{Check: equal, Severity: audit.Broken, Column: "gross"},
			{Check: equal, Severity: audit.Broken, Column: "net"},
			{Check: equal, Severity: audit.Broken, Column: "payable"},
		}},
		{"they are points again", change(`unit = 'POINT' WHERE role != 'partner'`), nil},
		{"an event is there twice", func() { load(t, reports, events[:1]) }, []audit.Finding{{Check: once, Severity: audit.Broken}}},
	} {
		step.do()
		found := b.verify()
		for _, want := range step.want {
			ok := false
			for _, f := range found {
				ok = ok || f.Check == want.Check && f.Severity == want.Severity && (want.Column == "" || f.Column == want.Column)
			}
			if !ok {
				t.Errorf("%s: not found as %s %s %s, but as %v", step.name, want.Check, want.Severity, want.Column, found)
			}
		}
		if len(step.want) == 0 && len(found) > 0 {
			t.Errorf("%s: %v", step.name, found)
		}
	}
}

// ledgerEvents reads the topic ledger.
func (b *books) ledgerEvents() (all []stream.Record) {
	b.t.Helper()
	for p := range lanes {
		_, end, err := b.kafka.Offsets(b.t.Context(), event.Decisions, p)
		must(b.t, err)
		for next := int64(0); next < end; {
			records, err := b.kafka.Fetch(b.t.Context(), event.Decisions, p, next, 1<<20, time.Second)
			must(b.t, err)
			all, next = append(all, records...), next+int64(len(records))
		}
	}
	return all
}

// load writes ledger events into ClickHouse as the loader does.
func load(tb testing.TB, reports clickhouse.Conn, records []stream.Record) {
	tb.Helper()
	batch, err := reports.PrepareBatch(tb.Context(), `INSERT INTO ledger (event_id, received_at, occurred_at, ordered_at, order_no, version, step,
		merchant_id, program_id, partner_id, link_id, order_id, customer_id, currency, further, role, unit, cause, orders, revenue, refunded, gross, net, fee,
		pending, payable, fee_pending, fee_earned, _partition, _offset, _spool, _seq)`)
	must(tb, err)
	defer batch.Close()
	for _, r := range records {
		e, err := event.Decode(r.Value)
		must(tb, err)
		l := e.GetLedger()
		must(tb, batch.Append(uuid.UUID(e.GetId()), event.Time(e.GetReceivedAt()), event.Time(e.GetOccurredAt()), event.Time(l.GetOrderedAt()),
			l.GetOrderNo(), l.GetVersion(), l.GetStep(), l.GetMerchantId(), l.GetProgramId(), l.GetPartnerId(), l.GetLinkId(), l.GetOrderId(),
			l.GetCustomerId(), l.GetCurrency(), l.GetFurther(), cmp.Or(l.GetRole(), "partner"), cmp.Or(l.GetUnit(), l.GetCurrency()), l.GetCause(),
			l.GetOrders(), l.GetRevenue(), l.GetRefunded(), l.GetGross(), l.GetNet(), l.GetFee(),
			l.GetPending(), l.GetPayable(), l.GetFeePending(), l.GetFeeEarned(), uint16(r.Partition), uint64(r.Offset), uuid.UUID(r.Spool), r.Seq))
	}
	must(tb, batch.Send())
}

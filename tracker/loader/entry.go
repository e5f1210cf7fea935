package loader

import (
	"cmp"
	"time"

	"tributary/internal/event"
	"tributary/internal/stream"
)

const ledgerColumns = "ordered_at, order_no, period_no, version, step, merchant_id, program_id, partner_id, link_id, order_id, customer_id, currency, further, role, unit, cause, " +
	"orders, revenue, refunded, gross, net, fee, pending, payable, fee_pending, fee_earned, `account.kind`, `account.amount`"

// entries are rows of the table ledger.
type entries struct {
	head

	ordered                                 []time.Time
	numbers, periods                        []int64
	versions, steps, counts                 []int32
	merchants, programs, partners, links    []int64
	orders, customers, currencies, causes   []string
	further                                 []bool
	roles, units                            []string
	revenue, refunded, gross, net, fee      []int64
	pending, payable, feePending, feeEarned []int64
	accountKinds                            [][]int32
	accountAmounts                          [][]int64
}

func (t *entries) add(e *event.Event, r *stream.Record) error {
	body, ok := e.GetBody().(*event.Event_Ledger)
	if !ok {
		return misplaced(e, event.Decisions)
	}
	l := body.Ledger
	if err := checkTimes(e.GetReceivedAt(), e.GetOccurredAt(), l.GetOrderedAt()); err != nil {
		return err
	}
	t.head.add(e, r)
	t.ordered = append(t.ordered, event.Time(l.GetOrderedAt()))
	t.numbers = append(t.numbers, l.GetOrderNo())
	t.periods = append(t.periods, l.GetPeriodNo())
	t.versions = append(t.versions, l.GetVersion())
	t.steps = append(t.steps, l.GetStep())
	t.merchants = append(t.merchants, l.GetMerchantId())
	t.programs = append(t.programs, l.GetProgramId())
	t.partners = append(t.partners, l.GetPartnerId())
	t.links = append(t.links, l.GetLinkId())
	t.orders = append(t.orders, l.GetOrderId())
	t.customers = append(t.customers, l.GetCustomerId())
	t.currencies = append(t.currencies, l.GetCurrency())
	t.further = append(t.further, l.GetFurther())
	t.roles = append(t.roles, cmp.Or(l.GetRole(), "partner"))
	t.units = append(t.units, cmp.Or(l.GetUnit(), l.GetCurrency()))
	t.causes = append(t.causes, l.GetCause())
	t.counts = append(t.counts, l.GetOrders())
	t.revenue = append(t.revenue, l.GetRevenue())
	t.refunded = append(t.refunded, l.GetRefunded())
	t.gross = append(t.gross, l.GetGross())
	t.net = append(t.net, l.GetNet())
	t.fee = append(t.fee, l.GetFee())
	t.pending = append(t.pending, l.GetPending())
	t.payable = append(t.payable, l.GetPayable())
	t.feePending = append(t.feePending, l.GetFeePending())
	t.feeEarned = append(t.feeEarned, l.GetFeeEarned())
	kinds, amounts := make([]int32, len(l.GetAccounts())), make([]int64, len(l.GetAccounts()))
	for i, a := range l.GetAccounts() {
		kinds[i], amounts[i] = a.GetKind(), a.GetAmount()
	}
	t.accountKinds, t.accountAmounts = append(t.accountKinds, kinds), append(t.accountAmounts, amounts)
	return nil
}

func (t *entries) columns(dst []any, a, z int) []any {
	return append(t.head.columns(dst, a, z), t.ordered[a:z], t.numbers[a:z], t.periods[a:z], t.versions[a:z], t.steps[a:z],
		t.merchants[a:z], t.programs[a:z], t.partners[a:z], t.links[a:z], t.orders[a:z], t.customers[a:z], t.currencies[a:z],
		t.further[a:z], t.roles[a:z], t.units[a:z], t.causes[a:z],
		t.counts[a:z], t.revenue[a:z], t.refunded[a:z], t.gross[a:z], t.net[a:z], t.fee[a:z],
		t.pending[a:z], t.payable[a:z], t.feePending[a:z], t.feeEarned[a:z], t.accountKinds[a:z], t.accountAmounts[a:z])
}

func (t *entries) reset() {
	t.head.reset()
	t.ordered, t.numbers, t.periods = t.ordered[:0], t.numbers[:0], t.periods[:0]
	t.versions, t.steps, t.counts = t.versions[:0], t.steps[:0], t.counts[:0]
	t.merchants, t.programs, t.partners, t.links = t.merchants[:0], t.programs[:0], t.partners[:0], t.links[:0]
	forget(&t.orders, &t.customers, &t.currencies, &t.causes, &t.roles, &t.units)
	t.further = t.further[:0]
	t.revenue, t.refunded, t.gross, t.net, t.fee = t.revenue[:0], t.refunded[:0], t.gross[:0], t.net[:0], t.fee[:0]
	t.pending, t.payable, t.feePending, t.feeEarned = t.pending[:0], t.payable[:0], t.feePending[:0], t.feeEarned[:0]
	t.accountKinds, t.accountAmounts = t.accountKinds[:0], t.accountAmounts[:0]
}

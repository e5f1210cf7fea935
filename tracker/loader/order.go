package loader

import (
	"tributary/internal/event"
	"tributary/internal/stream"
)

const orderColumns = "kind, merchant_id, order_id, ref, currency, amount, click_id, coupon, customer_id, goal, " +
	"`line.number`, `line.sku`, `line.quantity`, `line.amount`, `line.category`, `line.whole`, " +
	"whole_order, api_key_id, ip_prefix, imported, test, content_hash"

// kindClicks is the value of order_event.kind for clicks that the network has counted, which are sales of another sort.
const kindClicks int8 = 100

// orders are rows of the table order_event.
type orders struct {
	head

	kinds                       []int8
	merchants, amounts, apiKeys []int64
	prefixes                    []string
	wholeOrders, imported       []bool
	tests                       []bool
	ids, refs, currencies       []string
	clicks, coupons, customers  []string
	goals                       []string
	numbers                     [][]int64
	skus, categories            [][]string
	quantities, lineAmounts     [][]int64
	wholeLines                  [][]bool
	hashes                      []string
}

func (o *orders) add(e *event.Event, r *stream.Record) error {
	if err := checkTimes(e.GetReceivedAt(), e.GetOccurredAt()); err != nil {
		return err
	}
	switch body := e.GetBody().(type) {
	case *event.Event_Sale:
		o.addSale(body.Sale)
	case *event.Event_Refund:
		o.addRefund(body.Refund)
	case *event.Event_Path:
		o.addPath(body.Path)
	default:
		return misplaced(e, event.Orders)
	}
	o.head.add(e, r)
	o.apiKeys = append(o.apiKeys, e.GetApiKeyId())
	o.prefixes = append(o.prefixes, e.GetIpPrefix())
	o.imported = append(o.imported, e.GetImported())
	o.wholeOrders = append(o.wholeOrders, e.GetRefund().GetWholeOrder())
	o.goals = append(o.goals, e.GetSale().GetGoal())
	o.tests = append(o.tests, e.Fact().Keys == event.Trial)
	return nil
}

func (o *orders) addSale(s *event.Sale) {
	l := newLines(len(s.GetLines()))
	var amount int64
	for _, line := range s.GetLines() {
		amount += line.GetAmount()
		l.add(line.GetNumber(), line.GetSku(), line.GetQuantity(), line.GetAmount(), line.GetCategory(), false)
	}
	kind := int8(event.KindSale)
	if s.GetCounted() != nil {
		kind = kindClicks
	}
	o.kinds = append(o.kinds, kind)
	o.merchants = append(o.merchants, s.GetMerchantId())
	o.amounts = append(o.amounts, amount)
	o.ids = append(o.ids, s.GetOrderId())
	o.refs = append(o.refs, "")
	o.currencies = append(o.currencies, s.GetCurrency())
	o.clicks = append(o.clicks, s.GetClickId())
	o.coupons = append(o.coupons, s.GetCoupon())
	o.customers = append(o.customers, s.GetCustomerId())
	o.hashes = append(o.hashes, string(s.GetContentHash()))
	o.addLines(l)
}

func (o *orders) addRefund(f *event.Refund) {
	l := newLines(len(f.GetItems()))
	amount := f.GetAmount()
	for _, item := range f.GetItems() {
		amount += item.GetAmount()
		l.add(item.GetLine(), item.GetSku(), item.GetQuantity(), item.GetAmount(), "", item.GetWholeLine())
	}
	o.kinds = append(o.kinds, int8(event.KindRefund))
	o.merchants = append(o.merchants, f.GetMerchantId())
	o.amounts = append(o.amounts, amount)
	o.ids = append(o.ids, f.GetOrderId())
	o.refs = append(o.refs, f.GetRefundId())
	o.currencies = append(o.currencies, f.GetCurrency())
	o.clicks = append(o.clicks, "")
	o.coupons = append(o.coupons, "")
	o.customers = append(o.customers, "")
	o.hashes = append(o.hashes, string(f.GetContentHash()))
	o.addLines(l)
}

func (o *orders) addPath(p *event.Path) {
	o.kinds = append(o.kinds, int8(event.KindPath))
	o.merchants = append(o.merchants, p.GetMerchantId())
	o.amounts = append(o.amounts, 0)
	o.ids = append(o.ids, p.GetOrderId())
	o.refs = append(o.refs, p.GetClickId())
	o.currencies = append(o.currencies, "")
	o.clicks = append(o.clicks, p.GetClickId())
	o.coupons = append(o.coupons, "")
	o.customers = append(o.customers, "")
	o.hashes = append(o.hashes, string(event.PathHash(p)))
	o.addLines(newLines(0))
}

func (o *orders) addLines(l lines) {
	o.numbers = append(o.numbers, l.numbers)
	o.skus = append(o.skus, l.skus)
	o.quantities = append(o.quantities, l.quantities)
	o.lineAmounts = append(o.lineAmounts, l.amounts)
	o.categories = append(o.categories, l.categories)
	o.wholeLines = append(o.wholeLines, l.whole)
}

func (o *orders) columns(dst []any, a, z int) []any {
	return append(o.head.columns(dst, a, z), o.kinds[a:z], o.merchants[a:z], o.ids[a:z], o.refs[a:z], o.currencies[a:z], o.amounts[a:z],
		o.clicks[a:z], o.coupons[a:z], o.customers[a:z], o.goals[a:z],
		o.numbers[a:z], o.skus[a:z], o.quantities[a:z], o.lineAmounts[a:z], o.categories[a:z], o.wholeLines[a:z],
		o.wholeOrders[a:z], o.apiKeys[a:z], o.prefixes[a:z], o.imported[a:z], o.tests[a:z], o.hashes[a:z])
}

func (o *orders) reset() {
	o.head.reset()
	o.kinds, o.merchants, o.amounts = o.kinds[:0], o.merchants[:0], o.amounts[:0]
	o.apiKeys, o.imported, o.wholeOrders, o.wholeLines = o.apiKeys[:0], o.imported[:0], o.wholeOrders[:0], o.wholeLines[:0]
	o.tests = o.tests[:0]
	forget(&o.prefixes, &o.ids, &o.refs, &o.currencies, &o.clicks, &o.coupons, &o.customers, &o.goals, &o.hashes)
	clear(o.skus)
	clear(o.categories)
	o.numbers, o.skus, o.categories = o.numbers[:0], o.skus[:0], o.categories[:0]
	o.quantities, o.lineAmounts = o.quantities[:0], o.lineAmounts[:0]
}

// lines are the columns of one order's lines.
type lines struct {
	numbers             []int64
	skus, categories    []string
	quantities, amounts []int64
	whole               []bool
}

func newLines(n int) lines {
	texts, figures := make([]string, 0, 2*n), make([]int64, 0, 2*n)
	return lines{
		numbers: make([]int64, 0, n),
		skus:    texts[0:0:n], categories: texts[n : n : 2*n],
		quantities: figures[0:0:n], amounts: figures[n : n : 2*n],
		whole: make([]bool, 0, n),
	}
}

func (l *lines) add(number int64, sku string, quantity, amount int64, category string, whole bool) {
	l.numbers = append(l.numbers, number)
	l.skus = append(l.skus, sku)
	l.quantities = append(l.quantities, quantity)
	l.amounts = append(l.amounts, amount)
	l.categories = append(l.categories, category)
	l.whole = append(l.whole, whole)
}

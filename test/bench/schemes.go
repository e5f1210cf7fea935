package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"tributary/partners/program"
	"tributary/tracker"
	"tributary/tracker/clickid"
)

// A scheme is what the orders of a network earn by, and what they name.
type scheme struct {
	name string
	// terms is the document; empty for a tenth to the last click.
	terms string
	// earlier is how many clicks an order names before its own, by other partners.
	earlier int
	// customers is how many customers the orders are of.
	customers int
	// copies has COPY of the very rows that its orders leave measured, too.
	copies bool
	aim    string
}

const clicksAlone = `"attribution":{"touches":{"click":{"window":"30d"}}}`

// schemes are measured beside the percentages of the first.
func schemes() []scheme {
	return []scheme{
		{name: "percent", customers: 5000, copies: true},
		{
			name: "tiers_and_caps", customers: 5000, aim: ">= 0.9",
			terms: `{"schema":1,"currency":"GBP","hold":"30d","network_fee":200000,` + clicksAlone + `,"rules":[{"id":"any","pay":{"percent":100000}}],
 "periods":[{"id":"volume","measure":"revenue","period":"month","mode":"marginal","tiers":[{"from":100000,"percent":10000},{"from":10000000,"percent":20000}]},
  {"id":"most","measure":"commission","period":"month","cap":10000000}]}`,
		},
		{
			name: "three_way_split", customers: 5000, earlier: 2, copies: true, aim: ">= 0.7",
			terms: `{"schema":1,"hold":"30d","network_fee":200000,"attribution":{"model":"position","touches":{"click":{"window":"30d"}}},"rules":[{"id":"any","pay":{"percent":100000}}]}`,
		},
		{name: "binding_5k", customers: 5000, aim: ">= 0.8", terms: binding},
		{name: "binding_1m", customers: 1_000_000, aim: ">= 0.75", terms: binding},
	}
}

const binding = `{"schema":1,"hold":"30d","network_fee":200000,"attribution":{"bind":{"months":12},"touches":{"click":{"window":"30d"}}},
 "rules":[{"id":"new","where":{"customer":"new"},"pay":{"percent":120000}},{"id":"any","pay":{"percent":100000}}]}`

// document is the scheme's terms.
func (s *scheme) document() (program.Document, error) {
	const day = 24 * time.Hour
	if s.terms == "" {
		return program.NewDocument(30*day, 30*day, 200_000, program.Rates{program.Site: {program.AnyCategory: 100_000}}), nil
	}
	d, err := program.ParseDocument([]byte(s.terms))
	if err != nil {
		return d, fmt.Errorf("reading the terms of %s: %w", s.name, err)
	}
	return d, nil
}

// more adds to an order what the scheme has it name.
func (s *scheme) more(n *network, ring *clickid.Ring, i int, order *tracker.SaleReport) {
	order.CustomerID = "customer-" + strconv.Itoa(i*7919%max(1, s.customers))
	for k := range s.earlier {
		link := n.links[(i+1+k*7)%len(n.links)]
		order.Path = append(order.Path, ring.Mint(int64(link.ID), time.Now().Add(-time.Duration(s.earlier+1-k)*time.Hour)))
	}
	if s.earlier > 0 {
		order.Path = append(order.Path, order.ClickID)
	}
}

// engineSchemes measures an engine under each scheme, in turns, each into empty books on the same server.
func engineSchemes(ctx context.Context, b *bench) error {
	n, err := b.network(ctx, "schemes")
	if err != nil {
		return err
	}
	defer n.close()
	if err := n.steady(ctx); err != nil {
		return err
	}
	orders, rates, costs, copied := b.scaled(100_000), map[string][]float64{}, map[string][]float64{}, map[string][]float64{}
	for turn := range b.turns() {
		for _, s := range schemes() {
			n.scheme = s
			books, err := n.sibling(ctx, fmt.Sprintf("%s_%d", s.name, turn), 40)
			if err != nil {
				return err
			}
			taken, err := books.orders(ctx, 0, orders)
			if err != nil {
				return fmt.Errorf("under %s: %w", s.name, err)
			}
			sayf("  %s: %.0f orders/s", s.name, taken.perSecond)
			rates[s.name], costs[s.name] = append(rates[s.name], taken.perSecond), append(costs[s.name], taken.cost)
			if !s.copies {
				continue
			}
			rows, err := books.copyAlone(ctx, orders)
			if err != nil {
				return err
			}
			copied[s.name] = append(copied[s.name], rows.cost)
		}
	}
	plain, cost := median(rates["percent"]), median(costs["percent"])
	var failed []error
	for _, s := range schemes()[1:] {
		failed = append(failed,
			b.report(figure{Name: "engine_" + s.name, Value: median(rates[s.name]), Unit: "orders/s", Against: "percent", AgainstValue: plain}, s.aim),
			b.report(figure{Name: "engine_" + s.name + "_cpu", Value: median(costs[s.name]), Unit: "us", Against: "percent", AgainstValue: cost}, ""))
		if s.copies {
			failed = append(failed, b.report(figure{
				Name: "copy_" + s.name + "_cpu", Value: median(copied[s.name]), Unit: "us", Against: "COPY of percent", AgainstValue: median(copied["percent"]),
			}, ""))
		}
	}
	return firstError(failed...)
}

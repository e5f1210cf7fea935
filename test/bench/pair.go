package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// pairs measures the same clicks and orders with one tracker, loader and engine, and with two of each, and how soon the
// lanes of a loader and an engine that were killed are in other hands. Nothing may be lost.
func pairs(ctx context.Context, b *bench) error {
	var rates [2][]flow
	for turn := range b.turns() {
		for i := range 2 {
			n, err := b.network(ctx, fmt.Sprintf("pairs%d-%d", i+1, turn))
			if err != nil {
				return err
			}
			f, err := n.flow(ctx, i+1, turn+1 == b.turns())
			n.close()
			if err != nil {
				return err
			}
			rates[i] = append(rates[i], f)
		}
	}
	report := func(name, unit, aim string, of func(flow) float64) error {
		return b.report(figure{Name: name, Value: middle(rates[1], of), Unit: unit, Against: "one of each", AgainstValue: middle(rates[0], of)}, aim)
	}
	return firstError(
		report("two_of_each", "records/s", ">= 1", func(f flow) float64 { return f.all }),
		report("two_of_each_clicks", "rows/s", "", func(f flow) float64 { return f.clicks }),
		report("two_of_each_orders", "orders/s", "", func(f flow) float64 { return f.orders }),
	)
}

// flow is how fast a network was, a second: clicks while there were some, orders while there were some, and all of it until
// the last of both. Where there is only so much processor, one is slower when the other is faster.
type flow struct{ clicks, orders, all float64 }

// middle is the median of one figure of several runs.
func middle(runs []flow, of func(flow) float64) float64 {
	var values []float64
	for _, f := range runs {
		values = append(values, of(f))
	}
	return median(values)
}

// flow sends clicks and orders through so many processes of each role. Where there are two it then kills one, if last.
func (n *network) flow(ctx context.Context, of int, last bool) (flow, error) {
	clicks, orders := n.scaled(1_200_000), n.scaled(120_000)
	for i := range of {
		if err := n.fill(ctx, fmt.Sprintf("tracker%d", i), clicks/of, orders/of, i*orders/of); err != nil {
			return flow{}, err
		}
	}
	roles := map[string][]*role{}
	for _, name := range []string{"loader", "engine", "tracker"} {
		for i := range of {
			r, err := n.launch(ctx, n.env, fmt.Sprintf("%s%d", name, i), "", name)
			if err != nil {
				return flow{}, err
			}
			roles[name] = append(roles[name], r)
		}
		for _, r := range roles[name] {
			if name == "tracker" { // it begins to send at once
				break
			}
			if err := r.isReady(ctx); err != nil {
				return flow{}, err
			}
		}
	}
	var touched, booked pace
	group, watching := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		touched, err = follow(watching, roles["loader"][0].process, "the loading", int64(clicks), func(ctx context.Context) (int64, error) { return n.count(ctx, clicksLoaded) })
		return err
	})
	group.Go(func() (err error) {
		booked, err = follow(watching, roles["engine"][0].process, "the booking", int64(orders), func(ctx context.Context) (int64, error) { return n.number(ctx, ordersRead) })
		return err
	})
	if err := group.Wait(); err != nil {
		return flow{}, err
	}
	began, complete := touched.began, touched.complete
	if booked.began.Before(began) {
		began = booked.began
	}
	if booked.complete.After(complete) {
		complete = booked.complete
	}
	moved := touched.last - touched.first + booked.last - booked.first
	f := flow{touched.perSecond(), booked.perSecond(), float64(moved) / complete.Sub(began).Seconds()}
	sayf("  %d of each: %.0f clicks/s, %.0f orders/s, %.0f of both until all was there", of, f.clicks, f.orders, f.all)
	if of > 1 && last {
		if err := n.takeOver(ctx, roles, orders); err != nil {
			return flow{}, err
		}
	}
	return f, n.complete(ctx)
}

// takeOver kills the first loader and the first engine, then sends an order to each partition, and takes the time until
// all of them are in the books and in ClickHouse.
func (n *network) takeOver(ctx context.Context, roles map[string][]*role, orders int) error {
	tracker, loaders, engines := roles["tracker"][0], roles["loader"], roles["engine"]
	if err := tracker.isReady(ctx); err != nil {
		return err
	}
	loaders[0].kill()
	engines[0].kill()
	killed := time.Now()
	const more = 120 // of six partitions each gets some
	for i := range more {
		if err := n.place(ctx, tracker.tracker, fmt.Sprintf("AFTER-%03d", i), ""); err != nil {
			return err
		}
	}
	var booked, loaded time.Duration
	err := engines[1].await(ctx, "the orders of the killed engine's lanes are not booked", time.Minute, func() (bool, error) {
		read, err := n.number(ctx, ordersRead)
		booked = time.Since(killed)
		return read >= int64(orders+more), err
	})
	if err != nil {
		return err
	}
	err = loaders[1].await(ctx, "the orders of the killed loader's lanes are not loaded", time.Minute, func() (bool, error) {
		rows, err := n.count(ctx, "SELECT count() FROM order_event")
		loaded = time.Since(killed)
		return rows >= int64(orders+more), err
	})
	if err != nil {
		return err
	}
	return firstError(
		n.report(figure{Name: "take_over_engine", Value: booked.Seconds(), Unit: "s"}, "<= 10"),
		n.report(figure{Name: "take_over_loader", Value: loaded.Seconds(), Unit: "s"}, "<= 10"),
	)
}

// complete lets the binary compare everything with everything.
func (n *network) complete(ctx context.Context) error {
	// Ledger events are still on their way to ClickHouse, which verify names and does not count.
	p, err := n.start(ctx, n.name+"-verify", "", append(n.env, "TRIBUTARY_DATA="+n.folder("verify")), n.binary, "verify")
	if err != nil {
		return err
	}
	<-p.ended
	if !p.cmd.ProcessState.Success() {
		return p.failure("verify has findings")
	}
	return nil
}

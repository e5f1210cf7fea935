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
	var clicks, orders [2][]float64
	for turn := range b.turns() {
		for i := range 2 {
			n, err := b.network(ctx, fmt.Sprintf("pairs%d-%d", i+1, turn))
			if err != nil {
				return err
			}
			c, o, err := n.flow(ctx, i+1, turn+1 == b.turns())
			n.close()
			if err != nil {
				return err
			}
			clicks[i], orders[i] = append(clicks[i], c), append(orders[i], o)
		}
	}
	return firstError(
		b.report(figure{Name: "two_of_each_clicks", Value: median(clicks[1]), Unit: "rows/s", Against: "one of each", AgainstValue: median(clicks[0])}, ">= 1"),
		b.report(figure{Name: "two_of_each_orders", Value: median(orders[1]), Unit: "orders/s", Against: "one of each", AgainstValue: median(orders[0])}, ">= 1"),
	)
}

// flow sends clicks and orders through so many processes of each role, and gives the rates at which they arrived. Where
// there are two it then kills one, if last.
func (n *network) flow(ctx context.Context, of int, last bool) (clicksPerSecond, ordersPerSecond float64, err error) {
	clicks, orders := n.scaled(600_000), n.scaled(60_000)
	for i := range of {
		if err := n.fill(ctx, fmt.Sprintf("tracker%d", i), clicks/of, orders/of, i*orders/of); err != nil {
			return 0, 0, err
		}
	}
	roles := map[string][]*role{}
	for _, name := range []string{"loader", "engine", "tracker"} {
		for i := range of {
			r, err := n.launch(ctx, n.env, fmt.Sprintf("%s%d", name, i), "", name)
			if err != nil {
				return 0, 0, err
			}
			roles[name] = append(roles[name], r)
		}
		for _, r := range roles[name] {
			if name == "tracker" { // it begins to send at once
				break
			}
			if err := r.isReady(ctx); err != nil {
				return 0, 0, err
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
		return 0, 0, err
	}
	sayf("  %d of each: %.0f clicks/s, %.0f orders/s", of, touched.perSecond(), booked.perSecond())
	if of > 1 && last {
		if err := n.takeOver(ctx, roles, orders); err != nil {
			return 0, 0, err
		}
	}
	return touched.perSecond(), booked.perSecond(), n.complete(ctx)
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

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"tributary/internal/embedded"
)

// candidate are terms of which none is the network's own: other percentages, a bound, and tiers by the month.
const candidate = `{"schema":1,"currency":"GBP","hold":"30d","network_fee":200000,"attribution":{"touches":{"click":{"window":"30d"}}},
 "rules":[{"id":"any","pay":{"percent":120000,"max":1500}}],
 "periods":[{"id":"volume","measure":"revenue","period":"month","tiers":[{"from":1000000,"percent":10000}]}]}`

// simulate measures deciding stored orders under other terms beside the terms that stand, by the command, start and all, and holds it
// against an engine that takes them in.
func simulate(ctx context.Context, b *bench) error {
	n, err := b.network(ctx, "simulate")
	if err != nil {
		return err
	}
	defer n.close()
	if err := n.steady(ctx); err != nil {
		return err
	}
	orders := b.scaled(100_000)
	engine, err := n.orders(ctx, 0, orders)
	if err != nil {
		return err
	}
	terms := filepath.Join(n.dir, "candidate.json")
	if err := os.WriteFile(terms, []byte(candidate), 0o600); err != nil {
		return fmt.Errorf("writing terms: %w", err)
	}
	if err := n.rest(ctx); err != nil {
		return err
	}
	database := n.engines.Status(embedded.Postgres).Pid
	var seconds, costs []float64
	for range b.turns() {
		began, before := time.Now(), usedByAll(database)
		p, err := n.start(ctx, "simulate-run", "", append(n.env, "TRIBUTARY_DATA="+filepath.Join(n.dir, "simulate")), n.binary, "simulate",
			"--program", strconv.Itoa(int(n.program)), "--terms", terms, "--from", "2000-01-01", "--to", "2100-01-01", "--json")
		if err != nil {
			return err
		}
		<-p.ended
		if !p.cmd.ProcessState.Success() {
			return p.failure("simulating has failed")
		}
		took := time.Since(began)
		sayf("  %d orders simulated in %s; %d MB at the most", orders, took.Round(time.Millisecond), peak(p.cmd.ProcessState)/1024)
		used := p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime() + usedByAll(database) - before
		seconds, costs = append(seconds, took.Seconds()), append(costs, float64(used.Microseconds())/float64(orders))
	}
	took := median(seconds)
	return firstError(
		b.report(figure{Name: "simulate", Value: float64(orders) / took, Unit: "orders/s", Against: "the engine", AgainstValue: engine.perSecond}, ">= 5"),
		b.report(figure{Name: "simulate_cpu", Value: median(costs), Unit: "us", Against: "the engine", AgainstValue: engine.cost}, ""),
		b.report(figure{Name: "simulate_100k", Value: took * 100_000 / float64(orders), Unit: "s"}, "<= 10"),
	)
}

// peak is the most memory that a process had, in kB; 0 where the system does not tell.
func peak(ended *os.ProcessState) int64 {
	if use, ok := ended.SysUsage().(*syscall.Rusage); ok {
		return use.Maxrss
	}
	return 0
}

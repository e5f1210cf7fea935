package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// rival is a server under measurement, on the first core.
type rival struct {
	name string
	*process
	address string
	loads   map[int]loads // by connections
}

func newRival(name string, p *process, address string) *rival {
	return &rival{name: name, process: p, address: address, loads: map[int]loads{}}
}

// edge is a tracker and what it is held against.
type edge struct {
	*network
	role    *role
	tracker *rival
	peers   []*rival
}

// newEdge starts a tracker and its peers, the engines beside the load.
func (b *bench) newEdge(ctx context.Context, name string, peers ...string) (*edge, error) {
	n, err := b.network(ctx, name)
	if err != nil {
		return nil, err
	}
	e := &edge{network: n}
	if err := e.start(ctx, peers); err != nil {
		n.close()
		return nil, err
	}
	return e, nil
}

func (e *edge) start(ctx context.Context, peers []string) error {
	if err := e.pin(ctx, "1"); err != nil {
		return err
	}
	var err error
	// Every answer is to have its record on the disk, also where it would have gone without.
	if e.role, err = e.serveWith(ctx, append(slices.Clip(e.env), "TRIBUTARY_REDIRECT_WAIT=1s"), "tracker", "0", "tracker"); err != nil {
		return err
	}
	e.tracker = newRival("tracker", e.role.process, e.role.tracker)
	for _, peer := range peers {
		addresses, err := free(1)
		if err != nil {
			return err
		}
		p, err := e.network.start(ctx, e.name+"-"+peer, "0", nil, e.peer, peer, addresses[0])
		if err != nil {
			return err
		}
		e.stops = append(e.stops, p.stop)
		if err := p.await(ctx, "it does not answer", time.Minute, func() (bool, error) { return answers(addresses[0]), nil }); err != nil {
			return err
		}
		e.peers = append(e.peers, newRival(peer, p, addresses[0]))
	}
	return nil
}

// race puts the rivals under load in turns, after one that does not count, in which they come to the size they need. No one
// has anything left to do when the next begins.
func (b *bench) race(ctx context.Context, connections []int, path string, arguments []string, rivals ...*rival) error {
	for _, r := range rivals {
		if _, err := wrk(ctx, r.process, slices.Max(connections), 3*time.Second, "http://"+r.address+path, arguments); err != nil {
			return err
		}
		if err := r.awaitIdle(ctx); err != nil {
			return err
		}
	}
	for turn := range b.turns() {
		for _, c := range connections {
			for _, r := range rivals {
				if err := b.turn(ctx, turn, c, path, arguments, r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// turn puts a rival under load once.
func (b *bench) turn(ctx context.Context, number, connections int, path string, arguments []string, r *rival) error {
	seconds := 5 * time.Second
	if b.quick {
		seconds = 2 * time.Second
	}
	l, err := wrk(ctx, r.process, connections, seconds, "http://"+r.address+path, arguments)
	if err != nil {
		return err
	}
	r.loads[connections] = append(r.loads[connections], l)
	sayf("  turn %d, %d connections, %s: %.0f/s, p99 %.1f ms, %.1f us of processor a request", number+1, connections, r.name, l.perSecond, l.p99, l.cpu)
	return r.awaitIdle(ctx)
}

// compare reports what became of the tracker and one peer.
func (e *edge) compare(name string, connections int, peer *rival, rate, tail string) error {
	ours, theirs := e.tracker.loads[connections], peer.loads[connections]
	name = fmt.Sprintf("%s_%d", name, connections)
	for _, f := range []struct {
		figure
		aim string
	}{
		{figure{Name: name, Value: ours.perSecond(), Unit: "1/s", Against: peer.name, AgainstValue: theirs.perSecond()}, rate},
		{figure{Name: name + "_p99", Value: ours.p99(), Unit: "ms", Against: peer.name, AgainstValue: theirs.p99()}, tail},
		{figure{Name: name + "_cpu", Value: ours.cpu(), Unit: "us/request", Against: peer.name, AgainstValue: theirs.cpu()}, ""},
	} {
		if err := e.report(f.figure, f.aim); err != nil {
			return err
		}
	}
	return nil
}

// redirects measures redirects whose record is on the disk before the answer.
func redirects(ctx context.Context, b *bench) error {
	e, err := b.newEdge(ctx, "redirect", "echo", "caddy")
	if err != nil {
		return err
	}
	defer e.close()
	connections := []int{64, 256}
	if err := b.race(ctx, connections, "/c/"+e.links[0].Code, browser(), append(e.peers, e.tracker)...); err != nil {
		return err
	}
	for _, c := range connections {
		if err := e.compare("redirect", c, e.peers[0], ">= 0.6", "<= 3"); err != nil {
			return err
		}
		if err := e.compare("redirect", c, e.peers[1], ">= 1", ""); err != nil {
			return err
		}
	}
	unstored, err := metric(ctx, e.role.inside, "tributary_clicks_unstored_total")
	if err != nil {
		return err
	}
	answered, err := metric(ctx, e.role.inside, "tributary_redirect_seconds_count")
	if err != nil || answered == 0 {
		return fmt.Errorf("the tracker counts %.0f answers: %w", answered, err)
	}
	resident, _, err := e.role.memory()
	if err != nil {
		return err
	}
	return firstError(
		b.report(figure{Name: "redirect_answered_unstored", Value: unstored / answered, Unit: "share"}, "<= 0"),
		b.report(figure{Name: "tracker_memory_under_load", Value: resident, Unit: "MB"}, "<= 100"),
	)
}

const orderScript = `wrk.method = "POST"
wrk.body = [[{"order_id":"A-1001","amount":15098,"currency":"GBP","customer_id":"c-77","lines":[
{"sku":"BOOT-41","quantity":1,"amount":12000,"category":"footwear"},
{"sku":"SOCK-3","quantity":1,"amount":2198,"category":"clothing"},
{"sku":"LACE-1","quantity":2,"amount":900,"category":"clothing"}]}]]
`

// conversions measures orders of three lines that are on the disk before the answer.
func conversions(ctx context.Context, b *bench) error {
	e, err := b.newEdge(ctx, "conversions", "echo")
	if err != nil {
		return err
	}
	defer e.close()
	script := filepath.Join(e.dir, "order.lua")
	if err := os.WriteFile(script, []byte(orderScript), 0o600); err != nil {
		return fmt.Errorf("writing a script for wrk: %w", err)
	}
	connections := []int{64, 256}
	arguments := []string{"-s", script, "-H", "Content-Type: application/json", "-H", "Authorization: Bearer " + e.apiKey}
	if err := b.race(ctx, connections, "/v1/conversions", arguments, e.peers[0], e.tracker); err != nil {
		return err
	}
	for _, c := range connections {
		if err := e.compare("conversions", c, e.peers[0], ">= 0.4", ""); err != nil {
			return err
		}
		if err := b.report(figure{Name: fmt.Sprintf("conversions_%d_rate", c), Value: e.tracker.loads[c].perSecond(), Unit: "1/s"}, ">= 10000"); err != nil {
			return err
		}
	}
	return nil
}

// links measures redirects with a million links in the snapshot beside the same with a thousand, each time to a link that
// is drawn once more.
func links(ctx context.Context, b *bench) error {
	n, err := b.network(ctx, "links")
	if err != nil {
		return err
	}
	defer n.close()
	sizes := []int{1000, b.scaled(1_000_000)}
	rivals := make([]*rival, 0, len(sizes))
	for i, size := range sizes {
		r, err := n.tracker(ctx, fmt.Sprintf("links%d", i), size)
		if err != nil {
			return err
		}
		rivals = append(rivals, newRival(fmt.Sprintf("%d links", size), r.process, r.tracker))
	}
	if err := n.pin(ctx, "1"); err != nil {
		return err
	}
	// The race goes by size: a turn of one, then a turn of the other, each with links of its own.
	for turn := range b.turns() {
		for i, r := range rivals {
			script := filepath.Join(n.dir, "links.lua")
			text := fmt.Sprintf("request = function() return wrk.format('GET', '/c/link-' .. math.random(%d)) end\n", sizes[i])
			if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
				return fmt.Errorf("writing a script for wrk: %w", err)
			}
			if err := b.turn(ctx, turn, 256, "", append(browser(), "-s", script), r); err != nil {
				return err
			}
		}
	}
	few, many := rivals[0], rivals[1]
	resident, proportional, err := many.memory()
	if err != nil {
		return err
	}
	return firstError(
		b.report(figure{Name: "redirect_with_1M_links", Value: many.loads[256].perSecond(), Unit: "1/s", Against: few.name, AgainstValue: few.loads[256].perSecond()}, ">= 0.95"),
		b.report(figure{Name: "redirect_with_1M_links_cpu", Value: many.loads[256].cpu(), Unit: "us/request", Against: few.name, AgainstValue: few.loads[256].cpu()}, ""),
		b.report(figure{Name: "tracker_memory_with_1M_links", Value: resident, Unit: "MB"}, ""),
		b.report(figure{Name: "tracker_memory_with_1M_links_proportional", Value: proportional, Unit: "MB"}, ""),
	)
}

// tracker starts a tracker on a database of its own with so many links.
func (n *network) tracker(ctx context.Context, name string, links int) (*role, error) {
	s, err := n.sibling(ctx, name, 1)
	if err != nil {
		return nil, err
	}
	_, err = s.db.Exec(ctx, `INSERT INTO link (code, program_id, partner_id, target_url)
		SELECT 'link-' || n, $1, $2, 'https://shop.example/products/category/' || n FROM generate_series(1, $3) n`, s.program, s.partners[0], links)
	if err != nil {
		return nil, fmt.Errorf("making %d links: %w", links, err)
	}
	return s.serve(ctx, "tracker", "0", "tracker")
}

package rerun

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/commission/fx"
	"tributary/commission/period"
	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/partners"
	"tributary/partners/program"
)

// Asked is a question to Simulate.
type Asked struct {
	Program program.ProgramID
	// Terms would have been in force: versions that ascend by EffectiveFrom, of which the last before the range begins with it.
	// Before the first, and where there is none, the terms that stand are.
	Terms []program.Terms
	In    Range
	// VerifyClick says what a click id says, as an engine's does; nil where no keys are at hand: then ids say what is recorded.
	VerifyClick func(id string) commission.Click
	// Progress, unless nil, is told how many of how many orders were gone through.
	Progress func(done, total int64)
}

// Simulate decides the orders of a program's merchant in a range twice, under the terms that stand and under others, and says
// what the program would have paid. It reads in tx, a snapshot of whoever may see the merchant's rows, and writes nothing. A
// period counts the orders of the range only. What it holds in memory grows with the partners and periods, not with the orders,
// but for rules on periods that need these (period.IsRanked). A program that is not there, or another's, is a fault NotFound.
func Simulate(ctx context.Context, tx pgx.Tx, asked Asked) (*Result, error) {
	programs, rates := partners.NewPrograms(), fx.NewTable()
	if err := programs.Refresh(ctx, tx); err != nil {
		return nil, err
	}
	if err := rates.Refresh(ctx, tx); err != nil {
		return nil, err
	}
	sold, known := programs.Program(asked.Program)
	if !known {
		return nil, fault.Detailed(fault.NotFound, "unknown_program", text.DetailProgramUnknown(strconv.FormatInt(int64(asked.Program), 10)), nil)
	}
	other := programs.With(asked.Program, instead(sold.Terms, asked.Terms, asked.In))
	ids := &clicks{verify: asked.VerifyClick}
	network := evidence.Network{Rates: rates, VerifyClick: ids.of, Links: evidence.Links{}}
	s := &simulation{
		asked: asked, merchant: sold.Merchant, clicks: ids,
		old: newSide(programs, network, sold.Merchant), new: newSide(other, network, sold.Merchant),
	}
	sums, err := s.run(ctx, tx)
	if err != nil {
		return nil, fmt.Errorf("simulating program %d: %w", asked.Program, err)
	}
	return sums.result(asked)
}

// instead are the terms of a program with others in force in a range. Their numbers go on behind those that stand.
func instead(stand, others []program.Terms, in Range) []program.Terms {
	if len(others) == 0 {
		return stand
	}
	number := 0
	for i := range stand {
		number = max(number, stand[i].Version)
	}
	var all []program.Terms
	for i := range others {
		t := &others[i]
		v := program.Version{Number: number + i + 1, EffectiveFrom: t.EffectiveFrom, Rules: t.Rules, Document: *t.Document}
		if v.EffectiveFrom.Before(in.From) {
			v.EffectiveFrom, all = in.From, nil
		}
		all = append(all, v.Terms())
	}
	first := all[0].EffectiveFrom
	before := slices.DeleteFunc(slices.Clone(stand), func(t program.Terms) bool { return !t.EffectiveFrom.Before(first) })
	return append(before, all...)
}

// simulation is one run of Simulate.
type simulation struct {
	asked    Asked
	merchant program.MerchantID
	clicks   *clicks
	old, new *side
}

// batch is orders with their evidence on both sides.
type batch struct {
	orders   []*past
	old, new []commission.Evidence
}

// run reads and resolves beside deciding, which as many do at a time as there are processors: no sum depends on the order of
// orders.
func (s *simulation) run(ctx context.Context, tx pgx.Tx) (*tally, error) {
	batches := make(chan batch, 2)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(batches)
		return s.read(ctx, tx, batches)
	})
	sums := make([]*tally, runtime.GOMAXPROCS(0))
	for i := range sums {
		t := newTally(s.asked.Program, s.old.network.Programs, s.new.network.Programs)
		sums[i] = t
		group.Go(func() error {
			for b := range batches {
				if err := s.decide(b, t); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, further := range sums[1:] {
		sums[0].merge(further)
	}
	return sums[0], nil
}

// count counts the orders, where somebody is told how far the simulation has come.
func (s *simulation) count(ctx context.Context, tx pgx.Tx) (total int64, err error) {
	if s.asked.Progress == nil {
		return 0, nil
	}
	err = tx.QueryRow(ctx, `SELECT count(*) FROM orders WHERE merchant_id = $1 AND occurred_at >= $2 AND occurred_at < $3`,
		s.merchant, s.asked.In.From, s.asked.In.To).Scan(&total)
	if err != nil {
		return 0, fmt.Errorf("counting orders: %w", err)
	}
	return total, nil
}

// read reads the orders and all that deciding them takes.
func (s *simulation) read(ctx context.Context, tx pgx.Tx, batches chan<- batch) error {
	total, err := s.count(ctx, tx)
	if err != nil {
		return err
	}
	chosen := byNumber
	switch {
	case s.old.asks:
		chosen = byCustomer
	case s.new.asks:
		chosen = asking
	}
	h, err := openHistory(ctx, tx, s.merchant, s.asked.In, chosen)
	if err != nil {
		return err
	}
	for read := int64(0); ; {
		b := batch{}
		if b.orders, err = h.next(ctx); err != nil {
			return err
		}
		if len(b.orders) == 0 {
			return h.close(ctx)
		}
		for _, o := range b.orders {
			if o.unfolded != nil {
				return fmt.Errorf("folding the facts of order %q: %w", o.id, o.unfolded)
			}
		}
		if err := s.resolve(ctx, tx, &b); err != nil {
			return err
		}
		select {
		case batches <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
		if read += int64(len(b.orders)); s.asked.Progress != nil {
			s.asked.Progress(read, max(total, read))
		}
	}
}

// resolve looks up the evidence of a batch.
func (s *simulation) resolve(ctx context.Context, tx pgx.Tx, b *batch) (err error) {
	if err := s.clicks.read(ctx, tx, b.orders); err != nil {
		return err
	}
	known := &customers{}
	if s.old.asks {
		if known, err = knownCustomers(ctx, tx, s.merchant, s.asked.In, b.orders); err != nil {
			return err
		}
	}
	if b.old, err = s.old.resolve(ctx, tx, b.orders, known); err != nil {
		return err
	}
	b.new, err = s.new.resolve(ctx, tx, b.orders, known)
	return err
}

// decide decides a batch on both sides, and adds it up.
func (s *simulation) decide(b batch, sums *tally) error {
	for i, o := range b.orders {
		if s.apart(&b.old[i], &b.new[i]) {
			sums.orders++
			continue
		}
		old, err := commission.Decide(o.folded, b.old[i])
		if err != nil {
			return err
		}
		other, err := commission.Decide(o.folded, b.new[i])
		if err != nil {
			return err
		}
		sums.add(&old, &other)
	}
	return nil
}

// apart reports whether an order has nothing to do with the program on either side, and so no difference.
func (s *simulation) apart(old, other *commission.Evidence) bool {
	of := func(c commission.Candidate) bool { return c.Link.Program == s.asked.Program }
	return len(old.Candidates) == len(other.Candidates) && !slices.ContainsFunc(old.Candidates, of) && !slices.ContainsFunc(other.Candidates, of)
}

// ranked tells of which periods some terms need the orders.
func ranked(id program.ProgramID, sides ...*partners.Programs) func(of *period.Key) bool {
	rules := map[string]bool{}
	for _, p := range sides {
		for rule := range period.Ranks(p.Periods(id)) {
			rules[rule] = true
		}
	}
	return func(of *period.Key) bool { return of.Program == id && rules[of.Rule] }
}

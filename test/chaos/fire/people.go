package fire

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/commission"
	"tributary/commission/engine"
	"tributary/internal/embedded"
	"tributary/internal/fault"
	"tributary/internal/postgres"
	"tributary/partners/access"
	"tributary/partners/program"
	"tributary/test/chaos/model"
)

// Act is what somebody does on a page about an order: they say something of it, or withdraw what they have said.
type Act struct {
	model.Said

	// Side is who does it: merchant, operator or partner.
	Side string `json:"side"`
	// Of is the row that is withdrawn, or of the claim or dispute that is settled.
	Of int64 `json:"of,omitempty"`
}

// Undo is the verb of an Act that withdraws another.
const Undo = "undo"

// undoable is for how long an act can be withdrawn.
const undoable = 10 * time.Second

// people sit at the pages, which ask the database as they do, through its proxy.
type people struct {
	db   *pgxpool.Pool
	desk *engine.Desk
}

// newPeople opens the database as the dashboard has it.
func newPeople(ctx context.Context, n *Network) (*people, error) {
	address, err := through(n.Addresses.PostgresRoles[postgres.Dashboard.Name()], n.Proxies[embedded.Postgres])
	if err != nil {
		return nil, err
	}
	db, err := postgres.Open(ctx, address, postgres.Dashboard, 6)
	if err != nil {
		return nil, err
	}
	return &people{db: db, desk: &engine.Desk{DB: access.New(db), Partitions: partitions}}, nil
}

// close ends their connections.
func (p *people) close() {
	if p != nil {
		p.db.Close()
	}
}

// noteOf is the note by which a row of the inbox names the attempt that made it.
func noteOf(n int64) string { return fmt.Sprintf("attempt %d", n) }

// scope is on whose behalf somebody acts.
func (a *Act) scope() access.Scope {
	switch a.Side {
	case "merchant":
		return access.Scope{Merchant: program.MerchantID(a.Merchant)}
	case "partner":
		return access.Scope{Partner: program.PartnerID(a.Partner)}
	}
	return access.Scope{Network: true}
}

// do does an act, as attempt n. Status 0 is that it is not known whether it was done, 404 that the order or row is not there,
// 409 and 422 that it cannot be.
func (p *people) do(ctx context.Context, a *Act, n int64) (o Outcome) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerLimit)
	defer cancel()
	var err error
	switch a.Verb {
	case "claim":
		o.No, err = p.desk.Claim(ctx, a.scope(), engine.NewClaim{Program: program.ProgramID(a.Program), Order: a.Order, Note: noteOf(n)}, a.Side)
	case "grant", "refuse":
		to := commission.ClaimIsGranted
		if a.Verb == "refuse" {
			to = commission.ClaimIsDeclined
		}
		o.No, err = p.desk.Answer(ctx, a.scope(), a.Of, to, a.Side, noteOf(n))
	case "dispute":
		of := commission.Disputed{Merchant: a.Merchant, Order: a.Order, Dispute: fmt.Sprintf("dp_%d", n), Amount: a.Amount, Whole: a.Amount == 0}
		o.No, err = p.desk.OpenDispute(ctx, a.scope(), of, a.Side, noteOf(n))
	case "won", "lost":
		o.No, err = p.desk.SettleDispute(ctx, a.scope(), a.Of, commission.DisputeState(a.Verb), a.Side, noteOf(n))
	case Undo:
		var undone []engine.Undoing
		if undone, err = p.desk.Undo(ctx, a.scope(), []int64{a.Of}, a.Side, noteOf(n)); err == nil && undone[0].TooLate != nil {
			return Outcome{Status: 409}
		}
	default:
		said := commission.Reviewed{Merchant: a.Merchant, Order: a.Order, Verb: commission.Verb(a.Verb), Partner: a.Partner, Until: a.Until}
		if said.Verb == commission.Decline {
			said.Code = "other"
		}
		var made engine.Act
		if made, err = p.desk.Review(ctx, a.scope(), []commission.Reviewed{said}, a.Side, noteOf(n)); err == nil {
			if o.No = made.Numbers[0]; o.No == 0 {
				return Outcome{Status: 404}
			}
		}
	}
	if err == nil {
		o.Status = 200
		return o
	}
	switch fault.Of(err).Kind {
	case fault.NotFound:
		return Outcome{Status: 404}
	case fault.Conflict:
		return Outcome{Status: 409}
	case fault.Invalid:
		return Outcome{Status: 422}
	default:
		return Outcome{}
	}
}

// act has somebody do something, once it is written down.
func (d *Driver) act(ctx context.Context, a Act) Outcome {
	return d.attempt(ctx, Intent{Act: &a}, func(n int64) Outcome { return d.people.do(ctx, &a, n) })
}

// regret is an act that somebody will withdraw, or settle, from a time on.
type regret struct {
	act Act
	at  time.Time
}

// visitPages has somebody review, claim or dispute one of the shopper's orders, or settle a claim or dispute.
func (s *shopper) visitPages(ctx context.Context) {
	if s.people == nil || len(s.sold) == 0 {
		return
	}
	sale := &s.sold[s.random.IntN(len(s.sold))]
	switch dice := s.random.IntN(14); {
	case dice < 2 && len(s.claims) > 0:
		s.answer(ctx)
	case dice < 4:
		s.claim(ctx, sale)
	case dice < 6 && len(s.disputes) > 0 && !time.Now().Before(s.disputes[0].at):
		s.settle(ctx)
	case dice < 8:
		s.dispute(ctx, sale)
	default:
		s.review(ctx, sale)
	}
}

// review has the merchant or the network review an order: it is held for a while more often than not.
func (s *shopper) review(ctx context.Context, sale *model.Sale) {
	a := Act{Said: model.Said{OrderKey: sale.OrderKey, Verb: oneOf(s.random, "hold", "hold", "unhold", "unhold", "unhold", "decline", "extend", "approve", "void")}, Side: oneOf(s.random, "merchant", "operator")}
	switch a.Verb {
	case "extend":
		if s.random.IntN(2) == 0 {
			a.Until = time.Now().UTC().Add(time.Duration(s.random.Int64N(int64(12 * time.Second)))).Truncate(time.Microsecond)
		}
	case "hold", "unhold", "decline", "approve":
		if l, known := s.linkOf(sale.Merchant); known && s.random.IntN(3) == 0 {
			a.Partner = l.Partner
		}
	}
	if o := s.act(ctx, a); o.Status == 200 {
		s.mayRegret(a, o.No)
	}
}

// claim has a partner of the merchant's claim an order.
func (s *shopper) claim(ctx context.Context, sale *model.Sale) {
	l, known := s.linkOf(sale.Merchant)
	if !known {
		return
	}
	a := Act{Said: model.Said{OrderKey: sale.OrderKey, Verb: "claim", Program: l.Program, Partner: l.Partner}, Side: "partner"}
	if o := s.act(ctx, a); o.Status == 200 {
		a.Of = o.No
		s.claims = append(s.claims, a)
	}
}

// answer has the merchant or the network grant or decline a claim.
func (s *shopper) answer(ctx context.Context) {
	n := s.random.IntN(len(s.claims))
	a := s.claims[n]
	s.claims = slices.Delete(s.claims, n, n+1)
	a.Verb, a.Side = oneOf(s.random, "grant", "grant", "refuse"), oneOf(s.random, "merchant", "operator")
	if o := s.act(ctx, a); o.Status == 200 {
		s.mayRegret(a, o.No)
	}
}

// dispute has the merchant or the network say that the customer disputes a part of an order, or all of it.
func (s *shopper) dispute(ctx context.Context, sale *model.Sale) {
	a := Act{Said: model.Said{OrderKey: sale.OrderKey, Verb: "dispute"}, Side: oneOf(s.random, "merchant", "operator")}
	if s.random.IntN(3) > 0 {
		a.Amount = 1
		for _, l := range sale.Lines {
			a.Amount += s.random.Int64N(l.Amount + 1)
		}
	}
	if o := s.act(ctx, a); o.Status == 200 {
		s.mayRegret(a, o.No)
		a.Of = o.No
		s.disputes = append(s.disputes, regret{a, time.Now().Add(undoable + 2*time.Second)})
	}
}

// settle has the merchant or the network say how the oldest open dispute ended.
func (s *shopper) settle(ctx context.Context) {
	a := s.disputes[0].act
	s.disputes = s.disputes[1:]
	a.Verb, a.Side = oneOf(s.random, "won", "lost"), oneOf(s.random, "merchant", "operator")
	if o := s.act(ctx, a); o.Status == 200 {
		s.mayRegret(a, o.No)
	}
}

// mayRegret has one act in three withdrawn: well within ten seconds, about then, or later.
func (s *shopper) mayRegret(a Act, no int64) {
	if s.random.IntN(3) > 0 {
		return
	}
	a.Verb, a.Of = Undo, no
	after := []time.Duration{0, undoable / 2, undoable - 100*time.Millisecond, undoable, undoable + 2*time.Second}[s.random.IntN(5)]
	s.regrets = append(s.regrets, regret{a, time.Now().Add(after)})
}

// withdraw withdraws what is regretted by now.
func (s *shopper) withdraw(ctx context.Context) {
	for n, r := range s.regrets {
		if !time.Now().Before(r.at) {
			s.regrets = slices.Delete(s.regrets, n, n+1)
			s.act(ctx, r.act)
			return
		}
	}
}

// linkOf is any link of a merchant's, if there is one.
func (s *shopper) linkOf(merchant int64) (l model.Link, known bool) {
	first := s.random.IntN(len(s.world.Places))
	for n := range s.world.Places {
		if p := s.world.Places[(first+n)%len(s.world.Places)]; p.Merchant == merchant {
			return s.world.Links[p.Link], true
		}
	}
	return l, false
}

func oneOf(random *rand.Rand, texts ...string) string { return texts[random.IntN(len(texts))] }

// said is what a row of the inbox says of a claim, a dispute or an order.
func said(kind, verb, outcome, state string) string {
	switch {
	case kind == Undo:
		return Undo
	case kind == "dispute":
		return strings.NewReplacer("open", "dispute").Replace(state)
	case kind != "claim":
		return verb
	}
	return strings.NewReplacer("open", "claim", "granted", "grant", "declined", "refuse").Replace(outcome)
}

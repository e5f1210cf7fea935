package commission

import (
	"cmp"
	"slices"
	"time"

	"tributary/partners/program"
)

// winner is a candidate that earns.
type winner struct {
	candidate int // its index
	// weight is its part of the sum of all weights; 0 where it takes the whole order.
	weight int64
}

// attribute lists the order's touches and judges them, and appends who earns to winners: at most one for each partner, whose
// touches came first to the front. The first touches are those of the candidates, in their order. Those that may earn are
// weighed by their ranks, then by the program of the last of them, then by the model of its terms.
func attribute(o *Order, evidence *Evidence, winners []winner) ([]Touch, []winner) {
	candidates := evidence.Candidates
	touches := make([]Touch, 0, len(candidates)+o.beside())
	for i := range candidates {
		touches = append(touches, candidates[i].judge(o, &evidence.Use))
	}
	winners = contest{touches: touches, candidates: candidates}.settle(winners)
	return o.plainTouches(touches), winners
}

// beside counts what the order names beside its visits.
func (o *Order) beside() int {
	n := len(o.Coupons)
	if o.ReferralCode != "" {
		n++
	}
	if o.Customer != "" {
		n++
	}
	return n
}

// plainTouches appends what the order names beside its candidates: nobody has asked whose it is, since no terms credit it.
func (o *Order) plainTouches(touches []Touch) []Touch {
	lacks := func(code string) bool {
		return !slices.ContainsFunc(touches, func(t Touch) bool { return t.ID == code && t.Kind.named() })
	}
	for _, coupon := range o.Coupons {
		if lacks(coupon) {
			touches = append(touches, Touch{Kind: TouchCoupon, ID: coupon, Reason: CouponNotCredited})
		}
	}
	if o.ReferralCode != "" && lacks(o.ReferralCode) {
		touches = append(touches, Touch{Kind: TouchCode, ID: o.ReferralCode, Reason: CodeNotCredited})
	}
	if o.Customer != "" && !slices.ContainsFunc(touches, func(t Touch) bool { return t.Kind == TouchCustomer }) {
		touches = append(touches, Touch{Kind: TouchCustomer, ID: o.Customer, Reason: CustomerNotCredited})
	}
	return touches
}

// contest is among the touches of an order, those of its candidates in their order.
type contest struct {
	touches    []Touch
	candidates []Candidate
}

// settle decides who of those that may earn does.
func (c contest) settle(winners []winner) []winner {
	c.nameParts()
	best := -1
	several := false
	for i := range c.touches {
		if c.touches[i].Reason != Credited {
			continue
		}
		several = several || best >= 0
		if best < 0 || c.before(i, best) {
			best = i
		}
	}
	switch {
	case best < 0:
		return winners
	case !several:
		c.touches[best].Won = true
		return append(winners, winner{candidate: best})
	}
	return c.share(best, winners)
}

// before reports whether touch i comes before touch j: by its rank, else since it is later, else since it is named first.
func (c contest) before(i, j int) bool {
	return cmp.Or(cmp.Compare(c.rank(i), c.rank(j)), c.later(j, i)) < 0
}

// later is below zero where touch i is earlier than touch j. Of those at once the one that is named first counts as later.
func (c contest) later(i, j int) int {
	return cmp.Or(cmp.Compare(c.touches[i].At.UnixMilli(), c.touches[j].At.UnixMilli()), cmp.Compare(j, i))
}

// rank is the rank of a touch also where it is not written down.
func (c contest) rank(i int) Rank { return c.candidates[i].rank() }

// share decides among several, of which the best is known: the others of its rank and program share with it as the model says,
// and all others lose.
func (c contest) share(best int, winners []winner) []winner {
	members := c.members(best)
	winning := make([]int, 0, len(members))
	ages := make([]int64, len(members))
	for n, i := range members {
		ages[n] = c.touches[i].AgeMillis
	}
	model, halfLife := c.model(best)
	for n, weight := range weights(model, halfLife, ages) {
		t := &c.touches[members[n]]
		switch {
		case weight > 0:
			t.Won, t.Weight = true, weight
			winning = append(winning, members[n])
		case model == program.ModelFirst:
			t.Reason = LaterTouch
		case t.At.IsZero():
			t.Reason = Outranked
		default:
			t.Reason = EarlierTouch
		}
	}
	c.recordAsClick(winning)
	return c.byPartner(winning, winners)
}

// members are the touches of the best one's rank and program, in the order of time. All others lose here.
func (c contest) members(best int) []int {
	members := make([]int, 0, len(c.touches))
	for i := range c.touches {
		t := &c.touches[i]
		switch {
		case t.Reason != Credited:
		case c.rank(i) != c.rank(best):
			t.Reason = Outranked
			if c.rank(best) == RankBound && t.Partner != c.touches[best].Partner {
				t.Reason = BoundToAnother
			}
		case t.Program != c.touches[best].Program:
			t.Reason = OtherProgram
		default:
			members = append(members, i)
		}
	}
	slices.SortFunc(members, c.later)
	return members
}

// model is what decides among touches of the rank and program of the best one.
func (c contest) model(best int) (program.Model, time.Duration) {
	scheme := c.candidates[best].Link.Terms.Scheme
	if scheme == nil || !c.rank(best).row().Split {
		return program.ModelLast, 0
	}
	a := &scheme.Document.Attribution
	return a.Model, time.Duration(a.HalfLife)
}

// recordAsClick gives what a coupon or code has won to a click of the same partner, if one of theirs may earn: so link and
// referrer are kept. winning then names the click. Other coupons of a partner whose click wins are recorded as it, too.
func (c contest) recordAsClick(winning []int) {
	if w := winning[0]; c.candidates[w].Kind.named() {
		click := -1
		for i := range c.touches {
			if c.isClick(i) && c.touches[i].Reason == Outranked && c.same(i, w) && (click < 0 || c.before(i, click)) {
				click = i
			}
		}
		if click < 0 {
			return
		}
		winning[0] = click
		c.touches[w].Won, c.touches[w].Reason = false, RecordedAsClick
		c.touches[click].Won, c.touches[click].Reason = true, Credited
	}
	for i := range c.touches {
		wins := func(w int) bool { return c.isClick(w) && c.same(i, w) }
		if c.candidates[i].Kind.named() && c.touches[i].Reason == Outranked && slices.ContainsFunc(winning, wins) {
			c.touches[i].Reason = RecordedAsClick
		}
	}
}

// isClick tells of clicks and soft clicks.
func (c contest) isClick(i int) bool {
	return c.candidates[i].Kind == TouchClick || c.candidates[i].Kind == TouchSoft
}

// same reports whether two touches are of one partner in one program.
func (c contest) same(i, j int) bool {
	return c.touches[i].Partner == c.touches[j].Partner && c.touches[i].Program == c.touches[j].Program
}

// byPartner appends a winner for each partner of the winning touches, which are in the order of time: the last of each, with
// the weights of all.
func (c contest) byPartner(winning []int, winners []winner) []winner {
	for _, i := range winning {
		of := slices.IndexFunc(winners, func(w winner) bool { return c.same(w.candidate, i) })
		if of < 0 {
			winners = append(winners, winner{candidate: i, weight: c.touches[i].Weight})
			continue
		}
		winners[of].candidate = i
		winners[of].weight += c.touches[i].Weight
	}
	for n := range winners {
		w := &winners[n]
		if t := &c.touches[w.candidate]; t.Weight == w.weight {
			t.Weight = 0 // there is no other of its partner's
		}
		if len(winners) == 1 {
			w.weight = 0
		}
	}
	return winners
}

// nameParts says of each visit where it stands among all that led up to the order, whether they earn or not.
func (c contest) nameParts() {
	visits := make([]int, 0, 8) // of nearly all orders: without memory of its own
	for i := range c.touches {
		if t := &c.touches[i]; !t.At.IsZero() && t.Partner != 0 && t.AgeMillis >= 0 {
			visits = append(visits, i)
		}
	}
	if len(visits) < 2 {
		return
	}
	slices.SortFunc(visits, c.later)
	for n, i := range visits {
		switch n {
		case 0:
			c.touches[i].Part = Introducer
		case len(visits) - 1:
			c.touches[i].Part = Closer
		default:
			c.touches[i].Part = Influencer
		}
	}
}

// BaseWinner is the candidate by which a customer is bound whom nobody has bound yet: that which earns, whoever the customer
// belongs to. Of several the one of the greatest weight counts, of equal ones the last. It reports whether there is one.
func BaseWinner(o *Order, evidence *Evidence) (candidate *Candidate, ok bool) {
	if evidence.awaitsPath(o) {
		return nil, false
	}
	own := Evidence{Candidates: slices.DeleteFunc(slices.Clone(evidence.Candidates), func(c Candidate) bool { return c.Kind == TouchCustomer })}
	_, winners := attribute(o, &own, nil)
	if len(winners) == 0 {
		return nil, false
	}
	best := winners[0]
	for _, w := range winners[1:] {
		if w.weight >= best.weight {
			best = w
		}
	}
	return &own.Candidates[best.candidate], true
}

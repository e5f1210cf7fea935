package partners

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/partners/program"
)

// Programs are the programs of the network with their terms, in memory, as they stand in PostgreSQL: what orders are decided
// by. There are thousands of them at most; links and partners, of which there may be millions, are none of it, but for those
// partners of whom something is known that makes them differ from the others (program.Fact). It is safe
// for many readers beside Refresh. What it hands out is shared and must not be changed by the reader.
type Programs struct {
	mu       sync.RWMutex // guards programs, facts and asking
	programs map[program.ProgramID]*Program
	facts    map[enrolled][]program.Fact // by From and No; a list is replaced, never changed
	codes    map[program.MerchantID]crediting
	asking   map[program.MerchantID]time.Time // see AsksForCustomers
	counting map[program.MerchantID]time.Time // see CountsClicks

	refreshing sync.Mutex // held by the one that reads
	mark       uint64     // oldest transaction that was running at the last look, under refreshing
	version    atomic.Int64
}

// NewPrograms knows no program until it is refreshed.
func NewPrograms() *Programs {
	return &Programs{
		programs: map[program.ProgramID]*Program{}, facts: map[enrolled][]program.Fact{},
		codes: map[program.MerchantID]crediting{}, asking: map[program.MerchantID]time.Time{}, counting: map[program.MerchantID]time.Time{},
	}
}

// crediting says from when on a merchant has had terms that credit coupons or referral codes, and from when on it also had the
// program of such terms: those of a new program may reach back to before it.
type crediting struct{ terms, program time.Time }

// Program finds a program.
func (p *Programs) Program(id program.ProgramID) (*Program, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	found, ok := p.programs[id]
	return found, ok
}

// LinkTerms gives whose a link is, and the terms in force at t for its partner; the zero LinkTerms where there is no such program.
func (p *Programs) LinkTerms(id program.ProgramID, link program.LinkID, partner program.PartnerID, kind program.Kind, t time.Time) program.LinkTerms {
	p.mu.RLock()
	defer p.mu.RUnlock()
	sold, ok := p.programs[id]
	if !ok {
		return program.LinkTerms{}
	}
	found := sold.LinkTerms(link, partner, kind, t)
	facts := p.facts[enrolled{id, partner}]
	if found.Terms == nil || len(facts) == 0 && !sold.needsAcceptance {
		return found
	}
	var err error
	found.Facts = facts
	found.Enrolment, err = program.EnrolmentAt(facts, t)
	if recruiter := found.Enrolment.Recruiter; recruiter != 0 {
		found.Enrolment.Recruiter2 = p.approved(id, p.recruiterOf(id, recruiter, partner, t), t)
		found.Enrolment.Recruiter = p.approved(id, recruiter, t)
	}
	terms, accepted := program.InForceFor(sold.Terms, &found.Enrolment, t)
	found.Terms, found.NotAccepted = terms, !accepted
	if found.Enrolment.Own != nil {
		found.Terms = terms.Whole()
	}
	if err != nil {
		unreadable := *terms
		unreadable.Unreadable = err
		found.Terms = &unreadable
	}
	return found
}

// recruiterOf is who recruited the recruiter of a partner; nobody where that is the partner, who earns nothing on their own
// orders that way. mu is held.
func (p *Programs) recruiterOf(id program.ProgramID, recruiter, partner program.PartnerID, t time.Time) program.PartnerID {
	e, _ := program.EnrolmentAt(p.facts[enrolled{id, recruiter}], t) // the recruiter's own rules do not matter here
	if e.Recruiter == partner {
		return 0
	}
	return e.Recruiter
}

// approved is the partner who recruited somebody, or nobody where that partner is not in the program as of the order's time. mu is held.
func (p *Programs) approved(id program.ProgramID, recruiter program.PartnerID, t time.Time) program.PartnerID {
	if program.StateAt(p.facts[enrolled{id, recruiter}], t) != program.Approved {
		return 0
	}
	return recruiter
}

// RemovedForFraud gives the number of the fact by which a partner is removed from a program for fraud, from whatever time on; 0 where
// there is none.
func (p *Programs) RemovedForFraud(id program.ProgramID, partner program.PartnerID) (fact int64) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var last program.Fact
	for _, f := range p.facts[enrolled{id, partner}] {
		if f.Kind == program.FactState && f.No > last.No {
			last = f
		}
	}
	if program.State(last.Value) != program.RemovedForFraud {
		return 0
	}
	return last.No
}

// CreditsCodes tells whether a merchant had terms by t that credit coupons or referral codes, and whether the program of such
// terms was there: else orders of that time may have been decided before anybody thought of coupons.
func (p *Programs) CreditsCodes(merchant program.MerchantID, t time.Time) (terms, known bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	from, credits := p.codes[merchant]
	return credits && !t.Before(from.terms), credits && !t.Before(from.program)
}

// noteCodes enters from when on a program credits codes. mu is held.
func (p *Programs) noteCodes(sold *Program) {
	for i := range sold.Terms {
		t := &sold.Terms[i]
		if t.Scheme == nil || t.Scheme.Document.Attribution.Touches.Coupon == nil && t.Scheme.Document.Attribution.Touches.Code == nil {
			continue
		}
		from := crediting{t.EffectiveFrom, t.EffectiveFrom}
		if there := sold.CreatedAt.Add(program.Ahead); from.program.Before(there) {
			from.program = there
		}
		if before, credits := p.codes[sold.Merchant]; credits {
			from.terms, from.program = earlier(from.terms, before.terms), earlier(from.program, before.program)
		}
		p.codes[sold.Merchant] = from
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Version is the catalogue.version up to which every program is here; 0 before the first Refresh.
func (p *Programs) Version() int64 { return p.version.Load() }

// Refresh brings the programs up to everything that was committed before the call, as seen through q: a pool, or a READ
// COMMITTED transaction. Calls at the same time wait for one another. After an error all is as it was. What it asks for is
// what catalogue.Refresh does.
func (p *Programs) Refresh(ctx context.Context, q Querier) error {
	p.refreshing.Lock()
	defer p.refreshing.Unlock()
	var version int64
	var mark uint64
	// name: catalogue look
	err := q.QueryRow(ctx, `SELECT version, pg_snapshot_xmin(pg_current_snapshot()) FROM catalogue`).Scan(&version, &mark)
	if err != nil {
		return fmt.Errorf("looking at the catalogue: %w", err)
	}
	if version == p.Version() {
		return nil
	}
	since := p.mark
	if version < p.Version() || mark < since { // PostgreSQL was restored to an earlier time, where transactions had other numbers
		since = 0
	}
	programs, err := ReadPrograms(ctx, q, since)
	if err != nil {
		return fmt.Errorf("reading programs: %w", err)
	}
	facts, err := readFacts(ctx, q, since)
	if err != nil {
		return err
	}
	p.mu.Lock()
	if since == 0 {
		clear(p.facts)
		clear(p.codes)
		clear(p.asking)
		clear(p.counting)
	}
	for _, program := range programs {
		p.programs[program.ID] = program
		p.noteCodes(program)
		p.noteCounting(program)
	}
	takeIn(p.facts, facts)
	p.noteAsking(programs, facts)
	p.mu.Unlock()
	p.mark = mark
	p.version.Store(version)
	return nil
}

// With is what these Programs would be if a program had other terms, which ascend by EffectiveFrom: for asking what if, and never
// brought up to date.
func (p *Programs) With(id program.ProgramID, terms []program.Terms) *Programs {
	p.mu.RLock()
	defer p.mu.RUnlock()
	with := &Programs{programs: maps.Clone(p.programs), facts: maps.Clone(p.facts), codes: maps.Clone(p.codes), asking: maps.Clone(p.asking), counting: maps.Clone(p.counting), mark: p.mark}
	with.version.Store(p.Version())
	if was, known := p.programs[id]; known {
		sold := *was
		sold.Terms = terms
		sold.needsAcceptance = slices.ContainsFunc(terms, func(t program.Terms) bool { return t.NeedsAcceptance })
		with.programs[id] = &sold
		with.noteCodes(&sold)
		with.noteAsking([]*Program{&sold}, nil)
	}
	return with
}

// Periods are the rules on periods of a program: those of all its terms, and what was agreed with partners.
func (p *Programs) Periods(id program.ProgramID) (all []program.Period) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	sold := p.programs[id]
	if sold == nil {
		return nil
	}
	for i := range sold.Terms {
		d := sold.Terms[i].Document
		all = append(all, d.Periods...)
		for j := range d.Overrides {
			all = append(all, d.Overrides[j].Periods...)
		}
	}
	for of, facts := range p.facts {
		for i := range facts {
			if own := facts[i].Own; own != nil && of.program == id {
				all = append(all, own.Periods...)
			}
		}
	}
	return all
}

// ReadPrograms reads each program that a transaction at or after since has written, or whose terms it has, with all its
// terms, those among them that cannot be read whole (Terms.Unreadable). A program and its terms are read in one statement
// each but from the same ids, so terms that arrive in between belong to the next look.
func ReadPrograms(ctx context.Context, q Querier, since uint64) ([]*Program, error) {
	// name: programs changed
	rows, err := q.Query(ctx, `SELECT id, merchant_id, name, landing_url, domains, click_param, currencies, created_at FROM program p
WHERE changed >= $1 OR EXISTS (SELECT FROM terms t WHERE t.program_id = p.id AND t.changed >= $1)`, since)
	if err != nil {
		return nil, err
	}
	programs, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*Program, error) {
		var p Program
		err := row.Scan(&p.ID, &p.Merchant, &p.Name, &p.LandingURL, &p.Domains, &p.ClickParam, &p.Currencies, &p.CreatedAt)
		p.CreatedAt = p.CreatedAt.UTC()
		slices.Sort(p.Currencies)
		return &p, err
	})
	if err != nil || len(programs) == 0 {
		return nil, err
	}
	ids := make([]program.ProgramID, len(programs))
	for i, p := range programs {
		ids[i] = p.ID
	}
	terms, err := ReadKnownTerms(ctx, q, ids...)
	if err != nil {
		return nil, err
	}
	for _, p := range programs {
		for _, v := range terms[p.ID] {
			p.Terms = append(p.Terms, v.Terms())
			p.needsAcceptance = p.needsAcceptance || v.NeedsAcceptance
		}
	}
	return programs, nil
}

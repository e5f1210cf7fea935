package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"

	"tributary/internal/event"
	"tributary/internal/position"
	"tributary/internal/stream"
)

// job is a sort of transaction.
type job int

const (
	takeSlice job = iota
	endHolds
	takeSaid
	sweepCustomers
	decideNudged
	settleSums
	settleRanked
)

func jobs() []job {
	return []job{takeSlice, endHolds, takeSaid, sweepCustomers, decideNudged, settleSums, settleRanked}
}

// deed is what a step does.
type deed int

const (
	lease deed = iota
	beginJob
	commitJob
	crashJob
	say
	setClock
	lookAround
)

// happening is something that has happened: what a player needs to have it happen again.
type happening struct {
	deed   deed
	engine int // which incarnation of an engine
	lane   int
	job    job
	from   int // of a slice, among the lane's records
	to     int
	// came is what came of beginning a job: nil where it waits for its end.
	came error
	said *saidRow
	now  time.Time
	// stored is what the store holds, at a look.
	stored []string
}

// process is an engine in one of its lives, with what it knows about lanes it holds or held.
type process struct {
	no     int
	epochs map[int]int64
	cursor map[int]int // the next record of a lane, as far as this engine knows
}

// opened is a transaction that has not ended.
type opened struct {
	*memoryTx
	of   *process
	done int // where the slice ends
}

// tally counts what has happened.
type tally struct {
	Commits, Crashes, LostAnswers, Refusals, Overlaps, Copies, Reviews, Disputes, Bindings, ClockJumps, Blocked int
}

func (t *tally) plus(o *tally) {
	sum, more := reflect.ValueOf(t).Elem(), reflect.ValueOf(o).Elem()
	for i := range sum.NumField() {
		sum.Field(i).SetInt(sum.Field(i).Int() + more.Field(i).Int())
	}
}

func (t *tally) counts() map[string]int {
	counts, all := map[string]int{}, reflect.ValueOf(t).Elem()
	for i := range all.NumField() {
		counts[all.Type().Field(i).Name] = int(all.Field(i).Int())
	}
	return counts
}

func (t *tally) String() string { return strings.Trim(fmt.Sprintf("%+v", *t), "{}") }

// simulation is one seed's.
type simulation struct {
	cast
	random   *rand.Rand
	store    *memory
	latest   time.Time // that the clock has shown
	trackers []*tracker
	log      [lanes][]stream.Record
	engines  []*process
	made     int
	haste    int             // how often in a hundred times a transaction ends
	open     map[int]*opened // by lane; a zombie's beside it where nothing fences it
	beside   map[int]*opened
	steps    []happening
	tally    tally
}

func newSimulation(seed uint64, of cast, broken mistake) *simulation {
	s := &simulation{
		cast: of, random: rand.New(rand.NewPCG(seed, 0)), store: newMemory(of, broken), latest: noon(),
		open: map[int]*opened{}, beside: map[int]*opened{},
	}
	s.store.now = noon()
	s.cast.customers, s.haste = 1+s.random.IntN(3), 5+s.random.IntN(20)
	if s.random.IntN(2) == 0 {
		s.store.sweeps = 2
	}
	s.trackers = s.report(s.random)
	for range 2 + s.random.IntN(2) {
		s.engines = append(s.engines, s.process())
	}
	for lane := range lanes {
		s.lease(s.anyEngine(), lane)
	}
	return s
}

func (s *simulation) process() *process {
	s.made++
	return &process{no: s.made, epochs: map[int]int64{}, cursor: map[int]int{}}
}

func (s *simulation) did(one happening) { s.steps = append(s.steps, one) }

// run lets so many things happen, then everything come to rest, and compares the books with those of one look at all facts.
func (s *simulation) run(steps int) error {
	for n := range steps {
		if err := s.happen(); err != nil {
			return fmt.Errorf("step %d: %w", n, err)
		}
	}
	if err := s.endAll(); err != nil {
		return err
	}
	s.did(happening{deed: lookAround, stored: s.store.stored()})
	if err := s.rest(); err != nil {
		return err
	}
	s.did(happening{deed: lookAround, stored: s.store.stored()})
	return s.compare()
}

// happen draws one thing.
func (s *simulation) happen() error {
	running := len(s.open) + len(s.beside)
	switch n := s.random.IntN(100); {
	case n < 16:
		s.relay(s.random.IntN(lanes))
	case n < 22:
		s.lease(s.anyEngine(), s.random.IntN(lanes))
	case n < 26:
		s.say()
	case n < 31:
		s.passTime()
	case n < 100-s.haste || running == 0:
		return s.beginSome()
	default:
		return s.endOne()
	}
	return nil
}

func (s *simulation) anyEngine() *process { return s.engines[s.random.IntN(len(s.engines))] }

// anyJob is a job; most often one of those that follow from what other lanes do.
func (s *simulation) anyJob() job {
	all := append(jobs(), sweepCustomers, sweepCustomers, decideNudged, decideNudged)
	return all[s.random.IntN(len(all))]
}

// beginSome begins a job for which there is something to do, if a few draws find one.
func (s *simulation) beginSome() error {
	for range 6 {
		running := len(s.open)
		if err := s.begin(s.anyEngine(), s.random.IntN(lanes), s.anyJob()); err != nil {
			return err
		}
		if len(s.open) > running {
			return nil
		}
	}
	return nil
}

// relay sends a few records of a tracker, at times some that it has sent before.
func (s *simulation) relay(lane int) {
	tr := s.trackers[s.random.IntN(len(s.trackers))]
	from := tr.sent[lane]
	if s.random.IntN(4) == 0 {
		from = max(0, from-1-s.random.IntN(3))
		s.tally.Copies += tr.sent[lane] - from
	}
	s.deliver(tr, lane, from, min(len(tr.spooled[lane]), from+1+s.random.IntN(4)))
}

func (s *simulation) deliver(tr *tracker, lane, from, to int) {
	for n := from; n < to; n++ {
		r := tr.record(lane, n)
		r.Offset = int64(len(s.log[lane]))
		s.log[lane] = append(s.log[lane], r)
	}
	tr.sent[lane] = max(tr.sent[lane], to)
}

// lease has an engine take a lane over, once no transaction holds it. Who held it is not told.
func (s *simulation) lease(by *process, lane int) {
	if s.open[lane] != nil {
		if s.store.broken != ownersNotFenced || s.beside[lane] != nil {
			return
		}
		s.beside[lane] = s.open[lane]
		delete(s.open, lane)
	}
	row := &s.store.lanes[lane]
	row.epoch++
	by.epochs[lane], by.cursor[lane] = row.epoch, int(row.position.Next)
	s.did(happening{deed: lease, engine: by.no, lane: lane})
}

// passTime moves the clock on, or sets it back.
func (s *simulation) passTime() {
	to := s.store.now.Add(time.Duration(s.random.IntN(15*24)) * time.Hour)
	if s.random.IntN(3) == 0 {
		to = s.store.now.Add(-time.Duration(s.random.IntN(10*24)) * time.Hour)
		s.tally.ClockJumps++
	}
	s.clock(to)
}

func (s *simulation) clock(to time.Time) {
	s.store.now = to
	if to.After(s.latest) {
		s.latest = to
	}
	s.did(happening{deed: setClock, now: to})
}

// begin has an engine begin a job in a lane that it holds, or believes to hold.
func (s *simulation) begin(by *process, lane int, what job) error {
	epoch, held := by.epochs[lane]
	if !held || s.open[lane] != nil {
		return nil
	}
	did := happening{deed: beginJob, engine: by.no, lane: lane, job: what}
	var facts []fact
	if what == takeSlice {
		did.from = min(by.cursor[lane], len(s.log[lane]))
		did.to = min(did.from+1+s.random.IntN(8), len(s.log[lane]))
		facts = receiveAll(s.log[lane][did.from:did.to])
	}
	tx, err := s.store.begin(lane, epoch, what, facts)
	did.came = err
	switch {
	case errors.Is(err, position.ErrLost):
		delete(by.epochs, lane)
		s.tally.Refusals++
	case errors.Is(err, errNothing):
		if what == takeSlice {
			return nil
		}
	case err != nil:
		return err
	case s.blocked(tx):
		s.tally.Blocked++ // it would wait for another; what it has read is forgotten
		return nil
	default:
		s.tally.Overlaps += min(1, len(s.open)+len(s.beside))
		s.open[lane] = &opened{tx, by, did.to}
	}
	s.did(did)
	return nil
}

// blocked reports whether a transaction changes rows that another one holds.
func (s *simulation) blocked(tx *memoryTx) bool {
	for _, other := range s.open {
		for _, p := range tx.claimed {
			if slices.Contains(other.claimed, p) {
				return true
			}
		}
	}
	return false
}

func receiveAll(records []stream.Record) []fact {
	facts := make([]fact, len(records))
	for i, r := range records {
		facts[i] = receive(r, lanes)
	}
	return facts
}

// endOne ends one of the transactions, mostly well.
func (s *simulation) endOne() error {
	n := s.random.IntN(len(s.open) + len(s.beside))
	for lane := range lanes {
		for _, in := range []map[int]*opened{s.open, s.beside} {
			if in[lane] == nil {
				continue
			}
			if n--; n >= 0 {
				continue
			}
			one := in[lane]
			if s.random.IntN(10) == 0 {
				s.crash(one.of)
				return nil
			}
			delete(in, lane)
			return s.commit(one, s.random.IntN(8) == 0)
		}
	}
	return nil
}

// commit commits a transaction, whose answer may be lost.
func (s *simulation) commit(one *opened, lost bool) error {
	s.did(happening{deed: commitJob, lane: one.lane})
	s.tally.Commits++
	if lost {
		s.tally.LostAnswers++
	} else if one.done > 0 {
		one.of.cursor[one.lane] = one.done
	}
	return one.memoryTx.commit()
}

// crash ends an engine with its transactions; another one takes its place, which holds nothing.
func (s *simulation) crash(of *process) {
	for _, in := range []map[int]*opened{s.open, s.beside} {
		for lane := range lanes {
			if one := in[lane]; one != nil && one.of == of {
				one.memoryTx.crash()
				delete(in, lane)
				s.did(happening{deed: crashJob, lane: lane})
			}
		}
	}
	s.tally.Crashes++
	s.engines[slices.Index(s.engines, of)] = s.process()
}

// endAll ends all transactions.
func (s *simulation) endAll() error {
	for len(s.open)+len(s.beside) > 0 {
		if err := s.endOne(); err != nil {
			return err
		}
	}
	return nil
}

// rest delivers all that trackers hold, and lets one engine work until nothing is left to do.
func (s *simulation) rest() error {
	s.clock(s.latest)
	for _, tr := range s.trackers {
		for lane := range lanes {
			s.deliver(tr, lane, tr.sent[lane], len(tr.spooled[lane]))
		}
	}
	for lane := range lanes {
		s.lease(s.engines[0], lane)
	}
	for idle := false; !idle; {
		idle = true
		for lane := range lanes {
			for _, what := range jobs() {
				if err := s.begin(s.engines[0], lane, what); err != nil {
					return err
				}
				if one := s.open[lane]; one != nil {
					idle = false
					delete(s.open, lane)
					if err := s.commit(one, false); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// events are those of each order as its lane has them first.
func (s *simulation) events() map[orderKey][]*event.Event {
	all := map[orderKey][]*event.Event{}
	for lane := range lanes {
		seen := map[[16]byte]uint64{}
		for _, f := range receiveAll(s.log[lane]) {
			if f.record.Seq > seen[f.record.Spool] {
				seen[f.record.Spool] = f.record.Seq
				all[f.order] = append(all[f.order], f.event)
			}
		}
	}
	return all
}

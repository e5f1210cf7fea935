package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/clickhouse"
	"tributary/partners/catalogue"
	"tributary/tracker/spool"
)

// requirement is something that a role works with.
type requirement struct {
	name string
	// vital ones keep a role that lacks them from its work; without the others it works with something to catch up on.
	vital bool
	check func(ctx context.Context) error
}

// readiness knows what the roles of a process need, and finds out whether it is there.
type readiness struct {
	mu    sync.Mutex
	roles map[string]*roleNeeds
}

// roleNeeds are the requirements of one role; a role that is not up yet has not said any.
type roleNeeds struct {
	up           bool
	requirements []requirement
}

// expect takes down that a role is starting.
func (r *readiness) expect(roles []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.roles = make(map[string]*roleNeeds, len(roles))
	for _, role := range roles {
		r.roles[role] = &roleNeeds{}
	}
}

// up takes down that a role is at work and what it needs. Roles that nobody expects, as in a replay, are not asked for.
func (r *readiness) up(role string, requirements ...requirement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.roles[role]; n != nil {
		n.up, n.requirements = true, requirements
	}
}

// roleState is what a role can do at this moment.
type roleState struct {
	Role  string `json:"role"`
	Ready bool   `json:"ready"`
	// Missing is what keeps it from its work, Impaired what it does without for now.
	Missing  []string `json:"missing"`
	Impaired []string `json:"impaired"`
}

// readyLimit bounds how long a requirement may take to answer.
const readyLimit = 2 * time.Second

// ask finds out what each role can do, in the order of their names.
func (r *readiness) ask(ctx context.Context) (ready bool, states []roleState) {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	r.mu.Lock()
	needs := make(map[string]roleNeeds, len(r.roles))
	for role, n := range r.roles {
		needs[role] = *n
	}
	r.mu.Unlock()
	answers := make(chan roleState)
	for role, n := range needs {
		go func() { answers <- n.ask(ctx, role) }()
	}
	ready = true
	for range needs {
		state := <-answers
		ready = ready && state.Ready
		states = append(states, state)
	}
	slices.SortFunc(states, func(a, b roleState) int { return cmp.Compare(a.Role, b.Role) })
	return ready, states
}

func (n roleNeeds) ask(ctx context.Context, role string) roleState {
	state := roleState{Role: role, Missing: []string{}, Impaired: []string{}}
	if !n.up {
		state.Missing = append(state.Missing, "it is still starting")
		return state
	}
	problems := make([]error, len(n.requirements))
	var asking sync.WaitGroup
	for i, need := range n.requirements {
		asking.Go(func() { problems[i] = need.check(ctx) })
	}
	asking.Wait()
	for i, err := range problems {
		switch need := n.requirements[i]; {
		case err == nil:
		case need.vital:
			state.Missing = append(state.Missing, need.name+": "+err.Error())
		default:
			state.Impaired = append(state.Impaired, need.name+": "+err.Error())
		}
	}
	state.Ready = len(state.Missing) == 0
	return state
}

// String is the state for a person.
func (s roleState) String() string {
	switch {
	case !s.Ready:
		return s.Role + " is not ready: " + strings.Join(append(s.Missing, s.Impaired...), "; ")
	case len(s.Impaired) > 0:
		return s.Role + " is ready, with something to catch up on: " + strings.Join(s.Impaired, "; ")
	}
	return s.Role + " is ready"
}

func needPostgres(db *pgxpool.Pool) requirement {
	return requirement{"PostgreSQL", true, db.Ping}
}

func needClickHouse(conn clickhouse.Conn) requirement {
	return requirement{"ClickHouse", true, conn.Ping}
}

func (r *river) needKafka(topic string) requirement {
	return requirement{"Kafka", true, func(ctx context.Context) error {
		_, _, err := r.kafka.Offsets(ctx, topic, 0)
		return err
	}}
}

// staleCatalogue is how old the network in memory may be before that is worth saying.
const staleCatalogue = 30 * time.Second

// trackerNeeds are those of a tracker: a disk. Whatever else is away, it goes on with what it knows.
func trackerNeeds(in *intake, catalogue *catalogue.Catalogue) []requirement {
	return []requirement{
		{"spool", true, func(context.Context) error {
			stats := in.spool.Stats()
			switch ago := time.Since(stats.Refused); {
			case stats.DiskUse >= spool.Full:
				return fmt.Errorf("its disk is %.0f %% full, and everything is refused", 100*stats.DiskUse)
			case ago < refusalCounts:
				return fmt.Errorf("its disk has refused what was written %s ago; see the log", ago.Round(time.Second))
			}
			return nil
		}},
		{"network", false, func(context.Context) error {
			if age := time.Since(catalogue.LastLook()); age > staleCatalogue {
				return fmt.Errorf("links and keys are those of %s ago: PostgreSQL does not answer", age.Round(time.Second))
			}
			return nil
		}},
		{"relay", false, func(context.Context) error {
			switch stats := in.relay.Stats(); {
			case stats.Damaged:
				return errors.New("the spool cannot be read; see the log")
			case stats.Failing > 0:
				return fmt.Errorf("%d lanes have something to send that Kafka does not take; %d records wait on the disk", stats.Failing, stats.Unsent)
			}
			return nil
		}},
	}
}

// refusalCounts is how long a tracker is not ready after its disk refused a group: then it is given another one to try.
const refusalCounts = 10 * time.Second

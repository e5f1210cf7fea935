package fire

import (
	"maps"
	"sync"
)

// Counts is what a run has done and seen. Its exported fields are the JSON of the summary; they are read after the run.
type Counts struct {
	mu sync.Mutex

	// Kills are SIGKILLs sent to processes under test, by name; Failpoints are those that ended at a point, by point, and
	// Frozen those that froze at one.
	Kills      map[string]int `json:"kills"`
	Failpoints map[string]int `json:"failpoints"`
	Frozen     map[string]int `json:"frozen_at"`
	// Servers are SIGKILLs sent to engine servers, by name.
	Servers map[string]int `json:"servers"`
	// Zombies were frozen for longer than a lease and woke up. Overtaken of them held a partition that another process had
	// taken over meanwhile, and Stale of those have said that they noticed.
	Zombies   int `json:"zombies"`
	Overtaken int `json:"overtaken"`
	Stale     int `json:"stale"`
	// Swallowed are answers that a proxy did not pass on, by server.
	Swallowed map[string]int `json:"swallowed"`
	// Ended are processes that ended by themselves, by name and reason.
	Ended map[string]int `json:"ended_by_themselves"`
	// Verified is how often the program verified itself under fire.
	Verified int `json:"verified_under_fire"`
	// Answers are the outcomes of requests, by kind and status.
	Answers map[string]int `json:"answers"`
}

// add counts one more under a key of one of the maps.
func (c *Counts) add(m *map[string]int, key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *m == nil {
		*m = map[string]int{}
	}
	(*m)[key]++
}

func (c *Counts) zombie(overtaken bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Zombies++
	if overtaken {
		c.Overtaken++
	}
}

func (c *Counts) stale() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Stale++
}

func (c *Counts) verified() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Verified++
}

// Total is the sum of a map of counts.
func Total(m map[string]int) int {
	sum := 0
	for n := range maps.Values(m) {
		sum += n
	}
	return sum
}

// Add adds what another run has counted.
func (c *Counts) Add(other *Counts) {
	for _, pair := range []struct {
		into *map[string]int
		from map[string]int
	}{
		{&c.Kills, other.Kills},
		{&c.Failpoints, other.Failpoints},
		{&c.Frozen, other.Frozen},
		{&c.Servers, other.Servers},
		{&c.Swallowed, other.Swallowed},
		{&c.Ended, other.Ended},
		{&c.Answers, other.Answers},
	} {
		if *pair.into == nil {
			*pair.into = map[string]int{}
		}
		for key, n := range pair.from {
			(*pair.into)[key] += n
		}
	}
	c.Zombies += other.Zombies
	c.Overtaken += other.Overtaken
	c.Stale += other.Stale
	c.Verified += other.Verified
}

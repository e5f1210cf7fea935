package catalogue

import (
	"hash/maphash"
	"maps"
	"sync"
)

// shardCount is how many maps a table is made of: enough that a writer holds up few readers, and that growing one map
// copies little at a time.
const shardCount = 64

// table is a map for many readers beside one writer. A change touches one shard and copies nothing, however many
// entries there are.
type table[K comparable, V any] struct {
	seed   maphash.Seed
	shards [shardCount]shard[K, V]
}

type shard[K comparable, V any] struct {
	mu      sync.RWMutex
	entries map[K]V
}

func newTable[K comparable, V any]() *table[K, V] {
	t := &table[K, V]{seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].entries = map[K]V{}
	}
	return t
}

func (t *table[K, V]) shard(key K) *shard[K, V] {
	return &t.shards[maphash.Comparable(t.seed, key)%shardCount]
}

func (t *table[K, V]) get(key K) (V, bool) {
	s := t.shard(key)
	s.mu.RLock()
	v, ok := s.entries[key]
	s.mu.RUnlock()
	return v, ok
}

func (t *table[K, V]) set(key K, value V) {
	s := t.shard(key)
	s.mu.Lock()
	s.entries[key] = value
	s.mu.Unlock()
}

func (t *table[K, V]) remove(key K) {
	s := t.shard(key)
	s.mu.Lock()
	delete(s.entries, key)
	s.mu.Unlock()
}

// retain removes every entry of which keep says no.
func (t *table[K, V]) retain(keep func(key K, value V) bool) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		maps.DeleteFunc(s.entries, func(key K, value V) bool { return !keep(key, value) })
		s.mu.Unlock()
	}
}

// each calls f for every entry, in no order. f must not touch the table.
func (t *table[K, V]) each(f func(key K, value V)) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.RLock()
		for key, value := range s.entries {
			f(key, value)
		}
		s.mu.RUnlock()
	}
}

// reserve makes room for n entries in all, so that the first load of a large network does not grow each map many
// times. Only an empty table may be reserved.
func (t *table[K, V]) reserve(n int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		if len(s.entries) == 0 {
			s.entries = make(map[K]V, n/shardCount)
		}
		s.mu.Unlock()
	}
}

func (t *table[K, V]) len() int {
	n := 0
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.RLock()
		n += len(s.entries)
		s.mu.RUnlock()
	}
	return n
}

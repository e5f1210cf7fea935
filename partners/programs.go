package partners

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"tributary/partners/program"
)

// Programs are the programs of the network with their terms, in memory, as they stand in PostgreSQL: what orders are decided
// by. There are thousands of them at most; links and partners, of which there may be millions, are none of it. It is safe
// for many readers beside Refresh. What it hands out is shared and must not be changed by the reader.
type Programs struct {
	programs *table[program.ProgramID, *Program]

	refreshing sync.Mutex // held by the one that reads
	mark       uint64     // oldest transaction that was running at the last look, under refreshing
	version    atomic.Int64
}

// NewPrograms knows no program until it is refreshed.
func NewPrograms() *Programs {
	return &Programs{programs: newTable[program.ProgramID, *Program]()}
}

// Program finds a program.
func (p *Programs) Program(id program.ProgramID) (*Program, bool) { return p.programs.get(id) }

// Version is the catalogue.version up to which every program is here; 0 before the first Refresh.
func (p *Programs) Version() int64 { return p.version.Load() }

// Refresh brings the programs up to everything that was committed before the call, as seen through q: a pool, or a READ
// COMMITTED transaction. Calls at the same time wait for one another. After an error all is as it was. What it asks for is
// what Catalogue.Refresh does.
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
	if version < p.Version() || mark < since { // PostgreSQL was put back to an earlier time, where transactions had other numbers
		since = 0
	}
	programs, err := readPrograms(ctx, q, since)
	if err != nil {
		return fmt.Errorf("reading programs: %w", err)
	}
	for _, program := range programs {
		p.programs.set(program.ID, program)
	}
	p.mark = mark
	p.version.Store(version)
	return nil
}

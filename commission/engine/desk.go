package engine

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tributary/commission/inbox"
	"tributary/internal/fault"
	"tributary/partners/access"
)

// A Desk is where people on pages say what is to become of orders and customers, each within a scope.
type Desk struct {
	// DB is PostgreSQL as people may use it.
	DB *access.DB
	// Partitions are those of the topic orders.
	Partitions int
}

// Bind is Rebind for an operator on a page.
func (d *Desk) Bind(ctx context.Context, scope access.Scope, b inbox.Binding, author, note string) error {
	if !scope.Network {
		return fault.Coded(fault.NotFound, "not_found", nil)
	}
	return d.DB.Change(ctx, scope, func(tx pgx.Tx) error { return Rebind(ctx, tx, b, author, note, d.Partitions) })
}

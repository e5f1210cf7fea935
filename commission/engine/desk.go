package engine

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
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

// EnterLine is AddManualLine on a page.
func (d *Desk) EnterLine(ctx context.Context, scope access.Scope, l commission.ManualLine, author string) (no int64, err error) {
	err = d.DB.Change(ctx, scope, func(tx pgx.Tx) (err error) {
		no, err = AddManualLine(ctx, tx, l, author)
		return err
	})
	return no, err
}

// DecideLine is DecideManualLine on a page.
func (d *Desk) DecideLine(ctx context.Context, scope access.Scope, no int64, said ManualVerdict, author, note string) error {
	return d.DB.Change(ctx, scope, func(tx pgx.Tx) error { return DecideManualLine(ctx, tx, no, said, author, note) })
}

// Package access is what a person may do: whose rows they see and change, and how they sign in. Everything that reads or
// writes for somebody on a page or over the API goes through a Scope, inside a transaction to whose row policies the scope
// is told.
package access

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/partners/program"
)

// A Scope is whose rows are seen: a partner's, a merchant's, or those of the whole network. Exactly one of the three is
// set; the zero Scope is nobody's and is refused.
type Scope struct {
	Network  bool
	Merchant program.MerchantID
	Partner  program.PartnerID
	// By is who acts, for the audit log.
	By Actor
}

// An Actor is who acts and from where, as the audit log names them. Login and Seat are a person's, or Key that of a program;
// with none of them it was somebody at the console.
type Actor struct {
	Login program.LoginID
	Seat  program.SeatID
	Key   program.KeyID
	// Address is a network, such as "192.0.2.0/24".
	Address string
	// Request is the id under which the request is logged.
	Request string
}

// ErrScope refuses a Scope that names nobody, or more than one.
var ErrScope = errors.New("a scope is of the network, of one merchant or of one partner")

// Check gives ErrScope unless exactly one of the three is set.
func (s Scope) Check() error {
	set := 0
	for _, is := range []bool{s.Network, s.Merchant != 0, s.Partner != 0} {
		if is {
			set++
		}
	}
	if set != 1 || s.Merchant < 0 || s.Partner < 0 {
		return ErrScope
	}
	return nil
}

// DB is PostgreSQL as people may use it.
type DB struct{ pool *pgxpool.Pool }

// New takes a pool that logs in as postgres.Dashboard, whose row policies keep tenants apart.
func New(pool *pgxpool.Pool) *DB { return &DB{pool: pool} }

// queryLimit is how long the database works on one statement before it gives up.
const queryLimit = "8s"

// Read runs work in one snapshot that holds the scope's rows only and cannot be written to.
func (db *DB) Read(ctx context.Context, scope Scope, work func(tx pgx.Tx) error) error {
	return db.within(ctx, scope, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, work)
}

// Change runs work in a transaction that may write the scope's rows and no others. It commits when work returns nil.
func (db *DB) Change(ctx context.Context, scope Scope, work func(tx pgx.Tx) error) error {
	return db.within(ctx, scope, pgx.TxOptions{}, work)
}

// within is the only way to a tenant's rows: the row policies compare with the settings made here, which end with the
// transaction. With none of them set there are no rows.
func (db *DB) within(ctx context.Context, scope Scope, options pgx.TxOptions, work func(tx pgx.Tx) error) error {
	if err := scope.Check(); err != nil {
		return err
	}
	err := pgx.BeginTxFunc(ctx, db.pool, options, func(tx pgx.Tx) error {
		if err := tellActor(ctx, tx, scope.By); err != nil {
			return err
		}
		network := ""
		if scope.Network {
			network = "on"
		}
		_, err := tx.Exec(ctx, `SELECT set_config('app.partner', $1, true), set_config('app.merchant', $2, true),
			set_config('app.operator', $3, true), set_config('statement_timeout', $4, true)`,
			setting(int64(scope.Partner)), setting(int64(scope.Merchant)), network, queryLimit)
		if err != nil {
			return fmt.Errorf("choosing the tenant: %w", err)
		}
		return work(tx)
	})
	if err != nil {
		return fmt.Errorf("in the tenant's transaction: %w", err)
	}
	return nil
}

// tellActor tells a transaction who acts in it: the triggers of the audit log ask.
func tellActor(ctx context.Context, tx pgx.Tx, by Actor) error {
	if by == (Actor{}) {
		return nil
	}
	_, err := tx.Exec(ctx, `SELECT set_config('app.login', $1, true), set_config('app.seat', $2, true), set_config('app.key', $3, true),
		set_config('app.address', $4, true), set_config('app.request', $5, true)`,
		setting(int64(by.Login)), setting(int64(by.Seat)), setting(int64(by.Key)), by.Address, by.Request)
	if err != nil {
		return fmt.Errorf("telling who acts: %w", err)
	}
	return nil
}

// acting runs work that no row policy bounds in a transaction of who acts.
func (db *DB) acting(ctx context.Context, by Actor, work func(tx pgx.Tx) error) error {
	err := pgx.BeginTxFunc(ctx, db.pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if err := tellActor(ctx, tx, by); err != nil {
			return err
		}
		return work(tx)
	})
	if err != nil {
		return fmt.Errorf("acting: %w", err)
	}
	return nil
}

// ActAsNetwork has a transaction of an operator's log-in act for the network, as functions ask that write for others.
func ActAsNetwork(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `SELECT set_config('app.operator', 'on', true)`); err != nil {
		return fmt.Errorf("acting for the network: %w", err)
	}
	return nil
}

func setting(id int64) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatInt(id, 10)
}

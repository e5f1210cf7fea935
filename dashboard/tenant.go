package dashboard

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"tributary/partners/program"
)

// A scope is whose rows are seen: a partner's, a merchant's, or all of them for the operator.
type scope struct {
	partner  program.PartnerID
	merchant program.MerchantID
	operator bool
}

// queryLimit is how long the database works for one page before it gives up.
const queryLimit = "8s"

// see runs the queries of a page in one snapshot of PostgreSQL that holds the scope's rows only.
func (s *Server) see(ctx context.Context, sc scope, work func(tx pgx.Tx) error) error {
	return s.inTenant(ctx, sc, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, work)
}

// change runs statements that may write the scope's rows, and no others.
func (s *Server) change(ctx context.Context, sc scope, work func(tx pgx.Tx) error) error {
	return s.inTenant(ctx, sc, pgx.TxOptions{}, work)
}

// inTenant is the only way to a tenant's rows: the row policies compare with the settings made here, which end with the
// transaction. With none of them set there are no rows.
func (s *Server) inTenant(ctx context.Context, sc scope, options pgx.TxOptions, work func(tx pgx.Tx) error) error {
	err := pgx.BeginTxFunc(ctx, s.cfg.Postgres, options, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `SELECT set_config('app.partner', $1, true), set_config('app.merchant', $2, true),
			set_config('app.operator', $3, true), set_config('statement_timeout', $4, true)`,
			setting(int64(sc.partner)), setting(int64(sc.merchant)), operatorSetting(sc.operator), queryLimit)
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

func setting(id int64) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatInt(id, 10)
}

func operatorSetting(on bool) string {
	if on {
		return "on"
	}
	return ""
}

package report

import (
	"cmp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/postgres"
	"tributary/partners/access"
	"tributary/test/engines"
)

// The list of periods is read in its own order, as far as a page goes, by whoever has many.
func TestPeriodsOfAListAreLookedUp(t *testing.T) {
	t.Parallel()
	url := engines.PostgresURL(t)
	owner, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	for _, sql := range []string{
		`INSERT INTO period (no, merchant_id, program_id, partner_id, role, rule, span, unit, lane, version, ranked, first_day, last_day, net, fee, pending, payable, fee_pending, fee_earned, record)
			SELECT n, n % 2 + 1, 1, n % 5 + 1, 'partner', 'tiers', n, 'GBP', 0, 1, false, '2026-01-01', date '2026-01-01' + n / 100, 1, 0, 1, 0, 0, 0, '{}' FROM generate_series(1, 20000) n`,
		`ANALYZE period`,
	} {
		if _, err := owner.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	pool, err := postgres.Open(t.Context(), engines.As(url, postgres.Dashboard), postgres.Dashboard, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for index, scope := range map[string]access.Scope{"period_partner": {Partner: 3}, "period_merchant": {Merchant: 1}} {
		err := access.New(pool).Read(t.Context(), scope, func(tx pgx.Tx) error {
			sql := strings.NewReplacer("$1", strconv.FormatInt(cmp.Or(int64(scope.Partner), int64(scope.Merchant)), 10), "$2", "'2026-05-01'", "$3", "9000", "$4", "51", "$5", "0", "$6", "0", "$7", "NULL", "$8", "false").Replace(periodsOf(scope))
			rows, err := tx.Query(t.Context(), "EXPLAIN "+sql)
			if err != nil {
				return err
			}
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if plan := strings.Join(lines, "\n"); !strings.Contains(plan, "using "+index) || strings.Contains(plan, "Sort") {
				t.Errorf("for %+v it is read without %s:\n%s", scope, index, plan)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

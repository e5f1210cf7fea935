package migrations_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"tributary/internal/clickhouse"
	"tributary/internal/embedded"
	"tributary/test/engines"
)

// books has a column for each of tracker, loader, engine, dashboard, operator, reader and signin.
//
//nolint:dupword // rights recur
const books = `
account*           -     -     SI    S     S     S     -
account_kind       -     -     -     -     S     S     -
api_key*           S     -     S     SIU   SIU   S     s
audit              -     -     -     -     S     S     -
catalogue          S     -     S     S     S     S     -
chain              -     -     SI    -     S     S     -
checkpoint*        -     -     SI    S     S     S     -
claim              -     -     S     -     S     S     -
claim_outcome      -     -     S     -     S     S     -
claim_waiting      -     -     SID   -     S     S     -
click_day          -     SU    SI    -     S     S     -
click_touched      -     -     SID   -     S     S     -
click_use          -     -     SIU   -     S     S     -
clickhouse_batch   -     SIUD  S     -     SIUD  S     -
commission*        -     -     SIU   S     S     S     -
consumer_owner     -     SIUD  SIUD  -     S     S     -
country_known      -     -     -     S     -     S     -
coupon*            -     -     S     SI    SI    S     -
coupon_end*        -     -     S     SI    SI    S     -
customer*          -     -     SI    S     S     S     -
customer_backfill  -     -     SIU   -     S     S     -
customer_bind      -     -     -     S     -     S     -
customer_change    -     -     SIUD  -     S     S     -
customer_event*    -     -     SI    S     S     S     -
customer_seen*     -     -     SIUD  S     S     S     -
customer_touched   -     -     SID   -     S     S     -
dead_letter        -     SIU   SIU   -     SIU   S     -
dispute            -     -     S     -     S     S     -
dispute_outcome    -     -     S     -     S     S     -
enrolment*         S     -     S     S     SIU   S     -
enrolment_fact*    S     -     S     SI    SI    S     -
forged             -     SI    SI    -     S     S     -
forged_declaration -     S     S     -     SI    S     -
fx_rate            -     -     S     S     SI    S     -
goose_db_version   S     S     S     S     S     S     -
health_batch       -     -     -     S     -     S     -
health_dispute     -     -     -     S     -     S     -
health_lane        -     -     -     S     -     S     -
health_letter      -     -     -     S     -     S     -
health_owner       -     -     -     S     -     S     -
health_path        -     -     -     S     -     S     -
health_seal        -     -     -     S     -     S     -
health_seen        -     -     -     S     -     S     -
health_sent        -     -     -     S     -     S     -
health_spool       -     -     -     S     -     S     -
high_water         S     SIU   SIU   -     SIU   S     -
inbox              -     -     S     -     SI    S     -
inbox_taken        -     -     SI    -     S     S     -
key_use*           SIU   -     -     S     S     S     SIU
ledger_outbox      -     -     SID   -     S     S     -
ledger_sent        -     -     SIU   -     SU    S     -
ledger_unsent      -     -     S     -     S     S     -
link*              S     -     S     SIu   SIU   S     -
login*             -     -     -     -     sIU   s     siu
manual_line        -     -     S     -     S     S     -
manual_verdict     -     -     -     -     S     S     -
merchant*          S     -     S     S     SIU   S     s
network            -     -     -     S     S     S     SI
newest_open_claim  -     -     -     S     -     S     -
newest_open_dispute -    -     -     S     -     S     -
nudge              -     -     SID   -     SI    S     -
old_dispute        -     -     S     -     S     S     -
open_claim         -     -     -     S     -     S     -
open_dispute       -     -     -     S     -     S     -
order_conflict*    -     -     SI    S     S     S     -
order_event*       -     -     SI    S     S     S     -
order_outbox       -     SID   S     -     S     S     -
order_said         -     -     -     S     S     S     -
order_sent         -     SIU   S     -     SU    S     -
order_unsent       -     -     S     -     S     S     -
order_use          -     -     -     S     S     S     -
orders*            -     -     SIU   S     Su    S     -
partner*           S     -     S     S     SIU   S     s
path_wanted        -     SD    SI    -     S     S     -
period*            -     -     SIU   S     S     S     -
period_cell        -     -     SIU   -     S     S     -
period_delta       -     -     SID   -     S     S     -
period_rule        -     -     SI    -     S     S     -
period_waiting     -     -     -     S     -     S     -
position           -     SIU   SIU   -     SIU   S     -
posting*           -     -     SI    S     S     S     -
program*           S     -     S     S     SIU   S     -
record_form        -     -     SI    S     SI    S     -
refusal*           SID   -     -     S     S     S     -
report_check*      -     Su    SI    S     SIu   S     -
review_act         -     -     -     S     -     S     -
scoped_audit       -     -     -     S     -     S     -
scoped_claim       -     -     -     S     -     S     -
scoped_dispute     -     -     -     S     -     S     -
scoped_invitation  -     -     -     S     -     -     -
scoped_manual_line -     -     -     S     S     S     -
scoped_order       -     -     -     S     -     S     -
scoped_order_event -     -     -     S     -     S     -
scoped_person      -     -     -     S     -     -     -
scoped_review      -     -     -     S     -     S     -
seat*              -     -     -     -     SIu   S     SIu
seated             -     -     -     -     -     -     S
session*           -     -     -     -     -     -     SIUD
setting            SI    SI    SI    S     S     S     -
signin_secret      -     -     -     -     -     -     S
signing_secret*    S     -     -     I     I     -     -
spool_progress     SIU   S     S     -     SD    S     -
terms*             S     -     S     SI    SIU   S     -
ticket*            -     -     -     -     -     -     SIu
`

// Every right in PostgreSQL, read from its catalogue: Select, Insert, Update, Delete and what else there is; in small letters where it
// is to some columns only. A table that binds its owner, too, by row policies is marked with *.
func TestEveryRightInPostgreSQL(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	rows, err := db.Query(t.Context(), `
		WITH role (name, n) AS (SELECT name, n FROM unnest(ARRAY['tracker', 'loader', 'engine', 'dashboard', 'operator', 'reader', 'signin']) WITH ORDINALITY u (name, n))
		SELECT c.relname || CASE WHEN c.relforcerowsecurity THEN '*' ELSE '' END, string_agg(coalesce((
			SELECT nullif(string_agg(CASE
				WHEN has_table_privilege('tributary_' || r.name, c.oid, v.verb) THEN v.letter
				WHEN v.columns AND has_any_column_privilege('tributary_' || r.name, c.oid, v.verb) THEN lower(v.letter) ELSE '' END, '' ORDER BY v.n), '')
			FROM (VALUES (1, 'SELECT', 'S', true), (2, 'INSERT', 'I', true), (3, 'UPDATE', 'U', true), (4, 'DELETE', 'D', false),
				(5, 'TRUNCATE', 'T', false), (6, 'REFERENCES', 'R', true), (7, 'TRIGGER', 'G', false), (8, 'MAINTAIN', 'M', false)) v (n, verb, letter, columns)), '-'), ' ' ORDER BY r.n)
		FROM pg_class c CROSS JOIN role r
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
		GROUP BY c.relname, c.relforcerowsecurity ORDER BY c.relname`)
	compareRights(t, books, rows, err)
}

const functions = `
acts_as_owner tributary_signin dashboard search_path=pg_catalog, public, pg_temp
add_manual_line owner dashboard,operator search_path=pg_catalog, public, pg_temp
api_key_find tributary_signin dashboard search_path=pg_catalog, public, pg_temp
app_enrolled_in owner dashboard search_path=pg_catalog, public, pg_temp
audit_sweep owner dashboard search_path=pg_catalog, public, pg_temp
bind_customer owner dashboard,operator search_path=pg_catalog, public, pg_temp
bump_catalogue owner - search_path=pg_catalog, public, pg_temp
claim_order owner dashboard search_path=pg_catalog, public, pg_temp
decide_manual_line owner dashboard,operator search_path=pg_catalog, public, pg_temp
find_order owner dashboard search_path=pg_catalog, public, pg_temp
hold_removed owner engine search_path=pg_catalog, public, pg_temp
invite tributary_signin dashboard,operator search_path=pg_catalog, public, pg_temp
invite_accept tributary_signin dashboard search_path=pg_catalog, public, pg_temp
invite_end tributary_signin dashboard search_path=pg_catalog, public, pg_temp
invite_take tributary_signin dashboard search_path=pg_catalog, public, pg_temp
login_ends_sessions tributary_signin - search_path=pg_catalog, public, pg_temp
network_is_empty tributary_signin dashboard search_path=pg_catalog, public, pg_temp
note_act owner - search_path=pg_catalog, public, pg_temp
note_masked owner - search_path=pg_catalog, public, pg_temp
open_dispute owner dashboard,operator search_path=pg_catalog, public, pg_temp
password_change tributary_signin dashboard search_path=pg_catalog, public, pg_temp
posting_fits_accounts owner - search_path=pg_catalog, public, pg_temp
queue_removal owner - search_path=pg_catalog, public, pg_temp
reset_offer tributary_signin dashboard,operator search_path=pg_catalog, public, pg_temp
reset_use tributary_signin dashboard search_path=pg_catalog, public, pg_temp
review_order owner dashboard,operator search_path=pg_catalog, public, pg_temp
seat_end tributary_signin dashboard search_path=pg_catalog, public, pg_temp
seat_ends_sessions tributary_signin - search_path=pg_catalog, public, pg_temp
session_end tributary_signin dashboard search_path=pg_catalog, public, pg_temp
session_end_all tributary_signin dashboard search_path=pg_catalog, public, pg_temp
session_find tributary_signin dashboard search_path=pg_catalog, public, pg_temp
session_keep tributary_signin dashboard search_path=pg_catalog, public, pg_temp
session_list tributary_signin dashboard search_path=pg_catalog, public, pg_temp
session_open tributary_signin dashboard search_path=pg_catalog, public, pg_temp
session_seat tributary_signin dashboard search_path=pg_catalog, public, pg_temp
session_sweep tributary_signin dashboard search_path=pg_catalog, public, pg_temp
settle_claim owner dashboard,operator search_path=pg_catalog, public, pg_temp
settle_dispute owner dashboard,operator search_path=pg_catalog, public, pg_temp
setup tributary_signin dashboard search_path=pg_catalog, public, pg_temp
setup_known tributary_signin dashboard search_path=pg_catalog, public, pg_temp
setup_offer tributary_signin dashboard,operator search_path=pg_catalog, public, pg_temp
signin tributary_signin dashboard search_path=pg_catalog, public, pg_temp
signin_challenge tributary_signin dashboard search_path=pg_catalog, public, pg_temp
signin_failed owner dashboard search_path=pg_catalog, public, pg_temp
take_enrolment_step owner - search_path=pg_catalog, public, pg_temp
ticket_read tributary_signin dashboard search_path=pg_catalog, public, pg_temp
undo_review owner dashboard,operator search_path=pg_catalog, public, pg_temp
`

// Every function that acts with its owner's rights, its owner, who may call it, and the path on which it looks for tables.
func TestEveryFunctionWithItsOwnersRights(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	rows, err := db.Query(t.Context(), `
		SELECT p.proname, CASE WHEN p.proowner = d.datdba THEN 'owner' ELSE pg_get_userbyid(p.proowner) END || ' ' ||
			coalesce((SELECT string_agg(CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE replace(pg_get_userbyid(a.grantee), 'tributary_', '') END, ',' ORDER BY 1)
				FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee <> p.proowner), '-') || ' ' || array_to_string(p.proconfig, ' ')
		FROM pg_proc p, pg_database d
		WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace AND d.datname = current_database() ORDER BY 1`)
	compareRights(t, functions, rows, err)
}

const logins = `
tributary_dashboard login
tributary_engine login bypassrls
tributary_loader login
tributary_operator login
tributary_reader login bypassrls
tributary_signin nothing
tributary_tracker login
`

// What each log-in may do besides its rights to tables.
func TestNoLoginIsMoreThanALogin(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	rows, err := db.Query(t.Context(), `
		SELECT r.rolname, coalesce(nullif(concat_ws(' ', CASE WHEN rolcanlogin THEN 'login' END, CASE WHEN rolsuper THEN 'superuser' END, CASE WHEN rolcreaterole THEN 'createrole' END,
			CASE WHEN rolcreatedb THEN 'createdb' END, CASE WHEN rolreplication THEN 'replication' END, CASE WHEN rolbypassrls THEN 'bypassrls' END,
			CASE WHEN has_schema_privilege(r.oid, 'public', 'CREATE') THEN 'create' END,
			(SELECT string_agg('member of ' || pg_get_userbyid(roleid), ' ') FROM pg_auth_members m WHERE m.member = r.oid),
			(SELECT 'owns ' || string_agg(relname, ',') FROM pg_class c WHERE c.relowner = r.oid)), ''), 'nothing')
		FROM pg_roles r WHERE rolname LIKE 'tributary\_%' ORDER BY 1`)
	compareRights(t, logins, rows, err)
}

// compareRights compares what the catalogue says, a name and its rights in each row, with a table.
func compareRights(t *testing.T, want string, rows pgx.Rows, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	var name, rights string
	if _, err := pgx.ForEachRow(rows, []any{&name, &rights}, func() error {
		fmt.Fprintf(&got, "%s %s\n", name, rights)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	compareText(t, want, got.String())
}

func compareText(t *testing.T, want, got string) {
	t.Helper()
	var lines []string
	for line := range strings.Lines(want) {
		if fields := strings.Fields(line); len(fields) > 0 {
			lines = append(lines, strings.Join(fields, " ")+"\n")
		}
	}
	if diff := cmp.Diff(strings.Join(lines, ""), got); diff != "" {
		t.Errorf("rights (-table +catalogue):\n%s\n%s", diff, got)
	}
}

//nolint:unqueryvet // rights, no queries
const reports = `
dashboard SELECT tributary.*
loader CREATE_TABLE tributary.loader_canary_
loader CREATE_VIEW tributary.loader_canary_
loader DROP_TABLE tributary.loader_canary_
loader DROP_VIEW tributary.loader_canary_
loader INSERT tributary.ledger
loader INSERT tributary.loader_canary_
loader INSERT tributary.order_event
loader INSERT tributary.touch
loader SELECT system.parts
loader SELECT tributary.*
operator ALTER_DELETE tributary.customer_order
operator ALTER_DELETE tributary.ledger
operator ALTER_DELETE tributary.ledger_15m
operator ALTER_DELETE tributary.order_event
operator ALTER_DELETE tributary.touch
operator ALTER_DELETE tributary.touch_15m
operator CREATE_TABLE tributary.loader_canary_
operator CREATE_VIEW tributary.loader_canary_
operator DROP_TABLE tributary.loader_canary_
operator DROP_VIEW tributary.loader_canary_
operator INSERT tributary.customer_order
operator INSERT tributary.ledger
operator INSERT tributary.ledger_15m
operator INSERT tributary.loader_canary_
operator INSERT tributary.order_event
operator INSERT tributary.touch
operator INSERT tributary.touch_15m
operator SELECT system.parts
operator SELECT tributary.*
reader SELECT tributary.*
`

// Every right in ClickHouse, of a server as an installation has it.
func TestEveryRightInClickHouse(t *testing.T) {
	t.Parallel()
	supervisor := embedded.New(embedded.Config{Dir: t.TempDir(), ClickHouse: true})
	ended := make(chan error, 1)
	go func() { ended <- supervisor.Run(t.Context()) }()
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	addresses, err := supervisor.Ready(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(addresses.ClickHouseURL, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	rows, err := conn.Query(t.Context(), `
		SELECT replaceOne(assumeNotNull(user_name), 'tributary_', '') || ' ' || replaceAll(toString(access_type), ' ', '_') || ' ' ||
			ifNull(database || '.', '') || if(empty(ifNull(table, '')), '*', table || if(is_partial_revoke = 1, '!', '')) || if(grant_option = 1, ' WITH GRANT OPTION', '') AS line
		FROM system.grants WHERE user_name LIKE 'tributary\\_%' AND access_type != 'TABLE ENGINE' ORDER BY line`)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	var line string
	if err := clickhouse.ForEachRow(rows, []any{&line}, func() { got.WriteString(line + "\n") }); err != nil {
		t.Fatal(err)
	}
	compareText(t, reports, got.String())
}

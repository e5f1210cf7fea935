package report

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
)

// A Refusal is what trackers refused of a merchant, of one kind and within a few seconds.
type Refusal struct {
	No      int64
	At      time.Time // of the last of them
	Route   string    // the pattern of the address
	Code    string    // as the answer gave it; tracker.CodeRevokedKey where the answer said less
	Field   string    // the first that was wrong, empty where it was none
	OrderID string    // as far as it was read
	Origin  string    // the site of the browser that asked
	KeyID   int64     // 0 where no key was used
	Label   string    // of the key
	Times   int64
}

// A RefusalFilter is what the log is narrowed to.
type RefusalFilter struct {
	Code, Route string
	Text        string // in the order's id, or in the origin
	Days        Days
	After       string
}

// RefusingRoutes are those of which a log can tell.
func RefusingRoutes() []string { return []string{"/v1/conversions", "/v1/refunds", "/v1/tag/click"} }

// ParseRefusals reads the address of the log. codes are those that can be asked for.
func ParseRefusals(values url.Values, codes []string, now time.Time) (RefusalFilter, error) {
	q := newQuery(values, now)
	f := RefusalFilter{Code: q.oneOf("code", codes...), Route: q.oneOf("route", RefusingRoutes()...), Text: q.text("q"), Days: q.days(), After: q.get("after")}
	return f, q.err()
}

// Query is the filter as ParseRefusals reads it.
func (f RefusalFilter) Query() url.Values {
	q := url.Values{}
	set(q, "code", f.Code)
	set(q, "route", f.Route)
	set(q, "q", f.Text)
	f.Days.set(q)
	set(q, "after", f.After)
	return q
}

// Narrowed tells whether the filter leaves anything out.
func (f RefusalFilter) Narrowed() bool {
	f.After = ""
	return len(f.Query()) > 0
}

// Refusals reads at most limit entries of the log of the scope's merchant, newest first.
func (s *Snapshot) Refusals(ctx context.Context, f RefusalFilter, limit int) (Page[Refusal], error) {
	of := list{"refusals", f.Query()}
	from, begun, err := of.after(f.After)
	if err != nil {
		return Page[Refusal]{}, err
	}
	if !begun {
		from.ID = math.MaxInt64
	}
	begin, end := f.Days.bounds()
	// name: refusals
	rows, err := s.tx.Query(ctx, `SELECT r.no, r.at, r.route, r.code, r.field, r.order_id, r.origin, r.key_id, coalesce(k.label, '') AS label, r.times
		FROM refusal r LEFT JOIN api_key k ON k.id = r.key_id
		WHERE r.merchant_id = $1 AND ($2 = '' OR r.code = $2) AND ($3 = '' OR r.route = $3)
		  AND ($4 = '' OR position(lower($4) IN lower(r.order_id)) > 0 OR position(lower($4) IN lower(r.origin)) > 0)
		  AND r.at >= $5 AND r.at < $6 AND r.no < $7
		ORDER BY r.no DESC LIMIT $8`,
		int64(s.scope.Merchant), f.Code, f.Route, f.Text, begin, end, from.ID, limit+1)
	if err != nil {
		return Page[Refusal]{}, fmt.Errorf("listing refusals: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Refusal])
	if err != nil {
		return Page[Refusal]{}, fmt.Errorf("listing refusals: %w", err)
	}
	return cut(of, found, limit, func(r Refusal) key { return key{ID: r.No} })
}

// Refused is how many requests were refused; AtLeast where not all lines of the log were counted.
type Refused struct {
	Times   int64
	AtLeast bool
}

// refusedUpTo is how many lines of the log are counted.
const refusedUpTo = 1000

// RefusedLately counts the requests of the scope's merchant that were refused within 24 hours, of at most the last 1000 lines.
func (s *Snapshot) RefusedLately(ctx context.Context, now time.Time) (n Refused, err error) {
	// name: refused lately
	err = s.tx.QueryRow(ctx, `SELECT coalesce(sum(times), 0)::bigint, count(*) >= $3 FROM (
		SELECT times FROM refusal WHERE merchant_id = $1 AND at >= $2 ORDER BY no DESC LIMIT $3) r`, int64(s.scope.Merchant), now.Add(-24*time.Hour), refusedUpTo).Scan(&n.Times, &n.AtLeast)
	if err != nil {
		return Refused{}, fmt.Errorf("counting refusals: %w", err)
	}
	return n, nil
}

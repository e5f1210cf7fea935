package report

import (
	"context"
	_ "embed"
	"fmt"
	"math"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
)

// A Link is a tracking link with what it earned in a period.
type Link struct {
	ID         int64
	Code       string
	Label      string
	Target     string
	CreatedAt  time.Time
	Closed     bool
	ProgramID  int64
	Program    string
	Merchant   string
	Currencies []string
	Earned     []int64 // by currency
	// Amounts are the earnings by currency.
	Amounts []Amount `db:"-"`
	// Clicks and Orders are what CountLinks adds.
	Clicks, Orders int64 `db:"-"`
}

// Title is what a person would call the link.
func (l Link) Title() string {
	if l.Label != "" {
		return l.Label
	}
	return l.Code
}

// The states that a list of links can be narrowed to.
const (
	LinkOpen   = "open"
	LinkClosed = "closed"
)

// A LinkFilter is what a list of links is narrowed to. Period is that of their figures; a zero one is all time.
type LinkFilter struct {
	Link    int64
	Program int64
	State   string
	Text    string
	Period  Period
	After   string
}

// ParseLinks reads the address of a partner's list.
func ParseLinks(values url.Values, now time.Time) (LinkFilter, error) {
	q := newQuery(values, now)
	f := LinkFilter{
		Program: q.id("program"), State: q.oneOf("state", LinkOpen, LinkClosed), Text: q.text("q"), Period: q.period(), After: q.get("after"),
	}
	return f, q.err()
}

// Query is the filter as ParseLinks reads it.
func (f LinkFilter) Query() url.Values {
	q := f.Period.Query()
	setID(q, "program", f.Program)
	set(q, "state", f.State)
	set(q, "q", f.Text)
	set(q, "after", f.After)
	return q
}

// Narrowed tells whether the filter leaves any link out.
func (f LinkFilter) Narrowed() bool { return f.Program != 0 || f.State != "" || f.Text != "" }

//go:embed query/links.sql
var linksSQL string

// Links reads at most limit links of the scope's partner, newest first.
func (s *Snapshot) Links(ctx context.Context, f LinkFilter, limit int) (Page[Link], error) {
	of := list{"links", f.Query()}
	from, begun, err := of.after(f.After)
	if err != nil {
		return Page[Link]{}, err
	}
	if !begun {
		from.ID = math.MaxInt64
	}
	begin, end := f.Period.Span().bounds()
	rows, err := s.tx.Query(ctx, linksSQL, pgx.NamedArgs{
		"partner": int64(s.scope.Partner), "link": f.Link, "program": f.Program, "state": f.State, "text": f.Text,
		"after": from.ID, "limit": limit + 1, "from": begin, "to": end,
	})
	if err != nil {
		return Page[Link]{}, fmt.Errorf("listing links: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Link])
	if err != nil {
		return Page[Link]{}, fmt.Errorf("listing links: %w", err)
	}
	order, err := s.currencies(ctx)
	if err != nil {
		return Page[Link]{}, err
	}
	for i := range found {
		found[i].Amounts = order.amounts(found[i].Currencies, found[i].Earned)
	}
	return cut(of, found, limit, func(l Link) key { return key{ID: l.ID} })
}

// CountLinks adds clicks and orders of the question's period to links.
func (r *Reader) CountLinks(ctx context.Context, q Question, links []Link) error {
	clicks, err := r.CountBy(ctx, q, Clicks(), ByLink)
	if err != nil {
		return err
	}
	orders, err := r.CountBy(ctx, q, CreditedOrders(), ByLink)
	if err != nil {
		return err
	}
	for i := range links {
		links[i].Clicks, links[i].Orders = clicks[links[i].ID], orders[links[i].ID]
	}
	return nil
}

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

//go:embed query/audit.sql
var auditSQL string

// An Act is a line of the audit log.
type Act struct {
	No int64
	At time.Time
	// Email is empty for a person of another organisation, whom Of names, for a key, and at the console, where Of is empty as well.
	Email, Of string
	KeyID     int64
	// Address is the network from which it was done.
	Address, Request string
	// Kind is one of ActKinds, ID names the one of it.
	Kind, ID string
	// Made tells that it was made, or else changed.
	Made bool
	// Before and After are what changed, as JSON; "{}" for what another organisation did.
	Before, After string
}

// Code names what was done: the kind, and whether one was made or changed.
func (a *Act) Code() string {
	if a.Made {
		return a.Kind
	}
	return a.Kind + "_changed"
}

// ActKinds are the kinds of what people act on.
func ActKinds() []string {
	return []string{
		"audit", "bind", "claim", "coupon", "coupon_end", "dead_letter", "dispute", "enrolment", "fact", "forged", "invitation", "key", "link", "login", "manual_line", "manual_verdict", "merchant",
		"partner", "program", "rate", "reset_link", "review", "seat", "session", "signin_failed", "terms", "undo",
	}
}

// An AuditFilter is what the log is narrowed to.
type AuditFilter struct {
	Kind  string
	Text  string // in the person, the organisation, the id or the request
	Days  Days
	After string
}

// ParseAudit reads the address of the log.
func ParseAudit(values url.Values, now time.Time) (AuditFilter, error) {
	q := newQuery(values, now)
	f := AuditFilter{Kind: q.oneOf("kind", ActKinds()...), Text: q.text("q"), Days: q.days(), After: q.get("after")}
	return f, q.err()
}

// Query is the filter as ParseAudit reads it.
func (f AuditFilter) Query() url.Values {
	q := url.Values{}
	set(q, "kind", f.Kind)
	set(q, "q", f.Text)
	f.Days.set(q)
	set(q, "after", f.After)
	return q
}

// Narrowed tells whether the filter leaves anything out.
func (f AuditFilter) Narrowed() bool {
	f.After = ""
	return len(f.Query()) > 0
}

// Audit lists what people did, newest first.
func (s *Snapshot) Audit(ctx context.Context, f AuditFilter, limit int) (Page[Act], error) {
	of := list{"audit", f.Query()}
	from, begun, err := of.after(f.After)
	if err != nil {
		return Page[Act]{}, err
	}
	if !begun {
		from = key{ID: math.MaxInt64}
	}
	begin, end := f.Days.bounds()
	rows, err := s.tx.Query(ctx, auditSQL, pgx.NamedArgs{"kind": f.Kind, "text": f.Text, "from": begin, "to": end, "no": from.ID, "limit": limit + 1})
	if err != nil {
		return Page[Act]{}, fmt.Errorf("reading the audit log: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Act])
	if err != nil {
		return Page[Act]{}, fmt.Errorf("reading the audit log: %w", err)
	}
	return cut(of, found, limit, func(a Act) key { return key{ID: a.No} })
}

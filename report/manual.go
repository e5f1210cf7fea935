package report

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/fault"
)

// A ManualLine is what somebody entered for a partner beside its orders. Amount is in minor units of Unit.
type ManualLine struct {
	No         int64
	MerchantID int64
	Merchant   string
	PartnerID  int64
	Partner    string
	Unit       string
	Amount     int64
	Payer      string
	// PeriodNo is the period that it settles, Span its name; 0 and empty for none.
	PeriodNo int64
	Span     string
	// Second tells that a second person has to approve it, Own that the scope's own side entered it.
	Second bool
	Own    bool
	// Author, Note and DecidedBy are empty for a partner.
	Author, Note string
	At           time.Time
	// State is one of ManualStates: waiting is for a second person, to_come until it is posted, refused for Problem.
	State, Problem string
	Due            *time.Time
	EffectiveAt    *time.Time
	DecidedBy      string
	DecidedAt      *time.Time
}

// Open tells whether the line can still be withdrawn.
func (l *ManualLine) Open() bool { return l.State == "waiting" || l.State == "to_come" }

// ManualStates lists the states of a manual line.
func ManualStates() []string {
	return []string{"waiting", "to_come", "posted", "declined", "withdrawn", "refused"}
}

// A ManualFilter is what a list of manual lines is narrowed to.
type ManualFilter struct {
	Partner int64
	Period  int64
	State   string
	Text    string // in the partner's name
	After   string
}

// ParseManual reads the address of a list.
func ParseManual(values url.Values, now time.Time) (ManualFilter, error) {
	q := newQuery(values, now)
	f := ManualFilter{Partner: q.id("partner"), Period: q.id("period"), State: q.oneOf("state", ManualStates()...), Text: q.text("q"), After: q.get("after")}
	return f, q.err()
}

// Query is the filter as ParseManual reads it.
func (f ManualFilter) Query() url.Values {
	q := url.Values{}
	setID(q, "partner", f.Partner)
	setID(q, "period", f.Period)
	set(q, "state", f.State)
	set(q, "q", f.Text)
	set(q, "after", f.After)
	return q
}

// Narrowed tells whether the filter leaves anything out.
func (f ManualFilter) Narrowed() bool {
	f.After = ""
	return len(f.Query()) > 0
}

// ManualLines reads at most limit manual lines of the scope, newest first.
func (s *Snapshot) ManualLines(ctx context.Context, f ManualFilter, limit int) (Page[ManualLine], error) {
	of := list{"manual", f.Query()}
	from, begun, err := of.after(f.After)
	if err != nil {
		return Page[ManualLine]{}, err
	}
	if !begun {
		from.ID = math.MaxInt64
	}
	side := ""
	switch {
	case s.scope.Network:
		side = "operator"
	case s.scope.Merchant != 0:
		side = "merchant"
	}
	// name: manual lines
	rows, err := s.tx.Query(ctx, `
SELECT l.no, l.merchant_id, coalesce(m.name, '') AS merchant, l.partner_id, coalesce(p.name, '') AS partner, l.unit, l.amount, l.payer, coalesce(l.period_no, 0) AS period_no,
       coalesce(d.span, '') AS span, l.second, l.side = @side AS own, l.author, l.note, l.at, l.state, l.problem, l.due, l.effective_at, l.decided_by, l.decided_at
  FROM scoped_manual_line l LEFT JOIN merchant m ON m.id = l.merchant_id LEFT JOIN partner p ON p.id = l.partner_id LEFT JOIN period d ON d.no = l.period_no
 WHERE l.no < @after AND (@partner::bigint = 0 OR l.partner_id = @partner) AND (@period::bigint = 0 OR l.period_no = @period) AND (@state::text = '' OR l.state = @state)
   AND (@text::text = '' OR position(lower(@text) IN lower(p.name)) > 0)
 ORDER BY l.no DESC LIMIT @limit`,
		pgx.NamedArgs{"side": side, "after": from.ID, "partner": f.Partner, "period": f.Period, "state": f.State, "text": f.Text, "limit": limit + 1})
	if err != nil {
		return Page[ManualLine]{}, fmt.Errorf("listing manual lines: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[ManualLine])
	if err != nil {
		return Page[ManualLine]{}, fmt.Errorf("listing manual lines: %w", err)
	}
	return cut(of, found, limit, func(l ManualLine) key { return key{ID: l.No} })
}

// A ManualPartner is a partner for whom a line can be entered.
type ManualPartner struct {
	ID   int64
	Name string
}

// Text is how a form names the partner: by name and number.
func (p ManualPartner) Text() string { return p.Name + " (" + strconv.FormatInt(p.ID, 10) + ")" }

// manualPartners are partners of merchant $1's programs.
const manualPartners = `SELECT p.id, p.name FROM partner p WHERE EXISTS (SELECT FROM enrolment e JOIN program g ON g.id = e.program_id WHERE e.partner_id = p.id AND g.merchant_id = $1)`

// ManualPartners lists at most limit partners of a merchant whose names contain a text, by name.
func (s *Snapshot) ManualPartners(ctx context.Context, merchant int64, text string, limit int) ([]ManualPartner, error) {
	return s.manualPartners(ctx, manualPartners+` AND position(lower($2) IN lower(p.name)) > 0 ORDER BY lower(p.name), p.id LIMIT $3`, merchant, text, limit)
}

// FindPartner gives the partners of a merchant that a person means: the one of a number, the one of a name and a number, as Text has
// them, or those whose name it is, whatever its case.
func (s *Snapshot) FindPartner(ctx context.Context, merchant int64, said string) ([]ManualPartner, error) {
	if id, numbered := ParseID(said); numbered {
		found, err := s.manualPartners(ctx, manualPartners+` AND p.id = $2`, merchant, id)
		if err != nil || len(found) > 0 {
			return found, err
		}
	}
	if at := strings.LastIndex(said, " ("); at >= 0 && strings.HasSuffix(said, ")") {
		if id, numbered := ParseID(said[at+2 : len(said)-1]); numbered {
			found, err := s.manualPartners(ctx, manualPartners+` AND p.id = $2 AND lower(p.name) = lower($3)`, merchant, id, strings.TrimSpace(said[:at]))
			if err != nil || len(found) > 0 {
				return found, err
			}
		}
	}
	return s.manualPartners(ctx, manualPartners+` AND lower(p.name) = lower($2) ORDER BY p.id LIMIT 2`, merchant, said)
}

func (s *Snapshot) manualPartners(ctx context.Context, sql string, args ...any) ([]ManualPartner, error) {
	rows, err := s.tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("listing partners for manual lines: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[ManualPartner])
	if err != nil {
		return nil, fmt.Errorf("listing partners for manual lines: %w", err)
	}
	return found, nil
}

// ManualMerchants lists the merchants of the scope that have partners, by name.
func (s *Snapshot) ManualMerchants(ctx context.Context) ([]Choice, error) {
	// name: merchants for manual lines
	return s.choices(ctx, `SELECT id, name FROM merchant m WHERE ($1::bigint = 0 OR id = $1) AND EXISTS (SELECT FROM program g JOIN enrolment e ON e.program_id = g.id WHERE g.merchant_id = m.id)
		ORDER BY lower(name), id LIMIT 500`, int64(s.scope.Merchant))
}

// ManualCurrencies lists the currencies of the programs of the scope's merchants.
func (s *Snapshot) ManualCurrencies(ctx context.Context) ([]string, error) {
	// name: currencies of programs
	rows, err := s.tx.Query(ctx, `SELECT DISTINCT unnest(currencies) FROM program WHERE $1::bigint = 0 OR merchant_id = $1 ORDER BY 1`, int64(s.scope.Merchant))
	if err != nil {
		return nil, fmt.Errorf("listing currencies: %w", err)
	}
	currencies, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("listing currencies: %w", err)
	}
	return currencies, nil
}

// A ManualPeriod is a period that a line can settle, with its partner.
type ManualPeriod struct {
	ManualPartner

	MerchantID int64
	Merchant   string
	Span, Unit string
	Net        int64 // what it pays, in minor units of Unit; below zero for what a cap takes back
}

// ManualPeriod reads a period of the scope's merchants. One that is not theirs is not found.
func (s *Snapshot) ManualPeriod(ctx context.Context, no int64) (p ManualPeriod, err error) {
	// name: period for a manual line
	rows, err := s.tx.Query(ctx, `
SELECT d.merchant_id, m.name AS merchant, d.partner_id AS id, p.name, d.span, d.unit, d.net
  FROM period d JOIN merchant m ON m.id = d.merchant_id JOIN partner p ON p.id = d.partner_id
 WHERE d.no = $1 AND ($2::bigint = 0 OR d.merchant_id = $2)`, no, int64(s.scope.Merchant))
	if err == nil {
		p, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[ManualPeriod])
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return p, fault.Coded(fault.NotFound, "not_found", nil)
	}
	if err != nil {
		return p, fmt.Errorf("reading period %d: %w", no, err)
	}
	return p, nil
}

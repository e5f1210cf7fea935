package dashboard

import (
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"tributary/commission"
	"tributary/dashboard/export"
	"tributary/partners/program"
)

// commissionRow is a line of a list of commissions.
type commissionRow struct {
	OrderNo    int64
	OrderID    string
	OccurredAt time.Time
	Currency   string
	Lines      int // those with a rate above zero
	Revenue    int64
	Refunded   int64
	Gross      int64
	Net        int64
	Fee        int64
	State      string
	HoldUntil  time.Time
	Late       bool
	Program    string
	Partner    string
	PartnerID  int64
	Link       string
	Label      string
	LinkID     int64
}

// nothing says why a commission of no amount earns nothing; empty for one that earns something.
func nothing(lines int, gross, net int64) string {
	switch {
	case net != 0:
		return ""
	case gross != 0:
		return "all of it was refunded"
	case lines == 0:
		return "the terms pay 0 % on what was bought"
	}
	return "its share rounds to nothing"
}

// The orders a list may be in.
const (
	sortNewest  = "newest"
	sortOldest  = "oldest"
	sortLargest = "largest"
)

// commissionFilter is what a list is narrowed to. Its zero value lists nothing: partner or merchant must be set.
type commissionFilter struct {
	partner  program.PartnerID
	merchant program.MerchantID
	State    string
	Program  int64
	Link     int64
	Currency string
	From, To time.Time // zero for open
	Text     string
	Sort     string
	After    cursor
	limit    int
}

// A cursor is the last row of the page before: enough of it to go on from in any order.
type cursor struct {
	At       time.Time `json:"t,omitzero"`
	Currency string    `json:"c,omitempty"`
	Minor    int64     `json:"m,omitempty"`
	No       int64     `json:"n,omitempty"`
}

func (c cursor) text() string {
	data, err := json.Marshal(c)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

// readCursor reads a cursor; what cannot be read begins at the first page.
func readCursor(text string) cursor {
	var c cursor
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(data, &c) != nil || c.At.Year() > 9999 {
		return cursor{}
	}
	return c
}

const pageSize = 50

// readCommissionFilter reads the query of a list.
func readCommissionFilter(q url.Values) commissionFilter {
	f := commissionFilter{
		State: oneOf(q.Get("state"), states()...), Currency: currencyCode(q.Get("currency")), Text: short(q.Get("q")),
		Sort: oneOf(q.Get("sort"), sortNewest, sortOldest, sortLargest), After: readCursor(q.Get("after")), limit: pageSize,
	}
	f.Program, f.Link = number(q.Get("program")), number(q.Get("link"))
	f.From, f.To = readDays(q)
	if f.Sort == "" {
		f.Sort = sortNewest
	}
	return f
}

// query is the filter as readCommissionFilter reads it.
func (f commissionFilter) query() url.Values {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" && value != "0" {
			q.Set(name, value)
		}
	}
	set("state", f.State)
	set("program", strconv.FormatInt(f.Program, 10))
	set("link", strconv.FormatInt(f.Link, 10))
	set("currency", f.Currency)
	set("q", f.Text)
	if f.Sort != sortNewest {
		set("sort", f.Sort)
	}
	setDays(q, f.From, f.To)
	if f.After != (cursor{}) {
		set("after", f.After.text())
	}
	return q
}

// narrowed tells whether the filter leaves anything out.
func (f commissionFilter) narrowed() bool {
	return len(without(without(f.query(), "sort"), "after")) > 0
}

//go:embed query/commissions.sql
var commissionsSQL string

// following is how the list goes on from a cursor, and its order.
func (f commissionFilter) following() (condition, order string) {
	switch f.Sort {
	case sortOldest:
		return ` AND (c.occurred_at, c.order_no) > (@at, @no::bigint)`, ` ORDER BY c.occurred_at, c.order_no`
	case sortLargest:
		return ` AND (c.currency, -c.net, -c.order_no) > (@after_currency::text, @minor::bigint, @no::bigint)`, ` ORDER BY c.currency, c.net DESC, c.order_no DESC`
	}
	return ` AND (c.occurred_at, c.order_no) < (@at, @no::bigint)`, ` ORDER BY c.occurred_at DESC, c.order_no DESC`
}

// named gives the names of what a page of commissions speaks of by number.
const named = `SELECT c.order_no, o.order_id, c.occurred_at, c.currency, c.lines, c.revenue, c.refunded, c.gross, c.net, c.fee, c.state, c.hold_until, o.late,
	g.name AS program, p.name AS partner, c.partner_id, coalesce(l.code, '') AS link, coalesce(l.label, '') AS label, c.link_id
	FROM page c JOIN orders o ON o.no = c.order_no JOIN program g ON g.id = c.program_id JOIN partner p ON p.id = c.partner_id LEFT JOIN link l ON l.id = c.link_id`

// listCommissions reads one page of the list.
func listCommissions(ctx context.Context, tx pgx.Tx, f commissionFilter) ([]commissionRow, error) {
	if f.partner == 0 && f.merchant == 0 {
		return nil, nil
	}
	args := pgx.NamedArgs{
		"merchant": int64(f.merchant), "partner": int64(f.partner), "state": f.State, "program": f.Program, "link": f.Link,
		"currency": f.Currency, "text": f.Text, "limit": f.limit,
		"from": orTime(f.From, beginningOfTime()), "to": orTime(f.To, endOfTime()),
		"at": f.After.At, "no": f.After.No, "after_currency": f.After.Currency, "minor": -f.After.Minor,
	}
	if f.After == (cursor{}) {
		args["at"], args["no"] = endOfTime(), int64(math.MaxInt64)
		if f.Sort == sortOldest {
			args["at"], args["no"] = beginningOfTime(), int64(0)
		}
	} else if f.Sort == sortLargest {
		args["no"] = -f.After.No
	}
	condition, order := f.following()
	rows, err := tx.Query(ctx, `WITH page AS (`+commissionsSQL+condition+order+` LIMIT @limit) `+named+order, args)
	if err != nil {
		return nil, fmt.Errorf("listing commissions: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[commissionRow])
	if err != nil {
		return nil, fmt.Errorf("listing commissions: %w", err)
	}
	return list, nil
}

// next is the cursor of the page after a full one, or empty.
func (f commissionFilter) next(list []commissionRow) string {
	if len(list) < f.limit {
		return ""
	}
	last := list[len(list)-1]
	if f.Sort == sortLargest {
		return cursor{Currency: last.Currency, Minor: last.Net, No: last.OrderNo}.text()
	}
	return cursor{At: last.OccurredAt.UTC(), No: last.OrderNo}.text()
}

// commissionsView is what the page shows.
type commissionsView struct {
	filter   commissionFilter
	list     []commissionRow
	programs []choice
	at       time.Time
}

// A choice is an entry of a filter's select.
type choice struct {
	ID   int64
	Name string
}

func (s *Server) commissions(c echo.Context, v *visit) error {
	view := commissionsView{filter: readCommissionFilter(c.QueryParams()), at: v.at}
	view.filter.partner = v.login.Partner
	ctx := c.Request().Context()
	err := s.see(ctx, v.scope(), func(tx pgx.Tx) (err error) {
		if view.list, err = listCommissions(ctx, tx, view.filter); err != nil {
			return err
		}
		view.programs, err = enrolledPrograms(ctx, tx, v.login.Partner)
		return err
	})
	if err != nil {
		return err
	}
	keepAddress(c, "/partner/commissions", view.filter.query())
	return s.page(c, v, "Commissions", commissionsPage(view))
}

func (s *Server) commissionsCSV(c echo.Context, v *visit) error {
	f := readCommissionFilter(c.QueryParams())
	f.partner, f.After, f.limit = v.login.Partner, cursor{}, export.MaxRows
	var list []commissionRow
	ctx := c.Request().Context()
	err := s.see(ctx, v.scope(), func(tx pgx.Tx) (err error) {
		list, err = listCommissions(ctx, tx, f)
		return err
	})
	if err != nil {
		return err
	}
	heading := []string{"order", "ordered_at", "program", "link", "label", "currency", "order_amount", "refunded", "commission_before_refunds", "commission", "state", "hold_until", "late"}
	return s.sendCSV(c, "commissions", heading, func(w *export.Writer) error {
		for _, r := range list {
			err := w.Row(export.Text(r.OrderID), export.Number(machine(r.OccurredAt)), export.Text(r.Program), export.Text(r.Link), export.Text(r.Label),
				export.Text(r.Currency), r.money(r.Revenue), r.money(r.Refunded), r.money(r.Gross), r.money(r.Net), export.Text(r.State), export.Number(machine(r.HoldUntil)), export.Number(strconv.FormatBool(r.Late)))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (r commissionRow) money(minor int64) export.Cell {
	return export.Number(amount{r.Currency, minor}.plain())
}

// enrolledPrograms are the programs a partner is in.
func enrolledPrograms(ctx context.Context, tx pgx.Tx, id program.PartnerID) ([]choice, error) {
	// name: enrolled programs
	rows, err := tx.Query(ctx, `SELECT g.id, g.name FROM program g JOIN enrolment e ON e.program_id = g.id
		WHERE e.partner_id = $1 ORDER BY g.name LIMIT 500`, id)
	if err != nil {
		return nil, fmt.Errorf("reading programs: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[choice])
	if err != nil {
		return nil, fmt.Errorf("reading programs: %w", err)
	}
	return list, nil
}

// states are those that a commission can be in: nothing holds, rejects or pays one yet.
func states() []string {
	return []string{string(commission.Pending), string(commission.Approved), string(commission.Reversed)}
}

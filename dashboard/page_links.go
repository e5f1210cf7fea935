package dashboard

import (
	"context"
	_ "embed"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"tributary/dashboard/export"
	"tributary/partners/program"
)

// linkRow is a tracking link with what it earned in a period.
type linkRow struct {
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
	Earned     []int64
	order      currencies `db:"-"`
	// URL is what the partner puts on a page.
	URL string `db:"-"`
	// Clicks and Orders come from the reports.
	Clicks, Orders int64 `db:"-"`
}

// amounts are the earnings by currency.
func (r linkRow) amounts() []amount {
	list := make([]amount, len(r.Currencies))
	for i, currency := range r.Currencies {
		list[i] = amount{currency, r.Earned[i]}
	}
	return r.order.sortAmounts(list)
}

// title is what a person would call the link.
func (r linkRow) title() string {
	if r.Label != "" {
		return r.Label
	}
	return r.Code
}

// linkFilter is what the list of links is narrowed to.
type linkFilter struct {
	partner program.PartnerID
	link    int64
	Program int64
	State   string // open, closed or empty for both
	Text    string
	After   int64
	period  period
	limit   int
}

func readLinkFilter(q url.Values, now time.Time) linkFilter {
	return linkFilter{
		Program: number(q.Get("program")), State: oneOf(q.Get("state"), "open", "closed"), Text: short(q.Get("q")),
		After: number(q.Get("after")), period: readPeriod(q, now), limit: pageSize,
	}
}

// query is the filter as readLinkFilter reads it.
func (f linkFilter) query() url.Values {
	q := f.period.query()
	for name, value := range map[string]string{
		"program": strconv.FormatInt(f.Program, 10), "state": f.State, "q": f.Text, "after": strconv.FormatInt(f.After, 10),
	} {
		if value != "" && value != "0" {
			q.Set(name, value)
		}
	}
	return q
}

func (f linkFilter) narrowed() bool { return f.Program != 0 || f.State != "" || f.Text != "" }

//go:embed query/links.sql
var linksSQL string

func (s *Server) listLinks(ctx context.Context, tx pgx.Tx, f linkFilter) ([]linkRow, error) {
	after := f.After
	if after == 0 {
		after = math.MaxInt64
	}
	rows, err := tx.Query(ctx, linksSQL, pgx.NamedArgs{
		"partner": int64(f.partner), "link": f.link, "program": f.Program, "state": f.State, "text": f.Text,
		"after": after, "limit": f.limit,
		"from": orTime(f.period.From, beginningOfTime()), "to": orTime(f.period.To, endOfTime()),
	})
	if err != nil {
		return nil, fmt.Errorf("listing links: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[linkRow])
	if err != nil {
		return nil, fmt.Errorf("listing links: %w", err)
	}
	order, err := readCurrencies(ctx, tx)
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].URL, list[i].order = s.trackingURL(list[i].Code), order
	}
	return list, nil
}

// trackingURL is the address that a link's code has at the tracker.
func (s *Server) trackingURL(code string) string { return s.cfg.TrackerURL + "/c/" + code }

// withCounts adds clicks and orders to links. Missing says that the reports are away.
func (s *Server) withCounts(ctx context.Context, sc scope, p period, list []linkRow) (missing bool) {
	q := question{scope: sc, period: p}
	byClicks, err := ask[int64](ctx, s.cfg.ClickHouse, q, clicks(), perLink)
	if err == nil {
		var byOrders map[int64]int64
		byOrders, err = ask[int64](ctx, s.cfg.ClickHouse, q, credited(), perLink)
		for i := range list {
			list[i].Clicks, list[i].Orders = byClicks[list[i].ID], byOrders[list[i].ID]
		}
	}
	if err != nil {
		s.cfg.Log.Warn("counts are missing on a list of links", "error", err)
	}
	return err != nil
}

// linksView is what the list shows.
type linksView struct {
	filter   linkFilter
	list     []linkRow
	programs []choice
	missing  bool
	at       time.Time
}

func (s *Server) loadLinks(ctx context.Context, v *visit, f linkFilter) (linksView, error) {
	f.partner = v.login.Partner
	view := linksView{filter: f, at: v.at}
	err := s.see(ctx, v.scope(), func(tx pgx.Tx) (err error) {
		if view.list, err = s.listLinks(ctx, tx, f); err != nil {
			return err
		}
		view.programs, err = enrolledPrograms(ctx, tx, f.partner)
		return err
	})
	if err != nil {
		return view, err
	}
	view.missing = s.withCounts(ctx, v.scope(), f.period, view.list)
	return view, nil
}

func (s *Server) links(c echo.Context, v *visit) error {
	view, err := s.loadLinks(c.Request().Context(), v, readLinkFilter(c.QueryParams(), v.at))
	if err != nil {
		return err
	}
	keepAddress(c, "/partner/links", view.filter.query())
	return s.page(c, v, "Links", linksPage(view))
}

func (view linksView) next() string {
	if len(view.list) < view.filter.limit {
		return ""
	}
	return strconv.FormatInt(view.list[len(view.list)-1].ID, 10)
}

func (s *Server) linksCSV(c echo.Context, v *visit) error {
	f := readLinkFilter(c.QueryParams(), v.at)
	f.After, f.limit = 0, export.MaxRows
	view, err := s.loadLinks(c.Request().Context(), v, f)
	if err != nil {
		return err
	}
	heading := []string{"link", "url", "label", "program", "target", "created_at", "closed", "clicks", "orders", "currency", "earned"}
	return s.sendCSV(c, "links", heading, func(w *export.Writer) error {
		for _, r := range view.list {
			for _, a := range orOne(r.amounts()) {
				err := w.Row(export.Text(r.Code), export.Text(r.URL), export.Text(r.Label), export.Text(r.Program), export.Text(r.Target),
					export.Number(machine(r.CreatedAt)), export.Number(strconv.FormatBool(r.Closed)), countCell(r.Clicks, view.missing),
					countCell(r.Orders, view.missing), export.Text(a.Currency), export.Number(a.plain()))
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// orOne gives a row even to what has no amount in any currency.
func orOne(list []amount) []amount {
	if len(list) == 0 {
		return []amount{{}}
	}
	return list
}

func countCell(n int64, missing bool) export.Cell {
	if missing {
		return export.Number("")
	}
	return export.Number(strconv.FormatInt(n, 10))
}

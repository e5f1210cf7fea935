package dashboard

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"tributary/dashboard/chart"
	"tributary/internal/clickhouse"
	"tributary/internal/fault"
	"tributary/partners"
	"tributary/partners/program"
)

// linkView is one link with its figures.
type linkView struct {
	link           linkRow
	period         period
	clicks, orders series
	missing        bool
	at             time.Time
	latest         []commissionRow
	by             origin
	origins        []originRow
}

// An origin is what clicks are told apart by: a column of the reports.
type origin struct{ column, name string }

// origins are the choices; the first is the one that a page begins with.
func origins() []origin {
	return []origin{
		{"referrer", "Page"}, {"sub1", "sub1"}, {"sub2", "sub2"}, {"sub3", "sub3"}, {"sub4", "sub4"}, {"sub5", "sub5"}, {"device", "Device"}, {"browser", "Browser"},
	}
}

// originOf is the origin that an address names.
func originOf(column string) origin {
	for _, o := range origins() {
		if o.column == column {
			return o
		}
	}
	return origins()[0]
}

// originRow is a value of an origin with its clicks.
type originRow struct {
	value  string
	clicks int64
}

// maxOrigins bounds the table of origins: the most frequent ones.
const maxOrigins = 20

// clicksBy counts a link's clicks by origin, the most frequent first.
func (s *Server) clicksBy(ctx context.Context, q question, by origin) ([]originRow, error) {
	where, parameters := q.scope.condition()
	maps.Copy(parameters, map[string]string{
		"from": strconv.FormatInt(q.period.From.Unix(), 10), "to": strconv.FormatInt(q.period.To.Unix(), 10), "link": strconv.FormatInt(q.link, 10),
	})
	rows, err := s.cfg.ClickHouse.Query(clickhouse.WithParameters(ctx, clickHouseLimit, parameters, q.scope.only()), `SELECT toString(`+by.column+`) AS value, toInt64(count()) AS clicks
		FROM touch WHERE `+where+` AND link_id = {link:Int64} AND kind = 'click' AND marks = 0
		AND occurred_at >= toDateTime({from:Int64}, 'UTC') AND occurred_at < toDateTime({to:Int64}, 'UTC')
		GROUP BY value ORDER BY clicks DESC, value LIMIT `+strconv.Itoa(maxOrigins))
	if err != nil {
		return nil, fmt.Errorf("asking ClickHouse for origins: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var list []originRow
	for rows.Next() {
		var r originRow
		if err := rows.Scan(&r.value, &r.clicks); err != nil {
			return nil, fmt.Errorf("reading origins: %w", err)
		}
		list = append(list, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading origins: %w", err)
	}
	return list, nil
}

func (s *Server) linkPage(c echo.Context, v *visit) error {
	id := number(c.Param("link"))
	view := linkView{period: readPeriod(c.QueryParams(), v.at), at: v.at, by: originOf(c.QueryParam("by"))}
	ctx := c.Request().Context()
	err := s.see(ctx, v.scope(), func(tx pgx.Tx) error {
		list, err := s.listLinks(ctx, tx, linkFilter{partner: v.login.Partner, link: id, period: view.period, limit: 1})
		if err != nil {
			return err
		}
		if id == 0 || len(list) == 0 {
			return notFound("link")
		}
		view.link = list[0]
		view.latest, err = listCommissions(ctx, tx, commissionFilter{partner: v.login.Partner, Link: id, Sort: sortNewest, limit: 10})
		return err
	})
	if err != nil {
		return err
	}
	q := question{scope: v.scope(), period: view.period, link: id}
	if err := s.countLink(ctx, q, &view); err != nil {
		s.cfg.Log.Warn("counts are missing on a link", "error", err, "request", v.id)
		view.missing = true
	}
	return s.page(c, v, "Link "+view.link.title(), linkPageView(view))
}

func (s *Server) countLink(ctx context.Context, q question, view *linkView) (err error) {
	if view.clicks, err = s.daily(ctx, q, clicks()); err != nil {
		return err
	}
	if view.orders, err = s.daily(ctx, q, credited()); err != nil {
		return err
	}
	view.origins, err = s.clicksBy(ctx, q, view.by)
	return err
}

// path is the link's own page.
func (view linkView) path() string { return "/partner/links/" + strconv.FormatInt(view.link.ID, 10) }

// chart is the link's clicks above its orders.
func (view linkView) chart() chart.Days {
	return chart.Days{
		Title: "Clicks and orders by day",
		Description: fmt.Sprintf("%s: %s clicks and %s orders.", view.period.words(),
			count(view.clicks.total()), count(view.orders.total())),
		First: view.period.From, Open: view.period.open(view.at),
		Panels: []chart.Panel{
			{Name: "Clicks", Values: view.clicks.now, Before: view.clicks.before, Height: 120, Unit: 1, Text: count},
			{Name: "Orders", Values: view.orders.now, Bars: true, Height: 64, Unit: 1, Text: count},
		},
	}
}

// newLinkForm is what the form for a new link holds.
type newLinkForm struct {
	programs []programView
	Program  int64
	Target   string
	Code     string
	Label    string
	problem  *fault.Error
	tracker  string
	at       time.Time
	// kind is the partner's, whose rates are shown.
	kind program.Kind
}

// chosen is the program that the form is about, nil when the partner is in none.
func (f newLinkForm) chosen() *programView {
	for i := range f.programs {
		if int64(f.programs[i].ID) == f.Program {
			return &f.programs[i]
		}
	}
	if len(f.programs) > 0 {
		return &f.programs[0]
	}
	return nil
}

// wrong is what is wrong with a field, or nil.
func (f newLinkForm) wrong(name string) *fault.Field {
	if f.problem == nil {
		return nil
	}
	for i := range f.problem.Fields {
		if f.problem.Fields[i].Name == name {
			return &f.problem.Fields[i]
		}
	}
	return nil
}

func (s *Server) newLinkPage(c echo.Context, v *visit) error {
	form := newLinkForm{Program: number(c.QueryParam("program"))}
	return s.showNewLink(c, v, http.StatusOK, form)
}

func (s *Server) showNewLink(c echo.Context, v *visit, status int, form newLinkForm) error {
	_, form.tracker, _ = strings.Cut(s.trackingURL(""), "://")
	form.at = v.at
	ctx := c.Request().Context()
	err := s.see(ctx, v.scope(), func(tx pgx.Tx) (err error) {
		if form.kind, err = partnerKind(ctx, tx, v.login.Partner); err != nil {
			return err
		}
		form.programs, err = listPrograms(ctx, tx, v.scope())
		return err
	})
	if err != nil {
		return err
	}
	if form.Program == 0 && len(form.programs) > 0 {
		form.Program = int64(form.programs[0].ID)
	}
	return s.render(c, status, frame(v, "New link", newLinkPage(form)))
}

// createLink makes a link of the partner, in a program that the partner is in: the table and its policy see to both.
func (s *Server) createLink(c echo.Context, v *visit) error {
	form := newLinkForm{
		Program: number(c.FormValue("program")), Target: c.FormValue("target"), Code: c.FormValue("code"), Label: c.FormValue("label"),
	}
	var made *partners.Link
	ctx := c.Request().Context()
	err := s.change(ctx, v.scope(), func(tx pgx.Tx) error {
		if err := enrolled(ctx, tx, v.login.Partner, form.Program); err != nil {
			return err
		}
		var err error
		made, err = partners.CreateLink(ctx, tx, partners.NewLink{
			Program: program.ProgramID(form.Program), Partner: v.login.Partner, Target: form.Target, Code: form.Code, Label: form.Label,
		})
		return err
	})
	if err != nil {
		f := fault.Of(err)
		if len(f.Fields) == 0 {
			return err
		}
		form.problem = f
		return s.showNewLink(c, v, f.Status(), form)
	}
	s.flash(c, "The link is ready. It works within a second.")
	return s.redirect(c, "/partner/links/"+strconv.FormatInt(int64(made.ID), 10))
}

// enrolled answers not found for a program that the partner is not in, as if it did not exist.
func enrolled(ctx context.Context, tx pgx.Tx, partner program.PartnerID, program int64) error {
	var is bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM enrolment WHERE partner_id = $1 AND program_id = $2)`, int64(partner), program).Scan(&is)
	if err != nil {
		return fmt.Errorf("looking for an enrolment: %w", err)
	}
	if !is {
		return notFound("program")
	}
	return nil
}

// closeLink ends a link: it leads nowhere any more, but clicks of before still earn.
func (s *Server) closeLink(c echo.Context, v *visit) error {
	ctx := c.Request().Context()
	err := s.change(ctx, v.scope(), func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE link SET closed_at = coalesce(closed_at, now()) WHERE id = $1 AND partner_id = $2`,
			number(c.Param("link")), int64(v.login.Partner))
		if err != nil {
			return fmt.Errorf("closing a link: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return notFound("link")
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.flash(c, "The link is closed. Clicks it had before still earn.")
	return s.redirect(c, "/partner/links/"+strconv.FormatInt(number(c.Param("link")), 10))
}

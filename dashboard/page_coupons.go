package dashboard

import (
	"context"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/dashboard/export"
	"tributary/internal/text"
	"tributary/report"
)

// couponsView is what the list shows.
type couponsView struct {
	filter   report.CouponFilter
	list     report.Page[report.Coupon]
	programs []report.Choice
	partner  string // the list's, where it is of one
	path     string
	own      bool // of a partner, who reads them
	at       time.Time
}

func (s *Server) coupons(c echo.Context, v *visit) error {
	view, err := s.loadCoupons(c, v)
	if err != nil {
		return err
	}
	keepAddress(c, view.path, view.filter.Query())
	return s.page(c, v, v.text.CouponsTitle(), couponsPage(view))
}

func (s *Server) loadCoupons(c echo.Context, v *visit) (view couponsView, err error) {
	view.at, view.own, view.path = v.at, v.scope().Partner != 0, "/merchant/coupons"
	if view.own {
		view.path = "/partner/coupons"
	}
	if view.filter, err = report.ParseCoupons(c.QueryParams(), v.at); err != nil {
		return view, err
	}
	ctx := c.Request().Context()
	err = s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		if view.list, err = r.Coupons(ctx, view.filter, report.PageSize); err != nil {
			return err
		}
		if view.partner, err = r.PartnerName(ctx, view.filter.Partner); err != nil {
			return err
		}
		if !view.own {
			view.programs, err = r.OwnPrograms(ctx)
		}
		return err
	})
	return view, err
}

func (s *Server) couponsCSV(c echo.Context, v *visit) error {
	f, err := report.ParseCoupons(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	if v.scope().Partner != 0 {
		return ownCoupons(f).send(s, c, v)
	}
	return listFile[report.Coupon]{
		name:    "coupons",
		heading: []string{"code", "kind", "program", "partner", "partner_id", "exclusive", "from", "until", "state", "leaked_from", "author", "note", "end_note"},
		page: func(ctx context.Context, r *report.Snapshot, after string) (report.Page[report.Coupon], error) {
			f.After = after
			return r.Coupons(ctx, f, rowsAtOnce)
		},
		row: func(w *export.Writer, r *report.Coupon) error {
			owner := export.Number("")
			if r.PartnerID != 0 {
				owner = export.Number(strconv.FormatInt(r.PartnerID, 10))
			}
			return w.Row(export.Text(r.Written), export.Text(r.Kind), export.Text(r.Program), export.Text(r.Partner), owner, export.Number(strconv.FormatBool(r.Exclusive)),
				export.Number(text.Machine(r.Begins)), timeCell(r.Ends), export.Text(r.State(v.at)), timeCell(r.LeakedFrom), export.Text(r.Author), export.Text(r.Note), export.Text(r.EndNote))
		},
	}.send(s, c, v)
}

// ownCoupons is the file of a partner's own coupons, without what the merchant writes for itself.
func ownCoupons(f report.CouponFilter) listFile[report.Coupon] {
	return listFile[report.Coupon]{
		name:    "coupons",
		heading: []string{"code", "kind", "program", "exclusive", "from", "until", "state"},
		page: func(ctx context.Context, r *report.Snapshot, after string) (report.Page[report.Coupon], error) {
			f.After = after
			return r.Coupons(ctx, f, rowsAtOnce)
		},
		row: func(w *export.Writer, r *report.Coupon) error {
			return w.Row(export.Text(r.Written), export.Text(r.Kind), export.Text(r.Program), export.Number(strconv.FormatBool(r.Exclusive)),
				export.Number(text.Machine(r.Begins)), timeCell(r.Ends), export.Text(r.State(time.Now())))
		},
	}
}

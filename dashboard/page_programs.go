package dashboard

import (
	"github.com/labstack/echo/v4"

	"tributary/partners/program"
	"tributary/report"
)

// programsView is the programs of a merchant or of a partner.
type programsView struct {
	visit *visit
	list  []report.Program
	// kind is the partner's, whose rates are shown; empty for a merchant, who sees both.
	kind program.Kind
}

func (s *Server) programs(c echo.Context, v *visit) error {
	view := programsView{visit: v}
	ctx := c.Request().Context()
	err := s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		if v.login.Seat.Partner != 0 {
			if view.kind, err = r.PartnerKind(ctx); err != nil {
				return err
			}
		}
		view.list, err = r.Programs(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return s.page(c, v, v.text.ProgramsTitle(), programsPage(view))
}

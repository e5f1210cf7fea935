package dashboard

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"tributary/partners"
)

// programsView is the programs of a merchant or of a partner.
type programsView struct {
	visit *visit
	list  []programView
	// kind is the partner's, whose rates are shown; empty for a merchant, who sees both.
	kind partners.Kind
}

func (s *Server) partnerPrograms(c echo.Context, v *visit) error {
	return s.showPrograms(c, v, func(ctx context.Context, tx pgx.Tx) (kind partners.Kind, err error) {
		err = tx.QueryRow(ctx, `SELECT kind FROM partner WHERE id = $1`, int64(v.login.Partner)).Scan(&kind)
		return kind, err
	})
}

func (s *Server) merchantPrograms(c echo.Context, v *visit) error {
	return s.showPrograms(c, v, func(context.Context, pgx.Tx) (partners.Kind, error) { return "", nil })
}

func (s *Server) showPrograms(c echo.Context, v *visit, kindOf func(ctx context.Context, tx pgx.Tx) (partners.Kind, error)) error {
	view := programsView{visit: v}
	ctx := c.Request().Context()
	err := s.see(ctx, v.scope(), func(tx pgx.Tx) (err error) {
		if view.kind, err = kindOf(ctx, tx); err != nil {
			return err
		}
		view.list, err = listPrograms(ctx, tx, v.scope())
		return err
	})
	if err != nil {
		return err
	}
	return s.page(c, v, "Programs", programsPage(view))
}

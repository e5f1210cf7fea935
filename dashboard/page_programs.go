package dashboard

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"tributary/partners/program"
)

// programsView is the programs of a merchant or of a partner.
type programsView struct {
	visit *visit
	list  []programView
	// kind is the partner's, whose rates are shown; empty for a merchant, who sees both.
	kind program.Kind
}

func (s *Server) programs(c echo.Context, v *visit) error {
	view := programsView{visit: v}
	ctx := c.Request().Context()
	err := s.see(ctx, v.scope(), func(tx pgx.Tx) (err error) {
		if v.login.Partner != 0 {
			if view.kind, err = partnerKind(ctx, tx, v.login.Partner); err != nil {
				return err
			}
		}
		view.list, err = listPrograms(ctx, tx, v.scope())
		return err
	})
	if err != nil {
		return err
	}
	return s.page(c, v, "Programs", programsPage(view))
}

// partnerKind is the kind of a partner, which says what rates apply.
func partnerKind(ctx context.Context, tx pgx.Tx, id program.PartnerID) (kind program.Kind, err error) {
	if err := tx.QueryRow(ctx, `SELECT kind FROM partner WHERE id = $1`, int64(id)).Scan(&kind); err != nil {
		return "", fmt.Errorf("reading a partner's kind: %w", err)
	}
	return kind, nil
}

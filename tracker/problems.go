package tracker

import (
	"slices"

	"github.com/labstack/echo/v4"

	"tributary/internal/text"
)

// problem is GET /problems/{code}: what a problem of the API means and what to do, behind the address in its "type".
func (s *Server) problem(c echo.Context) error {
	code := c.Param("code")
	if !slices.Contains(text.APIProblemCodes(), code) {
		return echo.ErrNotFound
	}
	say := text.English()
	return plainText(c, code+"\n\n"+say.APIProblem(code)+"\n\n"+say.APIProblemForm()+"\n")
}

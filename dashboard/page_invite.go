package dashboard

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"tributary/dashboard/password"
	"tributary/partners/access"
)

// ticketView is what somebody sees who opens a one-time link.
type ticketView struct {
	mistakes

	path    string
	ticket  access.Ticket
	mine    bool // they are signed in as whom it is to
	Person  string
	Problem string
}

// keepSecret says that the address of a page is a secret: other pages, and whoever a link on it leads to, learn the origin and no more.
// It is not "no-referrer", with which browsers would send the form from Origin: null, and have it refused.
func keepSecret(c echo.Context) { c.Response().Header().Set("Referrer-Policy", "strict-origin") }

// invitation shows what an invitation is to. It spends nothing: whatever follows links before people do finds the same page.
func (s *Server) invitation(c echo.Context, v *visit) error {
	view, err := s.findTicket(c, v, "invite")
	if err != nil {
		return err
	}
	return s.render(c, http.StatusOK, invitationView(v, view))
}

func (s *Server) findTicket(c echo.Context, v *visit, kind string) (*ticketView, error) {
	keepSecret(c)
	link := access.Link(c.Param("link"))
	ticket, err := s.access.ReadTicket(c.Request().Context(), link)
	if err != nil {
		return nil, err
	}
	if ticket.Kind != kind {
		return nil, notFound()
	}
	return &ticketView{path: "/" + kind + "/" + string(link), ticket: ticket, mine: v.signedIn() && v.login.Email == ticket.Email}, nil
}

// accept spends an invitation: as somebody new, with a name and a password, or as whoever is signed in.
func (s *Server) accept(c echo.Context, v *visit) error {
	view, err := s.findTicket(c, v, "invite")
	if err != nil {
		return err
	}
	if view.ticket.State != "open" {
		return s.render(c, http.StatusConflict, invitationView(v, view))
	}
	if view.ticket.Known {
		return s.takeInvitation(c, v)
	}
	view.Person = strings.TrimSpace(c.FormValue("name"))
	view.named("name", view.Person)
	view.Problem = passwordProblem(v.text, c.FormValue("password"), view.ticket.Email)
	if len(view.problems) > 0 || view.Problem != "" {
		return s.render(c, http.StatusUnprocessableEntity, invitationView(v, view))
	}
	p := proof{}
	if p.hash, err = password.Hash(c.FormValue("password")); err != nil {
		return err
	}
	ctx := c.Request().Context()
	if err := s.access.Accept(ctx, actor(c, access.Person{}), access.Link(c.Param("link")), view.Person, p.hash); err != nil {
		return err
	}
	if p.login, err = s.access.SignIn(ctx, view.ticket.Email, p.hash); err != nil {
		return err
	}
	if err := s.begin(c, p); err != nil {
		return err
	}
	v.login = p.login
	return s.welcome(c, v)
}

// takeInvitation spends an invitation on a further seat of whoever is signed in, and changes to it.
func (s *Server) takeInvitation(c echo.Context, v *visit) error {
	if !v.signedIn() {
		return s.redirect(c, "/signin")
	}
	ctx := c.Request().Context()
	token := s.tokenHash(ctx)
	seat, err := s.access.TakeInvitation(ctx, actor(c, v.login), access.Link(c.Param("link")), token)
	if err != nil {
		return err
	}
	if err := s.access.TakeSeat(ctx, v.by, token, seat); err != nil {
		return err
	}
	_, v.login, _, err = s.access.FindSession(ctx, token)
	if err != nil {
		return err
	}
	return s.welcome(c, v)
}

func (s *Server) welcome(c echo.Context, v *visit) error {
	s.flash(c, v.text.InviteWelcome(v.login.Seat.Of))
	return s.redirect(c, homeOf(v.who()))
}

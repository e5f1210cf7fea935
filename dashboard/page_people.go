package dashboard

import (
	"context"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"tributary/dashboard/export"
	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/partners/access"
	"tributary/partners/program"
	"tributary/report"
)

// peopleView is what the page of an organisation's people shows.
type peopleView struct {
	path        string
	mine        access.Seat
	filter      report.PeopleFilter
	list        report.Page[report.Seated]
	invitations []report.Invitation
	form        inviteForm
	// link is the address that was just made, shown this once, and use what to do with it.
	link, use string
}

// An inviteForm is what somebody says of whom they invite. As is a place such as "merchant:owner", and Number that of the
// merchant or partner, or its name, which only the network has to say; id is what was understood.
type inviteForm struct {
	mistakes

	Email, As, Number string

	id int64
}

func peoplePath(v *visit) string { return homeOf(v.who()) + "/people" }

// mayInvite tells whether the person may invite, and end seats and invitations.
func (view *peopleView) mayInvite() bool { return view.mine.May(access.EditSeats) }

// mayRecover tells whether the person may make links for others' passwords.
func (view *peopleView) mayRecover() bool { return view.mine.May(access.Recover) }

// A place is a role in a kind of organisation; the form names it such as "merchant:owner".
type place struct {
	org  access.Org
	role access.Role
}

func (p place) String() string { return string(p.org) + ":" + string(p.role) }

func (p place) words(t *text.Printer) string {
	return t.SeatIs(t.Org(string(p.org)), t.Role(string(p.role)))
}

// places are what may be given: those of the own organisation, and by the network all, of which its own by its owner alone.
func (view *peopleView) places() []place {
	var all []place
	for _, org := range []access.Org{access.OfMerchant, access.OfPartner, access.OfNetwork} {
		mine := view.mine.Org()
		if org != mine && mine != access.OfNetwork || org == access.OfNetwork && view.mine.Role != access.Owner {
			continue
		}
		for _, role := range access.RolesOf(org) {
			all = append(all, place{org, role})
		}
	}
	return all
}

// seat is what the form gives, by somebody in a seat.
func (f *inviteForm) seat(mine access.Seat) access.NewSeat {
	org, role, _ := strings.Cut(f.As, ":")
	n := access.NewSeat{Scope: mine.Scope(), Role: access.Role(role)}
	switch {
	case access.Org(org) == mine.Org():
	case !mine.Network:
		f.problems = append(f.problems, fault.Wrong("as", text.WrongChoice(f.As), text.FixAnother()))
	case f.Number == "":
		f.problems = append(f.problems, fault.Wrong("number", text.WrongEmpty(), text.FixOrganisationNumber()))
	case f.id == 0:
		f.problems = append(f.problems, fault.Wrong("number", text.WrongNoOrganisation(), text.FixOrganisationNumber()))
	case access.Org(org) == access.OfMerchant:
		n.Scope = access.Scope{Merchant: program.MerchantID(f.id)}
	default:
		n.Scope = access.Scope{Partner: program.PartnerID(f.id)}
	}
	if len(f.problems) == 0 && n.Check() != nil {
		f.problems = append(f.problems, fault.Wrong("as", text.WrongChoice(f.As), text.FixAnother()))
	}
	if !isEmail(f.Email) {
		f.problems = append(f.problems, fault.Wrong("email", text.WrongEmail(), text.FixEmail()))
	}
	return n
}

// understand finds the number of the merchant or partner whose whole name the network's form has in place of it, if one alone is
// called so.
func (s *Server) understand(ctx context.Context, v *visit, f *inviteForm) error {
	id, numbered := report.ParseID(f.Number)
	if f.id = id; numbered || f.Number == "" || !v.login.Seat.Network {
		return nil
	}
	org, _, _ := strings.Cut(f.As, ":")
	return s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		f.id, err = r.Organisation(ctx, org, f.Number)
		return err
	})
}

func (s *Server) people(c echo.Context, v *visit) error {
	return s.showPeople(c, v, http.StatusOK, &peopleView{})
}

func (s *Server) showPeople(c echo.Context, v *visit, status int, view *peopleView) (err error) {
	view.path, view.mine = peoplePath(v), v.login.Seat
	if view.form.As == "" && view.mine.Network {
		view.form.As = place{access.OfMerchant, access.Owner}.String() // whom a new merchant needs first
	}
	if view.filter, err = report.ParsePeople(c.QueryParams(), v.at); err != nil {
		return err
	}
	ctx := c.Request().Context()
	err = s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		if view.list, err = r.People(ctx, view.filter, report.PageSize); err != nil {
			return err
		}
		view.invitations, err = r.Invitations(ctx)
		return err
	})
	if err != nil {
		return err
	}
	v.path = view.path
	keepAddress(c, view.path, view.filter.Query())
	return s.framed(c, v, status, v.text.PeopleTitle(), peoplePage(view))
}

func (s *Server) peopleCSV(c echo.Context, v *visit) error {
	f, err := report.ParsePeople(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	return listFile[report.Seated]{
		name:    "people",
		heading: []string{"person", "name", "organisation", "kind", "role", "created_at", "state"},
		page: func(ctx context.Context, r *report.Snapshot, after string) (report.Page[report.Seated], error) {
			f.After = after
			return r.People(ctx, f, rowsAtOnce)
		},
		row: func(w *export.Writer, p *report.Seated) error {
			state := ""
			if p.Disabled {
				state = "disabled"
			}
			return w.Row(export.Text(p.Email), export.Text(p.Name), export.Text(p.Of), export.Text(p.Org), export.Text(p.Role), export.Number(text.Machine(p.CreatedAt)), export.Text(state))
		},
	}.send(s, c, v)
}

// invite makes an invitation, and shows its link on the answer itself: it is kept nowhere.
func (s *Server) invite(c echo.Context, v *visit) error {
	view := &peopleView{form: inviteForm{
		Email: strings.ToLower(strings.TrimSpace(c.FormValue("email"))), As: c.FormValue("as"), Number: strings.TrimSpace(c.FormValue("number")),
	}}
	if err := s.understand(c.Request().Context(), v, &view.form); err != nil {
		return err
	}
	seat := view.form.seat(v.login.Seat)
	if len(view.form.problems) > 0 {
		return s.showPeople(c, v, http.StatusUnprocessableEntity, view)
	}
	link, err := s.access.Invite(c.Request().Context(), v.scope(), view.form.Email, seat)
	switch f := fault.Of(err); {
	case err == nil:
	case f.Code == access.CodeSeated:
		view.form.problems = append(view.form.problems, fault.Wrong("email", text.WrongSeated(), text.FixAnother()))
		return s.showPeople(c, v, http.StatusConflict, view)
	case f.Kind == fault.NotFound:
		view.form.problems = append(view.form.problems, fault.Wrong("number", text.WrongNoOrganisation(), text.FixOrganisationNumber()))
		return s.showPeople(c, v, http.StatusUnprocessableEntity, view)
	default:
		return err
	}
	view.link, view.use = s.cfg.URL+"/invite/"+string(link), v.text.PeopleLinkUse(view.form.Email)
	return s.showPeople(c, v, http.StatusCreated, view)
}

func (s *Server) endSeat(c echo.Context, v *visit) error {
	id, ok := report.ParseID(c.Param("seat"))
	if !ok {
		return notFound()
	}
	if err := s.access.EndSeatOf(c.Request().Context(), v.scope(), program.SeatID(id)); err != nil {
		return err
	}
	s.flash(c, v.text.PeopleSeatEnded())
	return s.redirect(c, peoplePath(v))
}

func (s *Server) endInvitation(c echo.Context, v *visit) error {
	id, ok := report.ParseID(c.Param("invitation"))
	if !ok {
		return notFound()
	}
	if err := s.access.EndInvitation(c.Request().Context(), v.scope(), id); err != nil {
		return err
	}
	s.flash(c, v.text.PeopleInvitationEnded())
	return s.redirect(c, peoplePath(v))
}

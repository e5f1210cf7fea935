package dashboard

import (
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"tributary/dashboard/password"
	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/partners/access"
)

// How often a code may be tried in an hour, from one address and in all.
const (
	codesPerAddress = 10
	codesInAll      = 100
)

// setupForm is what the pages of the set-up show. Known says that the code was right, which the second step asks for.
type setupForm struct {
	mistakes

	Known               bool
	Code                access.Code
	Name, Person, Email string
	Problem             string
}

// setupPage asks for the code that the network printed when it started. Where somebody owns the network there is no such page.
func (s *Server) setupPage(c echo.Context, v *visit) error {
	if err := s.mustBeEmpty(c); err != nil {
		return err
	}
	return s.render(c, http.StatusOK, setupView(v, &setupForm{}))
}

func (s *Server) mustBeEmpty(c echo.Context) error {
	empty, err := s.access.Empty(c.Request().Context())
	if err == nil && !empty {
		err = notFound()
	}
	return err
}

// setUp takes the code, and then makes the network's owner with it.
func (s *Server) setUp(c echo.Context, v *visit) error {
	if err := s.mustBeEmpty(c); err != nil {
		return err
	}
	form := &setupForm{
		Code: access.Code(c.FormValue("code")), Name: strings.TrimSpace(c.FormValue("network")),
		Person: strings.TrimSpace(c.FormValue("name")), Email: strings.ToLower(strings.TrimSpace(c.FormValue("email"))),
	}
	from := []budget{newBudget(codesPerAddress, "code", network(c.RealIP())), newBudget(codesInAll, "code", "")}
	if wait, ok := s.tries.take(s.now(), from); !ok {
		c.Response().Header().Set(echo.HeaderRetryAfter, strconv.Itoa(int(wait.Seconds())+1))
		form.Problem = v.text.SigninLimited(v.text.Wait(wait))
		return s.render(c, http.StatusTooManyRequests, setupView(v, form))
	}
	var err error
	if form.Known, err = s.access.KnowsCode(c.Request().Context(), form.Code); err != nil {
		s.tries.giveBack(from)
		return err
	}
	if !form.Known {
		s.cfg.Log.Info("set-up refused", "address", network(c.RealIP()), "request", v.id)
		form.Problem = v.text.SetupWrongCode()
		return s.render(c, http.StatusForbidden, setupView(v, form))
	}
	s.tries.giveBack(from)
	if c.FormValue("step") != "owner" {
		return s.render(c, http.StatusOK, setupView(v, form))
	}
	return s.makeOwner(c, v, form)
}

// makeOwner spends the code, and signs the owner in.
func (s *Server) makeOwner(c echo.Context, v *visit, form *setupForm) error {
	form.check(v.text, c.FormValue("password"))
	if len(form.problems) > 0 || form.Problem != "" {
		return s.render(c, http.StatusUnprocessableEntity, setupView(v, form))
	}
	hash, err := password.Hash(c.FormValue("password"))
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	err = s.access.SetUp(ctx, actor(c, access.Person{}), access.NewNetwork{
		Code: form.Code, Name: form.Name, Email: form.Email, Person: form.Person, PasswordHash: hash,
	})
	if f := fault.Of(err); err != nil && f.Code == "email_known" {
		form.problems = append(form.problems, fault.Wrong("email", text.WrongEmailKnown(), text.FixAnother()))
		return s.render(c, http.StatusConflict, setupView(v, form))
	}
	if err != nil {
		return err
	}
	p := proof{hash: hash}
	if p.login, err = s.access.SignIn(ctx, form.Email, hash); err != nil {
		return err
	}
	if err := s.begin(c, p); err != nil {
		return err
	}
	s.flash(c, v.text.SetupDone(form.Name))
	return s.redirect(c, homeOf(operatorOnly))
}

// maxName bounds a person's and the network's name in characters.
const maxName = 100

// check notes what is wrong with the owner's form, of which password is the one that was chosen.
func (f *setupForm) check(t *text.Printer, chosen string) {
	f.named("network", f.Name)
	f.named("name", f.Person)
	if !isEmail(f.Email) {
		f.problems = append(f.problems, fault.Wrong("email", text.WrongEmail(), text.FixEmail()))
	}
	f.Problem = passwordProblem(t, chosen, f.Email)
}

// named notes a name that is missing or too long.
func (m *mistakes) named(field, name string) {
	switch n := utf8.RuneCountInString(name); {
	case n == 0:
		m.problems = append(m.problems, fault.Wrong(field, text.WrongEmpty(), text.FixNameLength()))
	case n > maxName:
		m.problems = append(m.problems, fault.Wrong(field, text.WrongCodeSize(int64(n)), text.FixNameLength()))
	}
}

// isEmail tells whether a text in lower case looks like an e-mail address.
func isEmail(s string) bool {
	name, host, found := strings.Cut(s, "@")
	return found && name != "" && host != "" && len(s) <= maxEmail && !strings.ContainsAny(s, " \t\r\n") && utf8.ValidString(s)
}

// passwordProblem says why a password cannot be chosen; empty where it can.
func passwordProblem(t *text.Printer, chosen, email string) string {
	weakness := password.Weakness(chosen, email)
	if weakness == "" {
		return ""
	}
	return t.Password(weakness, t.Count(password.MaxLen), t.Count(password.MinLen))
}

package dashboard

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"tributary/internal/fault"
	"tributary/partners"
	"tributary/partners/access"
	"tributary/partners/program"
	"tributary/report"
)

// developersView is the page of API keys and how to use one.
type developersView struct {
	keys    []report.Key
	tracker string
	// issued is a key that was just made, or the secret of one that signs: shown this once. signer is the number of the
	// latter.
	issued  string
	signer  program.KeyID
	program *report.Program
	problem string
	latest  []report.LatestReport
	refused report.Refused // within 24 hours
}

func (s *Server) developers(c echo.Context, v *visit) error {
	return s.showDevelopers(c, v, http.StatusOK, developersView{})
}

func (s *Server) showDevelopers(c echo.Context, v *visit, status int, view developersView) error {
	view.tracker = s.cfg.TrackerURL
	v.path = "/merchant/developers" // also where it answers a form
	ctx := c.Request().Context()
	err := s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		if view.keys, err = r.Keys(ctx); err != nil {
			return err
		}
		if view.latest, err = r.LatestReports(ctx); err != nil {
			return err
		}
		if view.refused, err = r.RefusedLately(ctx, v.at); err != nil {
			return err
		}
		programs, err := r.Programs(ctx)
		if len(programs) > 0 {
			view.program = &programs[0]
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.framed(c, v, status, v.text.DevelopersTitle(), developersPage(view))
}

// issueKey makes a key and shows it on the answer itself: it is kept nowhere, so there is no page to come back to. Whoever
// reloads that page sends the form again; a label that is in use makes that a notice and not a second key.
func (s *Server) issueKey(c echo.Context, v *visit) error {
	label := strings.TrimSpace(c.FormValue("label"))
	if label == "" || len(label) > maxLabel || !utf8.ValidString(label) || strings.ContainsRune(label, 0) {
		return s.showDevelopers(c, v, http.StatusUnprocessableEntity, developersView{problem: v.text.DevelopersLabelMissing()})
	}
	scopes, err := partners.ParseScopes(strings.Fields(cmp.Or(c.FormValue("may"), "orders refunds")))
	if err != nil {
		return s.showDevelopers(c, v, http.StatusUnprocessableEntity, developersView{problem: v.text.DevelopersScopeMissing()})
	}
	key := access.NewKey{Label: label, Scopes: scopes, Signs: c.FormValue("use") == "sign"}
	issued, err := s.access.IssueKey(c.Request().Context(), v.scope(), key)
	if f := fault.Of(err); err != nil && f.Code == access.CodeKeyLabel {
		return s.showDevelopers(c, v, f.Status(), developersView{problem: v.text.Problem(f.Code)})
	}
	if err != nil {
		return err
	}
	view := developersView{issued: issued.Text}
	if key.Signs {
		view.signer = issued.ID
	}
	return s.showDevelopers(c, v, http.StatusCreated, view)
}

// maxLabel bounds a key's label in bytes.
const maxLabel = 128

func (s *Server) revokeKey(c echo.Context, v *visit) error {
	id, ok := report.ParseID(c.Param("key"))
	if !ok {
		return notFound()
	}
	if err := s.access.RevokeKey(c.Request().Context(), v.scope(), program.KeyID(id)); err != nil {
		return err
	}
	s.flash(c, v.text.DevelopersWasRevoked())
	return s.redirect(c, "/merchant/developers")
}

// exampleKey is the key in the examples. A secret is no key, and has no place in a command.
func (view *developersView) exampleKey() string {
	if view.issued == "" || view.signer != 0 {
		return "YOUR_KEY"
	}
	return view.issued
}

// example is a command that reports an order, with the merchant's own values.
func (view *developersView) example() string {
	key, currency, category := view.exampleKey(), "EUR", ""
	if p := view.program; p != nil {
		if len(p.Currencies) > 0 {
			currency = p.Currencies[0]
		}
		category = exampleCategory(p)
	}
	units := strconv.FormatInt(60*wholeUnit(currency), 10)
	return `curl ` + view.tracker + `/v1/conversions \
  -H 'Authorization: Bearer ` + key + `' \
  -H 'Content-Type: application/json' \
  -d '{
    "order_id": "TEST-1001",
    "currency": "` + currency + `",
    "amount": ` + units + `,
    "click_id": "CLICK_ID",
    "lines": [
      {"sku": "A-1", "quantity": 2, "amount": ` + units + category + `}
    ]
  }'`
}

func exampleCategory(p *report.Program) string {
	if len(p.Terms) == 0 {
		return ""
	}
	named, _ := p.Terms[len(p.Terms)-1].Document.Categories()
	if len(named) == 0 {
		return ""
	}
	return `,
       "category": "` + named[0] + `"`
}

// clickParam is the query parameter in which the shop receives click ids.
func (view *developersView) clickParam() string {
	if view.program == nil {
		return partners.DefaultClickParam
	}
	return view.program.ClickParam
}

// refundExample is a command that takes the order of example back.
func (view *developersView) refundExample() string {
	return `curl ` + view.tracker + `/v1/refunds \
  -H 'Authorization: Bearer ` + view.exampleKey() + `' \
  -H 'Content-Type: application/json' \
  -d '{"order_id": "TEST-1001", "refund_id": "R-1", "whole_order": true}'`
}

// tagLine is what a merchant puts on each page of the shop.
func (view *developersView) tagLine() string {
	return `<script>window.tributary=window.tributary||function(){(tributary.q=tributary.q||[]).push(arguments)}</script>
<script async src="` + view.tracker + `/t.js" data-tributary data-program="` + partners.ProgramMark + strconv.FormatInt(int64(view.program.ID), 10) + `"` + view.tagParam() + `></script>`
}

// tagParam is set where the shop receives click ids under another name than the tag looks for.
func (view *developersView) tagParam() string {
	if param := view.clickParam(); param != partners.DefaultClickParam {
		return ` data-param="` + param + `"`
	}
	return ""
}

// tagClickID has the shop keep a visitor's click id with the cart.
func (view *developersView) tagClickID() string {
	return `<script>tributary('clickId', function (id) { document.querySelector('input[name=click_id]').value = id })</script>`
}

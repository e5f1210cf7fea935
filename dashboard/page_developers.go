package dashboard

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"tributary/internal/fault"
	"tributary/partners"
	"tributary/partners/program"
)

// developersView is the page of API keys and how to use one.
type developersView struct {
	keys    []keyRow
	tracker string
	// issued is a key that was just made, or the secret of one that signs: shown this once. signer is the number of the
	// latter.
	issued  string
	signer  program.KeyID
	program *programView
	problem string
	latest  []reportRow
}

// keyRow is an API key, of which only the beginning is known.
type keyRow struct {
	ID        int64
	Prefix    string
	Label     string
	Signs     bool
	Scopes    []string
	CreatedAt time.Time
	RevokedAt *time.Time
	UsedAt    *time.Time
}

// reportRow is an event that arrived from the shop.
type reportRow struct {
	OrderNo    int64
	OrderID    string
	Sale       bool
	Ref        string
	ReceivedAt time.Time
	Outcome    string
	Late       bool
}

func (s *Server) developers(c echo.Context, v *visit) error {
	return s.showDevelopers(c, v, http.StatusOK, developersView{})
}

func (s *Server) showDevelopers(c echo.Context, v *visit, status int, view developersView) error {
	view.tracker = s.cfg.TrackerURL
	v.path = "/merchant/developers" // also where it answers a form
	ctx := c.Request().Context()
	err := s.see(ctx, v.scope(), func(tx pgx.Tx) error { return view.read(ctx, tx, v.login.Merchant) })
	if err != nil {
		return err
	}
	return s.render(c, status, frame(v, "Developers", developersPage(view)))
}

func (view *developersView) read(ctx context.Context, tx pgx.Tx, id program.MerchantID) error {
	// name: keys of a merchant
	rows, err := tx.Query(ctx, `SELECT k.id, prefix, label, signs, scopes, created_at, revoked_at, used_at
		FROM api_key k LEFT JOIN key_use u ON u.key_id = k.id
		WHERE merchant_id = $1 ORDER BY revoked_at IS NOT NULL, k.id DESC LIMIT 100`, int64(id))
	if err != nil {
		return fmt.Errorf("listing keys: %w", err)
	}
	if view.keys, err = pgx.CollectRows(rows, pgx.RowToStructByName[keyRow]); err != nil {
		return fmt.Errorf("listing keys: %w", err)
	}
	// name: latest orders of a merchant, by their time, with the event that was received last of each
	rows, err = tx.Query(ctx, `SELECT o.no AS order_no, o.order_id, e.kind = 1 AS sale, e.ref, e.received_at, o.outcome, o.late AND e.kind = 1 AS late
		FROM (SELECT no, order_id, outcome, late FROM orders WHERE merchant_id = $1 AND occurred_at IS NOT NULL ORDER BY occurred_at DESC, no DESC LIMIT 20) o
		JOIN order_event e ON e.order_no = o.no ORDER BY e.received_at DESC LIMIT 8`, int64(id))
	if err != nil {
		return fmt.Errorf("listing reports: %w", err)
	}
	if view.latest, err = pgx.CollectRows(rows, pgx.RowToStructByName[reportRow]); err != nil {
		return fmt.Errorf("listing reports: %w", err)
	}
	programs, err := listPrograms(ctx, tx, scope{merchant: id})
	if err != nil {
		return err
	}
	if len(programs) > 0 {
		view.program = &programs[0]
	}
	return nil
}

// maxKeys bounds the live keys of a merchant; issuing is the class of the locks under which they are counted.
const (
	maxKeys = 20
	issuing = 8402
)

// issueKey makes a key and shows it on the answer itself: it is kept nowhere, so there is no page to come back to. Whoever
// reloads that page sends the form again; a label that is in use makes that a notice and not a second key.
func (s *Server) issueKey(c echo.Context, v *visit) error {
	label := short(c.FormValue("label"))
	if label == "" {
		return s.showDevelopers(c, v, http.StatusUnprocessableEntity, developersView{problem: "Please give the key a label, such as the server that will use it."})
	}
	scopes, err := partners.ParseScopes(strings.Fields(cmp.Or(c.FormValue("may"), "orders refunds")))
	if err != nil {
		return s.showDevelopers(c, v, http.StatusUnprocessableEntity, developersView{problem: "Please choose what the key may report: orders, refunds, or both."})
	}
	var view developersView
	ctx := c.Request().Context()
	err = s.change(ctx, v.scope(), func(tx pgx.Tx) error {
		// One at a time: two at once would not see each other's.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1, $2::int)`, issuing, int64(v.login.Merchant)%(1<<31)); err != nil {
			return fmt.Errorf("waiting for another key to be issued: %w", err)
		}
		var live, named int
		if err := tx.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE label = $2) FROM api_key WHERE merchant_id = $1 AND revoked_at IS NULL`,
			int64(v.login.Merchant), label).Scan(&live, &named); err != nil {
			return fmt.Errorf("counting keys: %w", err)
		}
		if named > 0 {
			view.problem = "There is a live key with this label. It was shown when it was issued; if it is lost, revoke it and issue another."
			return nil
		}
		if live >= maxKeys {
			return fault.New(fault.Conflict, "too_many_keys", "There are 20 live keys already. Revoke one that is not used any more.")
		}
		var err error
		if c.FormValue("use") == "sign" {
			view.issued, view.signer, err = partners.IssueSigner(ctx, tx, v.login.Merchant, label, scopes)
		} else {
			view.issued, _, err = partners.IssueKey(ctx, tx, v.login.Merchant, label, scopes)
		}
		return err
	})
	if err != nil {
		return err
	}
	if view.problem != "" {
		return s.showDevelopers(c, v, http.StatusConflict, view)
	}
	return s.showDevelopers(c, v, http.StatusCreated, view)
}

func (s *Server) revokeKey(c echo.Context, v *visit) error {
	ctx := c.Request().Context()
	err := s.change(ctx, v.scope(), func(tx pgx.Tx) error {
		return partners.RevokeKey(ctx, tx, v.login.Merchant, program.KeyID(number(c.Param("key"))))
	})
	if err != nil {
		return err
	}
	s.flash(c, "The key is revoked. Within a second no order can be reported with it.")
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

func exampleCategory(p *programView) string {
	if len(p.Terms) == 0 {
		return ""
	}
	for _, r := range rateRows(&p.Terms[len(p.Terms)-1]) {
		if r.category != "all others" {
			return `,
       "category": "` + r.category + `"`
		}
	}
	return ""
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

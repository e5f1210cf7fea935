// Package api is the part of step 7 in the life of a click that programs use: JSON over HTTP under /v1, beside the pages and with
// the same rights. Whoever calls it sends an API key of their merchant with each request; errors are problem details (RFC 9457).
//
// Ids are texts, such as "cpn_12"; a bare number is understood as well. Times are RFC 3339, written in UTC.
package api

import (
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/partners"
	"tributary/partners/access"
	"tributary/partners/program"
	"tributary/report"
)

// Prefix is where the addresses of the API begin.
const Prefix = "/v1"

// The rate at which one key may send requests, on average and at once.
const (
	perSecond = 10
	atOnce    = 100
)

// API answers requests of programs.
type API struct {
	Access  *access.DB
	Reports *report.Reader
	Log     *slog.Logger
	// Now is the time, in UTC.
	Now func() time.Time
	// Request names a request, for logs and answers.
	Request func(echo.Context) string

	rates sync.Map // program.KeyID to *rate.Limiter, of keys that there are
}

// Routes adds the API to a router. Its bodies are bounded here, and not by what forms may have.
func (a *API) Routes(e *echo.Echo) {
	g := e.Group(Prefix, a.answerErrors)
	const get, post = http.MethodGet, http.MethodPost
	routes(g, "/coupons", handlers{get: a.with(partners.ScopeCoupons, a.listCoupons), post: a.with(partners.ScopeCoupons, a.addCoupon)})
	routes(g, "/coupons/batch", handlers{post: a.with(partners.ScopeCoupons, a.addCoupons)})
	routes(g, "/coupons/:coupon", handlers{get: a.with(partners.ScopeCoupons, a.coupon)})
	routes(g, "/coupons/:coupon/end", handlers{post: a.with(partners.ScopeCoupons, a.endCoupon)})
	g.RouteNotFound("/*", func(echo.Context) error {
		return fault.Detailed(fault.NotFound, "unknown_route", text.DetailUnknownAddress(), nil)
	})
}

// handlers are those of an address, by method.
type handlers map[string]echo.HandlerFunc

// routes adds an address; a method that it does not have is answered with those that it has.
func routes(g *echo.Group, path string, of handlers) {
	allow := strings.Join(slices.Sorted(maps.Keys(of)), ", ")
	for _, method := range methods() {
		do := of[method]
		if do == nil {
			do = func(c echo.Context) error {
				c.Response().Header().Set(echo.HeaderAllow, allow)
				return fault.Detailed(fault.NotAllowed, "wrong_method", text.DetailWrongMethod(), nil)
			}
		}
		g.Add(method, path, do)
	}
}

func methods() []string {
	return []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}
}

// caller is whose key a request carries.
type caller struct {
	access.APIKey

	scope access.Scope
	// author is how what they do is signed.
	author string
}

// with lets a request through whose key has the scope.
func (a *API) with(scope partners.Scope, do func(echo.Context, caller) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		values := c.Request().Header["Authorization"]
		if len(values) != 1 {
			return unauthorized(text.DetailNoKey())
		}
		scheme, key, _ := strings.Cut(values[0], " ")
		sum, formed := partners.KeyHash(strings.TrimSpace(key))
		if !strings.EqualFold(scheme, "Bearer") || !formed {
			return unauthorized(text.DetailMalformedKey())
		}
		found, err := a.Access.FindKey(c.Request().Context(), sum)
		if err != nil {
			return err
		}
		switch {
		case found.ID == 0:
			return unauthorized(text.DetailUnknownKey())
		case found.Scopes&scope == 0:
			return fault.Detailed(fault.Forbidden, "missing_scope", text.DetailMissingScopeHere(found.Scopes.String(), scope.String()), nil)
		case !a.admits(found.ID):
			return fault.Detailed(fault.TooMany, "too_many_requests", text.DetailTooManyRequests(strconv.Itoa(perSecond)), nil)
		}
		return do(c, caller{APIKey: found, scope: access.Scope{Merchant: found.Merchant, By: access.Actor{Key: found.ID}}, author: "API key " + found.Label})
	}
}

// admits holds a key to its rate.
func (a *API) admits(key program.KeyID) bool {
	limiter, known := a.rates.Load(key)
	if !known {
		limiter, _ = a.rates.LoadOrStore(key, rate.NewLimiter(perSecond, atOnce))
	}
	return limiter.(*rate.Limiter).Allow() //nolint:forcetypeassert // nothing else is in it
}

func unauthorized(detail text.Message) error {
	return fault.Detailed(fault.Unauthorized, "unauthorized", detail, nil)
}

// answerErrors is where an error becomes problem details, and goes to the log when it is ours to fix.
func (a *API) answerErrors(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		err := next(c)
		if err == nil || c.Response().Committed {
			return err
		}
		f := fault.Of(err)
		if routing, ok := errors.AsType[*echo.HTTPError](err); ok && routing.Code == http.StatusRequestEntityTooLarge {
			f = fault.Coded(fault.TooLarge, "too_large", err)
		}
		id := a.Request(c)
		if f.Status() >= http.StatusInternalServerError {
			a.Log.Error("request failed", "method", c.Request().Method, "path", c.Path(), "request", id, "error", err)
		}
		h := c.Response().Header()
		switch f.Kind {
		case fault.Unauthorized:
			h.Set(echo.HeaderWWWAuthenticate, "Bearer")
		case fault.TooMany:
			h.Set(echo.HeaderRetryAfter, "1")
		case fault.Unavailable:
			h.Set(echo.HeaderRetryAfter, "10")
		default:
		}
		h.Set(echo.HeaderContentType, fault.ProblemType)
		return c.JSON(f.Status(), f.Problem(id))
	}
}

package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/partners"
	"tributary/partners/program"
	"tributary/report"
)

// The marks of ids.
const (
	markCoupon  = "cpn_"
	markProgram = "prg_"
	markPartner = "prt_"
)

// MaxBatch is how many coupons one request may add.
const MaxBatch = 1000

// A Coupon is a coupon or referral code of a program.
type Coupon struct {
	ID      string `json:"id"`
	Program string `json:"program"`
	Code    string `json:"code"` // as its owner writes it
	Kind    string `json:"kind"` // coupon or code
	// Partner is null where the coupon is the merchant's own.
	Partner   *string    `json:"partner"`
	Exclusive bool       `json:"exclusive"`
	From      time.Time  `json:"from"`
	Until     *time.Time `json:"until"` // null for no end
	State     string     `json:"state"` // to_come, in_force or ended
	// LeakedFrom is since when it had leaked, where it was ended for that.
	LeakedFrom *time.Time `json:"leaked_from,omitempty"`
	Note       string     `json:"note,omitempty"`
	CreatedAt  time.Time  `json:"created_at"`
}

func shown(c *report.Coupon, now time.Time) Coupon {
	s := Coupon{
		ID: idOf(markCoupon, c.ID), Program: idOf(markProgram, c.ProgramID), Code: c.Written, Kind: c.Kind, Exclusive: c.Exclusive,
		From: c.Begins.UTC(), Until: inUTC(c.Ends), State: c.State(now), LeakedFrom: inUTC(c.LeakedFrom), Note: c.Note, CreatedAt: c.CreatedAt.UTC(),
	}
	if c.PartnerID != 0 {
		partner := idOf(markPartner, c.PartnerID)
		s.Partner = &partner
	}
	return s
}

func inUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	utc := t.UTC()
	return &utc
}

// A List is a part of a list: Next, where it is not empty, is the value of after that asks for the part behind it.
type List[T any] struct {
	Data []T       `json:"data"`
	Next string    `json:"next,omitempty"`
	AsOf time.Time `json:"as_of"`
}

// listCoupons is GET /v1/coupons: the merchant's coupons, newest first, narrowed as the page's list is.
func (a *API) listCoupons(c echo.Context, who caller) error {
	values, now := url.Values{}, a.Now()
	var bad []fault.Field
	for name, given := range c.QueryParams() {
		for _, value := range given {
			if mark := map[string]string{"program": markProgram, "partner": markPartner}[name]; mark != "" && value != "" {
				value = strconv.FormatInt(id(value).number(name, mark, &bad), 10)
			}
			values.Add(name, value)
		}
	}
	f, err := report.ParseCoupons(values, now)
	if others, ok := errors.AsType[*fault.Error](err); ok && len(bad) > 0 {
		return &fault.Error{Kind: fault.Invalid, Code: report.FilterCode, Fields: append(bad, besides(bad, others.Fields)...)}
	}
	if err != nil {
		return err
	}
	answer := List[Coupon]{Data: []Coupon{}, AsOf: now}
	ctx := c.Request().Context()
	err = a.Reports.Snapshot(ctx, who.scope, func(r *report.Snapshot) error {
		page, err := r.Coupons(ctx, f, report.PageSize)
		for i := range page.Rows {
			answer.Data = append(answer.Data, shown(&page.Rows[i], now))
		}
		answer.Next = page.Next
		return err
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, answer)
}

// coupon is GET /v1/coupons/{id}.
func (a *API) coupon(c echo.Context, who caller) error {
	n, err := couponID(c)
	if err != nil {
		return err
	}
	return a.showCoupon(c, who, http.StatusOK, n)
}

func couponID(c echo.Context) (int64, error) {
	var bad []fault.Field
	n := id(c.Param("coupon")).number("coupon", markCoupon, &bad)
	if len(bad) > 0 {
		return 0, fault.Coded(fault.NotFound, "unknown_coupon", nil)
	}
	return n, nil
}

func (a *API) showCoupon(c echo.Context, who caller, status int, n int64) error {
	ctx := c.Request().Context()
	var found report.Coupon
	err := a.Reports.Snapshot(ctx, who.scope, func(r *report.Snapshot) (err error) {
		found, err = r.Coupon(ctx, n)
		return err
	})
	if err != nil {
		return err
	}
	return c.JSON(status, shown(&found, a.Now()))
}

// couponBody is a coupon to be added.
type couponBody struct {
	Code      string `json:"code"`
	Kind      string `json:"kind"`
	Partner   id     `json:"partner"`
	Exclusive bool   `json:"exclusive"`
	From      string `json:"from"`
	Until     string `json:"until"`
	Note      string `json:"note"`
}

// coupon reads what the body says, and what is wrong with that.
func (b *couponBody) coupon() (n partners.NewCoupon, bad []fault.Field) {
	n = partners.NewCoupon{
		Code: b.Code, Kind: program.CouponKind(b.Kind), Partner: program.PartnerID(b.Partner.number("partner", markPartner, &bad)),
		Exclusive: b.Exclusive, From: timeOf("from", b.From, &bad), Until: timeOf("until", b.Until, &bad), Note: b.Note,
	}
	return n, bad
}

func programID(of id, bad *[]fault.Field) program.ProgramID {
	if of == "" {
		*bad = append(*bad, fault.Wrong("program", text.WrongMissing(), text.FixIDLike(markProgram+"17")))
		return 0
	}
	return program.ProgramID(of.number("program", markProgram, bad))
}

// besides are the fields that are wrong in another way and not named yet.
func besides(named, others []fault.Field) []fault.Field {
	return slices.DeleteFunc(others, func(f fault.Field) bool {
		return slices.ContainsFunc(named, func(n fault.Field) bool { return n.Name == f.Name })
	})
}

// addCoupon is POST /v1/coupons: 201 with the coupon, or 200 with the one that was there already and is what was asked for.
func (a *API) addCoupon(c echo.Context, who caller) error {
	var body struct {
		couponBody

		Program id `json:"program"`
	}
	unfit, err := read(c, &body)
	if err != nil {
		return err
	}
	n, bad := body.coupon()
	of := programID(body.Program, &bad)
	if len(unfit)+len(bad) > 0 {
		return refused("bad_coupon", unfit, append(bad, besides(bad, n.Check(a.Now()))...))
	}
	added, err := a.Access.AddCoupon(c.Request().Context(), who.scope, of, who.author, n)
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if added.Already {
		status = http.StatusOK
	}
	return a.showCoupon(c, who, status, int64(added.ID))
}

// An Added is what became of a coupon of a batch: added, already there, or refused for what is wrong with it.
type Added struct {
	Index  int           `json:"index"`
	Status string        `json:"status"`
	ID     string        `json:"id,omitempty"`
	From   *time.Time    `json:"from,omitempty"`
	Errors []fault.Field `json:"errors,omitempty"`
}

// addCoupons is POST /v1/coupons/batch: 200 with what became of each. What is wrong with some keeps back none of the others.
func (a *API) addCoupons(c echo.Context, who caller) error {
	var body struct {
		Program id                `json:"program"`
		Coupons []json.RawMessage `json:"coupons"`
	}
	unfit, err := read(c, &body)
	if err != nil {
		return err
	}
	var bad []fault.Field
	of := programID(body.Program, &bad)
	switch n := len(body.Coupons); {
	case n == 0:
		bad = append(bad, fault.Wrong("coupons", text.WrongEmptyList(), text.FixAtLeastOne()))
	case n > MaxBatch:
		bad = append(bad, fault.Wrong("coupons", text.WrongEntries(int64(n)), text.FixGiveAtMost(strconv.Itoa(MaxBatch))))
	}
	if err := refused("bad_coupon", unfit, bad); err != nil {
		return err
	}
	answer := struct {
		Data []Added `json:"data"`
	}{make([]Added, len(body.Coupons))}
	var list []partners.NewCoupon
	var from []int
	for i, one := range body.Coupons {
		var said couponBody
		bad := decode(one, &said)
		n, wrong := said.coupon()
		if bad = append(bad, besides(bad, wrong)...); len(bad) > 0 {
			bad = append(bad, besides(bad, n.Check(a.Now()))...)
		}
		if answer.Data[i] = (Added{Index: i, Status: "refused", Errors: bad}); len(bad) == 0 {
			list, from = append(list, n), append(from, i)
		}
	}
	added, err := a.Access.AddCoupons(c.Request().Context(), who.scope, of, who.author, list)
	if err != nil {
		return err
	}
	for i := range added {
		one, of := &answer.Data[from[i]], &added[i]
		switch one.Errors = of.Problems; {
		case len(of.Problems) > 0:
			continue
		case of.Already:
			one.Status = "already"
		default:
			one.Status = "added"
		}
		one.ID, one.From = idOf(markCoupon, int64(of.ID)), inUTC(&of.From)
	}
	return c.JSON(http.StatusOK, answer)
}

// endCoupon is POST /v1/coupons/{id}/end: 200 with the coupon as it ends.
func (a *API) endCoupon(c echo.Context, who caller) error {
	n, err := couponID(c)
	if err != nil {
		return err
	}
	var body struct {
		From       string `json:"from"`
		LeakedFrom string `json:"leaked_from"`
		Note       string `json:"note"`
	}
	unfit, err := read(c, &body)
	if err != nil {
		return err
	}
	var bad []fault.Field
	end := partners.CouponEnd{From: timeOf("from", body.From, &bad), LeakedFrom: timeOf("leaked_from", body.LeakedFrom, &bad), Note: body.Note}
	if err := refused("bad_coupon_end", unfit, bad); err != nil {
		return err
	}
	if _, err := a.Access.EndCoupon(c.Request().Context(), who.scope, program.CouponID(n), who.author, end); err != nil {
		return err
	}
	return a.showCoupon(c, who, http.StatusOK, n)
}

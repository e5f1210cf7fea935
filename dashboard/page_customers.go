package dashboard

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/commission/inbox"
	"tributary/dashboard/export"
	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/partners/program"
	"tributary/report"
)

// customersView is what the operator's page of customers shows: one of them, once they are named.
type customersView struct {
	filter    report.CustomerFilter
	merchants []report.Choice
	report.Customer
	// known are the merchant's customers, until one is named.
	known report.Page[report.KnownCustomer]

	binders []report.Binder
	form    bindForm
}

// A bindForm is what the form that binds a customer holds.
type bindForm struct {
	mistakes

	To, From, Note string
}

func (s *Server) customers(c echo.Context, v *visit) error {
	f, err := report.ParseCustomer(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	return s.showCustomers(c, v, http.StatusOK, f, bindForm{})
}

func (s *Server) showCustomers(c echo.Context, v *visit, status int, f report.CustomerFilter, form bindForm) error {
	v.path = "/network/customers" // also where it answers a form
	view, ctx := customersView{filter: f, form: form}, c.Request().Context()
	err := s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		if view.merchants, err = merchantOf(ctx, r, &view.filter); err != nil {
			return err
		}
		if !f.Named() {
			view.known, err = r.Customers(ctx, view.filter, report.PageSize)
			return err
		}
		if view.binders, err = r.Binders(ctx, f.Merchant); err != nil {
			return err
		}
		view.Customer, err = r.Customer(ctx, f, v.at, report.PageSize)
		return err
	})
	if err != nil {
		return err
	}
	return s.framed(c, v, status, v.text.CustomersTitle(), customersPage(view))
}

// merchantOf has the filter name a merchant, the first where it names none, and lists those that it can name.
func merchantOf(ctx context.Context, r *report.Snapshot, f *report.CustomerFilter) (merchants []report.Choice, err error) {
	if merchants, err = r.BindingMerchants(ctx); err == nil && f.Merchant == 0 && len(merchants) > 0 {
		f.Merchant = merchants[0].ID
	}
	return merchants, err
}

// customersCSV is the list that the page shows: a merchant's customers, or the orders of the one that is named.
func (s *Server) customersCSV(c echo.Context, v *visit) error {
	f, err := report.ParseCustomer(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	if f.Named() {
		return customerOrdersFile(f).send(s, c, v)
	}
	return listFile[report.KnownCustomer]{
		name:    "customers",
		heading: []string{"customer", "partner", "order", "ordered_at"},
		page: func(ctx context.Context, r *report.Snapshot, after string) (report.Page[report.KnownCustomer], error) {
			if _, err := merchantOf(ctx, r, &f); err != nil {
				return report.Page[report.KnownCustomer]{}, err
			}
			f.After = after
			return r.Customers(ctx, f, rowsAtOnce)
		},
		row: func(w *export.Writer, r *report.KnownCustomer) error {
			return w.Row(export.Text(r.Customer), export.Text(r.Partner), export.Text(r.OrderID), export.Number(text.Machine(r.At.UTC())))
		},
	}.send(s, c, v)
}

func customerOrdersFile(f report.CustomerFilter) listFile[report.CustomerOrder] {
	return listFile[report.CustomerOrder]{
		name:    "customer-orders",
		heading: []string{"order", "ordered_at", "currency", "amount", "outcome", "partner", "commission", "state"},
		page: func(ctx context.Context, r *report.Snapshot, after string) (report.Page[report.CustomerOrder], error) {
			f.After = after
			return r.CustomerOrders(ctx, f, rowsAtOnce)
		},
		row: func(w *export.Writer, r *report.CustomerOrder) error {
			in, earned := inCurrency(r.Currency), export.Number("")
			if r.State != "" {
				earned = in(r.Net)
			}
			return w.Row(export.Text(r.OrderID), export.Number(text.Machine(r.OccurredAt.UTC())), export.Text(r.Currency), in(r.Amount), export.Text(r.Outcome),
				export.Text(r.Partner), earned, export.Text(r.State))
		},
	}
}

// bindCustomer binds a customer to a partner from a time on, or sets them free.
func (s *Server) bindCustomer(c echo.Context, v *visit) error {
	merchant, ok := report.ParseID(c.FormValue("merchant"))
	if !ok {
		return notFound()
	}
	f := report.CustomerFilter{Merchant: merchant, Customer: strings.TrimSpace(c.FormValue("customer"))}
	form := bindForm{To: c.FormValue("to"), From: c.FormValue("from"), Note: strings.TrimSpace(c.FormValue("note"))}
	b, ok := form.binding(f)
	if !ok || !f.Named() {
		return notFound()
	}
	if len(form.problems) == 0 {
		err := s.desk.Bind(c.Request().Context(), v.scope(), b, v.login.Email, form.Note)
		if err == nil {
			s.flash(c, v.text.CustomersBound())
			return s.redirect(c, withQuery("/network/customers", f.Query()))
		}
		if form.problems = fault.Of(err).Fields; len(form.problems) == 0 {
			return err
		}
	}
	return s.showCustomers(c, v, http.StatusUnprocessableEntity, f, form)
}

// binding reads the form. It is not ok where no page would have sent it.
func (f *bindForm) binding(of report.CustomerFilter) (b inbox.Binding, ok bool) {
	in, to, _ := strings.Cut(f.To, "-")
	programID, ok := report.ParseID(in)
	if f.To == "" {
		f.problems = append(f.problems, fault.Wrong("partner", text.WrongMissing(), text.FixChooseEnrolled()))
	} else if !ok {
		return b, false
	}
	b = inbox.Binding{Merchant: program.MerchantID(of.Merchant), Customer: of.Customer, Program: program.ProgramID(programID)}
	if to != "0" && f.To != "" {
		partner, ok := report.ParseID(to)
		if !ok {
			return b, false
		}
		b.Partner = program.PartnerID(partner)
	}
	from, err := time.Parse(formTime, f.From)
	if err != nil {
		f.problems = append(f.problems, fault.Wrong("from", text.WrongTime(f.From), text.FixTime()))
	}
	b.From = from
	return b, true
}

// programs are those that a customer can be bound in, each once.
func (view *customersView) programs() (list []report.Binder) {
	for _, b := range view.binders {
		if n := len(list); n == 0 || list[n-1].ProgramID != b.ProgramID {
			list = append(list, b)
		}
	}
	return list
}

func (view *customersView) query() url.Values { return view.filter.Query() }

func bindTo(programID, partner int64) string {
	return strconv.FormatInt(programID, 10) + "-" + strconv.FormatInt(partner, 10)
}

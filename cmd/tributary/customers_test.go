package main

import (
	"context"
	"encoding/csv"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tributary/dashboard"
	"tributary/internal/clickhouse"
	"tributary/internal/postgres"
	"tributary/partners/access"
	"tributary/report"
)

const shopPassword = "correct horse battery"

// replayed runs work with the reports of a network into which a retail file was replayed.
func replayed(t *testing.T, file string, work func(r *report.Reader, pages http.Handler)) {
	t.Helper()
	data := t.TempDir()
	if _, err := tributary(t.Context(), t, nil, "replay", "retail", file, "--json", "--data", data); err != nil {
		t.Fatal(err)
	}
	a := &app{log: slog.New(slog.DiscardHandler)}
	a.cfg.Data = data
	hash, err := dashboard.HashPassword(shopPassword)
	if err != nil {
		t.Fatal(err)
	}
	logins := []string{postgres.Dashboard.Name(), postgres.Operator.Name()}
	err = a.withStores(t.Context(), need{postgres: true, clickhouse: true, logins: logins}, testLog{t}, func(ctx context.Context, s stores) error {
		operator, err := postgres.Open(ctx, s.postgres[postgres.Operator.Name()], postgres.Operator, 2)
		if err != nil {
			return err
		}
		defer operator.Close()
		_, err = access.CreateLogin(ctx, operator, access.NewLogin{
			Email: "shop@example.net", Name: "Shop", PasswordHash: hash, Seat: access.NewSeat{Scope: access.Scope{Merchant: 1}, Role: access.Owner},
		})
		if err != nil {
			return err
		}
		db, err := postgres.Open(ctx, s.postgres[postgres.Dashboard.Name()], postgres.Dashboard, 4)
		if err != nil {
			return err
		}
		defer db.Close()
		conn, err := clickhouse.Open(s.clickhouse[clickhouse.Dashboard.Name()], 4)
		if err != nil {
			return err
		}
		defer conn.Close()
		people := access.New(db)
		reports := report.New(people, conn)
		server, err := dashboard.New(dashboard.Config{Access: people, Reports: reports, Partitions: a.cfg.Partitions, Log: a.log})
		if err != nil {
			return err
		}
		work(reports, server.Handler())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The figures of a real shop's customers, each worked out from the same file by two programs of different construction, as of
// 2011-12-10: after spool, Kafka, engine, loader and ClickHouse they are the same to the penny.
func TestTheCustomersOfARealShop(t *testing.T) {
	t.Parallel()
	replayed(t, retailFile(t, true), func(r *report.Reader, pages http.Handler) {
		reports := shopReports{t: t, Reader: r, scope: access.Scope{Merchant: 1}, at: time.Date(2011, 12, 9, 12, 0, 0, 0, time.UTC)}
		reports.newCustomers()
		reports.returning()
		reports.segments()
		readsThem(t, pages)
	})
}

type shopReports struct {
	*report.Reader

	t     *testing.T
	scope access.Scope
	at    time.Time
}

func (s shopReports) filter() (report.CustomersFilter, *report.Shop) {
	s.t.Helper()
	f, err := report.ParseCustomers(map[string][]string{"days": {"all"}}, s.at)
	if err != nil {
		s.t.Fatal(err)
	}
	shop, missing, err := s.Shop(s.t.Context(), s.scope, &f)
	if err != nil || missing != nil || f.Currency != "GBP" {
		s.t.Fatalf("Shop() = %v, %v, in %q", missing, err, f.Currency)
	}
	return f, shop
}

func (s shopReports) same(what string, want, got any) {
	s.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("%s (-file +report):\n%s", what, diff)
	}
}

func (s shopReports) newCustomers() {
	f, shop := s.filter()
	n, err := s.NewCustomers(s.t.Context(), s.scope, f, shop)
	if err != nil {
		s.t.Fatal(err)
	}
	s.same("all", report.Acquired{
		Customers: 4338, Again: 2845, AgainOnDays: 2790, Within: [4]int64{950, 1563, 1921, 2522},
		FirstSold: 184649800, FirstKept: 171866679, FirstSoldMedian: report.Half{Twice: 60223}, FirstKeptMedian: report.Half{Twice: 58960}, // 425.6565, 396.1887; 301.115, 294.80
		Cost:    14320516 + 2148126,
		Repeats: 14194, RepeatSold: 706490990, RepeatKept: 670452769, RepeatSoldMedian: report.Half{Twice: 60697}, // 497.7392, 472.3494; 303.485
		Gaps: 49013882640, GapMedian: report.Half{Twice: 3787620}, // 39.9669 days; 21.9191
		DayGaps: 12425, DayGapDays: 567287, DayGapMedian: report.Half{Twice: 56}, // 45.6569 days; 28
	}, n.All)
	type source struct {
		Name                       string
		Customers, Cost, FirstKept int64
		CostOfOne                  report.Ratio
		Return                     report.Ratio
	}
	var sources []source
	for _, row := range n.Sources {
		sources = append(sources, source{row.Value, row.Customers, row.Cost, row.FirstKept, row.CostOfOne(), row.Return()})
	}
	s.same("sources", []source{
		{"site", 3453, 14320516, 138035142, report.Ratio{Sum: 14320516, Of: 3453}, report.Ratio{Sum: 674849010 - 14320516, Of: 14320516}}, // 41.4727, 399.7542, 46.1246
		{"member", 885, 2148126, 33831537, report.Ratio{Sum: 2148126, Of: 885}, report.Ratio{Sum: 167470438 - 2148126, Of: 2148126}},      // 24.2726, 382.2773, 76.9612
	}, sources)
	s.same("referral rate", report.Ratio{Sum: 885, Of: 4338}, n.Referred())
	rates := map[string]report.Ratio{}
	var sizes []int64
	for i, m := range n.Months {
		rates[m.Month.Format("2006-01")] = m.Referred()
		sizes = append(sizes, n.Cohorts[i].Size())
	}
	for month, want := range map[string]report.Ratio{"2010-12": {Sum: 194, Of: 885}, "2011-03": {Sum: 68, Of: 452}, "2011-11": {Sum: 66, Of: 323}} {
		s.same("referral rate of "+month, want, rates[month])
	}
	s.same("cohorts", []int64{885, 417, 380, 452, 300, 284, 242, 188, 169, 299, 358, 323, 41}, sizes)
	s.same("cohort 2010-12", []int64{885, 324, 286, 340, 321, 352, 321, 309, 313, 350, 331, 445, 235}, n.Cohorts[0].Customers)
	s.same("cohort 2011-01", []int64{417, 92, 111, 96, 134, 120, 103, 101, 125, 136, 152, 49}, n.Cohorts[1].Customers)
	s.same("cohort 2011-02", []int64{380, 71, 71, 108, 103, 94, 96, 106, 94, 116, 26}, n.Cohorts[2].Customers)
	for _, want := range []struct{ cohort, months, pence int }{{0, 0, 63012}, {0, 3, 153035}, {0, 6, 247688}, {0, 12, 496704}, {3, 0, 43339}, {3, 3, 71982}, {3, 6, 106235}} {
		s.same("value of a customer", int64(want.pence), n.Cohorts[want.cohort].Value(want.months).Each())
	}
	f.By, f.Source = report.CustomersByPartner, report.SourceMember
	if n, err = s.NewCustomers(s.t.Context(), s.scope, f, shop); err != nil {
		s.t.Fatal(err)
	}
	friends := map[string]int64{}
	for _, row := range n.Rows {
		friends[row.Name] = row.Customers
	}
	s.same("friends", map[string]int64{"P40": 99, "P41": 92, "P42": 69, "P43": 89, "P44": 76, "P45": 98, "P46": 103, "P47": 79, "P48": 91, "P49": 89}, friends)
}

func (s shopReports) returning() {
	f, shop := s.filter()
	all, err := s.Returning(s.t.Context(), s.scope, f, shop)
	if err != nil {
		s.t.Fatal(err)
	}
	s.same("orders", [2]int64{4338, 14194}, [2]int64{all.New.Orders, all.Returning.Orders})
	s.same("sales", int64(891140790), all.New.Sold+all.Returning.Sold)
	s.same("net", int64(842319448), all.New.Kept+all.Returning.Kept)
	s.same("cost of first orders", int64(14320516+2148126), all.New.Cost)
	for _, m := range all.Months {
		if m.Month.Format("2006-01") == "2011-11" {
			s.same("friends of 2011-11", report.Ratio{Sum: 66, Of: 1664}, m.Friends100())
		}
	}
}

func (s shopReports) segments() {
	_, shop := s.filter()
	f, err := report.ParseSegments(map[string][]string{"day": {"2011-12-09"}, "currency": {"GBP"}}, s.at)
	if err != nil {
		s.t.Fatal(err)
	}
	all, err := s.Segments(s.t.Context(), s.scope, f, shop)
	if err != nil {
		s.t.Fatal(err)
	}
	sizes := map[string]int64{}
	for _, segment := range all.Segments {
		sizes[segment.Name] = segment.Customers
	}
	s.same("segments", map[string]int64{"champion": 895, "promising": 504, "loyal": 706, "losing": 217, "hibernating": 1349, "between": 667}, sizes)
	all.Segments = nil
	s.same("all", report.Segments{
		All:     report.Segment{Customers: 4338, Orders: 18532, Kept: 842319448},
		Recency: [5]int64{869, 889, 866, 888, 826}, Frequency: [5]int64{1493, 835, 508, 802, 700}, Money: [5]int64{868, 868, 867, 868, 867}, Best: 312, Worst: 333,
		Sleeping: 1449, Regulars: 1916, Leaving: 69, LeavingTop: 29,
		Top: 868, TopKept: 621064744, Core: 1171, // 73.7327 %, 26.9940 %
	}, all)
}

// readsThem reads the same figures on the merchant's pages and in their files.
func readsThem(t *testing.T, pages http.Handler) {
	t.Helper()
	shop := &shopVisit{t: t, pages: pages}
	shop.do(http.MethodPost, "/signin", url.Values{"email": {"shop@example.net"}, "password": {shopPassword}})
	const days = "from=2010-12-01&to=2011-12-09&currency=GBP"
	for path, want := range map[string][]string{
		"/merchant/customers?" + days: {
			"New customers i A new customer", "4,338 1 Dec 2010 to 9 Dec 2011", "20.4%", "885 through members", "GBP 37.96", "GBP 164,686.42 in all",
			"GBP 425.66", "median 301.12, net 396.19", "65.6%", "44.3% within 90 days",
			"December 2010 885 194 21.9%", "March 2011 452 68 15.0%", "November 2011 323 66 20.4%",
			"Sites 3,453 GBP 143,205.16 GBP 41.47", "Members 885 GBP 21,481.26 GBP 24.27", "3.27 21.9 days 497.74",
			"December 2010 885 324 286 340 321 352 321 309 313 350 331 445 235", "January 2011 417 92 111 96 134 120 103 101 125 136 152 49",
			"December 2010 630.12", "1,530.35", "2,476.88", "4,967.04",
		},
		"/merchant/customers/returning?" + days: {
			"Together New 4,338 GBP 1,846,498.00 GBP 1,718,666.79 425.66 GBP 164,686.42", "Together Returning 14,194 GBP 7,064,909.90 GBP 6,704,527.69 497.74",
			"November 2011 New 323", "3.97",
		},
		"/merchant/customers/segments?day=2011-12-09&currency=GBP": {
			"1,449", "69", "29 of them in the top fifth", "1,916 have a rhythm", "73.7%", "868 customers", "1,171", "27.0% of all customers",
			"Champions Score 4 or 5 in all three. 895", "New or promising Recent (4 or 5), and not often yet (1 or 2). 504", "706", "217", "1,349", "Everybody else. 667",
			"1 869 1,493 868", "2 889 835 868", "3 866 508 867", "4 888 802 868", "5 826 700 867", "5 in all three: 312", "1 in all three: 333",
		},
	} {
		text := shop.text(path)
		for _, figure := range want {
			if !strings.Contains(text, figure) {
				t.Errorf("%s does not say %q; it says: %s", path, figure, text)
			}
		}
	}
	shop.files(days)
}

func (v *shopVisit) files(days string) {
	for path, want := range map[string]map[string]string{
		"/merchant/customers.csv?" + days: {
			"new_customers": "4338", "cost": "164686.42", "first_value": "425.6565", "first_value_median": "301.1150", "first_net_mean": "396.1887", "first_net_median": "294.8000",
			"again": "2845", "again_days": "2790", "repurchase_rate": "0.6558", "within_30": "950", "within_60": "1563", "within_90": "1921", "within_180": "2522",
			"repeats": "14194", "repurchase_count": "3.2720", "repeat_value": "497.7392", "repeat_value_median": "303.4850", "repeat_net_mean": "472.3494",
			"cycle_median_days": "21.9191", "cycle_mean_days": "39.9669",
		},
		"/merchant/customers.csv?source=site&" + days:                  {"new_customers": "3453", "cost": "143205.16", "cost_of_one": "41.4727", "first_net_mean": "399.7542", "return_on_cost": "46.1246"},
		"/merchant/customers.csv?source=member&" + days:                {"new_customers": "885", "cost": "21481.26", "cost_of_one": "24.2726", "first_net_mean": "382.2773", "return_on_cost": "76.9612"},
		"/merchant/customers.csv?table=months&" + days:                 {"month": "2010-12", "source": "site", "new_customers": "691", "referral_rate": "0.2192"},
		"/merchant/customers.csv?table=cohorts&" + days:                {"month": "2010-12", "months_later": "0", "customers": "885", "net_per_customer": "630.1204"},
		"/merchant/customers/returning.csv?" + days:                    {"month": "2010-12", "which": "new", "orders": "885"},
		"/merchant/customers/segments.csv?day=2011-12-09&currency=GBP": {"segment": "champion", "customers": "895"},
	} {
		records, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(v.do(http.MethodGet, path, nil), "\ufeff"))).ReadAll()
		if err != nil || len(records) < 2 {
			v.t.Errorf("%s: %v", path, err)
			continue
		}
		for i, name := range records[0] {
			if figure, asked := want[name]; asked && records[1][i] != figure {
				v.t.Errorf("%s: %s is %s, want %s", path, name, records[1][i], figure)
			}
		}
	}
}

// A shopVisit is a browser in which the shop is signed in.
type shopVisit struct {
	t       *testing.T
	pages   http.Handler
	cookies []*http.Cookie
}

func (v *shopVisit) do(method, path string, form url.Values) string {
	v.t.Helper()
	r := httptest.NewRequestWithContext(v.t.Context(), method, "http://portal.example.net"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, c := range v.cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	v.pages.ServeHTTP(w, r)
	answer := w.Result()
	v.cookies = append(v.cookies, answer.Cookies()...)
	if answer.StatusCode >= http.StatusBadRequest {
		v.t.Errorf("%s %s: %s", method, path, answer.Status)
	}
	return readAll(v.t, answer.Body)
}

// text is what a person reads of a page, with single spaces.
func (v *shopVisit) text(path string) string {
	v.t.Helper()
	plain := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(v.do(http.MethodGet, path, nil), " ")
	return strings.Join(strings.Fields(html.UnescapeString(plain)), " ")
}

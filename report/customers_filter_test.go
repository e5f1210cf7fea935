package report

import (
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAFilterOfCustomersIsWrittenAsItIsRead(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 20, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		parse   func(url.Values, time.Time) (CustomersFilter, error)
		written func(CustomersFilter) url.Values
		queries []string
	}{
		"report":    {func(q url.Values, now time.Time) (CustomersFilter, error) { return ParseCustomers(q, now) }, CustomersFilter.Query, []string{"days=90", "days=all&source=member", "from=2026-01-01&to=2026-02-28&by=group&group=top", "from=2026-01-01&to=2026-11-28&merchant=3&partner=4&program=5&link=6&currency=EUR&days="}},
		"returning": {ParseReturning, CustomersFilter.Query, []string{"days=365", "days=30&currency=GBP"}},
		"list":      {ParseNewCustomers, CustomersFilter.Query, []string{"days=90&which=again", "days=all&month=2026-03&later=4&which=90", "days=30&month=2026-03"}},
		"orders":    {ParseOrdersByCustomer, CustomersFilter.Query, []string{"days=90&which=new&month=2026-03"}},
		"brought":   {ParseBrought, CustomersFilter.Query, []string{"days=90", "days=all"}},
		"segments":  {ParseSegments, CustomersFilter.DayQuery, []string{"day=2026-11-01", "day=2026-11-01&currency=GBP&merchant=2"}},
		"segment":   {ParseSegmentCustomers, CustomersFilter.DayQuery, []string{"day=2026-11-01&which=leaving_top", "day=2026-11-01&which=champion"}},
	} {
		for _, query := range tt.queries {
			q, err := url.ParseQuery(query)
			if err != nil {
				t.Fatal(err)
			}
			f, err := tt.parse(q, now)
			if err != nil {
				t.Errorf("%s: %s: %v", name, query, err)
				continue
			}
			again, err := tt.parse(tt.written(f), now)
			if diff := cmp.Diff(f, again); err != nil || diff != "" {
				t.Errorf("%s: %s is written as %s: %v\n%s", name, query, tt.written(f).Encode(), err, diff)
			}
		}
	}
}

func TestAFilterOfCustomersThatIsNotUnderstood(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 20, 0, 0, 0, time.UTC)
	for _, query := range []string{"days=7", "days=90&from=2026-01-01", "from=2026-02-01&to=2026-01-01", "source=staff", "by=country", "which=new", "month=2026-03", "partner=0", "currency=XXX1", "day=2026-11-01"} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseCustomers(q, now); err == nil {
			t.Errorf("%s is taken", query)
		}
	}
	for _, query := range []string{"later=1", "month=2026-03&later=-1", "month=2026-13", "month=2026-03-01", "which=loyal"} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseNewCustomers(q, now); err == nil {
			t.Errorf("the list takes %s", query)
		}
	}
}

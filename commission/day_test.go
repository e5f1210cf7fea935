package commission

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func instant(t *testing.T, text string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func located(t *testing.T, name string) *time.Location {
	t.Helper()
	loaded, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func TestTheDayOfAnOrderIsThatOfTheZone(t *testing.T) {
	t.Parallel()
	for _, fact := range []struct{ zone, at, day string }{
		{"America/Chicago", "2026-09-08T02:23:34Z", "2026-09-07"}, // scenario 15
		{"America/New_York", "2026-10-01T03:59:59.999999Z", "2026-09-30"},
		{"America/New_York", "2026-10-01T04:00:00Z", "2026-10-01"}, // scenario 6
		{"UTC", "2026-09-08T23:59:59.999999Z", "2026-09-08"},
		{"Asia/Tokyo", "2026-09-08T15:00:00Z", "2026-09-09"},
		{"America/New_York", "1970-01-01T00:00:00Z", "1969-12-31"},
	} {
		if got := DayOf(instant(t, fact.at), located(t, fact.zone)); got.String() != fact.day {
			t.Errorf("%s in %s is of %s, want %s", fact.at, fact.zone, got, fact.day)
		}
	}
}

func TestADayStartsWhereItsClockSays(t *testing.T) {
	t.Parallel()
	for _, fact := range []struct{ name, zone, day, start string }{
		{"UTC", "UTC", "2026-09-08", "2026-09-08T00:00:00Z"},
		{"behind UTC", "America/New_York", "2026-10-01", "2026-10-01T04:00:00Z"},
		{"the clock goes forward", "America/New_York", "2026-03-08", "2026-03-08T05:00:00Z"},
		{"the day after", "America/New_York", "2026-03-09", "2026-03-09T04:00:00Z"},
		{"the clock goes back", "America/New_York", "2026-11-01", "2026-11-01T04:00:00Z"},
		{"the day after it", "America/New_York", "2026-11-02", "2026-11-02T05:00:00Z"},
		{"no midnight", "America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z"}, // 00:00 is 01:00
		{"a day that was left out", "Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"},
		{"the day after that", "Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z"},
		{"the far east", "Pacific/Kiritimati", "2026-01-01", "2025-12-31T10:00:00Z"},
	} {
		var day Day
		if err := day.UnmarshalText([]byte(fact.day)); err != nil {
			t.Fatal(err)
		}
		if got := day.Start(located(t, fact.zone)); !got.Equal(instant(t, fact.start)) || day.String() != fact.day {
			t.Errorf("%s: %s starts at %s, want %s", fact.name, day, got, fact.start)
		}
	}
}

func TestEveryInstantIsWithinItsDay(t *testing.T) {
	t.Parallel()
	zones := []*time.Location{time.UTC}
	for _, name := range []string{"America/New_York", "Asia/Kathmandu", "Pacific/Auckland", "America/Sao_Paulo", "Pacific/Apia"} {
		zones = append(zones, located(t, name))
	}
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		at := time.UnixMicro(rapid.Int64Range(0, 4_000_000_000_000_000).Draw(t, "at"))
		day := DayOf(at, zone)
		if at.Before(day.Start(zone)) || !at.Before((day + 1).Start(zone)) {
			t.Fatalf("%s is not within %s of %s: from %s to %s", at, day, zone, day.Start(zone), (day + 1).Start(zone))
		}
	})
}

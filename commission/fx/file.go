package fx

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"tributary/commission"
	"tributary/internal/money"
)

// ECB names the European Central Bank as the source of its reference rates.
const ECB = "ECB"

// none is how files say that there is no rate.
const none = "N/A"

// Read reads a file of rates: the European Central Bank's (eurofxref.csv or eurofxref-hist.csv), or a table with the columns
// base, quote, day, rate and perhaps from, whose source is as given. Errors name the line.
func Read(file io.Reader, source string) ([]Entry, error) {
	in := bufio.NewReader(file)
	first, err := in.Peek(5)
	if err != nil {
		return nil, fmt.Errorf("reading rates: %w", err)
	}
	r := csv.NewReader(in)
	r.TrimLeadingSpace, r.ReuseRecord, r.FieldsPerRecord = true, true, -1
	header, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("reading the head of a table of rates: %w", err)
	}
	if string(first) == "Date," || string(first) == "Date;" {
		return readECB(r, slices.Clone(header))
	}
	return readTable(r, slices.Clone(header), source)
}

// ecbHour is when the bank publishes the rates of a day, in Frankfurt.
const ecbHour = 16

// readECB reads days with a column for each currency, in units of it for one euro: the oldest first, as they were published.
// Currencies that are in force no more are left out. One that is quoted no longer ends.
func readECB(r *csv.Reader, header []string) ([]Entry, error) {
	frankfurt, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		return nil, fmt.Errorf("reading the time zone of the bank: %w", err)
	}
	var entries []Entry
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return ended(entries), nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading rates: %w", err)
		}
		line, _ := r.FieldPos(0)
		day, err := parseDay(row[0])
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		published := time.Date(day.Year(), day.Month(), day.Day(), ecbHour, 0, 0, 0, frankfurt).UTC()
		for i := 1; i < min(len(row), len(header)); i++ {
			currency := strings.TrimSpace(header[i])
			if !money.Known(currency) {
				continue
			}
			e := Entry{Rate: commission.Rate{Base: "EUR", Quote: currency, Day: day, Source: ECB}, Published: published}
			if e.Num, e.Den, err = parseRate(row[i]); err != nil {
				return nil, fmt.Errorf("line %d, %s: %w", line, currency, err)
			}
			entries = append(entries, e)
		}
	}
}

// ended sorts entries by day, and keeps of those without a rate the first after one that has one.
func ended(entries []Entry) []Entry {
	slices.SortStableFunc(entries, func(a, b Entry) int { return a.Day.Compare(b.Day) })
	quoted := make(map[string]bool)
	return slices.DeleteFunc(entries, func(e Entry) bool {
		was := quoted[e.Quote]
		quoted[e.Quote] = e.Num > 0
		return e.Num == 0 && !was
	})
}

// readTable reads a row for each rate.
func readTable(r *csv.Reader, header []string, source string) ([]Entry, error) {
	const short, long = "base,quote,day,rate", "base,quote,day,rate,from"
	if head := strings.ToLower(strings.ReplaceAll(strings.Join(header, ","), " ", "")); head != short && head != long {
		return nil, fmt.Errorf("line 1: the columns are %q, not %s or %s", head, short, long)
	}
	var entries []Entry
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading rates: %w", err)
		}
		line, _ := r.FieldPos(0)
		if len(row) != len(header) {
			return nil, fmt.Errorf("line %d: it has %d columns, not %d", line, len(row), len(header))
		}
		e, err := New(row[0], row[1], row[3], row[2], source)
		if err == nil && len(row) == 5 && row[4] != "" {
			e.Published, err = time.Parse(time.RFC3339, row[4])
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		entries = append(entries, e)
	}
}

// New makes an entry of texts: a rate such as "1.0472", or "N/A" from which on there is none, for a day such as "2026-11-28",
// usable from the beginning of it in UTC.
func New(base, quote, rate, day, source string) (e Entry, err error) {
	e.Base, e.Quote, e.Source = strings.TrimSpace(base), strings.TrimSpace(quote), source
	if e.Day, err = parseDay(day); err != nil {
		return e, err
	}
	e.Published = e.Day
	if e.Num, e.Den, err = parseRate(rate); err != nil {
		return e, err
	}
	return e, e.check()
}

func parseDay(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	for _, layout := range []string{time.DateOnly, "02 January 2006"} {
		if day, err := time.Parse(layout, text); err == nil {
			return day, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a day such as 2026-11-28", text)
}

// parseRate reads a decimal as a fraction, exactly as it was published.
func parseRate(text string) (num, den int64, err error) {
	text = strings.TrimSpace(text)
	if text == none {
		return 0, 1, nil
	}
	whole, decimals, _ := strings.Cut(text, ".")
	num, err = strconv.ParseInt(whole+decimals, 10, 64)
	if err != nil || whole == "" || whole[0] == '-' || whole[0] == '+' || len(decimals) > 15 || num == 0 {
		return 0, 0, fmt.Errorf("%q is not a rate such as 1.0472, of at most 15 decimals", text)
	}
	for den = 1; len(decimals) > 0; decimals = decimals[1:] {
		den *= 10
	}
	return num, den, nil
}

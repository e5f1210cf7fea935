package partners

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/partners/program"
)

// CouponColumns are the columns that a file of coupons may have, in any order; only code must be there.
func CouponColumns() []string {
	return []string{"code", "kind", "partner", "exclusive", "from", "until", "note"}
}

// MaxCouponLines bounds a file of coupons.
const MaxCouponLines = 10_000

// A CouponLine is a line of a file of coupons: what was understood of it and what became of that.
type CouponLine struct {
	// Line is its number, from 1.
	Line   int
	Coupon NewCoupon
	// Owner is the partner as the line names them: by number, name or host of their site.
	Owner string
	Added AddedCoupon
}

// AddCouponFile adds the coupons of a CSV file (RFC 4180, in UTF-8, with commas, semicolons or tabs) whose first line names
// the columns, in the caller's transaction. Days are in UTC; a day as the end is included. Lines that are wrong are left out,
// and the answer says of each line what became of it.
func AddCouponFile(ctx context.Context, tx pgx.Tx, id program.ProgramID, author string, file []byte) ([]CouponLine, error) {
	lines := readCouponFile(file)
	if err := findOwners(ctx, tx, id, lines); err != nil {
		return nil, err
	}
	var list []NewCoupon
	var from []int
	for i := range lines {
		if len(lines[i].Added.Problems) == 0 {
			list, from = append(list, lines[i].Coupon), append(from, i)
		}
	}
	added, err := AddCoupons(ctx, tx, id, author, list)
	for i := range added {
		lines[from[i]].Added = added[i]
	}
	return lines, err
}

// readCouponFile reads the lines behind the first. A file that is none is one line with its problem.
func readCouponFile(file []byte) []CouponLine {
	unreadable := func(line int, field string, problem, fix text.Message) CouponLine {
		return CouponLine{Line: line, Added: AddedCoupon{Problems: []fault.Field{fault.Wrong(field, problem, fix)}}}
	}
	file = bytes.TrimPrefix(file, []byte("\ufeff"))
	if !utf8.Valid(file) {
		return []CouponLine{unreadable(1, "file", text.WrongUtf8(), text.FixWriteUtf8())}
	}
	r := csv.NewReader(bytes.NewReader(file))
	r.FieldsPerRecord, r.TrimLeadingSpace = -1, true
	first, _, _ := bytes.Cut(file, []byte("\n"))
	r.Comma = separatorOf(string(first))
	var columns []string
	var lines []CouponLine
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			at := 1
			if wrong, ok := errors.AsType[*csv.ParseError](err); ok {
				at = wrong.StartLine
			}
			return append(lines, unreadable(at, "file", text.WrongQuotes(), text.FixQuotes()))
		}
		at, _ := r.FieldPos(0)
		switch {
		case columns == nil:
			var unknown string
			if columns, unknown = columnsOf(record); unknown != "" {
				return []CouponLine{unreadable(at, "file", text.WrongColumn(unknown), text.FixColumns(strings.Join(CouponColumns(), ", ")))}
			}
		case len(lines) == MaxCouponLines:
			return append(lines, unreadable(at, "file", text.WrongManyLines(), text.FixManyLines(strconv.Itoa(MaxCouponLines))))
		default:
			lines = append(lines, couponLine(at, columns, record))
		}
	}
	if columns == nil {
		return []CouponLine{unreadable(1, "file", text.WrongNoLines(), text.FixColumns(strings.Join(CouponColumns(), ", ")))}
	}
	return lines
}

func separatorOf(heading string) rune {
	for _, separator := range "\t;" {
		if strings.ContainsRune(heading, separator) {
			return separator
		}
	}
	return ','
}

// columnsOf reads the heading, and gives the name that is wrong with it: one that is not known, is there twice, or is missing.
func columnsOf(record []string) (columns []string, wrong string) {
	for _, name := range record {
		name = strings.ToLower(strings.TrimSpace(name))
		if !slices.Contains(CouponColumns(), name) || slices.Contains(columns, name) {
			return columns, name
		}
		columns = append(columns, name)
	}
	if !slices.Contains(columns, "code") {
		return columns, "code"
	}
	return columns, ""
}

// couponLine reads one line.
func couponLine(at int, columns, record []string) CouponLine {
	l := CouponLine{Line: at}
	note := func(field string, problem, fix text.Message) {
		l.Added.Problems = append(l.Added.Problems, fault.Wrong(field, problem, fix))
	}
	for i, value := range record {
		value = strings.TrimSpace(value)
		if i >= len(columns) {
			if value != "" {
				note("line", text.WrongManyCells(), text.FixManyCells())
			}
			continue
		}
		var ok bool
		switch name := columns[i]; name {
		case "code":
			l.Coupon.Code = value
		case "kind":
			l.Coupon.Kind = program.CouponKind(strings.ToLower(value))
		case "partner":
			l.Owner = value
		case "exclusive":
			if l.Coupon.Exclusive, ok = yesOrNo(value); !ok {
				note(name, text.WrongYesOrNo(value), text.FixYesOrNo())
			}
		case "from":
			if l.Coupon.From, ok = couponTime(value, 0); !ok {
				note(name, text.WrongMoment(value), text.FixMoment())
			}
		case "until":
			if l.Coupon.Until, ok = couponTime(value, 1); !ok {
				note(name, text.WrongMoment(value), text.FixMoment())
			}
		case "note":
			l.Coupon.Note = value
		}
	}
	return l
}

func yesOrNo(value string) (yes, ok bool) {
	switch strings.ToLower(value) {
	case "yes", "true", "1":
		return true, true
	case "", "no", "false", "0":
		return false, true
	}
	return false, false
}

// couponTime reads a moment (RFC 3339), or a day as the midnight so many days later; nothing where it is empty.
func couponTime(value string, days int) (t time.Time, ok bool) {
	if value == "" {
		return time.Time{}, true
	}
	if day, err := time.Parse(time.DateOnly, value); err == nil {
		return day.AddDate(0, 0, days), true
	}
	t, err := time.Parse(time.RFC3339, value)
	return t.UTC(), err == nil
}

// findOwners finds the partners that lines name among those of a program.
func findOwners(ctx context.Context, q Querier, id program.ProgramID, lines []CouponLine) error {
	var names []string
	for i := range lines {
		if lines[i].Owner != "" {
			names = append(names, strings.ToLower(lines[i].Owner))
		}
	}
	// name: owners by number, name or host
	rows, err := q.Query(ctx, `SELECT k.name, p.id FROM (SELECT DISTINCT unnest($2::text[]) AS name) k
  JOIN (enrolment e JOIN partner p ON p.id = e.partner_id) ON e.program_id = $1
   AND k.name IN (p.id::text, lower(p.name), regexp_replace(lower(p.site_url), '^https?://|/$', '', 'g'))`, id, names)
	if err != nil {
		return fmt.Errorf("finding partners: %w", err)
	}
	owners := map[string][]program.PartnerID{}
	var name string
	var partner program.PartnerID
	if _, err := pgx.ForEachRow(rows, []any{&name, &partner}, func() error { owners[name] = append(owners[name], partner); return nil }); err != nil {
		return fmt.Errorf("finding partners: %w", err)
	}
	for i := range lines {
		l := &lines[i]
		if l.Owner == "" {
			continue
		}
		switch found := owners[strings.ToLower(l.Owner)]; len(found) {
		case 0:
			l.Added.Problems = append(l.Added.Problems, fault.Wrong("partner", text.WrongNoPartner(l.Owner), text.FixNoPartner()))
		case 1:
			l.Coupon.Partner = found[0]
		default:
			l.Added.Problems = append(l.Added.Problems, fault.Wrong("partner", text.WrongManyPartners(l.Owner), text.FixManyPartners()))
		}
	}
	return nil
}

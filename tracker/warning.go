package tracker

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/partners"
	"tributary/partners/catalogue"
	"tributary/partners/program"
	"tributary/tracker/clickid"
)

// Warning is something odd in a report that was stored all the same. It follows from the report and its times, and from the
// programs, links and keys that there are.
type Warning struct {
	// Code is one of WarningCodes.
	Code string
	fault.Field
}

// The codes of warnings. Where the commission engine has a reason for which a click earns nothing, the code is the same.
const (
	malformedClickID     = "malformed_click_id"
	unknownClickKey      = "unknown_click_key"
	forgedClickID        = "forged_click_id"
	unknownLink          = "unknown_link"
	linkOfAnother        = "link_of_another_merchant"
	closedLink           = "closed_link"
	clickAfterOrder      = "click_after_order"
	noTermsInForce       = "no_terms_in_force"
	outsideWindow        = "outside_window"
	currencyNotInProgram = "currency_not_in_program"
	categoryInNoTerms    = "category_in_no_terms"
	lateReport           = "late_report"
)

// WarningCodes lists the codes of all warnings. An answer has them in this order.
func WarningCodes() []string {
	return []string{
		malformedClickID, unknownClickKey, forgedClickID, unknownLink, linkOfAnother, closedLink, clickAfterOrder, noTermsInForce,
		outsideWindow, currencyNotInProgram, categoryInNoTerms, lateReport,
	}
}

// maxCategoryWarnings bounds how many categories of one order are warned of.
const maxCategoryWarnings = 20

// warnings collects what is odd in an order.
type warnings []Warning

func (w *warnings) add(code, field string, problem, fix text.Message) {
	*w = append(*w, Warning{code, fault.Wrong(field, problem, fix)})
}

// inspect tells about a report that was checked, by what the tracker knows without asking anybody.
func (in *Intake) inspect(merchant program.MerchantID, s *SaleReport, e *event.Event) (*ClickCheck, []Warning) {
	var w warnings
	click, link := in.checkClick(merchant, s, &w)
	if link != nil {
		in.checkProgram(link, click.At, s, e, &w)
	}
	in.checkPath(s, &w)
	in.checkCategories(merchant, link, s, &w)
	if late := event.Time(e.GetReceivedAt()).Sub(event.Time(e.GetOccurredAt())); late > event.LateAfter && !e.GetImported() {
		w.add(lateReport, "occurred_at", text.WrongLateReport(digits(int64(late/time.Hour))), text.FixLateReport())
	}
	return click, w
}

// checkClick reads the click id. The link is nil unless it is one of the merchant's.
func (in *Intake) checkClick(merchant program.MerchantID, s *SaleReport, w *warnings) (*ClickCheck, *partners.Link) {
	if s.ClickID == "" {
		return nil, nil
	}
	warn := func(code string, problem, fix text.Message) { w.add(code, "click_id", problem, fix) }
	id, genuine := in.verifyClick(s.ClickID, warn)
	if !genuine {
		return &ClickCheck{}, nil
	}
	check := &ClickCheck{Valid: true, At: id.At}
	link, found := in.catalogue.Link(program.LinkID(id.Link))
	switch {
	case !found:
		warn(unknownLink, text.WrongUnknownLink(), text.FixUnknownLink())
		return check, nil
	case link.Merchant != merchant:
		warn(linkOfAnother, text.WrongLinkOfAnotherMerchant(), text.FixLinkOfAnotherMerchant())
		return check, nil
	}
	return check, link
}

// verifyClick reads a click id, and warns of one that is none of this network's.
func (in *Intake) verifyClick(said string, warn func(code string, problem, fix text.Message)) (id clickid.ID, genuine bool) {
	id, err := in.ring.Verify(said)
	switch {
	case errors.Is(err, clickid.ErrMalformed):
		warn(malformedClickID, text.WrongMalformedClickID(), text.FixMalformedClickID())
	case errors.Is(err, clickid.ErrUnknownKey):
		warn(unknownClickKey, text.WrongUnknownClickKey(), text.FixClickUnchanged())
	case err != nil:
		warn(forgedClickID, text.WrongForgedClickID(), text.FixClickUnchanged())
	}
	return id, err == nil
}

// checkPath warns of click ids in a path that are none.
func (in *Intake) checkPath(s *SaleReport, w *warnings) {
	for i, id := range s.Path {
		at := place{list: "path", index: i}.String()
		in.verifyClick(id, func(code string, problem, fix text.Message) { w.add(code, at, problem, fix) })
	}
}

// checkProgram holds an order against the program of its click, as the engine will.
func (in *Intake) checkProgram(link *partners.Link, at time.Time, s *SaleReport, e *event.Event, w *warnings) {
	program, found := in.catalogue.Program(link.Program)
	if !found {
		return
	}
	if link.Closed {
		w.add(closedLink, "click_id", text.WrongClosedLink(), text.FixClosedLink())
	}
	placed := event.Time(e.GetOccurredAt())
	age, _ := event.ClickAge(at, placed, event.Time(e.GetReceivedAt()), e.GetImported())
	switch {
	case age < 0:
		w.add(clickAfterOrder, "click_id", text.WrongClickAfterOrder(), text.FixClickAfterOrder())
	case program.Window == 0 || placed.Before(program.Since):
		w.add(noTermsInForce, "occurred_at", text.WrongNoTermsInForce(), text.FixNoTermsInForce())
	case age > program.Window.Milliseconds():
		w.add(outsideWindow, "click_id", text.WrongOutsideWindow(digits(age/time.Hour.Milliseconds()), digits(int64(program.Window/time.Hour))), text.FixOutsideWindow())
	}
	if !program.Takes(s.Currency) {
		w.add(currencyNotInProgram, "currency", text.WrongCurrencyNotInProgram(s.Currency), text.FixCurrencyNotInProgram())
	}
}

// checkCategories warns of categories that no terms of the click's program name, or of any of the merchant's without a click:
// what is misspelled earns by another rate, or nothing. Where no category is named at all, none matters.
func (in *Intake) checkCategories(merchant program.MerchantID, link *partners.Link, s *SaleReport, w *warnings) {
	programs := in.catalogue.ProgramsOf(merchant)
	if link != nil {
		programs = slices.DeleteFunc(slices.Clone(programs), func(p *catalogue.Listing) bool { return p.ID != link.Program })
	}
	told := 0
	seen := make(map[string]bool, 8)
	for i := range s.Lines {
		category := s.Lines[i].Category
		if category == "" || seen[category] {
			continue
		}
		seen[category] = true
		if slices.ContainsFunc(programs, func(p *catalogue.Listing) bool { return p.Prices(category) }) {
			continue
		}
		if told++; told > maxCategoryWarnings {
			return
		}
		w.add(categoryInNoTerms, place{list: "lines", index: i, name: "category"}.String(),
			text.WrongCategoryInNoTerms(strconv.Quote(category)), text.FixCategoryInNoTerms())
	}
}

package tracker

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"tributary/internal/event"
	"tributary/internal/fault"
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

func (w *warnings) add(code, field, problem, fix string) {
	*w = append(*w, Warning{code, fault.Field{Name: field, Problem: problem, Fix: fix}})
}

// inspect tells about a report that was checked, by what the tracker knows without asking anybody.
func (in *Intake) inspect(merchant program.MerchantID, s *SaleReport, e *event.Event) (*ClickCheck, []Warning) {
	var w warnings
	click, link := in.checkClick(merchant, s, &w)
	if link != nil {
		in.checkProgram(link, click.At, s, e, &w)
	}
	in.checkCategories(merchant, link, s, &w)
	if late := event.Time(e.GetReceivedAt()).Sub(event.Time(e.GetOccurredAt())); late > event.LateAfter && !e.GetImported() {
		w.add(lateReport, "occurred_at", fmt.Sprintf("it is %d hours ago, so the report is late", late/time.Hour),
			"report orders as they are placed: a late one is marked, and its commission is held from the receipt on")
	}
	return click, w
}

// checkClick reads the click id. The link is nil unless it is one of the merchant's.
func (in *Intake) checkClick(merchant program.MerchantID, s *SaleReport, w *warnings) (*ClickCheck, *partners.Link) {
	if s.ClickID == "" {
		return nil, nil
	}
	warn := func(code, problem, fix string) { w.add(code, "click_id", problem+", so nobody earns by it", fix) }
	id, err := in.ring.Verify(s.ClickID)
	switch {
	case errors.Is(err, clickid.ErrMalformed):
		warn(malformedClickID, "it is not a click id", "send the whole value that arrived with the visitor, 54 characters, unchanged")
		return &ClickCheck{}, nil
	case errors.Is(err, clickid.ErrUnknownKey):
		warn(unknownClickKey, "it was not made by this network, or long ago", "send the value that arrived with the visitor, unchanged")
		return &ClickCheck{}, nil
	case err != nil:
		warn(forgedClickID, "it was not made by this network, or was changed", "send the value that arrived with the visitor, unchanged")
		return &ClickCheck{}, nil
	}
	check := &ClickCheck{Valid: true, At: id.At}
	link, found := in.catalogue.Link(program.LinkID(id.Link))
	switch {
	case !found:
		warn(unknownLink, "its link is not known", "check that the order goes to the network that the click came from")
		return check, nil
	case link.Merchant != merchant:
		warn(linkOfAnother, "its link is not one of your programs'", "send the click id that arrived at this shop")
		return check, nil
	}
	return check, link
}

// checkProgram holds an order against the program of its click, as the engine will.
func (in *Intake) checkProgram(link *partners.Link, at time.Time, s *SaleReport, e *event.Event, w *warnings) {
	program, found := in.catalogue.Program(link.Program)
	if !found {
		return
	}
	if link.Closed {
		w.add(closedLink, "click_id", "its link is closed, which earns by the clicks from before", "nothing need be done; visitors no longer come by this link")
	}
	placed := event.Time(e.GetOccurredAt())
	age, _ := event.ClickAge(at, placed, event.Time(e.GetReceivedAt()), e.GetImported())
	switch {
	case age < 0:
		w.add(clickAfterOrder, "click_id", "the click came after the order, so nobody earns by it", "send the time of the order with its zone, and the click that came before it")
	case program.Window == 0 || placed.Before(program.Since):
		w.add(noTermsInForce, "occurred_at", "the order is older than the first terms of the program, so nobody earns by it", "check the time of the order and its zone")
	case age > program.Window.Milliseconds():
		w.add(outsideWindow, "click_id", fmt.Sprintf("the click is %d hours older than the order, and the program's widest window is %d hours, so nobody earns by it",
			age/time.Hour.Milliseconds(), program.Window/time.Hour), "keep a click id for as long as the window, and send the latest")
	}
	if !program.Takes(s.Currency) {
		w.add(currencyNotInProgram, "currency", fmt.Sprintf("the program of the click does not take %s, so nobody earns by it", s.Currency),
			"ask the network to add the currency to the program")
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
			fmt.Sprintf("no terms of the program name the category %q: it earns the rate for all others, if there is one", category),
			"send a category that the terms name, or have them name this one")
	}
}

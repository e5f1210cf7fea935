package commission

import (
	"errors"
	"fmt"
	"slices"

	"tributary/internal/event"
	"tributary/internal/money"
)

// checkFurther checks the fields of a sale that came after form 1.
func checkFurther(s *event.Sale) error {
	switch at := s.GetCartedAt(); {
	case len(s.GetGoal()) > event.MaxGoal || len(s.GetReferralCode()) > event.MaxText:
		return errors.New("its goal or referral code is too long")
	case s.GetCustomerStatus() != "" && !slices.Contains(event.CustomerStatuses(), s.GetCustomerStatus()):
		return fmt.Errorf("%q is no status of a customer", s.GetCustomerStatus())
	case at < 0 || at >= endOfTime:
		return fmt.Errorf("its cart's time of %d us is not between 1970 and 2200", at)
	}
	for _, check := range [...]error{
		checkTexts(s.GetGoal(), s.GetReferralCode()), checkPlace(s.GetCountry(), s.GetDevice()),
		checkCoupons(s.GetCoupons()), checkPath(s.GetPath()), checkMetadata(s.GetMetadata()), checkBeside(s),
		checkCounted(s),
	} {
		if check != nil {
			return check
		}
	}
	return nil
}

// checkBeside bounds the money beside the lines' amounts: each of its sums, added to what the lines come to, stays an amount.
func checkBeside(s *event.Sale) error {
	beside := int64(0)
	add := func(amounts ...int64) error {
		for _, a := range amounts {
			if a < 0 || a > money.MaxAmount-beside {
				return fmt.Errorf("shipping, tax and discounts with %d among them are not between 0 and %d", a, int64(money.MaxAmount))
			}
			beside += a
		}
		return nil
	}
	if err := add(s.GetShipping(), s.GetShippingTax()); err != nil {
		return err
	}
	for _, l := range s.GetLines() {
		if err := add(l.GetTax(), l.GetDiscount()); err != nil {
			return fmt.Errorf("line %d: %w", l.GetNumber(), err)
		}
	}
	return nil
}

func checkCoupons(coupons []string) error {
	if len(coupons) > event.MaxCoupons {
		return fmt.Errorf("it has %d coupons besides the first", len(coupons))
	}
	for _, c := range coupons {
		if len(c) > event.MaxText {
			return fmt.Errorf("a coupon has %d bytes", len(c))
		}
	}
	return checkTexts(coupons...)
}

func checkPath(path []*event.Touch) error {
	if len(path) > event.MaxPath {
		return fmt.Errorf("its path has %d touches", len(path))
	}
	for _, t := range path {
		switch kind := event.TouchKind(t.GetKind()); {
		case kind < event.PathClick || kind > event.PathImpression:
			return fmt.Errorf("its path has a touch of kind %d", kind)
		case t.GetClickId() == "" || len(t.GetClickId()) > event.MaxText:
			return fmt.Errorf("its path has a click id of %d bytes", len(t.GetClickId()))
		case t.GetAt() < 0 || t.GetAt() >= endOfTime || t.GetLinkId() < 0:
			return errors.New("its path has a touch of an impossible time or link")
		}
		if err := checkTexts(t.GetClickId()); err != nil {
			return err
		}
	}
	return nil
}

func checkMetadata(marks map[string]string) error {
	if len(marks) > event.MaxMetadata {
		return fmt.Errorf("it has %d marks", len(marks))
	}
	for key, value := range marks {
		if key == "" || len(key) > event.MaxMetadataKey || len(value) > event.MaxMetadataValue {
			return fmt.Errorf("its mark %q has %d bytes", key, len(value))
		}
		if err := checkTexts(key, value); err != nil {
			return err
		}
	}
	return nil
}

func checkLineTexts(l *event.Line) error {
	if len(l.GetPart()) > event.MaxText {
		return fmt.Errorf("its commission group has %d bytes", len(l.GetPart()))
	}
	if err := checkPlace(l.GetCountry(), l.GetDevice()); err != nil {
		return err
	}
	return checkTexts(l.GetSku(), l.GetCategory(), l.GetPart())
}

func checkPlace(country, device string) error {
	switch {
	case country != "" && !event.IsCountry(country):
		return fmt.Errorf("%q is no country", country)
	case device != "" && !slices.Contains(event.Devices(), device):
		return fmt.Errorf("%q is no device", device)
	}
	return nil
}

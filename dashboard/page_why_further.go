package dashboard

import (
	"tributary/commission"
	"tributary/internal/text"
)

// further are the fields of the order that it says besides its lines, as far as they are set.
func (view *whyView) further(t *text.Printer) (fields []field) {
	o := &view.Decision.Order
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, field{name, value})
		}
	}
	add(t.FieldGoal(), o.Goal)
	add(t.FieldCustomerStatus(), o.CustomerStatus)
	switch shipping := view.amount(o.Shipping).text(); {
	case o.ShippingRefunded > 0:
		add(t.FieldShipping(), t.WhyShippingRefunded(shipping, view.amount(o.ShippingRefunded).figures()))
	case o.Shipping > 0:
		add(t.FieldShipping(), shipping)
	}
	if o.ShippingTax > 0 {
		add(t.FieldShippingTax(), view.amount(o.ShippingTax).text())
	}
	add(t.FieldCountry(), o.Country)
	add(t.FieldDevice(), o.Device)
	if !o.CartedAt.IsZero() {
		add(t.FieldCartedAt(), t.Second(o.CartedAt))
	}
	add(t.FieldMetadata(), marksText(o.Metadata))
	return fields
}

// addedName names a field that an addition brought.
func addedName(t *text.Printer, a commission.Added) string {
	switch a.Field {
	case "click_id":
		return t.FieldClickID()
	case "path":
		return t.FieldPath()
	case "coupons":
		return t.FieldCoupon()
	case "referral_code":
		return t.FieldReferralCode()
	default:
		return t.FieldCustomer()
	}
}

// trial is the view of a test order in which those earn who would.
func trial(view whyView) whyView {
	view.Decision.Credits = view.Decision.Would
	return view
}

package program

import "slices"

// Bind is how long customers stay with the partner who brought them; nil where they do not.
func (t *Terms) Bind() *Bind {
	if t.Scheme == nil {
		return nil
	}
	return t.Scheme.Document.Attribution.Bind
}

// AsksForCustomers tells whether what an order earns by these terms may depend on the customer's other orders.
func (t *Terms) AsksForCustomers() bool {
	return t.Scheme != nil && t.Scheme.Document.asksForCustomers()
}

func (d *Document) asksForCustomers() bool {
	asks := d.Attribution.Bind != nil ||
		slices.ContainsFunc(d.Zero, func(z Zero) bool { return z.Where.asksForCustomers() }) ||
		slices.ContainsFunc(d.Rules, func(r Rule) bool { return r.Where.asksForCustomers() }) ||
		slices.ContainsFunc(d.Periods, func(p Period) bool { return p.Where.asksForCustomers() })
	for i := range d.Overrides {
		asks = asks || d.Overrides[i].AsksForCustomers()
	}
	return asks
}

// AsksForCustomers tells of what one partner, or a group, has instead of the program's terms.
func (o *Override) AsksForCustomers() bool {
	return slices.ContainsFunc(o.Rules, func(r Rule) bool { return r.Where.asksForCustomers() }) ||
		slices.ContainsFunc(o.Periods, func(p Period) bool { return p.Where.asksForCustomers() })
}

func (c Cond) asksForCustomers() bool {
	return slices.ContainsFunc(c, func(t Test) bool {
		return t.Key == KeyCustomer || t.Key == KeyMonthsBound || slices.ContainsFunc(t.Conds, Cond.asksForCustomers)
	})
}

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
	return d.Attribution.Bind != nil || d.asksFor(customerKeys()...)
}

func customerKeys() []Key { return []Key{KeyCustomer, KeyMonthsBound} }

// AsksForCountry tells whether a condition of the document goes by the country.
func (d *Document) AsksForCountry() bool { return d.asksFor(KeyCountry) }

// asksFor tells whether any condition tests one of the keys.
func (d *Document) asksFor(keys ...Key) bool {
	asks := slices.ContainsFunc(d.Zero, func(z Zero) bool { return z.Where.asksFor(keys) }) ||
		slices.ContainsFunc(d.Rules, func(r Rule) bool { return r.Where.asksFor(keys) }) ||
		slices.ContainsFunc(d.Periods, func(p Period) bool { return p.Where.asksFor(keys) })
	for i := range d.Overrides {
		asks = asks || d.Overrides[i].asksFor(keys)
	}
	return asks
}

// AsksForCustomers tells of what one partner, or a group, has instead of the program's terms.
func (o *Override) AsksForCustomers() bool { return o.asksFor(customerKeys()) }

func (o *Override) asksFor(keys []Key) bool {
	return slices.ContainsFunc(o.Rules, func(r Rule) bool { return r.Where.asksFor(keys) }) ||
		slices.ContainsFunc(o.Periods, func(p Period) bool { return p.Where.asksFor(keys) })
}

func (c Cond) asksFor(keys []Key) bool {
	return slices.ContainsFunc(c, func(t Test) bool {
		return slices.Contains(keys, t.Key) || slices.ContainsFunc(t.Conds, func(inner Cond) bool { return inner.asksFor(keys) })
	})
}

package commission

// setAside makes a decision one by which nobody earns, where the order is void or a test. Of a test it keeps the credits apart,
// as what the order would earn. So nothing of either can be posted, counted or paid.
func (d *Decision) setAside() {
	switch {
	case d.Order.IsVoid():
		d.Outcome, d.Credits = Voided, nil
		for i := range d.Touches {
			if t := &d.Touches[i]; t.Won {
				t.Won, t.Reason = false, Voided
			}
		}
	case d.Order.Test && d.Outcome == Credited:
		d.Outcome, d.Would, d.Credits = Test, d.Credits, nil
	}
}

// Counts reports whether the order is counted at all: no test, and not void.
func (o *Order) Counts() bool { return !o.Test && !o.IsVoid() }

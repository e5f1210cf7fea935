package commission

// setAside makes the decision on a test order one by which nobody earns: its credits are kept apart, as what the order would
// earn. So nothing of a trial can be posted, counted or paid.
func (d *Decision) setAside() {
	if d.Order.Test && d.Outcome == Credited {
		d.Outcome, d.Would, d.Credits = Test, d.Credits, nil
	}
}

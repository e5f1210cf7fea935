package commission

import "slices"

// Left is what a credit would have, and the network's fee on that, in minor units of its unit.
type Left struct{ Net, Fee int64 }

// IfLost is what each credit would have if a dispute that is open were lost, and nothing else happened; nil where no such dispute is
// open.
func (d *Decision) IfLost(id string) []Left {
	w, happened := d.Order.remains(), d.happened()
	credits := make([]remainder, len(d.Credits))
	for i := range credits {
		credits[i] = d.Credits[i].before(&d.Order)
	}
	for n := range happened {
		h := &happened[n]
		w.after(h)
		for i := range credits {
			if h.refund {
				credits[i].take(&d.Order.Refunds[h.of])
			}
		}
	}
	w.open = slices.DeleteFunc(w.open, func(o openDispute) bool { return o.ID != id })
	if len(w.open) == 0 {
		return nil
	}
	refunds, gone := w.lost(), d.declined()
	worths, room := make([]int64, d.width()), new(remainder)
	for i := range credits {
		d.value(worths, i, credits[i].after(refunds, room).of, gone)
	}
	left := make([]Left, len(credits))
	for i, p := range d.parts(nil, worths, gone) {
		left[i] = Left{p.net, p.fee}
	}
	return left
}

package model

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Visit is a click of a day that is over, on the link of a program that pays for clicks.
type Visit struct {
	ID      string    `json:"id"`
	Link    int64     `json:"link"`
	At      time.Time `json:"at"`
	Country string    `json:"country,omitempty"`
	Device  string    `json:"device,omitempty"`
	Marked  bool      `json:"marked,omitempty"` // it does not count
}

// Visit enters a click.
func (b *Books) Visit(v Visit) { b.visits = append(b.visits, v) }

// click is what a click of a line is paid.
func (t *Terms) click(l Line) int64 {
	if paid, named := t.PerClick[l.country]; named {
		return paid
	}
	return t.PerClick[""]
}

// countClicks places the order of each day, program and partner who had clicks: a day is one of UTC, and the order is placed
// in its last microsecond. Each country and device is a line.
func (b *Books) countClicks() {
	orders := map[OrderKey]Sale{}
	for _, v := range b.visits {
		if v.Marked {
			continue
		}
		link := b.world.Links[v.Link]
		program, day := b.world.Programs[link.Program], v.At.UTC().Format(time.DateOnly)
		key := OrderKey{program.Merchant, fmt.Sprintf("clicks/%s/%d/%d", day, link.Program, link.Partner)}
		year, month, date := v.At.UTC().Date()
		s, known := orders[key]
		if !known {
			s = Sale{
				OrderKey: key, At: time.Date(year, month, date+1, 0, 0, 0, -1000, time.UTC), Imported: true, Currency: program.Currencies[0],
				Click: &Click{Link: v.Link}, counted: true,
			}
		}
		n := slices.IndexFunc(s.Lines, func(l Line) bool { return l.country == v.Country && l.device == v.Device })
		if n < 0 {
			n = len(s.Lines)
			s.Lines = append(s.Lines, Line{country: v.Country, device: v.Device})
		}
		s.Lines[n].Quantity++
		orders[key] = s
	}
	for _, s := range orders {
		slices.SortFunc(s.Lines, func(a, b Line) int { return cmp.Or(cmp.Compare(a.country, b.country), cmp.Compare(a.device, b.device)) })
		b.Sell(s)
	}
}

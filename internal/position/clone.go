package position

import "maps"

// Clone copies the position, so that one copy can be saved while the other goes on.
func (p *Position) Clone() *Position {
	c := *p
	c.Marks, c.Gaps, c.touched = maps.Clone(p.Marks), maps.Clone(p.Gaps), maps.Clone(p.touched)
	return &c
}

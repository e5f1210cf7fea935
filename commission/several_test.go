package commission

import (
	"errors"
	"testing"
)

func TestSeveralCreditsAreRefused(t *testing.T) {
	t.Parallel()
	d := mustDecide(t, tenPercent(), sold(goods(1, "A", "books", 1, 1_000)))
	if c, err := d.Sole(); err != nil || c != &d.Credits[0] {
		t.Fatalf("one credit: %v, %v", c, err)
	}
	other := d.Credits[0]
	other.Partner++
	d.Credits = append(d.Credits, other)
	var several *SeveralError
	if _, err := d.Sole(); !errors.As(err, &several) || several.Credits != 2 {
		t.Errorf("two credits: %v", err)
	}
	if _, err := UnmarshalRecord(d.AppendJSON(nil)); !errors.As(err, &several) {
		t.Errorf("their record was read: %v", err)
	}
	d.Credits = nil
	if c, err := d.Sole(); c != nil || err != nil {
		t.Errorf("no credit: %v, %v", c, err)
	}
}

package retail

import (
	"bytes"
	"testing"

	"tributary/internal/money"
)

// FuzzRetail gives arbitrary bytes to what reads the file of the retail replay: no line is worth less than nothing, and no
// more is taken back than was sold.
func FuzzRetail(f *testing.F) {
	f.Add([]byte(columns + "\n1,85123A,a,6,2010-12-01 08:26:00,2.55,17850.0,UK\nC2,85123A,a,-7,2010-12-02 08:26:00,2.55,17850,UK\n"))
	f.Add([]byte("\ufeff" + columns + "\n9,POST,,9223372036854775807,2010-12-01 08:26:00,92233720368547758.07,1,\n"))
	f.Add([]byte(columns + "\nC1,85123A,,-9223372036854775808,2010-12-01 08:26:00,-0.001,1,\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file := book{invoices: map[string]*invoiceRows{}}
		if file.read(bytes.NewReader(data)) != nil {
			return
		}
		read := file.history()
		if read.unmatchedPieces < 0 {
			t.Errorf("%d pieces are unmatched", read.unmatchedPieces)
		}
		for _, o := range read.orders {
			for _, l := range o.lines {
				if l.amount < 0 || l.amount > money.MaxAmount || l.left < 0 || l.left > l.quantity {
					t.Errorf("order %s has the line %+v", o.id, l)
				}
			}
		}
	})
}

// Package forms gives tests a form of records that a later version could write.
package forms

import (
	"bytes"
	"fmt"

	"tributary/commission"
)

// Next are the known forms and one more, of the next number, whose records say one thing more.
func Next() commission.Forms {
	known := commission.KnownForms()
	last := known[len(known)-1]
	next := commission.Form{Number: last.Number + 1, Read: last.Read}
	next.Append = func(dst []byte, d *commission.Decision) []byte {
		record := bytes.TrimPrefix(last.Append(nil, d), fmt.Appendf(nil, `{"form":%d,`, last.Number))
		dst = fmt.Appendf(dst, `{"form":%d,"more":"said",`, next.Number)
		return append(dst, bytes.TrimPrefix(record, []byte("{"))...)
	}
	return append(known, next)
}

package position

import (
	"crypto/sha256"

	"tributary/internal/stream"
)

// LetterName is what a record that is set aside goes by besides its offset, since a topic that was made anew has the same
// offsets again: its spool and sequence, or of a record without the contract's headers the hash of its value and 0.
func LetterName(r stream.Record) (spool []byte, seq int64) {
	if r.Seq == 0 {
		sum := sha256.Sum256(r.Value)
		return sum[:16], 0
	}
	return r.Spool[:], int64(r.Seq)
}

package engine

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"tributary/commission"
	"tributary/internal/fault"
	"tributary/internal/text"
)

// wrongNote gives what is wrong with a note: too long, or no text that a database can hold.
func wrongNote(note string) []fault.Field {
	if n := utf8.RuneCountInString(note); n > commission.MaxNote || !utf8.ValidString(note) || strings.ContainsRune(note, 0) {
		return []fault.Field{fault.Wrong("note", text.WrongLabelSize(int64(n)), text.FixGiveAtMost(strconv.Itoa(commission.MaxNote)))}
	}
	return nil
}

// wrongReason is wrongNote of a note that there has to be.
func wrongReason(note string) []fault.Field {
	if strings.TrimSpace(note) == "" {
		return []fault.Field{fault.Wrong("note", text.WrongMissing(), text.FixNote())}
	}
	return wrongNote(note)
}

package password

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// commonText is the 3,000 commonest passwords of MinLen characters or more, of the ten million that Mark Burnett published
// in 2015: the first 48 bits of the SHA-256 of each in lower case, in hexadecimal, sorted, one a line.
//
//go:embed common.txt
var commonText string

// Weakness says by a code of text.Printer.Password why a password may not be set for the person with the e-mail address, or
// nothing.
func Weakness(text, email string) string {
	plain := strings.ToLower(text)
	local, _, _ := strings.Cut(email, "@")
	switch {
	case utf8.RuneCountInString(text) < MinLen:
		return "short"
	case len(text) > MaxLen:
		return "long"
	case plain == email || strings.Trim(strings.ReplaceAll(plain, local, ""), "0123456789!.-_ ") == "":
		return "email"
	case repeats(plain) || common(plain):
		return "common"
	}
	return ""
}

// common tells whether a password in lower case is one of commonText.
func common(plain string) bool {
	sum := sha256.Sum256([]byte(plain))
	return strings.Contains(commonText, hex.EncodeToString(sum[:6])+"\n")
}

// repeats tells whether a text is one of four characters or fewer, over and over.
func repeats(text string) bool {
	for size := 1; size <= 4; size++ {
		part := text[:min(size, len(text))]
		if strings.HasPrefix(strings.Repeat(part, len(text)/len(part)+1), text) {
			return true
		}
	}
	return false
}

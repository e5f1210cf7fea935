package program

import (
	"fmt"
	"strconv"
	"time"
)

// Duration is a length of time in a document: a whole number with its unit, "30d", "36h", "90m" or "15s". A day is 24 hours.
type Duration time.Duration

const durationPattern = `^(0|[1-9][0-9]{0,9})[dhms]$`

// units are those of a Duration, the largest first.
func units() []struct {
	name   byte
	length time.Duration
} {
	return []struct {
		name   byte
		length time.Duration
	}{{'d', 24 * time.Hour}, {'h', time.Hour}, {'m', time.Minute}, {'s', time.Second}}
}

// MarshalText writes the largest unit of which it is a whole number.
func (d Duration) MarshalText() ([]byte, error) {
	for _, u := range units() {
		if time.Duration(d)%u.length == 0 {
			return append(strconv.AppendInt(nil, int64(time.Duration(d)/u.length), 10), u.name), nil
		}
	}
	return nil, fmt.Errorf("%s is not a number of seconds", time.Duration(d))
}

// UnmarshalText reads what MarshalText writes, and the same in a smaller unit.
func (d *Duration) UnmarshalText(text []byte) error {
	if n := len(text) - 1; n > 0 && (text[0] != '0' || n == 1) {
		count, err := strconv.ParseUint(string(text[:n]), 10, 34)
		for _, u := range units() {
			if err == nil && text[n] == u.name && count <= uint64(maxDuration/u.length) {
				*d = Duration(time.Duration(count) * u.length)
				return nil
			}
		}
	}
	return fmt.Errorf("%q is not a duration", text)
}

const maxDuration = time.Duration(1<<63 - 1)

// fraction tells that it is not a number of whole seconds.
func (d Duration) fraction() bool { return time.Duration(d)%time.Second != 0 }

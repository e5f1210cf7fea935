package relay

import (
	"encoding/binary"
	"strconv"
)

// The numbers of the fields that make a key, from event.proto. A whole decoding would cost four times as much, and the
// relay wants nothing else of an event.
const (
	fieldID         = 1
	fieldReceived   = 2
	fieldClick      = 10
	fieldSale       = 20
	fieldRefund     = 21
	fieldClickID    = 1
	fieldMerchant   = 1
	fieldOrder      = 2
	wireVarint      = 0
	wireBytes       = 2
	maxSkippedWidth = 8
)

// appendKey finds the Kafka key of an encoded event: the click id of a click, merchant and order of what is about an
// order, and the event's own id otherwise. Where it is not a piece of payload it is appended to dst. What is no event
// has the id that it begins with or no key; whoever reads it will say so.
func appendKey(dst, payload []byte) (extended, key []byte) {
	for rest := payload; len(rest) > 0; {
		var f field
		if f, rest = nextField(rest); f.number == 0 {
			return dst, key
		}
		switch f.number {
		case fieldID:
			key = f.bytes
		case fieldClick:
			if id := find(f.bytes, fieldClickID); len(id.bytes) > 0 {
				return dst, id.bytes
			}
		case fieldSale, fieldRefund:
			start := len(dst)
			dst = strconv.AppendInt(dst, int64(find(f.bytes, fieldMerchant).value), 10)
			dst = append(dst, '|')
			dst = append(dst, find(f.bytes, fieldOrder).bytes...)
			return dst, dst[start:len(dst):len(dst)]
		}
	}
	return dst, key
}

// maxKeyBytes bounds what appendKey appends: a number, a bar and a piece of payload.
func maxKeyBytes(payload []byte) int { return len("-9223372036854775808|") + len(payload) }

// field is one field of an encoded message; number is 0 where there is none.
type field struct {
	number uint64
	value  uint64
	bytes  []byte
}

// find gives the first field of a number.
func find(message []byte, number uint64) field {
	for len(message) > 0 {
		var f field
		if f, message = nextField(message); f.number == number || f.number == 0 {
			return f
		}
	}
	return field{}
}

// nextField reads the field at the front of an encoded message.
func nextField(message []byte) (f field, rest []byte) {
	tag, n := binary.Uvarint(message)
	if n <= 0 {
		return field{}, nil
	}
	message = message[n:]
	switch tag & 7 {
	case wireVarint, wireBytes:
		value, n := binary.Uvarint(message)
		if n <= 0 {
			return field{}, nil
		}
		f = field{number: tag >> 3, value: value}
		message = message[n:]
		if tag&7 == wireVarint {
			return f, message
		}
		if value > uint64(len(message)) {
			return field{}, nil
		}
		f.bytes = message[:value:value]
		return f, message[value:]
	case 1, 5: // of fixed width, which event.proto does not use
		width := 4
		if tag&7 == 1 {
			width = maxSkippedWidth
		}
		if len(message) < width {
			return field{}, nil
		}
		return field{number: tag >> 3}, message[width:]
	}
	return field{}, nil
}

package program

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"tributary/internal/money"
)

// PeriodRule is a rule on periods as orders are counted by it: as a version of a program's terms has it, with all that what
// it pays depends on. Under its id it stays as it is for ever.
type PeriodRule struct {
	// Version is that of the terms.
	Version int `json:"version"`
	// Zone is the IANA time zone of its days; "" stands for UTC.
	Zone string `json:"zone,omitempty"`
	// NetworkFee is a rate of what it pays, owed by the merchant on top; 0 where it pays another than the partner.
	NetworkFee money.Rate `json:"network_fee,omitempty"`
	Period     Period     `json:"period"`
}

// PeriodRuleID names a PeriodRule by what it says: the first 64 bits of the SHA-256 of its JSON. Its text is 16 hexadecimal
// digits.
type PeriodRuleID uint64

// String is the id's text.
func (id PeriodRuleID) String() string { return string(id.Append(make([]byte, 0, 16))) }

// Append appends the id's text.
func (id PeriodRuleID) Append(dst []byte) []byte {
	return hex.AppendEncode(dst, binary.BigEndian.AppendUint64(make([]byte, 0, 8), uint64(id)))
}

// MarshalText writes the id's text.
func (id PeriodRuleID) MarshalText() ([]byte, error) { return id.Append(nil), nil }

// UnmarshalText reads the id's text.
func (id *PeriodRuleID) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 16, 64)
	if err != nil || len(text) != 16 {
		return fmt.Errorf("%q is not the id of a rule on periods", text)
	}
	*id = PeriodRuleID(n)
	return nil
}

// JSON is the rule as it is kept.
func (r *PeriodRule) JSON() []byte { return written(r) }

// ID names the rule.
func (r *PeriodRule) ID() PeriodRuleID {
	sum := sha256.Sum256(r.JSON())
	return PeriodRuleID(binary.BigEndian.Uint64(sum[:]))
}

// Counting is a PeriodRule compiled: what orders are counted by. It is shared and stays as it is.
type Counting struct {
	PeriodRule

	ID   PeriodRuleID
	Zone *time.Location
}

// Compile gives the rule as orders are counted by it.
func (r *PeriodRule) Compile() (*Counting, error) {
	zone, err := location(r.Zone)
	if err != nil {
		return nil, fmt.Errorf("the zone of a rule on periods: %w", err)
	}
	return &Counting{PeriodRule: *r, ID: r.ID(), Zone: zone}, nil
}

// ParsePeriodRule reads what JSON writes, and compiles it.
func ParsePeriodRule(data []byte) (*Counting, error) {
	var r PeriodRule
	if bad := decode(data, &r); len(bad) > 0 {
		return nil, badDocument(bad)
	}
	return r.Compile()
}

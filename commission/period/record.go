package period

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"tributary/commission"
	"tributary/partners/program"
)

// Record is why a period is paid what it is: the rules by which it counts, the sums of its days, and what follows from them.
// Records live for ever: another way to write one is another form, and this is the first, which does not name itself.
type Record struct {
	Program program.ProgramID `json:"program"`
	Partner program.PartnerID `json:"partner"`
	Role    commission.Role   `json:"role,omitzero"`
	Rule    string            `json:"rule"`
	Span    string            `json:"span"`
	Unit    string            `json:"unit"`
	// Rules are those of the versions under which something counts, in the order of the versions.
	Rules []Said `json:"rules"`

	Settlement
}

// Said is what a rule says under its id.
type Said struct {
	ID program.PeriodRuleID `json:"id"`
	// Says is the rule's JSON, which program.ParsePeriodRule reads.
	Says json.RawMessage `json:"says"`
}

// NewRecord is the record of a settlement.
func NewRecord(of Key, rules Rules, s *Settlement) Record {
	r := Record{Program: of.Program, Partner: of.Partner, Role: of.Role, Rule: of.Rule, Span: of.Span, Unit: of.Unit, Settlement: *s}
	sorted := slices.SortedFunc(maps.Values(rules), func(a, b *program.Counting) int {
		return cmp.Or(cmp.Compare(a.Version, b.Version), cmp.Compare(a.ID, b.ID))
	})
	for _, rule := range sorted {
		r.Rules = append(r.Rules, Said{rule.ID, rule.JSON()})
	}
	return r
}

// JSON is the record as it is stored: the same bytes for the same sums.
func (r *Record) JSON() ([]byte, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("writing the record of a period: %w", err)
	}
	return data, nil
}

// ReadRecord reads the record of a period, and refuses fields that this version does not know.
func ReadRecord(data []byte) (Record, error) {
	var r Record
	in := json.NewDecoder(bytes.NewReader(data))
	in.DisallowUnknownFields()
	if err := in.Decode(&r); err != nil {
		return r, fmt.Errorf("reading the record of a period: %w", err)
	}
	return r, nil
}

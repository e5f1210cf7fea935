package commission

import (
	"encoding/json"
	"fmt"
)

// AppendJSON appends the record of the decision: JSON on one line, the same bytes for the same facts.
func (d *Decision) AppendJSON(dst []byte) []byte {
	text, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	return append(dst, text...)
}

// UnmarshalRecord reads the record of a decision. What it gives has the same Movements as the decision itself.
func UnmarshalRecord(data []byte) (Decision, error) {
	var d Decision
	if err := json.Unmarshal(data, &d); err != nil {
		return Decision{}, fmt.Errorf("reading the record of a decision: %w", err)
	}
	return d, nil
}

package whatif

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/partners/program"
)

// maxTerms bounds what is read of terms: some versions of the longest document.
const maxTerms = 16 << 20

// ReadTerms reads one document of terms, which then holds at all times, or versions: lines of JSON with "from" and "terms",
// ascending. What is wrong with one is a *LineError.
func ReadTerms(r io.Reader) ([]program.Terms, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxTerms+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading terms: %w", err)
	case len(data) > maxTerms:
		return nil, wrong("", text.WrongBytes(">"+strconv.Itoa(maxTerms)), text.FixGiveAtMost(strconv.Itoa(maxTerms)))
	}
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\ufeff")))
	var head struct {
		Terms json.RawMessage `json:"terms"`
	}
	if first := json.NewDecoder(bytes.NewReader(data)); first.Decode(&head) != nil || head.Terms == nil {
		terms, p := version(1, time.Unix(0, 0).UTC(), data)
		if p != nil {
			return nil, p
		}
		return []program.Terms{terms}, nil
	}
	return versions(data)
}

// versions reads lines of JSON, each a version.
func versions(data []byte) ([]program.Terms, error) {
	var all []program.Terms
	n := 0
	for line := range bytes.Lines(data) {
		if n++; len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var v struct {
			From  time.Time       `json:"from"`
			Terms json.RawMessage `json:"terms"`
		}
		p := strict(line, &v)
		if p == nil {
			var terms program.Terms
			if terms, p = version(len(all)+1, v.From, v.Terms); p == nil && len(all) > 0 && !terms.EffectiveFrom.After(all[len(all)-1].EffectiveFrom) {
				p = wrong("from", text.WrongVersionsOrder(), text.FixSortVersions())
			}
			all = append(all, terms)
		}
		if p != nil {
			p.Line = n
			return nil, p
		}
	}
	return all, nil
}

// version reads and checks one document.
func version(number int, from time.Time, data []byte) (program.Terms, *LineError) {
	document, err := program.ParseDocument(data)
	var bad []fault.Field
	if err != nil {
		bad = fault.Of(err).Fields
	} else {
		bad = document.CheckWhole("")
	}
	if len(bad) > 0 {
		return program.Terms{}, &LineError{Field: bad[0]}
	}
	v := program.Version{Number: number, EffectiveFrom: from.UTC(), Document: document}
	v.Rules = v.LeastRules()
	return v.Terms(), nil
}

package commission

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"tributary/partners/program"
)

// Rules is the number of the rules by which this version decides: what rounds, which touch wins, how ties break. Terms say
// under which they stand; a rule that changes its meaning gets a new number, never another meaning under the old one. Under 2
// stands what the first engines cannot decide by (program.Version.LeastRules); what both can means the same under either. Under
// 3 delivery goes with what is refunded of it, recruiters are rounded together and have no more than the fee, a free line goes
// with the last money, periods count what each rule pays on the day, those to recruiters need no rule, and a click after the
// receipt is after the order.
const Rules = program.Rules3

// NewerError says that something was stored by a later version of the program than this one.
type NewerError struct {
	// What is "record of a decision", "rules of the terms" or "schema of the terms", Number its number, Known the latest that
	// this version knows; or it is something without a number, such as `verb "x" of a review`.
	What   string
	Number int
	Known  int
}

// Error says what was met and what to do.
func (e *NewerError) Error() string {
	if e.Number == 0 {
		return fmt.Sprintf("this version does not know the %s: run the version that wrote it, or a later one", e.What)
	}
	return fmt.Sprintf("the %s has number %d, and this version knows those up to %d: run the version that wrote it, or a later one", e.What, e.Number, e.Known)
}

// TermsError says that terms cannot be read although a later version did not write them. Every order under them is refused
// until they are corrected.
type TermsError struct {
	Program program.ProgramID
	Version int
	Cause   error
}

// Error names the terms and what is wrong with them.
func (e *TermsError) Error() string {
	return fmt.Sprintf("version %d of the terms of program %d cannot be read: %v", e.Version, e.Program, e.Cause)
}

// Unwrap gives the cause.
func (e *TermsError) Unwrap() error { return e.Cause }

// readable says why no order can be decided by terms, nil where one can: a *NewerError or a *TermsError.
func readable(of program.ProgramID, terms *program.Terms) error {
	switch {
	case terms.Rules > Rules:
		return &NewerError{What: "rules of the terms", Number: terms.Rules, Known: Rules}
	case terms.Schema > program.Schema:
		return &NewerError{What: "schema of the terms", Number: terms.Schema, Known: program.Schema}
	case terms.Unreadable != nil:
		return &TermsError{Program: of, Version: terms.Version, Cause: terms.Unreadable}
	}
	return nil
}

// Form is one way to write the record of a decision. Records live for ever, so another way is another form, and every
// earlier one stays readable. Form 1 does not name itself; the records of all others begin with {"form":N.
type Form struct {
	Number int
	Append func(dst []byte, d *Decision) []byte
	Read   func(record []byte) (Decision, error)
}

// Forms are those that a version knows, by rising number. It writes the last.
type Forms []Form

// KnownForms are the forms that this version knows.
func KnownForms() Forms {
	return Forms{{Number: 1, Append: func(dst []byte, d *Decision) []byte { return d.AppendJSON(dst) }, Read: readForm1}}
}

// Current is the number of the form in which records are written.
func (f Forms) Current() int { return f[len(f)-1].Number }

// Append appends the record of the decision in the present form.
func (f Forms) Append(dst []byte, d *Decision) []byte { return f[len(f)-1].Append(dst, d) }

// Read reads a record of any form that is known. A later one is a *NewerError.
func (f Forms) Read(record []byte) (Decision, error) {
	number, err := FormOf(record)
	if err != nil {
		return Decision{}, err
	}
	for i := range f {
		if f[i].Number == number {
			return f[i].Read(record)
		}
	}
	return Decision{}, &NewerError{What: "record of a decision", Number: number, Known: f.Current()}
}

// FormOf is the number of the form of a record.
func FormOf(record []byte) (int, error) {
	rest, named := bytes.CutPrefix(record, []byte(`{"form":`))
	if !named {
		return 1, nil
	}
	end := bytes.IndexAny(rest, ",}")
	number, err := strconv.Atoi(string(rest[:max(end, 0)]))
	if err != nil || number < 2 {
		return 0, fmt.Errorf("reading the form of a record: %.40q", record)
	}
	return number, nil
}

// readForm1 reads a record of form 1.
func readForm1(record []byte) (Decision, error) {
	var d Decision
	if err := json.Unmarshal(record, &d); err != nil {
		return Decision{}, fmt.Errorf("reading the record of a decision: %w", err)
	}
	if err := d.complete(); err != nil {
		return Decision{}, err
	}
	return d, nil
}

// UnmarshalRecord reads the record of a decision, of whatever form this version knows. What it gives has the same
// Movements as the decision itself; the order's click id, coupon and customer are found among the touches only.
func UnmarshalRecord(record []byte) (Decision, error) { return KnownForms().Read(record) }

// Contradiction is something in which a record and the decision on the same facts by this version differ: their outcome,
// what a credit is worth, what a rule or a line of it earns, or when it is released.
type Contradiction struct {
	// Line is the first line of the order that it is about, and Rule what that is priced by; 0 and empty where it is about no line.
	Line int64
	Rule string
	// What names it, as `net of line 3, rule "books", of partner 7`.
	What string
	// Recorded and Decided are the two values; minor units where they are money.
	Recorded, Decided string
}

// Contradictions compares what a record says with what this version decides, whatever form the record has: all that
// money, states and people depend on, and none of the bytes.
func Contradictions(recorded, decided *Decision) []Contradiction {
	c := comparison{}
	c.text("outcome", string(recorded.Outcome), string(decided.Outcome))
	if len(recorded.Credits) != len(decided.Credits) {
		for _, d := range []*Decision{recorded, decided} {
			for i := range d.Credits {
				c.atFirst(&d.Credits[i])
			}
		}
		c.number("number of credits", int64(len(recorded.Credits)), int64(len(decided.Credits)))
		return c.found
	}
	for i := range decided.Credits {
		c.credit(&recorded.Credits[i], &decided.Credits[i], decided.Order.Currency)
	}
	for _, until := range decided.holds() {
		if len(c.found) > 0 {
			break // it follows from those
		}
		for _, m := range Difference(recorded.Movements(until), decided.Movements(until)) {
			c.found = append(c.found, Contradiction{
				What:     fmt.Sprintf("movement in %s from %s to %s of %s at %s", m.Unit, m.Credit, m.Debit, m.Whose(), m.At.Format("2006-01-02T15:04:05.999999999Z07:00")),
				Recorded: "0", Decided: strconv.FormatInt(m.Amount, 10),
			})
		}
	}
	return c.found
}

// holds are the times at which what should stand on the books changes by itself: none, and the end of each credit's hold.
func (d *Decision) holds() []time.Time {
	ends := make([]time.Time, 1, 1+len(d.Credits))
	for i := range d.Credits {
		if at := d.Credits[i].HoldUntil; !slices.ContainsFunc(ends, at.Equal) {
			ends = append(ends, at)
		}
	}
	return ends
}

// comparison collects contradictions, those at hand of a line and a rule.
type comparison struct {
	found []Contradiction
	line  int64
	rule  string
}

func (c *comparison) text(what, recorded, decided string) {
	if recorded != decided {
		c.found = append(c.found, Contradiction{Line: c.line, Rule: c.rule, What: what, Recorded: recorded, Decided: decided})
	}
}

func (c *comparison) number(what string, recorded, decided int64) {
	if recorded != decided {
		c.text(what, strconv.FormatInt(recorded, 10), strconv.FormatInt(decided, 10))
	}
}

// credit compares two credits on an order in a currency.
func (c *comparison) credit(recorded, decided *Credit, currency string) {
	of := fmt.Sprintf(" of partner %d", decided.Partner)
	if decided.Role != RolePartner {
		of = fmt.Sprintf(" of %s %d", decided.Role, decided.Partner)
	}
	if decided.Unit != currency {
		of += " in " + decided.Unit
	}
	c.atFirst(decided)
	c.number("partner", int64(recorded.Partner), int64(decided.Partner))
	c.number("weight"+of, recorded.Weight, decided.Weight)
	c.line, c.rule = 0, ""
	c.number("program"+of, int64(recorded.Program), int64(decided.Program))
	c.number("link"+of, int64(recorded.Link), int64(decided.Link))
	c.text("role"+of, recorded.Role.String(), decided.Role.String())
	c.text("unit"+of, recorded.Unit, decided.Unit)
	c.text("end of the hold"+of, recorded.HoldUntil.UTC().String(), decided.HoldUntil.UTC().String())
	for _, until := range []time.Time{{}, decided.HoldUntil} {
		c.text("state"+of, string(recorded.State(until)), string(decided.State(until)))
	}
	c.text("why it is unpaid"+of, string(recorded.Unpaid), string(decided.Unpaid))
	c.text("end of refunds"+of, recorded.RefundsUntil.UTC().String(), decided.RefundsUntil.UTC().String())
	c.text("rate of currencies"+of, recorded.Rate.String(), decided.Rate.String())
	c.rules(recorded, decided, of)
	c.number("gross"+of, recorded.Gross, decided.Gross)
	c.number("net"+of, recorded.Net, decided.Net)
	c.number("fee"+of, recorded.Fee, decided.Fee)
	c.number("disputed"+of, recorded.Disputed, decided.Disputed)
}

// rules compares the rules of two credits, and what lines earn by them.
func (c *comparison) rules(recorded, decided *Credit, of string) {
	if len(recorded.Rules) != len(decided.Rules) || len(recorded.Priced) != len(decided.Priced) {
		c.number("number of rules"+of, int64(len(recorded.Rules)), int64(len(decided.Rules)))
		c.number("number of priced lines"+of, int64(len(recorded.Priced)), int64(len(decided.Priced)))
		return
	}
	for i := range decided.Rules {
		was, now := &recorded.Rules[i], &decided.Rules[i]
		c.at(decided.firstOf(i), now)
		rule := fmt.Sprintf(" of rule %q%s", now.Name(), of)
		c.text("name"+rule, was.Name(), now.Name())
		c.text("scope"+rule, string(was.Scope), string(now.Scope))
		c.number("rate"+rule, int64(was.Rate), int64(now.Rate))
		c.text("what the rate is of"+rule, string(was.Of), string(now.Of))
		c.number("fixed amount"+rule, was.Fixed, now.Fixed)
		c.text("what it is for"+rule, string(was.Per), string(now.Per))
		c.number("units"+rule, was.Left, now.Left)
		c.number("least order"+rule, was.Min, now.Min)
		c.number("bound"+rule, was.Max, now.Max)
		c.number("net"+rule, was.Net, now.Net)
	}
	for i := range decided.Priced {
		was, now := &recorded.Priced[i], &decided.Priced[i]
		c.at(now.Line, &decided.Rules[now.Rule])
		line := fmt.Sprintf(" of line %d, rule %q,%s", now.Line, c.rule, of)
		c.text("rule"+line, recorded.Rules[was.Rule].Name(), c.rule)
		c.number("base"+line, was.Base, now.Base)
		c.number("net"+line, was.Net, now.Net)
	}
	c.line, c.rule = 0, ""
}

// at says which line and rule what follows is about.
func (c *comparison) at(line int64, rule *Rule) { c.line, c.rule = line, rule.Name() }

// atFirst says that it is about the first line of a credit, and so about all of them.
func (c *comparison) atFirst(credit *Credit) {
	if len(credit.Priced) > 0 {
		first := credit.Priced[0]
		c.at(first.Line, &credit.Rules[first.Rule])
	}
}

// firstOf is the first line that a rule prices.
func (c *Credit) firstOf(rule int) int64 {
	for i := range c.Priced {
		if c.Priced[i].Rule == rule {
			return c.Priced[i].Line
		}
	}
	return 0
}

package program

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"

	"tributary/internal/text"
)

// maxDepth is how deep conditions may stand within one another.
const maxDepth = 20

// cond reads the object of a condition, depth levels deep.
func (d *decoder) cond(path string, raw json.RawMessage, depth int) Cond {
	switch {
	case raw[0] != '{':
		d.note(path, text.WrongObject(fmt.Sprintf("%.40s", raw)), text.FixObject())
		return nil
	case depth > maxDepth:
		d.note(path, text.WrongTooDeep(), text.FixDepth(strconv.Itoa(maxDepth)))
		return nil
	}
	var tests []Test
	given := map[string]bool{}
	for name, member := range members(raw) {
		key, meta, known := keyOf(name)
		switch {
		case !known:
			d.note(joined(path, name), text.WrongNoField(), text.FixNoField())
		case given[name]:
			d.note(joined(path, name), text.WrongThereTwice(), text.FixLeaveOneOut())
		default:
			tests = append(tests, d.test(joined(path, name), Test{Key: key, Meta: meta}, member, depth))
		}
		given[name] = true
	}
	return All(tests...)
}

// test reads what stands behind a key.
func (d *decoder) test(path string, t Test, raw json.RawMessage, depth int) Test {
	switch keyRows()[t.Key].shape {
	case texts:
		d.oneOrMore(path, raw, reflect.ValueOf(&t.Texts).Elem())
	case numbers:
		d.oneOrMore(path, raw, reflect.ValueOf(&t.Numbers).Elem())
	case ranged:
		if d.value(path, raw, reflect.ValueOf(&t.Range).Elem()); t.Range == (Range{}) && string(raw) == "{}" {
			d.note(path, text.WrongEmpty(), text.FixLeaveOut())
		}
	case conds:
		var items []json.RawMessage
		if err := json.Unmarshal(raw, &items); err != nil {
			d.note(path, text.WrongList(fmt.Sprintf("%.40s", raw)), text.FixList())
		} else if len(items) == 0 {
			d.note(path, text.WrongEmptyList(), text.FixLeaveOut())
		}
		for i, item := range items {
			t.Conds = append(t.Conds, d.cond(fmt.Sprintf("%s[%d]", path, i), item, depth+1))
		}
	case cond:
		t.Conds = []Cond{d.cond(path, raw, depth+1)}
	}
	return t
}

// oneOrMore reads a value, or a list of some, into a slice.
func (d *decoder) oneOrMore(path string, raw json.RawMessage, into reflect.Value) {
	if raw[0] != '[' {
		into.Set(reflect.MakeSlice(into.Type(), 1, 1))
		d.value(path, raw, into.Index(0))
		return
	}
	if d.value(path, raw, into); into.Len() == 0 {
		d.note(path, text.WrongEmptyList(), text.FixLeaveOut())
	}
}

package program

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"unicode/utf8"

	"tributary/internal/fault"
)

// decode reads JSON into what into points to: structs, slices, texts and whole numbers. It gives each field that is
// missing, not known, there twice or of another type, by its path.
func decode(text []byte, into any) []fault.Field {
	var d decoder
	var anything json.RawMessage
	if err := json.Unmarshal(text, &anything); err != nil {
		d.note("", "it is not JSON: "+err.Error(), "give one JSON object")
	} else if !utf8.Valid(text) {
		d.note("", "it is not valid UTF-8", "write it in UTF-8")
	} else {
		d.value("", anything, reflect.ValueOf(into).Elem())
	}
	return d.bad
}

// decoder collects what is wrong with JSON that is valid as such.
type decoder struct{ bad []fault.Field }

func (d *decoder) note(path, problem, fix string) {
	if path == "" {
		path = "document"
	}
	d.bad = append(d.bad, fault.Field{Name: path, Problem: problem, Fix: fix})
}

func (d *decoder) value(path string, raw json.RawMessage, v reflect.Value) {
	_, duration := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr())
	switch {
	case string(raw) == "null":
		d.note(path, "it is null", "give a value, or leave it out where it may be")
	case v.Kind() == reflect.Struct:
		d.object(path, raw, v)
	case v.Kind() == reflect.Slice:
		d.list(path, raw, v)
	case duration:
		d.plain(path, raw, v, "a duration", `give a whole number of days, hours, minutes or seconds, such as "30d"`)
	case v.Kind() == reflect.String:
		if d.plain(path, raw, v, "a text", "write it in quotes"); string(raw) == `""` {
			d.note(path, "it is empty", "leave it out")
		}
	default:
		d.plain(path, raw, v, "a whole number", "give digits alone, without quotes")
	}
}

// plain reads a text or number.
func (d *decoder) plain(path string, raw json.RawMessage, v reflect.Value, what, fix string) {
	if err := json.Unmarshal(raw, v.Addr().Interface()); err != nil {
		d.note(path, fmt.Sprintf("%.40s is not %s", raw, what), fix)
	}
}

func (d *decoder) list(path string, raw json.RawMessage, v reflect.Value) {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		d.note(path, fmt.Sprintf("%.40s is not a list", raw), "write it in brackets")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, item := range items {
		d.value(fmt.Sprintf("%s[%d]", path, i), item, v.Index(i))
	}
}

// object reads each member into the field of its name. A field that its tag does not let be omitted must be there.
func (d *decoder) object(path string, raw json.RawMessage, v reflect.Value) {
	if raw[0] != '{' {
		d.note(path, fmt.Sprintf("%.40s is not an object", raw), "write it in braces")
		return
	}
	under := func(name string) string { return strings.TrimPrefix(path+"."+name, ".") }
	given := map[string]bool{}
	for name, member := range members(raw) {
		field, known := fieldOf(v, name)
		switch {
		case !known:
			d.note(under(name), "there is no such field", "leave it out; docs/reference/terms.schema.json lists those that there are")
		case given[name]:
			d.note(under(name), "it is there twice", "leave one of them out")
		default:
			d.value(under(name), member, field)
		}
		given[name] = true
	}
	for f := range v.Type().Fields() {
		if name, options, _ := strings.Cut(f.Tag.Get("json"), ","); options == "" && !given[name] {
			d.note(under(name), "it is missing", "add it; docs/reference/terms.schema.json says what it may be")
		}
	}
}

// members gives the members of a valid object, in its order.
func members(object json.RawMessage) iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		in := json.NewDecoder(bytes.NewReader(object))
		_, _ = in.Token() // the brace
		for in.More() {
			name, _ := in.Token()
			var member json.RawMessage
			_ = in.Decode(&member)
			if text, ok := name.(string); !ok || !yield(text, member) {
				return
			}
		}
	}
}

// fieldOf finds a field by its name in JSON.
func fieldOf(v reflect.Value, name string) (field reflect.Value, known bool) {
	for f, value := range v.Fields() {
		if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); tag == name {
			return value, true
		}
	}
	return reflect.Value{}, false
}

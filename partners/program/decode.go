package program

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"tributary/internal/fault"
	"tributary/internal/money"
	"tributary/internal/text"
)

// decode reads JSON into what into points to: structs, slices, texts and whole numbers. It gives each field that is
// missing, not known, there twice or of another type, by its path.
func decode(data []byte, into any) []fault.Field {
	var d decoder
	var anything json.RawMessage
	if err := json.Unmarshal(data, &anything); err != nil {
		problem, fix := fault.JSON(data)
		d.note("", problem, fix)
	} else if !utf8.Valid(data) {
		d.note("", text.WrongUtf8(), text.FixWriteUtf8())
	} else {
		d.value("", anything, reflect.ValueOf(into).Elem())
	}
	return d.bad
}

// decoder collects what is wrong with JSON that is valid as such.
type decoder struct{ bad []fault.Field }

func (d *decoder) note(path string, problem, fix text.Message) {
	if path == "" {
		path = "document"
	}
	d.bad = append(d.bad, fault.Wrong(path, problem, fix))
}

func (d *decoder) value(path string, raw json.RawMessage, v reflect.Value) {
	_, duration := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr())
	switch {
	case string(raw) == "null":
		d.note(path, text.WrongNull(), text.FixNull())
	case v.Type() == reflect.TypeFor[Cond]():
		v.Set(reflect.ValueOf(d.cond(path, raw, 1)))
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(path, raw, v.Elem())
	case v.Kind() == reflect.Struct:
		d.object(path, raw, v)
	case v.Kind() == reflect.Slice:
		d.list(path, raw, v)
	case duration:
		d.plain(path, raw, v, text.WrongDuration, text.FixDuration())
	case v.Kind() == reflect.String:
		if d.plain(path, raw, v, text.WrongText, text.FixText()); string(raw) == `""` {
			d.note(path, text.WrongEmpty(), text.FixLeaveOut())
		}
	case v.Kind() == reflect.Bool:
		d.plain(path, raw, v, text.WrongTruth, text.FixTruth())
	default:
		d.plain(path, raw, v, text.WrongNumber, text.FixNumber())
	}
}

// plain reads a text or number.
func (d *decoder) plain(path string, raw json.RawMessage, v reflect.Value, wrong func(value string) text.Message, fix text.Message) {
	if err := json.Unmarshal(raw, v.Addr().Interface()); err != nil {
		d.note(path, wrong(fmt.Sprintf("%.40s", raw)), fix)
	}
}

func (d *decoder) list(path string, raw json.RawMessage, v reflect.Value) {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		d.note(path, text.WrongList(fmt.Sprintf("%.40s", raw)), text.FixList())
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
		d.note(path, text.WrongObject(fmt.Sprintf("%.40s", raw)), text.FixObject())
		return
	}
	under := func(name string) string { return joined(path, name) }
	given := map[string]bool{}
	for name, member := range members(raw) {
		field, options, known := fieldOf(v, name)
		switch {
		case !known:
			d.note(under(name), text.WrongNoField(), text.FixNoField())
		case given[name]:
			d.note(under(name), text.WrongThereTwice(), text.FixLeaveOneOut())
		default:
			d.value(under(name), member, field)
			d.tidy(under(name), options, field)
		}
		given[name] = true
	}
	for f := range v.Type().Fields() {
		if name, options, _ := strings.Cut(f.Tag.Get("json"), ","); options == "" && !given[name] {
			d.note(under(name), text.WrongMissing(), text.FixMissing())
		}
	}
	if choice, ok := reflect.TypeAssert[chooser](v.Addr()); ok {
		if name := choice.missing(given); name != "" {
			d.note(under(name), text.WrongMissing(), text.FixMissing())
		}
	}
}

// chooser is an object one of whose fields must be given; missing names one where none is.
type chooser interface {
	missing(given map[string]bool) string
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
			if key, ok := name.(string); !ok || !yield(key, member) {
				return
			}
		}
	}
}

// fieldOf finds a field by its name in JSON, and what else its tag says.
func fieldOf(v reflect.Value, name string) (field reflect.Value, options string, known bool) {
	for f, value := range v.Fields() {
		if tag, options, _ := strings.Cut(f.Tag.Get("json"), ","); tag == name {
			return value, options, true
		}
	}
	return reflect.Value{}, "", false
}

// tidy holds that a field that may be left out is written in one way: no list is an empty one, and a 0 that would read as
// nothing is refused. A rate of 0 is one.
func (d *decoder) tidy(path, options string, v reflect.Value) {
	switch {
	case options == "omitempty" && v.Kind() == reflect.Slice && v.Len() == 0:
		v.SetZero()
	case options != "" && v.CanInt() && v.IsZero() && v.Type() != reflect.TypeFor[money.Rate]() && !slices.ContainsFunc(d.bad, func(f fault.Field) bool { return f.Name == path }):
		d.note(path, text.WrongZero(), text.FixLeaveOut())
	}
}

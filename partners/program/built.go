package program

import (
	"encoding/json"
	"fmt"
	"strings"

	"tributary/internal/fault"
	"tributary/internal/text"
)

// notBuilt are the fields of a document on which no part of the engine acts yet: they are refused. "where." stands before the
// keys of all conditions, "[]" for an index. There are none at present.
func notBuilt() map[string]bool { return nil }

// notProduced are the values of texts, behind the name of their field, that no order there is can have: the network does not
// count impressions yet. Engines can price them, so a document that has them is read; none is added.
func notProduced() map[string]bool {
	return map[string]bool{
		"where.goal=impression": true, "rules[].pay.per=mille": true,
	}
}

// OwnRules tells whether partners can have rules of their own.
func OwnRules() bool { return !notBuilt()["overrides"] }

// unbuilt gives the fields of a document on which nothing acts yet, and the given values, each one's path behind prefix.
func (d *Document) unbuilt(prefix string, values map[string]bool) []fault.Field {
	w := unbuiltWalk{fields: notBuilt(), values: values}
	w.value(prefix, "", d.JSON())
	return w.bad
}

// unbuilt is that of a document for the own rules of a partner.
func (o *Override) unbuilt(prefix string, values map[string]bool) []fault.Field {
	w := unbuiltWalk{fields: notBuilt(), values: values}
	w.value(prefix, "overrides[]", written(o))
	return w.bad
}

// unbuiltWalk goes over the JSON of a document.
type unbuiltWalk struct {
	fields, values map[string]bool
	bad            []fault.Field
}

// value looks at what is at path, whose name among the fields is given.
func (w *unbuiltWalk) value(path, name string, raw json.RawMessage) {
	if w.fields[name] {
		w.bad = append(w.bad, fault.Wrong(path, text.WrongNotBuilt(), text.FixLeaveOut()))
		return
	}
	switch raw[0] {
	case '"':
		var said string
		if _ = json.Unmarshal(raw, &said); w.values[strings.TrimSuffix(name, "[]")+"="+said] {
			w.bad = append(w.bad, fault.Wrong(path, text.WrongNotBuilt(), text.FixLeaveOut()))
		}
	case '{':
		for key, member := range members(raw) {
			w.value(joined(path, key), fieldName(name, key), member)
		}
	case '[':
		var items []json.RawMessage
		_ = json.Unmarshal(raw, &items)
		if strings.HasPrefix(name, "where.") && w.fields[name+"[]"] {
			w.value(path, name+"[]", raw)
			return
		}
		for i, item := range items {
			w.value(fmt.Sprintf("%s[%d]", path, i), name+"[]", item)
		}
	}
}

// fieldName is the name of a member among the fields.
func fieldName(of, key string) string {
	switch of {
	case "where", "where.any[]", "where.not":
		if strings.HasPrefix(key, metaPrefix) {
			return "where.meta"
		}
		return "where." + key
	}
	if key == "where" || key == "rules" && of == "overrides[]" {
		return key
	}
	return joined(of, key)
}

// joined is the path of a member.
func joined(path, name string) string {
	if path == "" || strings.HasSuffix(path, ".") {
		return path + name
	}
	return path + "." + name
}

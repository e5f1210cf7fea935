package program

import (
	"reflect"
	"slices"
	"strings"

	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/internal/text"
)

// Help is a field of a document, as its reference has it.
type Help struct {
	// Path leads to the field from the field of the list that it is in: "attribution.touches.click.window", "rules[].pay.percent".
	Path string
	// Like is what its value looks like, in JSON.
	Like string
	// Says is what it means, in English.
	Says string
}

// Reference lists the fields of a document, in the document's order, and then the keys of conditions. It is made from what the
// schema is made from.
func Reference() []Help {
	list := helpOf(nil, "", reflect.TypeFor[Document]())
	for key, row := range keyRows() {
		list = append(list, Help{Path: "where." + row.name, Like: likeOfKey(Key(key), row.shape), Says: meaning(Key(key))})
	}
	return list
}

func helpOf(to []Help, path string, of reflect.Type) []Help {
	for f := range of.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if strings.HasPrefix(path, "attribution.touches.") && !slices.Contains(boundsOf(path[len("attribution.touches."):]), name) {
			continue
		}
		at, t := joined(path, name), f.Type
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		to = append(to, Help{Path: at, Like: likeOf(t), Says: f.Tag.Get("jsonschema")})
		if t.Kind() == reflect.Slice && t != reflect.TypeFor[Cond]() {
			at, t = at+"[]", t.Elem()
		}
		if t.Kind() == reflect.Struct && !strings.HasPrefix(at, "overrides[].") { // what they hold is the program's
			to = helpOf(to, at, t)
		}
	}
	return to
}

// likeOf is what a value of a type looks like.
func likeOf(t reflect.Type) string {
	if from := choicesOf(t); from != nil {
		return quoted(from)
	}
	switch {
	case t == reflect.TypeFor[Duration]():
		return `"30d"`
	case t == reflect.TypeFor[money.Rate]():
		return "80000"
	case t == reflect.TypeFor[Cond](), t.Kind() == reflect.Struct:
		return "{ }"
	case t.Kind() == reflect.Slice:
		return "[ ]"
	case t.Kind() == reflect.Bool:
		return "true"
	case t.Kind() == reflect.String:
		return `"…"`
	}
	return "1"
}

func likeOfKey(key Key, of shape) string {
	if from := choicesOfKey(key); from != nil {
		return quoted(from)
	}
	return map[shape]string{texts: `"…"`, numbers: "1", ranged: `{"min": 1, "max": 2}`, conds: "[{ }]", cond: "{ }"}[of]
}

func quoted(list []string) string { return `"` + strings.Join(list, `" "`) + `"` }

// choicesOf are the values of a type of texts that has a list of them.
func choicesOf(t reflect.Type) []string {
	switch t {
	case reflect.TypeFor[Model]():
		return namesOf(Models())
	case reflect.TypeFor[Payee]():
		return namesOf(Payees())
	case reflect.TypeFor[Of]():
		return namesOf(Ofs())
	case reflect.TypeFor[Per]():
		return namesOf(Pers())
	case reflect.TypeFor[Measure]():
		return namesOf(Measures())
	case reflect.TypeFor[Length]():
		return namesOf(Lengths())
	case reflect.TypeFor[Mode]():
		return namesOf([]Mode{Marginal, Retroactive})
	case reflect.TypeFor[Sign]():
		return namesOf(Signs())
	}
	return nil
}

// choicesOfKey are the values of a key that has a list of them.
func choicesOfKey(key Key) []string {
	switch key {
	case KeyPartnerKind:
		return namesOf(Kinds())
	case KeyDevice:
		return event.Devices()
	case KeyCustomer:
		return []string{CustomerNew, CustomerReturning, CustomerLapsed}
	default:
		return nil
	}
}

func namesOf[T ~string](list []T) []string {
	names := make([]string, len(list))
	for i, one := range list {
		names[i] = string(one)
	}
	return names
}

// meaning says what a key of conditions is about.
func meaning(key Key) string {
	return text.English().Condition(strings.TrimSuffix(key.String(), "."))
}

// Package fault is the one error type that crosses packages on its way to a person: a kind that the edge turns into
// a status, a page or problem+json, a sentence that may be shown, and the fields that are wrong with how to fix
// them. An error that is not a fault is internal: it is logged in full and shown as a bland sentence.
package fault

import (
	"cmp"
	"errors"
	"net/http"
	"strings"

	"tributary/internal/text"
)

// Kind says what sort of trouble it is.
type Kind int

// The kinds, each with the HTTP status it becomes.
const (
	Internal     Kind = iota // 500
	Invalid                  // 422: a field is wrong
	Malformed                // 400: not readable at all
	Unauthorized             // 401
	Forbidden                // 403
	NotFound                 // 404: also for what belongs to another tenant
	NotAllowed               // 405: another method, which the header Allow names
	Conflict                 // 409
	TooLarge                 // 413
	Unsupported              // 415: content type
	TooMany                  // 429
	Unavailable              // 503: try again later
)

// Field is one thing wrong with a request.
type Field struct {
	// Name is the path of the field, such as "lines[2].amount".
	Name string `json:"field"`
	// Problem says what is wrong, naming the value, in English as the API does.
	Problem string `json:"problem"`
	// Fix says how to correct it.
	Fix string `json:"fix"`

	problem, fix text.Message
}

// Wrong makes a field that pages can say in any language.
func Wrong(name string, problem, fix text.Message) Field {
	english := text.English()
	return Field{Name: name, Problem: english.Say(problem), Fix: english.Say(fix), problem: problem, fix: fix}
}

// In says what is wrong and how to correct it; a field that Wrong did not make says both in English.
func (f *Field) In(p *text.Printer) (problem, fix string) {
	return cmp.Or(p.Say(f.problem), f.Problem), cmp.Or(p.Say(f.fix), f.Fix)
}

// Error is a fault.
type Error struct {
	Kind Kind
	// Code is a stable word for programs, such as "unknown_link".
	Code string
	// Detail is a sentence for whoever calls the API, where that says more than internal/text does for the code, as pages do.
	Detail string
	Fields []Field
	// Cause is for the log only.
	Cause error
}

// Error gives the detail, what is wrong with each field and how to correct it, and the cause: for logs and commands, not for pages.
func (e *Error) Error() string {
	said := e.detail()
	if len(e.Fields) > 0 {
		fields := make([]string, len(e.Fields))
		for i, f := range e.Fields {
			if fields[i] = f.Name + ": " + f.Problem; f.Fix != "" {
				fields[i] += " (" + f.Fix + ")"
			}
		}
		said = strings.TrimSuffix(said, ".") + ": " + strings.Join(fields, "; ")
	}
	if e.Cause != nil {
		said = strings.TrimSuffix(said, ".") + ": " + e.Cause.Error()
	}
	return said
}

// detail is the sentence in English.
func (e *Error) detail() string { return cmp.Or(e.Detail, text.English().Problem(e.Code)) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Coded makes a fault whose sentence is that of its code in internal/text; the cause, for the log, may be nil.
func Coded(kind Kind, code string, cause error) *Error {
	return &Error{Kind: kind, Code: code, Cause: cause}
}

// Detailed makes a fault with a sentence for whoever calls the API; the cause, for the log, may be nil.
func Detailed(kind Kind, code string, detail text.Message, cause error) *Error {
	return &Error{Kind: kind, Code: code, Detail: text.English().Say(detail), Cause: cause}
}

// Of finds the fault in err's chain; any other error becomes an internal one that hides its text.
func Of(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: Internal, Code: "internal", Cause: err}
}

// Status is the HTTP status of the fault.
func (e *Error) Status() int {
	switch e.Kind {
	case Invalid:
		return http.StatusUnprocessableEntity
	case Malformed:
		return http.StatusBadRequest
	case Unauthorized:
		return http.StatusUnauthorized
	case Forbidden:
		return http.StatusForbidden
	case NotFound:
		return http.StatusNotFound
	case NotAllowed:
		return http.StatusMethodNotAllowed
	case Conflict:
		return http.StatusConflict
	case TooLarge:
		return http.StatusRequestEntityTooLarge
	case Unsupported:
		return http.StatusUnsupportedMediaType
	case TooMany:
		return http.StatusTooManyRequests
	case Unavailable:
		return http.StatusServiceUnavailable
	case Internal:
		return http.StatusInternalServerError
	}
	return http.StatusInternalServerError
}

// Problem is the fault as RFC 9457 problem details.
type Problem struct {
	Type     string  `json:"type"`
	Title    string  `json:"title"`
	Status   int     `json:"status"`
	Code     string  `json:"code"`
	Detail   string  `json:"detail"`
	Instance string  `json:"instance,omitempty"`
	Errors   []Field `json:"errors,omitempty"`
}

// ProblemType is the media type of a Problem.
const ProblemType = "application/problem+json"

// Problem renders the fault for a request, named by instance (its request id).
func (e *Error) Problem(instance string) Problem {
	return Problem{
		Type:     "/problems/" + e.Code,
		Title:    http.StatusText(e.Status()),
		Status:   e.Status(),
		Code:     e.Code,
		Detail:   e.detail(),
		Instance: instance,
		Errors:   e.Fields,
	}
}

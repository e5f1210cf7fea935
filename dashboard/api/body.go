package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"tributary/internal/fault"
	"tributary/internal/text"
)

// MaxBody bounds a body, in bytes: a thousand coupons with their notes.
const MaxBody = 2 << 20

// maxWrong bounds the members of a body that are said to be wrong at once.
const maxWrong = 20

// read takes the JSON object that is a request's whole body into what it says, and tells which members do not fit: those that it
// does not know too, since what was mistyped would have no effect.
func read(c echo.Context, into any) (unfit []fault.Field, err error) {
	r := c.Request()
	media, params, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	if err != nil || media != echo.MIMEApplicationJSON {
		return nil, fault.Detailed(fault.Unsupported, "unsupported_type", text.DetailUnsupportedType(), nil)
	}
	if charset, said := params["charset"]; said && !strings.EqualFold(charset, "utf-8") {
		return nil, fault.Detailed(fault.Unsupported, "unsupported_charset", text.DetailUnsupportedCharset(charset), nil)
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), r.Body, MaxBody))
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return nil, fault.Detailed(fault.TooLarge, "body_too_large", text.DetailBodyTooLarge(strconv.Itoa(MaxBody)), nil)
	}
	if err != nil {
		return nil, fault.Detailed(fault.Malformed, "unreadable_body", text.DetailUnreadableBody(), err)
	}
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	if !utf8.Valid(body) {
		return nil, fault.Detailed(fault.Malformed, "malformed_json", text.DetailJSONUtf8(), nil)
	}
	if !json.Valid(body) {
		problem, fix := fault.JSON(body)
		return nil, malformed(fault.Wrong("body", problem, fix))
	}
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); trimmed[0] != '{' {
		return nil, fault.Detailed(fault.Malformed, "malformed_json", text.DetailJSONObject(), nil)
	}
	return decode(body, into), nil
}

// decode takes in an object, and says which of its members do not fit. It goes on without each that does not, to find the others.
func decode(body []byte, into any) (wrong []fault.Field) {
	var members map[string]json.RawMessage
	for {
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		err := d.Decode(into)
		if err == nil {
			return wrong
		}
		field := fieldOf(err)
		wrong = append(wrong, field)
		if members == nil && json.Unmarshal(body, &members) != nil {
			return wrong
		}
		name, _, _ := strings.Cut(field.Name, ".")
		if _, own := members[name]; !own || len(wrong) == maxWrong {
			return wrong // within a member that is not known by its name, or there are enough
		}
		delete(members, name)
		if body, err = json.Marshal(members); err != nil {
			return wrong
		}
	}
}

func malformed(fields ...fault.Field) error {
	return &fault.Error{Kind: fault.Invalid, Code: "bad_request", Fields: fields}
}

// refused is the fault of a request with members that do not fit, and others that do and are wrong; nil where there are none.
func refused(code string, unfit, wrong []fault.Field) error {
	switch {
	case len(unfit) > 0:
		return malformed(append(unfit, besides(unfit, wrong)...)...)
	case len(wrong) > 0:
		return &fault.Error{Kind: fault.Invalid, Code: code, Fields: wrong}
	}
	return nil
}

// fieldOf says which member of valid JSON does not fit.
func fieldOf(err error) fault.Field {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		name := strings.TrimPrefix(wrong.Field, "couponBody.") // encoding/json names embedded structs, too
		switch wrong.Type.Kind() {
		case reflect.Bool:
			return fault.Wrong(name, text.WrongNoTruth(), text.FixTruth())
		case reflect.Slice:
			return fault.Wrong(name, text.WrongNotList(), text.FixList())
		case reflect.Struct:
			return fault.Wrong("body", text.WrongNotObject(), text.FixObject())
		default:
			return fault.Wrong(name, text.WrongNotText(), text.FixText())
		}
	}
	name := strings.Trim(strings.TrimPrefix(err.Error(), "json: unknown field "), `"`)
	return fault.Wrong(name, text.WrongNoField(), text.FixLeaveOut())
}

// timeOf reads the time of a field in RFC 3339; the zero time where it is absent.
func timeOf(name, value string, bad *[]fault.Field) time.Time {
	if value == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, value)
	if err != nil {
		*bad = append(*bad, fault.Wrong(name, text.WrongRfc3339(value), text.FixRfc3339()))
	}
	return t
}

// An id is the number of a thing behind the mark of its kind, such as "prg_17", or that number alone.
type id string

// UnmarshalJSON takes a text or a number.
func (i *id) UnmarshalJSON(data []byte) error {
	*i = id(strings.Trim(string(data), `"`))
	return nil
}

// number gives the number of an id of a kind; 0 where it is absent. One that is no such id is a problem of the field.
func (i id) number(name, mark string, bad *[]fault.Field) int64 {
	if i == "" || i == "null" {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimPrefix(string(i), mark), 10, 64)
	if err != nil || n < 1 {
		*bad = append(*bad, fault.Wrong(name, text.WrongNotID(string(i)), text.FixIDLike(mark+"17")))
		return 0
	}
	return n
}

// idOf writes an id.
func idOf(mark string, n int64) string { return mark + strconv.FormatInt(n, 10) }

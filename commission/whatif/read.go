package whatif

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"

	"tributary/internal/fault"
	"tributary/internal/text"
)

// LineError says what is wrong with a line of facts or of terms: in which field, and how to fix it.
type LineError struct {
	fault.Field

	// Line counts from 1; 0 for the file as a whole.
	Line int
}

// Error names line, field, what is wrong and how to fix it.
func (e *LineError) Error() string {
	at := ""
	if e.Line > 0 {
		at = fmt.Sprintf("line %d: ", e.Line)
	}
	if e.Name != "" {
		at += e.Name + ": "
	}
	return at + e.Problem + "; " + e.Fix
}

func wrong(field string, problem, fix text.Message) *LineError {
	return &LineError{Field: fault.Wrong(field, problem, fix)}
}

// entry is one line: just one of its members is set.
type entry struct {
	Partner *partnerEntry `json:"partner"`
	Fact    *factEntry    `json:"fact"`
	Coupon  *couponEntry  `json:"coupon"`
	Rate    *rateEntry    `json:"rate"`
	Click   *clickEntry   `json:"click"`
	Order   *orderEntry   `json:"order"`
	Refund  *refundEntry  `json:"refund"`
	Review  *reviewEntry  `json:"review"`
	Claim   *claimEntry   `json:"claim"`
	Dispute *disputeEntry `json:"dispute"`
	Bind    *bindEntry    `json:"bind"`

	line int
}

type partnerEntry struct {
	ID         int64    `json:"id"`
	Kind       string   `json:"kind"`
	Groups     []string `json:"groups"`
	Recruiter  int64    `json:"recruiter"`
	Properties []string `json:"properties"`
}

type factEntry struct {
	Partner int64     `json:"partner"`
	Kind    string    `json:"kind"`
	Value   string    `json:"value"`
	Ends    bool      `json:"ends"`
	From    time.Time `json:"from"`
}

type couponEntry struct {
	Code      string    `json:"code"`
	Kind      string    `json:"kind"`
	Partner   int64     `json:"partner"`
	Exclusive bool      `json:"exclusive"`
	From      time.Time `json:"from"`
	Until     time.Time `json:"until"`
}

type rateEntry struct {
	Base  string `json:"base"`
	Quote string `json:"quote"`
	Day   string `json:"day"`
	Num   int64  `json:"num"`
	Den   int64  `json:"den"`
}

type clickEntry struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`
	Partner int64     `json:"partner"`
	At      time.Time `json:"at"`
	Marks   []string  `json:"marks"`
	Own     bool      `json:"own"`

	marks uint32
}

type orderEntry struct {
	ID             string            `json:"id"`
	At             time.Time         `json:"at"`
	Received       time.Time         `json:"received"`
	Imported       bool              `json:"imported"`
	CartedAt       time.Time         `json:"carted_at"`
	Currency       string            `json:"currency"`
	Goal           string            `json:"goal"`
	Click          string            `json:"click"`
	Path           []string          `json:"path"`
	Coupons        []string          `json:"coupons"`
	ReferralCode   string            `json:"referral_code"`
	Customer       string            `json:"customer"`
	CustomerStatus string            `json:"customer_status"`
	Shipping       int64             `json:"shipping"`
	ShippingTax    int64             `json:"shipping_tax"`
	Country        string            `json:"country"`
	Device         string            `json:"device"`
	Metadata       map[string]string `json:"metadata"`
	Test           bool              `json:"test"`
	Lines          []lineEntry       `json:"lines"`
}

type lineEntry struct {
	N        int64  `json:"n"`
	SKU      string `json:"sku"`
	Category string `json:"category"`
	Part     string `json:"part"`
	Quantity *int64 `json:"quantity"` // absent: 1
	Amount   int64  `json:"amount"`
	Tax      int64  `json:"tax"`
	Discount int64  `json:"discount"`
	Country  string `json:"country"`
	Device   string `json:"device"`
}

type refundEntry struct {
	Order      string        `json:"order"`
	ID         string        `json:"id"`
	At         time.Time     `json:"at"`
	Received   time.Time     `json:"received"`
	Lines      []refundLines `json:"lines"`
	Amount     int64         `json:"amount"`
	WholeOrder bool          `json:"whole_order"`
	Shipping   int64         `json:"shipping"`
}

type refundLines struct {
	N        int64 `json:"n"`
	Quantity int64 `json:"quantity"`
	Amount   int64 `json:"amount"`
}

type reviewEntry struct {
	Order   string    `json:"order"`
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	Verb    string    `json:"verb"`
	Code    string    `json:"code"`
	Partner int64     `json:"partner"` // absent: the order
	Until   time.Time `json:"until"`
}

type claimEntry struct {
	Order   string    `json:"order"`
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	Partner int64     `json:"partner"`
	Outcome string    `json:"outcome"`
}

type disputeEntry struct {
	Order      string    `json:"order"`
	ID         string    `json:"id"`
	At         time.Time `json:"at"`
	State      string    `json:"state"`
	Amount     *int64    `json:"amount"` // absent where it is the whole order, or said before
	WholeOrder bool      `json:"whole_order"`
}

type bindEntry struct {
	Customer string    `json:"customer"`
	Partner  int64     `json:"partner"`
	From     time.Time `json:"from"`
}

// maxLine bounds a line: an order of a thousand lines fits.
const maxLine = 1 << 20

// read reads all lines; empty ones are passed over. The error is a *LineError, or the reader's.
func read(r io.Reader) ([]entry, error) {
	in := bufio.NewScanner(r)
	in.Buffer(nil, maxLine)
	var all []entry
	n := 0
	for in.Scan() {
		n++
		line := bytes.TrimSpace(in.Bytes())
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		if len(line) == 0 {
			continue
		}
		e := entry{line: n}
		if p := strict(line, &e); p != nil {
			p.Line = n
			return nil, p
		}
		if p := e.one(); p != nil {
			return nil, p
		}
		all = append(all, e)
	}
	if errors.Is(in.Err(), bufio.ErrTooLong) {
		long := wrong("", text.WrongBytes(">"+strconv.Itoa(maxLine)), text.FixGiveAtMost(strconv.Itoa(maxLine)))
		long.Line = n + 1
		return nil, long
	}
	return all, in.Err()
}

// one refuses a line that is not about just one thing.
func (e *entry) one() *LineError {
	set := 0
	for f, v := range reflect.ValueOf(e).Elem().Fields() {
		if f.IsExported() && !v.IsNil() {
			set++
		}
	}
	if set == 1 {
		return nil
	}
	many := wrong("", text.WrongMembers(int64(set)), text.FixChoice("partner, fact, coupon, rate, click, order, refund, review, claim, dispute, bind"))
	many.Line = e.line
	return many
}

// strict reads one JSON value into what into points to. Members that are not known, null or there twice are refused: neither
// absent nor null may mean what nobody wrote.
func strict(data []byte, into any) *LineError {
	in := json.NewDecoder(bytes.NewReader(data))
	if err := in.Decode(&json.RawMessage{}); err != nil {
		return badJSON(data)
	}
	if in.More() {
		return wrong("", text.WrongMoreValues(), text.FixLineEach())
	}
	in = json.NewDecoder(bytes.NewReader(data))
	in.UseNumber()
	if e := walk(in, "", reflect.TypeOf(into).Elem()); e != nil {
		return e
	}
	if mistyped, is := errors.AsType[*json.UnmarshalTypeError](json.Unmarshal(data, into)); is {
		return wrong(mistyped.Field, text.WrongType(mistyped.Value), fixOf(mistyped.Type))
	}
	return nil
}

func badJSON(data []byte) *LineError {
	problem, fix := fault.JSON(data)
	return wrong("", problem, fix)
}

// fixOf says what a JSON value has to be.
func fixOf(t reflect.Type) text.Message {
	switch t.Kind() {
	case reflect.Int64:
		return text.FixNumber()
	case reflect.String:
		return text.FixText()
	case reflect.Bool:
		return text.FixTruth()
	case reflect.Slice:
		return text.FixList()
	default:
		return text.FixObject()
	}
}

// walk goes over one value, which is valid JSON, for what is to be read into a type.
func walk(in *json.Decoder, path string, into reflect.Type) *LineError {
	for into.Kind() == reflect.Pointer {
		into = into.Elem()
	}
	token, _ := in.Token()
	switch token {
	case nil:
		return wrong(path, text.WrongNull(), text.FixNull())
	case json.Delim('['):
		for i := 0; in.More(); i++ {
			if e := walk(in, fmt.Sprintf("%s[%d]", path, i), elementOf(into)); e != nil {
				return e
			}
		}
	case json.Delim('{'):
		given := map[string]bool{}
		for in.More() {
			key, _ := in.Token()
			name := fmt.Sprint(key)
			under := strings.TrimPrefix(path+"."+name, ".")
			if given[name] {
				return wrong(under, text.WrongThereTwice(), text.FixLeaveOneOut())
			}
			given[name] = true
			member := memberOf(into, name)
			if member == nil {
				return wrong(under, text.WrongNoField(), text.FixRemove())
			}
			if e := walk(in, under, member); e != nil {
				return e
			}
		}
	default:
		if said, is := token.(string); is && into == reflect.TypeFor[time.Time]() {
			return checkTime(path, said)
		}
		return nil
	}
	_, _ = in.Token() // the bracket
	return nil
}

// elementOf is the type of an element of a list.
func elementOf(list reflect.Type) reflect.Type {
	if list.Kind() == reflect.Slice && list != reflect.TypeFor[json.RawMessage]() {
		return list.Elem()
	}
	return reflect.TypeFor[any]()
}

// memberOf is the type of a member of an object, nil where there is none of the name. Of what is no object it is any.
func memberOf(object reflect.Type, name string) reflect.Type {
	switch {
	case object.Kind() == reflect.Map:
		return object.Elem()
	case object.Kind() != reflect.Struct || object == reflect.TypeFor[time.Time]():
		return reflect.TypeFor[any]()
	}
	for field := range object.Fields() {
		if field.Tag.Get("json") == name {
			return field.Type
		}
	}
	return nil
}

// The years of facts.
const firstYear, endOfYears = 1970, 2200

func checkTime(path, said string) *LineError {
	at, err := time.Parse(time.RFC3339Nano, said)
	switch {
	case err != nil:
		return wrong(path, text.WrongRfc3339(strconv.Quote(said)), text.FixRfc3339())
	case at.UTC().Year() < firstYear || at.UTC().Year() >= endOfYears:
		return wrong(path, text.WrongRange(strconv.Itoa(endOfYears-1), strconv.Itoa(firstYear), said), text.FixAnother())
	}
	return nil
}

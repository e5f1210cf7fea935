package fault

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"tributary/internal/text"
)

func TestEachKindHasItsStatus(t *testing.T) {
	t.Parallel()
	for kind, status := range map[Kind]int{
		Internal: 500, Invalid: 422, Malformed: 400, Unauthorized: 401, Forbidden: 403, NotFound: 404, Conflict: 409,
		TooLarge: 413, Unsupported: 415, NotAllowed: 405, TooMany: 429, Unavailable: 503, Kind(99): 500,
	} {
		if got := Coded(kind, "code", nil).Status(); got != status {
			t.Errorf("kind %d becomes %d, want %d", kind, got, status)
		}
	}
}

func TestAnUnknownErrorIsShownBlandlyAndLoggedInFull(t *testing.T) {
	t.Parallel()
	secret := errors.New("password of the database")
	e := Of(fmt.Errorf("reading orders: %w", secret))
	shown, err := json.Marshal(e.Problem("r-1"))
	if err != nil {
		t.Fatal(err)
	}
	if e.Status() != 500 || strings.Contains(string(shown), "password") || strings.Contains(e.Detail, "password") {
		t.Errorf("status %d, shown %s", e.Status(), shown)
	}
	if !errors.Is(e, secret) || !strings.Contains(e.Error(), "password") {
		t.Errorf("the log would not have the cause: %v", e)
	}
}

func TestAFaultIsFoundThroughItsWrapping(t *testing.T) {
	t.Parallel()
	inner := &Error{Kind: Invalid, Code: "bad_link", Detail: "The link cannot be made.", Fields: []Field{{Name: "code", Problem: "it is taken", Fix: "choose another"}}}
	e := Of(fmt.Errorf("making a link: %w", inner))
	if e != inner {
		t.Fatalf("found %v", e)
	}
	if got := e.Error(); got != "The link cannot be made: code: it is taken (choose another)" {
		t.Errorf("said as %q", got)
	}
	caused := &Error{Kind: Invalid, Code: "bad_link", Detail: "The link cannot be made.", Cause: errors.New("no room")}
	if got := caused.Error(); got != "The link cannot be made: no room" {
		t.Errorf("said as %q", got)
	}
	shown, err := json.Marshal(e.Problem("r-2"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"type":"/problems/bad_link","title":"Unprocessable Entity","status":422,"code":"bad_link","detail":"The link cannot be made.","instance":"r-2","errors":[{"field":"code","problem":"it is taken","fix":"choose another"}]}`
	if string(shown) != want {
		t.Errorf("shown as\n%s, want\n%s", shown, want)
	}
}

func TestAFieldIsSaidInTheReadersLanguage(t *testing.T) {
	t.Parallel()
	f := Wrong("code", text.WrongLabelSize(1), text.FixSize("200"))
	if f.Problem != "it has 1 byte" || f.Fix != "use at most 200" {
		t.Errorf("in English: %+v", f)
	}
	problem, fix := f.In(text.Pseudo())
	if !strings.HasPrefix(problem, "⟦ît hás 1 býté") || !strings.HasPrefix(fix, "⟦ûsé át möst 200") {
		t.Errorf("in the pseudo-locale: %q, %q", problem, fix)
	}
	plain := Field{Problem: "it is wrong", Fix: "correct it"}
	if problem, fix := plain.In(text.Pseudo()); problem != "it is wrong" || fix != "correct it" {
		t.Errorf("without messages: %q, %q", problem, fix)
	}
}

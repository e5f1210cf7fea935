package password_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tributary/dashboard/password"
)

func TestAPasswordDerivesItsOwnHashOnly(t *testing.T) {
	t.Parallel()
	c := password.NewChecker(2, time.Minute)
	hash, err := password.Hash("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash %q", hash)
	}
	again, err := password.Hash("correct horse")
	if err != nil || again == hash {
		t.Errorf("the same password twice gave %q (%v)", again, err)
	}
	for text, want := range map[string]bool{"correct horse": true, "correct horse ": false, "Correct horse": false, "": false, strings.Repeat("x", password.MaxLen+1): false} {
		got, err := c.Derive(t.Context(), hash[:strings.LastIndex(hash, "$")], text)
		if err != nil || (got == hash) != want {
			t.Errorf("%.20q gives %s (%v), want %s: %v", text, got, err, hash, want)
		}
	}
}

func TestAHashMadeElsewhereIsDerived(t *testing.T) {
	t.Parallel()
	// From the reference implementation: echo -n password | argon2 somesalt -id -t 2 -k 65536 -p 1 -l 32
	const challenge, want = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if got, err := password.NewChecker(1, time.Minute).Derive(t.Context(), challenge, "password"); got != want || err != nil {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}

func TestWhatIsNoChallengeIsAnError(t *testing.T) {
	t.Parallel()
	for _, challenge := range []string{
		"", "plain", "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ", "$argon2id$v=16$m=65536,t=2,p=1$c29tZXNhbHQ",
		"$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ", "$argon2id$v=19$m=65536,t=2000,p=1$c29tZXNhbHQ",
		"$argon2id$v=19$m=65536,t=0,p=1$c29tZXNhbHQ", "$argon2id$v=19$m=65536,t=2,p=1$c29t", "$argon2id$v=19$m=65536,t=2,p=1$***",
		"$argon2id$v=19$t=2$c29tZXNhbHQ", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
	} {
		if _, err := password.NewChecker(1, time.Minute).Derive(t.Context(), challenge, "password"); !errors.Is(err, password.ErrNotChallenge) {
			t.Errorf("%q: %v", challenge, err)
		}
	}
}

// aChallenge is one at today's cost.
const aChallenge = "$argon2id$v=19$m=19456,t=2,p=1$c29tZSBzYWx0IG9mIG5vbmU"

func TestOnlySoManyAtOnce(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := password.NewChecker(0, time.Minute).Derive(t.Context(), aChallenge, "x"); !errors.Is(err, password.ErrBusy) {
		t.Errorf("without a slot: %v", err)
	}
	if _, err := password.NewChecker(1, 0).Derive(ended, aChallenge, "x"); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, password.ErrBusy) {
		t.Errorf("without time: %v", err)
	}
	c := password.NewChecker(2, time.Minute)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := c.Derive(t.Context(), aChallenge, "x"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestTooLongAPasswordIsNotHashed(t *testing.T) {
	t.Parallel()
	if _, err := password.Hash(strings.Repeat("x", password.MaxLen+1)); err == nil {
		t.Error("it was")
	}
}

// S17: what everybody tries first may not be set.
func TestCommonPasswordsAreRefused(t *testing.T) {
	t.Parallel()
	for text, refused := range map[string]bool{
		"1qaz2wsx3edc": true, "SonyEricsson": true, "123456789987654321": true, "short": true, "": true,
		"aaaaaaaaaaaaaaaa": true, "abababababab": true, "1234123412341": true, strings.Repeat("long", 300): true,
		"mira@example.net": true, "mira2026!!!!!": true, "miramira2026": true,
		"correct horse battery": false, "mira walks to the sea": false, "ää ö ü ß é è ê": false, "1qaz2wsx3edc and more": false,
	} {
		if got := password.Weakness(text, "mira@example.net"); (got != "") != refused {
			t.Errorf("%.20q: %q", text, got)
		}
	}
}

// A hundred at once where patience holds for a few: those at the end of the queue are told so at once.
func TestAQueueLongerThanPatienceIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	c := password.NewChecker(1, 200*time.Millisecond)
	var all sync.WaitGroup
	var done, refused atomic.Int64
	for range 100 {
		all.Go(func() {
			switch _, err := c.Derive(t.Context(), aChallenge, "x"); {
			case errors.Is(err, password.ErrBusy):
				refused.Add(1)
			case err == nil:
				done.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if done.Load() == 0 || refused.Load() < 50 {
		t.Errorf("%d were compared and %d refused", done.Load(), refused.Load())
	}
	if _, err := c.Derive(t.Context(), aChallenge, "x"); err != nil {
		t.Errorf("after them: %v", err)
	}
}

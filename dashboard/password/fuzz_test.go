package password

import "testing"

// FuzzChallenge holds that a challenge of any text is refused or costs no more than a check may.
func FuzzChallenge(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ")
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$")
	f.Add("$argon2id$v=19$m=-1,t=0,p=0$c2FsdHNhbHQ")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parse(text)
		if err != nil {
			return
		}
		if h.memory > 256<<10 || h.passes > 16 || h.passes == 0 || h.threads == 0 {
			t.Errorf("%q costs %d KiB, %d passes, %d threads", text, h.memory, h.passes, h.threads)
		}
	})
}

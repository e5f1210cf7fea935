package clickid

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tributary/internal/event"
	"tributary/internal/keyring"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 123_000_000, time.UTC)

func fixedKey(id uint8) keyring.Key {
	k := keyring.Key{ID: id}
	for i := range k.Secret {
		k.Secret[i] = id + byte(i)
	}
	return k
}

func newRing(tb testing.TB, keys ...keyring.Key) *Ring {
	tb.Helper()
	r, err := NewRing(keys)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func TestAnIDSaysWhatItWasMintedFor(t *testing.T) {
	t.Parallel()
	r := newRing(t, fixedKey(1))
	for _, row := range []struct {
		name string
		link int64
		at   time.Time
		want time.Time
	}{
		{"an ordinary click", 42, noon, noon},
		{"the largest link", 1<<63 - 1, noon, noon},
		{"a negative link", -1, noon, noon},
		{"another zone, finer than a millisecond", 7, noon.Add(999 * time.Microsecond).In(time.FixedZone("", 3600)), noon},
		{"before 1970", 7, time.Unix(-5, 0), time.Unix(0, 0).UTC()},
		{"beyond six bytes", 7, time.UnixMilli(1 << 50), time.UnixMilli(timeLimit).UTC()},
	} {
		text := r.Mint(row.link, row.at)
		if len(text) != TextLength {
			t.Errorf("%s: %d characters, want %d", row.name, len(text), TextLength)
		}
		got, err := r.Verify(text)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
		if diff := cmp.Diff(ID{Link: row.link, At: row.want, Nonce: got.Nonce}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
	}
}

func TestTheTextFormIsFixedForEver(t *testing.T) {
	t.Parallel()
	r := newRing(t, fixedKey(9))
	s := r.first.take()
	got := s.mint(version, 9, 0x0102030405060708, noon, [8]byte{0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7})
	const want = "AQkBAgMEBQYHCAGiAyCie_Dx8vP09fb3KICGztsI5ycfftC5-k3XyA"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	id, err := r.Verify(want)
	if err != nil || id.Link != 0x0102030405060708 || !id.At.Equal(noon) || id.Nonce[0] != 0xf0 || id.Nonce[7] != 0xf7 {
		t.Errorf("the sample reads as %+v, %v", id, err)
	}
}

func TestNoTwoIDsAreAlike(t *testing.T) {
	t.Parallel()
	r := newRing(t, fixedKey(1))
	seen := map[string]bool{}
	for range 10_000 {
		seen[r.Mint(1, noon)] = true
	}
	if len(seen) != 10_000 {
		t.Errorf("10,000 clicks in a millisecond gave %d ids", len(seen))
	}
}

func TestEveryFlippedBitIsRefused(t *testing.T) {
	t.Parallel()
	r := newRing(t, fixedKey(1), fixedKey(2), fixedKey(3))
	refused := 0
	for n := range 1000 {
		text := r.Mint(int64(n), noon.Add(time.Duration(n)*time.Hour))
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		for bit := range len(raw) * 8 {
			flipped := bytes.Clone(raw)
			flipped[bit/8] ^= 1 << (bit % 8)
			if id, err := r.Verify(base64.RawURLEncoding.EncodeToString(flipped)); err == nil {
				t.Fatalf("id %s with bit %d flipped was accepted as %+v", text, bit, id)
			}
			refused++
		}
		for bit := range len(text) * 8 {
			flipped := []byte(text)
			flipped[bit/8] ^= 1 << (bit % 8)
			if id, err := r.Verify(string(flipped)); err == nil {
				t.Fatalf("text %s with bit %d flipped was accepted as %+v", text, bit, id)
			}
			refused++
		}
	}
	if want := 1000 * 8 * (rawLength + TextLength); refused != want {
		t.Errorf("refused %d, want %d", refused, want)
	}
}

func TestPartsOfTwoIDsDoNotMakeAThird(t *testing.T) {
	t.Parallel()
	r := newRing(t, fixedKey(1))
	a, _ := base64.RawURLEncoding.DecodeString(r.Mint(1, noon))
	b, _ := base64.RawURLEncoding.DecodeString(r.Mint(2, noon.Add(time.Hour)))
	for _, cut := range []int{linkAt, timeAt, nonceAt, tagAt} {
		mixed := base64.RawURLEncoding.EncodeToString(append(bytes.Clone(a[:cut]), b[cut:]...))
		_, err := r.Verify(mixed)
		if whole := cut == linkAt; whole != (err == nil) {
			t.Errorf("cut at byte %d: %v", cut, err)
		}
	}
}

func TestWhatIsNotAnIDIsMalformed(t *testing.T) {
	t.Parallel()
	r := newRing(t, fixedKey(1))
	good := r.Mint(1, noon)
	raw, _ := base64.RawURLEncoding.DecodeString(good)
	raw[0] = 3
	trailing := []byte(good)
	trailing[TextLength-1]++ // sets one of the four bits that carry nothing
	for name, text := range map[string]string{
		"nothing":                 "",
		"one short":               good[1:],
		"one long":                good + "A",
		"padded":                  good + "==",
		"a line break inside":     good[:53] + "\n",
		"a line break in front":   "\r" + good[1:],
		"the other alphabet":      "+/" + good[2:],
		"not ASCII":               "é" + good[2:],
		"bits that carry nothing": string(trailing),
		"another version":         base64.RawURLEncoding.EncodeToString(raw),
	} {
		if _, err := r.Verify(text); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, want %v", name, err, ErrMalformed)
		}
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	older, newer := fixedKey(1), fixedKey(2)
	before := newRing(t, older)
	during := newRing(t, newer, older)
	after := newRing(t, newer)
	impostor := fixedKey(1)
	impostor.Secret[0] ^= 1
	for _, row := range []struct {
		name         string
		mint, verify *Ring
		want         error
	}{
		{"an old id while both keys are there", before, during, nil},
		{"a new id while both keys are there", during, during, nil},
		{"a new id is signed with the first key", during, after, nil},
		{"an old id when its key is gone", before, after, ErrUnknownKey},
		{"a new id where the key has not arrived", during, before, ErrUnknownKey},
		{"the same key id with another secret", newRing(t, impostor), during, ErrForged},
	} {
		if _, err := row.verify.Verify(row.mint.Mint(5, noon)); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
}

func TestARingSaysWhatIsWrongWithItsKeys(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		keys []keyring.Key
		want string
	}{
		{nil, "no key given"},
		{[]keyring.Key{fixedKey(1), {ID: 2}}, "the secret of key 2 is not set"},
		{[]keyring.Key{fixedKey(3), fixedKey(4), fixedKey(3)}, "key 3 is given twice"},
		{[]keyring.Key{{ID: 5, Secret: [32]byte([]byte("passwordpasswordpasswordpassword"))}}, "key 5 is not random"},
		{[]keyring.Key{{ID: 6, Secret: [32]byte([]byte("0123456789abcde0123456789abcde01"))}}, "key 6 is not random"},
	} {
		if _, err := NewRing(row.keys); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%v: error %v, want %q", row.keys, err, row.want)
		}
	}
}

func FuzzClickID(f *testing.F) {
	r := newRing(f, fixedKey(1), fixedKey(2))
	f.Add("", int64(0), int64(0))
	f.Add(r.Mint(42, noon), int64(42), noon.UnixMilli())
	f.Add(strings.Repeat("A", TextLength), int64(-1), int64(timeLimit))
	f.Fuzz(func(t *testing.T, text string, link, millis int64) {
		if id, err := r.Verify(text); err == nil {
			s := r.first.take()
			as := uint8(version)
			if id.Soft {
				as = soft
			}
			if again := s.mint(as, 1, id.Link, id.At, id.Nonce); again != text {
				t.Errorf("%q was accepted but %q is how it is written", text, again)
			}
		}
		at := time.UnixMilli(millis & timeLimit).UTC()
		id, err := r.Verify(r.Mint(link, at))
		if err != nil || id.Link != link || !id.At.Equal(at) {
			t.Errorf("link %d at %s came back as %+v, %v", link, at, id, err)
		}
	})
}

func BenchmarkMint(b *testing.B) {
	r := newRing(b, fixedKey(1))
	b.ReportAllocs()
	for b.Loop() {
		r.Mint(42, noon)
	}
}

func BenchmarkVerify(b *testing.B) {
	r := newRing(b, fixedKey(1))
	text := r.Mint(42, noon)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Verify(text); err != nil {
			b.Fatal(err)
		}
	}
}

// A soft id is another text of the same form, and whoever makes one of the other forges it.
func TestASoftIDSaysSo(t *testing.T) {
	t.Parallel()
	r := newRing(t, fixedKey(9))
	for range 100 {
		text := r.MintSoft(42, noon)
		id, err := r.Verify(text)
		if err != nil || !id.Soft || id.Link != 42 || !id.At.Equal(noon) || !event.SoftClickID(text) || len(text) != TextLength {
			t.Fatalf("%s reads as %+v, %v", text, id, err)
		}
		hard := r.Mint(42, noon)
		if id, err := r.Verify(hard); err != nil || id.Soft || event.SoftClickID(hard) {
			t.Fatalf("%s reads as %+v, %v", hard, id, err)
		}
		// 'g' is 'Q' with the version's bits turned over: bytes 0 and 1 are the first three characters.
		turned := "A" + string(text[1]-'g'+'Q') + text[2:]
		if _, err := r.Verify(turned); !errors.Is(err, ErrForged) && !errors.Is(err, ErrMalformed) {
			t.Fatalf("%s, made of %s: %v", turned, text, err)
		}
	}
}

package dashboard

import (
	"testing"

	"tributary/partners/access"
)

// FuzzSession gives arbitrary bytes to what reads a session's cookie and its data.
func FuzzSession(f *testing.F) {
	f.Add("4bPz0lY1hM7Qn9sX2tU8vW3aC6eG5iK0", []byte(`{"login": {"id": 7}, "flash": "<b>"}`))
	f.Add("", []byte(`{"deadline": "9999-99-99"}`))
	f.Add("\x00\xff", []byte(`[]`))
	f.Fuzz(func(t *testing.T, token string, data []byte) {
		if hash, ok := tokenHash(token); ok && len(hash) < 16 {
			t.Errorf("%q is looked up as %x", token, hash)
		}
		deadline, values, err := sessionCodec{}.Decode(data)
		if err != nil {
			return
		}
		if _, err := (sessionCodec{}).Encode(deadline, values); err != nil && deadline.Year() < 10_000 && deadline.Year() >= 0 {
			t.Errorf("%q is read and cannot be written: %v", data, err)
		}
		if _, ok := values[sessionLogin].(access.Person); !ok {
			t.Errorf("%q is of %v", data, values[sessionLogin])
		}
	})
}

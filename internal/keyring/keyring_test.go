package keyring

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

func TestKeysAreReadFromText(t *testing.T) {
	t.Parallel()
	one, two := Generate(1), Generate(255)
	padded := "255:" + base64.StdEncoding.EncodeToString(two.Secret[:])
	for _, text := range []string{one.Reveal() + "," + two.Reveal(), " " + one.Reveal() + " , " + padded + " "} {
		got, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 2 || got[0] != one || got[1] != two {
			t.Error("the keys do not survive their text form")
		}
	}
	const canary = "Q0FOQVJZQ0FOQVJZ"
	for text, want := range map[string]string{
		"":                      "not of the form ID:SECRET",
		canary:                  "not of the form ID:SECRET",
		canary + ":" + canary:   "key 1 of the list: its id is not a number",
		"256:" + canary:         "its id is not a number from 0 to 255",
		"7:" + canary:           "key 7: its secret has 12 bytes, not 32",
		"7:" + canary + "%":     "key 7: its secret is not base64",
		one.Reveal() + ",":      "key 2 of the list: not of the form",
		one.Reveal() + ";2:abc": "key 1: its secret is not base64",
	} {
		_, err := Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("error repeats the secret: %v", err)
		}
	}
}

func TestASecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	key := Key{ID: 4}
	copy(key.Secret[:], "canary-in-a-click-key-0123456789")
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o"} {
		fmt.Fprintf(&out, verb+"\n", key)
		fmt.Fprintf(&out, verb+"\n", &key)
		fmt.Fprintf(&out, verb+"\n", struct{ Keys []Key }{[]Key{key}})
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("x", "key", key, "pointer", &key, "keys", []Key{key}, "in", struct{ Key Key }{key})
	}
	if err := json.NewEncoder(&out).Encode(map[string]any{"key": key, "pointer": &key}); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if !strings.Contains(text, "key 4") {
		t.Errorf("the key is not named at all:\n%s", text)
	}
	secret := key.Secret[:8]
	for _, form := range []string{
		string(secret), hex.EncodeToString(secret), fmt.Sprintf("%X", secret), strings.Trim(fmt.Sprintf("%d", secret), "[]"),
		strings.Trim(fmt.Sprintf("%#v", secret), "[]byte{}"), strings.Trim(fmt.Sprintf("%o", secret), "[]"),
		base64.StdEncoding.EncodeToString(key.Secret[:])[:10],
	} {
		if strings.Contains(text, form) {
			t.Errorf("the secret shows as %q", form)
		}
	}
}

// FuzzKeys holds that keys are read as they are written, and that no error repeats a part of a secret.
func FuzzKeys(f *testing.F) {
	key := Key{ID: 7, Secret: [32]byte{1, 2, 3}}
	f.Add(key.Reveal())
	f.Add(key.Reveal() + ", 8:" + strings.Repeat("A", 43) + "=")
	f.Add("256:" + strings.Repeat("A", 43))
	f.Add("1:short,,:")
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := Parse(text)
		if err != nil {
			for part := range strings.SplitSeq(text, ",") {
				if _, secret, _ := strings.Cut(part, ":"); len(secret) >= 20 && strings.Contains(err.Error(), secret[:20]) {
					t.Errorf("%v repeats %q", err, text)
				}
			}
			return
		}
		parts := make([]string, len(keys))
		for i, k := range keys {
			parts[i] = k.Reveal()
		}
		again, err := Parse(strings.Join(parts, ","))
		if err != nil || !slices.Equal(again, keys) {
			t.Errorf("%q became %d keys, which became %d: %v", text, len(keys), len(again), err)
		}
	})
}

package main

import (
	"testing"

	"tributary/internal/money"
)

// FuzzRates gives arbitrary text to what reads the rates of a program.
func FuzzRates(f *testing.F) {
	for _, text := range []string{"site=8", "member:shoes=12.5%", "site=100.0001", "=1", "site:=1", "site=1e3", "site=-1", "site=.5"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rates, err := parseRates([]string{text})
		if err != nil {
			return
		}
		for kind, byCategory := range rates {
			for category, rate := range byCategory {
				if rate < 0 || rate > money.One || category == "" {
					t.Errorf("%q gives %s of %q a rate of %d", text, kind, category, rate)
				}
			}
		}
	})
}

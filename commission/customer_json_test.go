package commission

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestOffersAndViewsAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		orders, binds := drawCustomer(t)
		FoldCustomer(orders, binds)
		for _, s := range orders {
			view, err := ReadView(written(t, &s.View, s.View.AppendJSON(nil)))
			if diff := cmp.Diff(s.View, view); diff != "" || err != nil {
				t.Fatal(diff, err)
			}
			if s.Offer == nil {
				continue
			}
			offer, err := ReadOffer(written(t, s.Offer, s.Offer.AppendJSON(nil)))
			if diff := cmp.Diff(s.Offer, offer); diff != "" || err != nil {
				t.Fatal(diff, err)
			}
		}
	})
}

// written compares bytes with those of encoding/json.
func written(t *rapid.T, v any, got []byte) []byte {
	want, err := json.Marshal(v)
	if err != nil || string(got) != string(want) {
		t.Fatalf("%s, want %s: %v", got, want, err)
	}
	return got
}

// TestViewsInOtherWordsAreRead reads JSON of which nobody wrote the bytes by hand, and refuses what is none.
func TestViewsInOtherWordsAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"nth":0}`:                           `{"nth":0}`,
		` {"ended": true, "nth" : 2}`:         `{"nth":2,"ended":true}`,
		`{"nth":2,"bound":null,"new":"1"}`:    `{"nth":2}`,
		`{"nth":2,"bound":{"partner":3}}`:     `{"nth":2,"bound":{"program":0,"partner":3,"since":"0001-01-01T00:00:00Z"}}`,
		`{"nth":2,"bound":{"program":1,"pa`:   ``,
		`{"nth":02}`:                          ``,
		`{"nth":}`:                            ``,
		`{"nth":9999999999999999999}`:         ``,
		`{"nth":1} `:                          `{"nth":1}`,
		`{"nth":1}}`:                          ``,
		`{"nth":1,"bound":{"since":"today"}}`: ``,
	} {
		v, err := ReadView([]byte(text))
		if got := string(v.AppendJSON(nil)); err == nil && got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %s, %v, want %s", text, got, err, want)
		}
	}
	if o, err := ReadOffer([]byte(`{"partner":2,"program":1,"only_new":true}`)); err != nil || *o != (Offer{Program: 1, Partner: 2, OnlyNew: true}) {
		t.Errorf("an offer in other words: %+v, %v", o, err)
	}
	if _, err := ReadOffer([]byte(`{"program":1`)); err == nil {
		t.Error("half an offer is read")
	}
}

func TestAnOrderThatMovesNobodyConcernsNoOther(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		orders, binds := drawCustomer(t)
		FoldCustomer(orders, binds)
		for i := range orders {
			if orders[i].Moves() {
				continue
			}
			rest := slices.Delete(slices.Clone(orders), i, i+1)
			without := slices.Clone(rest)
			FoldCustomer(without, binds)
			for n := range rest {
				if !rest[n].View.Equal(&without[n].View) {
					t.Fatalf("order %d of %+v, %+v: %+v without it", i, orders, binds, without[n].View)
				}
			}
		}
	})
}

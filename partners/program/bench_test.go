package program

import "testing"

// BenchmarkHolds is one line against a rule of three tests, which match.
func BenchmarkHolds(b *testing.B) {
	c := condition(b, `{"category":["gold","silver"],"country":"DE","order_amount":{"min":3000}}`)
	f := Facts{Category: "silver", Country: "DE", OrderAmount: 5000, MonthsBound: -1}
	b.ReportAllocs()
	for b.Loop() {
		if !c.Holds(&f) {
			b.Fatal("it does not hold")
		}
	}
}

// BenchmarkRate is the same for a plain document.
func BenchmarkRate(b *testing.B) {
	v := Version{Document: NewDocument(day, day, 0, Rates{Site: {"gold": 1, "silver": 2, "*": 3}})}
	terms := v.Terms()
	b.ReportAllocs()
	for b.Loop() {
		if rate, _ := terms.Rate(Site, "silver"); rate != 2 {
			b.Fatal(rate)
		}
	}
}

package commission

import (
	"cmp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"tributary/commission/ledger/chart"
	"tributary/internal/fault"
	"tributary/internal/money"
	"tributary/internal/text"
	"tributary/partners/program"
)

// A ManualLine is what somebody enters for a partner beside its orders: an amount, who bears it, and why.
type ManualLine struct {
	Merchant program.MerchantID
	Partner  program.PartnerID
	// Unit is an ISO 4217 currency, Amount in its minor units; below zero it is taken back from the partner.
	Unit   string
	Amount int64
	Payer  Payer
	// Period is the number of the period that the line settles, as when it pays what was over a cap; 0 for none.
	Period int64
	Note   string
}

// A Payer is who bears a manual line.
type Payer string

// The payers.
const (
	MerchantPays Payer = "merchant"
	NetworkPays  Payer = "network"
)

// Payers lists them.
func Payers() []Payer { return []Payer{MerchantPays, NetworkPays} }

const (
	// AloneUpTo is what one person may enter for a partner within 24 hours, in minor units of a currency: GBP 100.00, JPY 10,000,
	// KWD 10.000. From the line on that is more a second person approves.
	AloneUpTo = 10_000
	// MaxNote bounds the note of a line, and of whatever else people say, in characters.
	MaxNote = 500
)

// Check says what is wrong with a line.
func (l *ManualLine) Check() (wrong []fault.Field) {
	add := func(name string, problem, fix text.Message) { wrong = append(wrong, fault.Wrong(name, problem, fix)) }
	if _, known := money.Exponent(l.Unit); !known || l.Unit == program.UnitPoint {
		add("currency", text.WrongCurrency(strconv.Quote(l.Unit)), text.FixCurrency())
	}
	switch {
	case l.Amount == 0:
		add("amount", text.WrongNoAmount(), text.FixNoAmount())
	case l.Amount > money.MaxAmount || l.Amount < -money.MaxAmount:
		add("amount", text.WrongMoreThan(strconv.FormatInt(money.MaxAmount, 10), strconv.FormatInt(l.Amount, 10)), text.FixGiveAtMost(strconv.FormatInt(money.MaxAmount, 10)))
	}
	if l.Payer != MerchantPays && l.Payer != NetworkPays {
		add("payer", text.WrongChoice(strconv.Quote(string(l.Payer))), text.FixChoice(joined(Payers())))
	}
	switch n := utf8.RuneCountInString(l.Note); {
	case strings.TrimSpace(l.Note) == "":
		add("note", text.WrongMissing(), text.FixNote())
	case n > MaxNote || !utf8.ValidString(l.Note) || strings.ContainsRune(l.Note, 0):
		add("note", text.WrongLabelSize(int64(n)), text.FixGiveAtMost(strconv.Itoa(MaxNote)))
	}
	return wrong
}

// Movement is what the line moves at a time: from what its payer owes, or from what the network pays, to what the partner may be
// paid, and the other way round where it takes back.
func (l *ManualLine) Movement(at time.Time) Movement {
	m := Movement{At: at, Cause: CauseManual, Debit: chart.MerchantReceivable, Credit: chart.PartnerPayable, Merchant: l.Merchant, Partner: l.Partner, Unit: l.Unit, Amount: cmp.Or(max(l.Amount, 0), -l.Amount)}
	if l.Payer == NetworkPays {
		m.Debit = chart.Promotion
	}
	if l.Amount < 0 {
		m.Debit, m.Credit = m.Credit, m.Debit
	}
	return m
}

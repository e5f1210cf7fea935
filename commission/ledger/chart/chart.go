// Package chart is the chart of accounts: which kinds of account the books have, by which side each grows and whose it is,
// and what may cause a posting. It is pure data, shared by what decides, what posts and what reads the books.
//
// A new kind is a line here and a migration with the same row for the table account_kind; a test of package ledger compares
// the two. Names and numbers are stored and sent, and stay for ever.
package chart

// Kind says what an account is for, by the name that the table account has for it.
type Kind string

// The kinds of account.
const (
	// MerchantReceivable is what a merchant owes: commissions and the network's fees on them.
	MerchantReceivable Kind = "merchant_receivable"
	// PartnerPending is what a partner has earned and the hold still keeps back.
	PartnerPending Kind = "partner_pending"
	// PartnerPayable is what a partner may be paid.
	PartnerPayable Kind = "partner_payable"
	// FeePending is the network's fee on commissions that are pending.
	FeePending Kind = "fee_pending"
	// FeeEarned is the network's fee on commissions that became payable.
	FeeEarned Kind = "fee_earned"
	// Bank is what the network has at its bank.
	Bank Kind = "bank"
	// PayoutClearing is what payouts have taken from partners and the bank has not yet sent.
	PayoutClearing Kind = "payout_clearing"
	// PartnerHeld is what a partner has earned and a review keeps back, whatever its hold.
	PartnerHeld Kind = "partner_held"
	// PromotionsIssued is what a merchant has given to customers: in money, or in points.
	PromotionsIssued Kind = "promotions_issued"
	// WalletPending is what a customer was given and the hold still keeps back, Wallet what it may spend.
	WalletPending Kind = "wallet_pending"
	Wallet        Kind = "wallet"
	// Promotion is what the network itself pays partners.
	Promotion Kind = "promotion"
)

// Side is one side of an account.
type Side string

// The sides.
const (
	Debit  Side = "debit"
	Credit Side = "credit"
)

// Owner says whose accounts of a kind are: which of its owners an account names.
type Owner string

// The owners. Accounts of the network itself name nobody. A member is a customer of a merchant, so its accounts name both.
const (
	Network            Owner = "network"
	Merchant           Owner = "merchant"
	Partner            Owner = "partner"
	MerchantAndPartner Owner = "merchant and partner"
	MerchantAndMember  Owner = "merchant and member"
)

// OwnerOf is the owner that an account has by what it names; empty where nobody is owner together in that way.
func OwnerOf(merchant, partner, member bool) Owner {
	switch {
	case member && (partner || !merchant):
		return ""
	case member:
		return MerchantAndMember
	case merchant && partner:
		return MerchantAndPartner
	case merchant:
		return Merchant
	case partner:
		return Partner
	}
	return Network
}

// HasMerchant tells whether such accounts name a merchant.
func (o Owner) HasMerchant() bool {
	return o == Merchant || o == MerchantAndPartner || o == MerchantAndMember
}

// HasPartner tells whether such accounts name a partner.
func (o Owner) HasPartner() bool { return o == Partner || o == MerchantAndPartner }

// HasMember tells whether such accounts name a member.
func (o Owner) HasMember() bool { return o == MerchantAndMember }

// Entry is the line of a kind in the chart.
type Entry struct {
	Kind Kind
	// Number stands for the kind in events.
	Number int32
	// Grows is the side by which accounts of the kind grow: debits for what the network has or is owed, credits for what
	// it owes or has earned.
	Grows Side
	Owner Owner
}

//nolint:gochecknoglobals // it never changes
var kinds = [...]Entry{
	{MerchantReceivable, 1, Debit, Merchant},
	{PartnerPending, 2, Credit, MerchantAndPartner},
	{PartnerPayable, 3, Credit, MerchantAndPartner},
	{FeePending, 4, Credit, Merchant},
	{FeeEarned, 5, Credit, Merchant},
	{Bank, 6, Debit, Network},
	{PayoutClearing, 7, Credit, Network},
	{PartnerHeld, 8, Credit, MerchantAndPartner},
	{PromotionsIssued, 9, Debit, Merchant},
	{WalletPending, 10, Credit, MerchantAndMember},
	{Wallet, 11, Credit, MerchantAndMember},
	{Promotion, 12, Debit, Network},
}

// Kinds is the whole chart, in the order of the numbers.
func Kinds() []Entry { return kinds[:] }

// Entry is the kind's line in the chart; the zero Entry for a kind that is not in it.
func (k Kind) Entry() Entry {
	for i := range kinds {
		if kinds[i].Kind == k {
			return kinds[i]
		}
	}
	return Entry{}
}

// Amount is the balance of an account of the kind in the direction in which it grows: what a merchant owes, what a partner
// has earned. It is below zero when more was taken back than there was.
func (k Kind) Amount(debits, credits int64) int64 {
	if k.Entry().Grows == Debit {
		return debits - credits
	}
	return credits - debits
}

package commission

import (
	"slices"
	"testing"

	"tributary/internal/text"
	"tributary/partners/program"
)

// TestEveryCodeIsSaid compares the codes that pages are given with those that internal/text has words for.
func TestEveryCodeIsSaid(t *testing.T) {
	t.Parallel()
	reasons, names := codes(Reasons()), roles()
	for area, of := range map[string]struct{ codes, said []string }{
		"reasons":  {reasons, text.ReasonCodes()},
		"outcomes": {reasons, text.OutcomeCodes()},
		"excesses": {codes([]ExcessReason{NothingLeft, NoSuchLine, FreePieces, OtherCurrency}), text.ExcessCodes()},
		"states":   {codes([]State{Pending, Payable, Paid, Held, Declined, Reversed}), text.StateCodes()},
		"touches":  {codes(TouchKinds()), text.TouchCodes()},
		"declines": {DeclineCodes(), text.DeclineCodeCodes()},
		"verbs":    {codes(Verbs()), text.VerbCodes()},

		"what verbs do":             {codes(Verbs()), text.ActHintCodes()},
		"why a review does nothing": {codes(NoEffects()), text.NoEffectCodes()},

		"parts":                       {codes(Parts()), text.PartCodes()},
		"ranks":                       {rankNames(), text.RankCodes()},
		"windows of ranks":            {rankNames(), text.RankWindowCodes()},
		"why a touch of a rank earns": {rankNames(), text.WonCodes()},

		"touches that are no visits, to the merchant": {codes(TouchKinds()[3:]), text.PartnerEarnsByCodes()},
		"touches that are no visits, to who earns":    {codes(TouchKinds()[3:]), text.YouEarnByCodes()},

		"scopes of rules":  {codes([]program.ScopeKind{program.ScopePartner, program.ScopeGroup}), text.RuleScopeCodes()},
		"fixed amounts":    {codes([]program.Per{program.PerOrder, program.PerLine, program.PerPiece, program.PerClick, program.PerMille}), text.RuleFixedCodes()},
		"why a rule loses": {codes([]Why{ByScope, ByCloseness, ByMoney, ByPosition}), text.RuleLostCodes()},

		"roles":                    {slices.Clone(names[:]), text.CreditRoleCodes()},
		"roles, to the merchant":   {slices.Clone(names[:]), text.PartnerEarnsAsCodes()},
		"roles, to who has earned": {codesBut(names[:], RoleCustomer.String()), text.YouEarnAsCodes()},
	} {
		slices.Sort(of.codes)
		if !slices.Equal(of.codes, slices.Sorted(slices.Values(of.said))) {
			t.Errorf("%s: %q are the codes, %q are said", area, of.codes, of.said)
		}
	}
	sentences := map[string]bool{}
	for _, code := range text.ReasonCodes() {
		sentences[text.English().Reason(code)] = true
	}
	if len(sentences) != len(reasons) {
		t.Errorf("%d reasons are said in %d sentences", len(reasons), len(sentences))
	}
}

func rankNames() []string {
	var names []string
	for _, r := range Ranks() {
		names = append(names, r.Name)
	}
	return names
}

func codesBut(list []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(code string) bool { return code == one })
}

func codes[T ~string](list []T) []string {
	texts := make([]string, len(list))
	for i, code := range list {
		texts[i] = string(code)
	}
	return texts
}

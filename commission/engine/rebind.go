package engine

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"tributary/commission/inbox"
	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/partners"
	"tributary/partners/program"
)

// Rebind has a customer belong to a partner from a time on, or with no partner to nobody, in a network whose topic orders has so
// many partitions: their orders from then on are decided again within some seconds. The merchant is the program's, and may be left
// out. What is wrong with it is the fault "bad_binding" with its fields.
func Rebind(ctx context.Context, q inbox.Querier, b inbox.Binding, author, note string, partitions int) error {
	bad, err := checkBinding(ctx, q, &b, time.Now())
	if err != nil {
		return err
	}
	if bad = append(bad, wrongReason(note)...); len(bad) > 0 {
		return &fault.Error{Kind: fault.Invalid, Code: "bad_binding", Fields: bad}
	}
	return inbox.WriteBind(ctx, q, b, author, note, partitions)
}

// checkBinding gives what is wrong with a binding as of now, and sets its merchant.
func checkBinding(ctx context.Context, q inbox.Querier, b *inbox.Binding, now time.Time) (bad []fault.Field, err error) {
	note := func(name string, problem, fix text.Message) { bad = append(bad, fault.Wrong(name, problem, fix)) }
	if b.Customer == "" {
		note("customer", text.WrongMissing(), text.FixCustomer())
	}
	if b.From.After(now) {
		note("from", text.WrongBindLater(), text.FixBindLater())
	}
	programs := partners.NewPrograms()
	if err := programs.Refresh(ctx, q); err != nil {
		return nil, fmt.Errorf("checking a binding: %w", err)
	}
	sold, known := programs.Program(b.Program)
	if !known || b.Merchant != 0 && b.Merchant != sold.Merchant {
		note("program", text.WrongUnknownProgram(strconv.FormatInt(int64(b.Program), 10)), text.FixUnknownProgram())
		return bad, nil
	}
	b.Merchant = sold.Merchant
	if b.Partner == 0 {
		return bad, nil
	}
	enrolled, err := partners.Enrolled(ctx, q, b.Program, b.Partner)
	if err != nil {
		return nil, err
	}
	if !enrolled {
		note("partner", text.WrongNotEnrolled(), text.FixEnrolPartner())
	}
	if _, binds := monthsBound(programs, b); !binds {
		note("from", text.WrongBindTerms(), text.FixBindTerms())
	}
	return bad, nil
}

// monthsBound is for how long the terms that are in force when a binding begins bind a customer to its partner, and whether they
// bind anybody.
func monthsBound(programs *partners.Programs, b *inbox.Binding) (months int, binds bool) {
	terms := programs.LinkTerms(b.Program, 0, b.Partner, program.Site, b.From).Terms
	if terms == nil || terms.Bind() == nil {
		return 0, false
	}
	return terms.Bind().Months, true
}

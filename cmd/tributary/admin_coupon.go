package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"tributary/internal/postgres"
	"tributary/internal/text"
	"tributary/partners"
	"tributary/partners/program"
)

func newAddCoupon(a *app) *cobra.Command {
	var n partners.NewCoupon
	var id int64
	var from, until string
	cmd := &cobra.Command{
		Use:   "add-coupon CODE",
		Short: "Add a coupon or referral code to a program",
		Long: `Add a coupon or referral code to a program, in force from a time on that is a minute away at least; before the merchant's first
order it may begin in the past. Capital letters and blanks around a code make no difference, and a code has one coupon at a time.
Prints the number of the coupon, also where it was there already:

  tributary admin add-coupon WELCOME10 --program 1
  tributary admin add-coupon KITCHEN10 --program 1 --partner 17 --exclusive --until 2027-01-01T00:00:00Z
  tributary admin add-coupon mira --program 1 --partner 5 --kind code`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			n.Code = args[0]
			if n.From, err = timeFlag(cmd, "from", from); err != nil {
				return err
			}
			if n.Until, err = timeFlag(cmd, "until", until); err != nil {
				return err
			}
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
				var added partners.AddedCoupon
				err := postgres.InTx(ctx, db, func(tx pgx.Tx) (err error) {
					added, err = partners.AddCoupon(ctx, tx, program.ProgramID(id), operatorName, n)
					return err
				})
				return printID(cmd, int64(added.ID), err)
			})
		},
	}
	cmd.Flags().Int64Var(&id, "program", 0, "number of the program, as create-program printed it")
	cmd.Flags().Int64Var((*int64)(&n.Partner), "partner", 0, "number of the partner whose it is (default nobody's)")
	cmd.Flags().StringVar((*string)(&n.Kind), "kind", string(program.CouponCode), "coupon, or code for a referral code")
	cmd.Flags().BoolVar(&n.Exclusive, "exclusive", false, "it outranks every click")
	cmd.Flags().StringVar(&from, "from", "", "when it takes effect, RFC 3339 with a zone (default as soon as possible)")
	cmd.Flags().StringVar(&until, "until", "", "when it is no longer in force, RFC 3339 with a zone (default never)")
	cmd.Flags().StringVar(&n.Note, "note", "", "why, for the merchant")
	_ = cmd.MarkFlagRequired("program")
	return cmd
}

// operatorName is the author of what an operator does by a command.
const operatorName = "operator"

// timeFlag reads a time from a flag; zero where it is empty.
func timeFlag(cmd *cobra.Command, name, value string) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return t, usageError(cmd, fmt.Sprintf("--%s %q is not a time such as 2026-12-01T00:00:00Z", name, value))
	}
	return t.UTC(), nil
}

func newAddCoupons(a *app) *cobra.Command {
	var id int64
	cmd := &cobra.Command{
		Use:   "add-coupons FILE",
		Short: "Add the coupons of a CSV file to a program",
		Long: `Add the coupons of a CSV file, or of standard input for "-", to a program. The first line names the columns, of which only code must be
there: code, kind (coupon or code), partner (number, name or site), exclusive (yes or no), from, until (days in UTC, the last one included,
or times) and note. Lines that are wrong are left out and named, each with what is wrong and how to correct it; the others are added. A line
that is there already is left alone, so the corrected file can be sent again as a whole:

  tributary admin add-coupons coupons.csv --program 1`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := readCoupons(cmd, args[0])
			if err != nil {
				return err
			}
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
				var lines []partners.CouponLine
				err := postgres.InTx(ctx, db, func(tx pgx.Tx) (err error) {
					lines, err = partners.AddCouponFile(ctx, tx, program.ProgramID(id), operatorName, file)
					return err
				})
				if err != nil {
					return err
				}
				return reportCoupons(cmd.OutOrStdout(), lines)
			})
		},
	}
	cmd.Flags().Int64Var(&id, "program", 0, "number of the program, as create-program printed it")
	_ = cmd.MarkFlagRequired("program")
	return cmd
}

// maxCouponFile bounds a file of coupons, in bytes.
const maxCouponFile = 4 << 20

func readCoupons(cmd *cobra.Command, name string) ([]byte, error) {
	in := cmd.InOrStdin()
	if name != "-" {
		opened, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("reading coupons: %w", err)
		}
		defer opened.Close()
		in = opened
	}
	file, err := io.ReadAll(io.LimitReader(in, maxCouponFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading coupons: %w", err)
	case len(file) > maxCouponFile:
		return nil, fmt.Errorf("the file has more than %d bytes", maxCouponFile)
	}
	return file, nil
}

// reportCoupons names the lines that are wrong, and counts. Any of them is an error.
func reportCoupons(to io.Writer, lines []partners.CouponLine) error {
	t := text.English()
	var added, already, wrong int64
	for i := range lines {
		l := &lines[i]
		switch {
		case len(l.Added.Problems) > 0:
			wrong++
			for _, p := range l.Added.Problems {
				fmt.Fprintln(to, t.CouponsLineProblem(strconv.Quote(l.Coupon.Code), p.Name, p.Fix, strconv.Itoa(l.Line), p.Problem))
			}
		case l.Added.Already:
			already++
		default:
			added++
		}
	}
	fmt.Fprintln(to, t.CouponsLinesAre(t.Count(added), t.Count(already), t.Count(wrong)))
	if wrong > 0 {
		return errors.New(t.CouponsLinesWrong(wrong))
	}
	return nil
}

func newEndCoupon(a *app) *cobra.Command {
	var from, leaked string
	var end partners.CouponEnd
	cmd := &cobra.Command{
		Use:   "end-coupon COUPON",
		Short: "End a coupon, as when it has leaked",
		Long: `End the coupon of this number from a time on that is a minute away at least. Earlier orders keep what they earned; where it has
leaked, --leaked-from says since when, and the merchant's page of the coupon lists the orders that used it since:

  tributary admin end-coupon 12 --leaked-from 2026-11-20T00:00:00Z --note "on a coupon site"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return usageError(cmd, "COUPON must be the number that add-coupon printed")
			}
			if end.From, err = timeFlag(cmd, "from", from); err != nil {
				return err
			}
			if end.LeakedFrom, err = timeFlag(cmd, "leaked-from", leaked); err != nil {
				return err
			}
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
				var ends time.Time
				err := postgres.InTx(ctx, db, func(tx pgx.Tx) (err error) {
					ends, err = partners.EndCoupon(ctx, tx, program.CouponID(id), operatorName, end)
					return err
				})
				if err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), text.English().CouponsEnds(ends.Format(time.RFC3339)))
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "when it ends, RFC 3339 with a zone (default as soon as possible)")
	cmd.Flags().StringVar(&leaked, "leaked-from", "", "since when it has leaked, RFC 3339 with a zone")
	cmd.Flags().StringVar(&end.Note, "note", "", "why, for the merchant")
	return cmd
}

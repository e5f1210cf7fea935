package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"tributary/internal/money"
	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/program"
)

// newAdmin makes those who are in the network, and the people who can sign in.
func newAdmin(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "admin",
		Short: "Make merchants, programs and partners, and invite people",
		Long: `Make those who are in the network, and invite people. Each command prints the id of what it made, or the link:

  tributary admin create-merchant "Fernhill Outdoor"
  tributary admin create-program 1 "Fernhill partners" --landing https://fernhill.example/ --currency GBP --rate site=8
  tributary admin create-partner "Trail Notes" --site https://trailnotes.example
  tributary admin enrol 1 1
  tributary admin invite shop@fernhill.example --merchant 1
  tributary admin invite anna@trailnotes.example --partner 1

What a program pays from another day on is added with add-terms, or by the merchant on the page Programs. The merchant then issues an API key under Developers, and the partner makes links.`,
	}
	root.AddCommand(newCreateMerchant(a), newCreateProgram(a), newAddTerms(a), newCreatePartner(a), newEnrol(a), newAddFact(a), newSetState(a), newSettleClaim(a), newOpenDispute(a), newSettleDispute(a), newRebind(a), newAddCoupon(a), newAddCoupons(a), newEndCoupon(a), newCreateKey(a), newRevokeKey(a))
	root.AddCommand(newReviews(a)...)
	root.AddCommand(newLogins(a)...)
	return root
}

func newCreateMerchant(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "create-merchant NAME", Short: "Add a merchant", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
				id, err := partners.CreateMerchant(ctx, db, args[0])
				return printID(cmd, int64(id), err)
			})
		},
	}
}

func newCreateProgram(a *app) *cobra.Command {
	var n partners.NewProgram
	var fee string
	var rates []string
	var window, hold time.Duration
	cmd := &cobra.Command{
		Use:   "create-program MERCHANT NAME",
		Short: "Add a program of a merchant, with its first terms",
		Long: `Add a program of a merchant, with its first terms, in force from now on. A rate is in percent, for a kind of partner (site or
member) and, where it differs, a category of goods: --rate site=8 --rate site:footwear=12.5 --rate member=5`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			merchant, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return usageError(cmd, "MERCHANT must be the number that create-merchant printed")
			}
			pays, err := parseRates(rates)
			if err != nil {
				return usageError(cmd, err.Error())
			}
			networkFee, err := money.ParseRate(fee)
			if err != nil {
				return usageError(cmd, "--network-fee: "+err.Error())
			}
			n.Merchant, n.Name = program.MerchantID(merchant), args[1]
			n.Terms = []program.Version{{EffectiveFrom: time.Now().UTC(), Document: program.NewDocument(window, hold, networkFee, pays)}}
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
				var id program.ProgramID
				err := postgres.InTx(ctx, db, func(tx pgx.Tx) (err error) {
					id, err = partners.CreateProgram(ctx, tx, n)
					return err
				})
				return printID(cmd, int64(id), err)
			})
		},
	}
	cmd.Flags().StringVar(&n.LandingURL, "landing", "", "where links lead that name no page of their own")
	cmd.Flags().StringSliceVar(&n.Domains, "domain", nil, "hosts that links may lead to (default the host of --landing)")
	cmd.Flags().StringVar(&n.ClickParam, "click-param", partners.DefaultClickParam, "query parameter that carries the click id")
	cmd.Flags().StringSliceVar(&n.Currencies, "currency", nil, "currencies that orders may be in, ISO 4217")
	cmd.Flags().DurationVar(&window, "window", 30*24*time.Hour, "how old a click may be when the order is placed")
	cmd.Flags().DurationVar(&hold, "hold", 30*24*time.Hour, "how long a commission stays pending")
	cmd.Flags().StringVar(&fee, "network-fee", "0", "what the network takes, in percent of each commission, on top of it")
	cmd.Flags().StringSliceVar(&rates, "rate", nil, "KIND=PERCENT or KIND:CATEGORY=PERCENT; may be given several times")
	_ = cmd.MarkFlagRequired("landing")
	_ = cmd.MarkFlagRequired("currency")
	_ = cmd.MarkFlagRequired("rate")
	return cmd
}

func newCreatePartner(a *app) *cobra.Command {
	var n partners.NewPartner
	cmd := &cobra.Command{
		Use: "create-partner NAME", Short: "Add a partner, who is in no program yet", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if n.Kind != program.Site && n.Kind != program.Member {
				return usageError(cmd, "--kind must be site or member")
			}
			n.Name = args[0]
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
				id, err := partners.CreatePartner(ctx, db, n)
				return printID(cmd, int64(id), err)
			})
		},
	}
	cmd.Flags().StringVar((*string)(&n.Kind), "kind", string(program.Site), "site or member")
	cmd.Flags().StringVar(&n.SiteURL, "site", "", "address of the partner's site")
	return cmd
}

func newEnrol(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "enrol PROGRAM PARTNER", Short: "Take a partner into a program", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			programID, err := strconv.ParseInt(args[0], 10, 64)
			partner, err2 := strconv.ParseInt(args[1], 10, 64)
			if errors.Join(err, err2) != nil {
				return usageError(cmd, "PROGRAM and PARTNER must be numbers")
			}
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
				return partners.Enrol(ctx, db, program.ProgramID(programID), program.PartnerID(partner))
			})
		},
	}
}

func printID(cmd *cobra.Command, id int64, err error) error {
	if err == nil {
		fmt.Fprintln(cmd.OutOrStdout(), id)
	}
	return err
}

// parseRates reads KIND=PERCENT and KIND:CATEGORY=PERCENT.
func parseRates(texts []string) (program.Rates, error) {
	rates := program.Rates{}
	for _, text := range texts {
		who, percent, found := strings.Cut(text, "=")
		kind, category, named := strings.Cut(who, ":")
		if !named {
			category = program.AnyCategory
		}
		if !found || category == "" {
			return nil, fmt.Errorf("--rate %q is not KIND=PERCENT or KIND:CATEGORY=PERCENT", text)
		}
		rate, err := money.ParseRate(percent)
		if err != nil {
			return nil, fmt.Errorf("--rate %q: %w", text, err)
		}
		if rates[program.Kind(kind)] == nil {
			rates[program.Kind(kind)] = map[string]money.Rate{}
		}
		rates[program.Kind(kind)][category] = rate
	}
	return rates, nil
}

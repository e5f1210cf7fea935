package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/program"
)

func newCreateKey(a *app) *cobra.Command {
	var signs bool
	var names []string
	cmd := &cobra.Command{
		Use:   "create-key MERCHANT LABEL",
		Short: "Make an API key for a merchant and print it, this once",
		Long: `Make an API key for a merchant and print it: it is kept as a hash, so nobody can see it again. With --signs it prints the number
of a key and a secret to sign reports with, which is never sent with them (docs/integrate.md). To rotate, make a new key, use it,
then revoke the old one: several may live at once. --scopes orders makes a key that cannot take orders back.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return usageError(cmd, "MERCHANT must be the number that create-merchant printed")
			}
			scopes, err := partners.ParseScopes(names)
			if err != nil {
				return usageError(cmd, "--scopes: "+err.Error())
			}
			merchant := program.MerchantID(id)
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
				if !signs {
					key, number, err := partners.IssueKey(ctx, db, merchant, args[1], scopes)
					if err == nil {
						fmt.Fprintf(cmd.OutOrStdout(), "%d %s\n", number, key)
					}
					return err
				}
				return postgres.InTx(ctx, db, func(tx pgx.Tx) error {
					secret, number, err := partners.IssueSigner(ctx, tx, merchant, args[1], scopes)
					if err == nil {
						fmt.Fprintf(cmd.OutOrStdout(), "%d %s\n", number, secret)
					}
					return err
				})
			})
		},
	}
	cmd.Flags().BoolVar(&signs, "signs", false, "a key that signs reports and is not sent with them")
	cmd.Flags().StringSliceVar(&names, "scopes", partners.Reporting.Names(), "what the key may do: orders, refunds, coupons")
	return cmd
}

func newRevokeKey(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke-key MERCHANT KEY",
		Short: "End a merchant's API key, of either form, within a second",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			merchant, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return usageError(cmd, "MERCHANT must be a number")
			}
			key, err := strconv.ParseInt(args[1], 10, 64)
			if err != nil {
				return usageError(cmd, "KEY must be the number that create-key printed")
			}
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
				return partners.RevokeKey(ctx, db, program.MerchantID(merchant), program.KeyID(key))
			})
		},
	}
}

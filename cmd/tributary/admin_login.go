package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"tributary/internal/postgres"
	"tributary/partners/access"
)

// newLogins invites people, gives them seats, and keeps them out.
func newLogins(a *app) []*cobra.Command {
	return []*cobra.Command{newSetupCode(a), newInvite(a), newResetLink(a), newAddSeat(a), newEndSeat(a), newDisable(a), newEnable(a)}
}

// newSetupCode prints what serve prints when it starts.
func newSetupCode(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "setup-code", Short: "Print a code that sets up a network without an owner, for a day; earlier codes end", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
				code, err := access.OfferSetup(ctx, db)
				if err == nil && code == "" {
					err = errors.New("the network has an owner already, who invites others")
				}
				if err == nil {
					printSetup(cmd.OutOrStdout(), a.cfg.dashboardURL(), code)
				}
				return err
			})
		},
	}
}

// printSetup says where and with which code an empty network is set up; nothing where there is no code.
func printSetup(out io.Writer, address string, code access.Code) {
	if code != "" {
		fmt.Fprintf(out, "Nobody owns this network yet. Set it up at %s/setup\nwith the code %s, within a day.\n", strings.TrimSuffix(address, "/"), code)
	}
}

// loginCommand is a command about a person, whom its argument names by e-mail address. check looks at the flags before the
// database is opened; nil: nothing to check.
func loginCommand(a *app, use, short string, check func(cmd *cobra.Command) error, run func(ctx context.Context, db *pgxpool.Pool, cmd *cobra.Command, email string) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " EMAIL", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, host, found := strings.Cut(args[0], "@")
			if !found || name == "" || host == "" || strings.ContainsAny(args[0], " \t\r\n") {
				return usageError(cmd, fmt.Sprintf("%q is not an e-mail address", args[0]))
			}
			if check != nil {
				if err := check(cmd); err != nil {
					return usageError(cmd, err.Error())
				}
			}
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error { return run(ctx, db, cmd, args[0]) })
		},
	}
}

// organisation has a command take --network, --merchant and --partner, one of which is to be given.
func organisation(cmd *cobra.Command, of *access.Scope) *cobra.Command {
	cmd.Flags().BoolVar(&of.Network, "network", false, "the network itself")
	cmd.Flags().Int64Var((*int64)(&of.Merchant), "merchant", 0, "number of the merchant")
	cmd.Flags().Int64Var((*int64)(&of.Partner), "partner", 0, "number of the partner")
	return cmd
}

// seatFlags has a command take a seat.
func seatFlags(cmd *cobra.Command, seat *access.NewSeat) *cobra.Command {
	cmd.Flags().StringVar((*string)(&seat.Role), "role", string(access.Owner), "owner; admin, payouts, support or auditor of the network; manager, finance, developer or viewer of a merchant; editor or viewer of a partner")
	return organisation(cmd, &seat.Scope)
}

// checkOrganisation tells what is wrong with the organisation that a command is about. None is taken for granted: who forgets a flag
// would make an owner of the network.
func checkOrganisation(cmd *cobra.Command, of *access.Scope) error {
	nobody := cmd.Flags().Changed("merchant") && of.Merchant == 0 || cmd.Flags().Changed("partner") && of.Partner == 0
	if nobody || of.Check() != nil {
		return errors.New("give one organisation: --merchant NUMBER, --partner NUMBER, or --network")
	}
	return nil
}

func checkSeat(cmd *cobra.Command, seat *access.NewSeat) error {
	if err := checkOrganisation(cmd, &seat.Scope); err != nil {
		return err
	}
	if err := seat.Check(); err != nil {
		return fmt.Errorf("--role: %w", err)
	}
	return nil
}

func newInvite(a *app) *cobra.Command {
	var seat access.NewSeat
	cmd := loginCommand(a, "invite", "Print a link by which a person takes a seat, within a week and once", func(cmd *cobra.Command) error { return checkSeat(cmd, &seat) },
		func(ctx context.Context, db *pgxpool.Pool, cmd *cobra.Command, email string) error {
			var link access.Link
			err := postgres.InTx(ctx, db, func(tx pgx.Tx) (err error) {
				if err := access.ActAsNetwork(ctx, tx); err != nil {
					return err
				}
				link, err = access.Invite(ctx, tx, email, seat)
				return err
			})
			if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), a.cfg.dashboardURL()+"/invite/"+string(link))
			}
			return err
		})
	return seatFlags(cmd, &seat)
}

func newResetLink(a *app) *cobra.Command {
	return loginCommand(a, "reset-link", "Print a link by which a person sets another password, within a day and once", nil,
		func(ctx context.Context, db *pgxpool.Pool, cmd *cobra.Command, email string) error {
			var link access.Link
			err := postgres.InTx(ctx, db, func(tx pgx.Tx) (err error) {
				link, err = access.OfferResetTo(ctx, tx, email)
				return err
			})
			if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), a.cfg.dashboardURL()+"/reset/"+string(link))
			}
			return err
		})
}

func newAddSeat(a *app) *cobra.Command {
	var seat access.NewSeat
	return seatFlags(loginCommand(a, "add-seat", "Give a person a seat in a further organisation", func(cmd *cobra.Command) error { return checkSeat(cmd, &seat) },
		func(ctx context.Context, db *pgxpool.Pool, _ *cobra.Command, email string) error {
			_, err := access.AddSeat(ctx, db, email, seat)
			return err
		}), &seat)
}

func newEndSeat(a *app) *cobra.Command {
	var of access.Scope
	return organisation(loginCommand(a, "end-seat", "Take a person's seat in an organisation, and end its sessions at once", func(cmd *cobra.Command) error { return checkOrganisation(cmd, &of) },
		func(ctx context.Context, db *pgxpool.Pool, _ *cobra.Command, email string) error {
			return access.EndSeat(ctx, db, email, of)
		}), &of)
}

func newDisable(a *app) *cobra.Command {
	return loginCommand(a, "disable", "Keep a person from signing in, and end their sessions at once", nil,
		func(ctx context.Context, db *pgxpool.Pool, _ *cobra.Command, email string) error {
			return access.Disable(ctx, db, email)
		})
}

func newEnable(a *app) *cobra.Command {
	return loginCommand(a, "enable", "Let a person who was disabled sign in again", nil,
		func(ctx context.Context, db *pgxpool.Pool, _ *cobra.Command, email string) error {
			return access.Enable(ctx, db, email)
		})
}

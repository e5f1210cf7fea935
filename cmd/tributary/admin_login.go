package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"tributary/dashboard"
	"tributary/internal/postgres"
	"tributary/partners/access"
)

// newLogins makes the people who sign in, gives them seats, and keeps them out.
func newLogins(a *app) []*cobra.Command {
	return []*cobra.Command{newSetupCode(a), newCreateLogin(a), newAddSeat(a), newEndSeat(a), newDisable(a), newEnable(a)}
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
func loginCommand(a *app, use, short string, check func() error, run func(ctx context.Context, db *pgxpool.Pool, cmd *cobra.Command, email string) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " EMAIL", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, host, found := strings.Cut(args[0], "@")
			if !found || name == "" || host == "" || strings.ContainsAny(args[0], " \t\r\n") {
				return usageError(cmd, fmt.Sprintf("%q is not an e-mail address", args[0]))
			}
			if check != nil {
				if err := check(); err != nil {
					return usageError(cmd, err.Error())
				}
			}
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error { return run(ctx, db, cmd, args[0]) })
		},
	}
}

// organisation has a command take --merchant and --partner; with neither it is about the network.
func organisation(cmd *cobra.Command, of *access.Scope) *cobra.Command {
	cmd.Flags().Int64Var((*int64)(&of.Merchant), "merchant", 0, "id of the merchant; without it and --partner: the network")
	cmd.Flags().Int64Var((*int64)(&of.Partner), "partner", 0, "id of the partner")
	return cmd
}

// seatFlags has a command take a seat.
func seatFlags(cmd *cobra.Command, seat *access.NewSeat) *cobra.Command {
	cmd.Flags().StringVar((*string)(&seat.Role), "role", string(access.Owner), "owner; admin, payouts, support or auditor of the network; manager, finance, developer or viewer of a merchant; editor or viewer of a partner")
	return organisation(cmd, &seat.Scope)
}

// checkOrganisation completes whose a command is about, and tells what is wrong with it.
func checkOrganisation(of *access.Scope) error {
	of.Network = of.Merchant == 0 && of.Partner == 0
	if of.Check() != nil {
		return errors.New("--merchant and --partner: name one of them, by its number")
	}
	return nil
}

func checkSeat(seat *access.NewSeat) error {
	if err := checkOrganisation(&seat.Scope); err != nil {
		return err
	}
	if err := seat.Check(); err != nil {
		return fmt.Errorf("--role: %w", err)
	}
	return nil
}

func newCreateLogin(a *app) *cobra.Command {
	var login access.NewLogin
	cmd := loginCommand(a, "create-login", "Make a log-in with a seat; the password is asked for, or read from standard input", func() error { return checkSeat(&login.Seat) },
		func(ctx context.Context, db *pgxpool.Pool, cmd *cobra.Command, email string) error {
			password, err := askPassword(cmd)
			if err != nil {
				return err
			}
			if login.PasswordHash, err = dashboard.HashPassword(password); err != nil {
				return err
			}
			login.Email = email
			_, err = access.CreateLogin(ctx, db, login)
			return err
		})
	cmd.Flags().StringVar(&login.Name, "name", "", "the person's name")
	return seatFlags(cmd, &login.Seat)
}

func newAddSeat(a *app) *cobra.Command {
	var seat access.NewSeat
	return seatFlags(loginCommand(a, "add-seat", "Give a person a seat in a further organisation", func() error { return checkSeat(&seat) },
		func(ctx context.Context, db *pgxpool.Pool, _ *cobra.Command, email string) error {
			_, err := access.AddSeat(ctx, db, email, seat)
			return err
		}), &seat)
}

func newEndSeat(a *app) *cobra.Command {
	var of access.Scope
	return organisation(loginCommand(a, "end-seat", "Take a person's seat in an organisation, and end its sessions at once", func() error { return checkOrganisation(&of) },
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

// askPassword asks on a terminal, and reads a line elsewhere.
func askPassword(cmd *cobra.Command) (string, error) {
	var password string
	if term.IsTerminal(int(os.Stdin.Fd())) {
		fmt.Fprint(cmd.ErrOrStderr(), "Password: ")
		typed, err := term.ReadPassword(int(os.Stdin.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
		if err != nil {
			return "", fmt.Errorf("reading the password: %w", err)
		}
		password = string(typed)
	} else {
		line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("reading the password: %w", err)
		}
		password = strings.TrimRight(line, "\r\n")
	}
	if len(password) < 12 {
		return "", fmt.Errorf("the password has %d characters: use at least 12", len(password))
	}
	return password, nil
}

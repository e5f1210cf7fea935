package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"tributary/commission/whatif"
)

func newDecide() *cobra.Command {
	var terms, facts, asOf string
	decide := &cobra.Command{
		Use:   "decide --terms FILE --facts FILE",
		Short: "Decide facts from a file, without a server",
		Long: `Read facts as lines of JSON (orders, clicks, refunds, coupons, partners...) and print who earns what on each order, and why,
and what the periods come to: by the engine's own code, without a server and without writing anything. docs/reference/decide.md
describes the lines. "-" stands for standard input. The exit code is 2 where a line or the terms are wrong.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			until := time.Time{}
			if asOf != "" {
				at, err := time.Parse(time.RFC3339, asOf)
				if err != nil {
					return &inputError{fmt.Errorf("--as-of %q is not a time: write it like 2026-09-10T10:00:00Z", asOf)}
				}
				until = at
			}
			return decideFiles(terms, facts, until, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	decide.Flags().StringVar(&terms, "terms", "", "a document of terms, or its versions as lines of JSON with from and terms")
	decide.Flags().StringVar(&facts, "facts", "-", "the facts, as lines of JSON")
	decide.Flags().StringVar(&asOf, "as-of", "", "up to when holds have ended, like 2026-10-10T00:00:00Z; the latest time in the facts where it is left out")
	decide.Flags().Bool("json", true, "print lines of JSON, which is the only form")
	if err := decide.MarkFlagRequired("terms"); err != nil {
		panic(err)
	}
	return decide
}

// decideFiles decides what two files say.
func decideFiles(terms, facts string, asOf time.Time, in io.Reader, out io.Writer) error {
	versions, err := readFile(terms, in, whatif.ReadTerms)
	if err != nil {
		return blame(terms, err)
	}
	decided, err := readFile(facts, in, func(r io.Reader) (whatif.Decided, error) { return whatif.Decide(versions, r, asOf) })
	if err != nil {
		return blame(facts, err)
	}
	buffered := bufio.NewWriter(out)
	return errors.Join(decided.Write(buffered), buffered.Flush())
}

// readFile reads a file, or what comes in for "-".
func readFile[T any](name string, in io.Reader, read func(io.Reader) (T, error)) (T, error) {
	if name == "-" {
		return read(in)
	}
	file, err := os.Open(name)
	if err != nil {
		var nothing T
		return nothing, err
	}
	defer file.Close()
	return read(file)
}

// blame names the file, and makes what is wrong with its content an error of usage.
func blame(name string, err error) error {
	err = fmt.Errorf("%s: %w", name, err)
	if problem := (*whatif.LineError)(nil); errors.As(err, &problem) {
		return &inputError{err}
	}
	return err
}

// inputError is what was asked in a way that cannot be answered: the exit code is 2.
type inputError struct{ cause error }

func (e *inputError) Error() string { return e.cause.Error() }
func (e *inputError) Unwrap() error { return e.cause }

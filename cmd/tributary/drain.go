package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"tributary/internal/stream"
	"tributary/tracker/relay"
	"tributary/tracker/spool"
)

func newDrain(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "drain FOLDER",
		Short: "Send what a spool holds that no tracker works on any more",
		Long: `FOLDER holds a spool and its relay.cursor, as they were moved away from a tracker's data folder or saved from its disk. What Kafka does
not have of it yet is sent, and the command ends when Kafka has everything. Consumers drop what they have, so that it may be run again.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withStores(cmd.Context(), need{kafka: true}, cmd.ErrOrStderr(), func(ctx context.Context, s stores) error {
				return a.drain(ctx, s, args[0], cmd.OutOrStdout())
			})
		},
	}
}

// drain sends a spool to its end.
func (a *app) drain(ctx context.Context, s stores, folder string, out io.Writer) error {
	dir := filepath.Join(folder, "spool")
	if err := spool.Idle(dir); err != nil {
		return fmt.Errorf("a tracker works on it: %w", err)
	}
	kafka, err := stream.Open(s.kafka, a.log)
	if err != nil {
		return err
	}
	defer kafka.Close()
	held, err := spool.Open(spool.Config{Dir: dir, Lanes: 2 * a.cfg.Partitions, Keep: a.cfg.SpoolKeep, Log: a.log})
	if err != nil {
		return err
	}
	defer held.Close()
	sender := relay.New(relay.Config{Spool: held, Kafka: kafka, Partitions: a.cfg.Partitions, File: filepath.Join(folder, "relay.cursor"), Log: a.log})
	return beside(ctx, func(ctx context.Context) error {
		for told := time.Now(); ; {
			stats := sender.Stats()
			if stats.Unsent == 0 {
				fmt.Fprintf(out, "Kafka has everything that spool %s holds: %d records were sent now\n", held.ID(), stats.Sent)
				return nil
			}
			if time.Since(told) > time.Second {
				told = time.Now()
				fmt.Fprintf(out, "%d records are left\n", stats.Unsent)
			}
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}, held.Run, sender.Run)
}

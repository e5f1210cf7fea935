package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// app is what every command needs: the settings, and a log made from them.
type app struct {
	cfg config
	log *slog.Logger
	// warnings are what the settings were found odd in.
	warnings []string
}

// newRoot is the command line. Settings are flags of the root, so that each command takes them.
func newRoot(environ []string) *cobra.Command { return newRootOf(&app{}, environ) }

func newRootOf(a *app, environ []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "tributary",
		Short: "A self-hosted affiliate and referral commission network",
		Long: `Tributary tracks clicks and conversions, credits partners by sales share, keeps the books and explains every cent.

Try it:      tributary demo
Run it:      tributary migrate, then tributary serve (all roles), or one process for each role
Prove it:    tributary verify

Every flag below is also a setting in the environment: --tracker-listen is TRIBUTARY_TRACKER_LISTEN. The flag wins.`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnv(cmd.Root().PersistentFlags(), environ, func(w string) { a.warnings = append(a.warnings, w) }); err != nil {
				return err
			}
			if err := a.cfg.check(); err != nil {
				return err
			}
			a.log = a.cfg.logger(cmd.ErrOrStderr())
			a.warnings = append(a.warnings, visibleSecrets(cmd.Root().PersistentFlags())...)
			for _, w := range a.warnings {
				a.log.Warn(w)
			}
			return nil
		},
	}
	a.cfg.bind(root.PersistentFlags())
	root.AddGroup(&cobra.Group{ID: "run", Title: "Run:"}, &cobra.Group{ID: "check", Title: "Check and repair:"})
	for group, commands := range map[string][]*cobra.Command{
		"run":   {newDemo(a), newServe(a), newMigrate(a), newReplay(a), newDecide(), newSimulate(a)},
		"check": {newDoctor(a), newVerify(a), newConfig(), newHealth(a), newDeadLetters(a), newSpool(a), newOutbox(a), newForged(a), newResume(a), newLoader(a), newRebuildRollups(a), newRedecide(a), newRestore(a), newKeys(), newAdmin(a), newRates(a)},
	} {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	root.SetUsageTemplate(root.UsageTemplate() + environmentHelp)
	return root
}

const environmentHelp = `
Settings come from flags, then from the environment (TRIBUTARY_ and the flag's name in capitals), then from the defaults
shown. A secret may stand in a file: TRIBUTARY_CLICK_KEYS_FILE=/run/secrets/click_keys. "tributary config" prints them all.
`

// logger writes text on a terminal and JSON elsewhere.
func (c *config) logger(out io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // check has refused what it cannot read
	options := &slog.HandlerOptions{Level: level}
	file, isFile := out.(*os.File)
	if c.LogFormat == "text" || c.LogFormat == "auto" && isFile && term.IsTerminal(int(file.Fd())) {
		return slog.New(slog.NewTextHandler(out, options))
	}
	return slog.New(slog.NewJSONHandler(out, options))
}

// version is the module's version and the commit it was built from, where the build knew them.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	parts := []string{strings.Trim(info.Main.Version, "()")}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" || s.Key == "vcs.time" {
			parts = append(parts, s.Value)
		}
	}
	return strings.Join(parts, " ") + " " + info.GoVersion
}

// changed tells whether a setting was given at all, by flag or environment.
func changed(fs *pflag.FlagSet, name string) bool {
	f := fs.Lookup(name)
	return f != nil && f.Changed
}

// usageError says how a command is to be called.
func usageError(cmd *cobra.Command, problem string) error {
	return fmt.Errorf("%s; see %s --help", problem, cmd.CommandPath())
}

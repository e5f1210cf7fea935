package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tributary/internal/embedded"
	"tributary/internal/postgres"
)

// health is how a part of a set-up is.
type health string

const (
	fine health = "ok"
	// odd works, and may not do what was meant.
	odd   health = "warn"
	wrong health = "wrong"
)

// reading is what the doctor found about one thing: how it is, and where it is not fine what to do.
type reading struct {
	Area   string `json:"area"`
	Health health `json:"health"`
	Says   string `json:"says"`
	Remedy string `json:"remedy,omitempty"`
}

// doctor looks over a set-up. It changes nothing but for the self-test of ClickHouse, which makes tables of its own and
// removes them.
type doctor struct {
	*app

	flags    *pflag.FlagSet
	readings []reading
}

func newDoctor(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is wrong with this set-up, and how to mend it",
		Long: `Look over this set-up: settings, this machine, PostgreSQL, Kafka and ClickHouse. One line each, ok, warn or wrong, and below
what is not ok what to do about it. Exits 1 when something is wrong. It starts nothing: embedded engines are looked at when
they run. It may run beside a working network.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &doctor{app: a, flags: cmd.Root().PersistentFlags()}
			d.examine(cmd.Context())
			return d.print(cmd.OutOrStdout(), asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// note takes a reading down. remedy is for what is not fine.
func (d *doctor) note(area string, h health, says, remedy string) {
	if h == fine {
		remedy = ""
	}
	d.readings = append(d.readings, reading{Area: area, Health: h, Says: says, Remedy: remedy})
}

// doctorLimit bounds what one server may take.
const doctorLimit = 20 * time.Second

func (d *doctor) examine(ctx context.Context) {
	d.settings()
	d.machine(ctx)
	operator := postgres.Operator.Name()
	s := stores{kafka: d.cfg.kafkaCluster()}
	unset := map[string]bool{}
	var err error
	if s.postgres, err = d.cfg.postgresAddresses([]string{operator}); err != nil {
		unset["PostgreSQL"] = true
		d.note("PostgreSQL", wrong, problem(err), "set "+envName(postgresSetting(operator)))
	}
	if s.clickhouse, err = d.cfg.clickhouseAddresses([]string{operator}); err != nil {
		unset["ClickHouse"] = true
		d.note("ClickHouse", wrong, problem(err), "set "+envName(clickhouseSetting(operator)))
	}
	if running, ok := embedded.Running(d.enginesDir()); ok {
		s = s.fill(running)
	}
	for _, server := range []struct {
		name, setting, address string
		look                   func(ctx context.Context, s stores)
	}{
		{"PostgreSQL", "postgres-url", s.postgres[operator], d.postgres},
		{"Kafka", "kafka-brokers", strings.Join(s.kafka.Brokers, ","), d.kafka},
		{"ClickHouse", "clickhouse-url", s.clickhouse[operator], d.clickhouse},
	} {
		if server.address == "" && unset[server.name] {
			continue
		}
		if server.address == "" {
			d.note(server.name, fine, "embedded (no "+envName(server.setting)+"), and not running now: it starts with serve or demo", "")
			continue
		}
		limited, cancel := context.WithTimeout(ctx, doctorLimit)
		server.look(limited, s)
		cancel()
	}
}

// settings looks at what was set.
func (d *doctor) settings() {
	d.note("version", fine, version(), "")
	for _, w := range d.warnings {
		d.note("settings", odd, w, "mend its name or remove it")
	}
	if len(d.warnings) == 0 {
		d.note("settings", fine, "every "+prefix+" name in the environment is a setting", "")
	}
	for _, flag := range []string{"tracker-url", "dashboard-url"} {
		address := map[string]string{"tracker-url": d.cfg.trackerURL(), "dashboard-url": d.cfg.dashboardURL()}[flag]
		switch shown := isShown(address); {
		case shown && !isSecure(address):
			d.note("settings", odd, envName(flag)+" is "+address+": what is sent there can be read on the way, and cookies are not marked secure",
				"put a proxy with TLS in front, and set it to the https address")
		case shown:
			if problem, fix := d.cfg.unseen(flag, address); problem != "" {
				d.note("settings", odd, problem, fix)
			}
		}
	}
	servers := []bool{d.cfg.ownPostgres(), len(d.cfg.KafkaBrokers) > 0, d.cfg.ownClickHouse()}
	if servers[0] != servers[1] || servers[1] != servers[2] {
		d.note("settings", odd, "some servers are your own and some embedded: each process starts its own embedded ones",
			"for more than one process set all of "+envName("postgres-url")+", "+envName("kafka-brokers")+" and "+envName("clickhouse-url"))
	}
	if d.cfg.SpoolKeep > d.cfg.Retention {
		d.note("settings", odd, fmt.Sprintf("the spool keeps records for %s and Kafka for %s", d.cfg.SpoolKeep, d.cfg.Retention),
			"set "+envName("retention")+" at least as long as "+envName("spool-keep"))
	}
}

// counts tells how many readings are wrong, and how many odd.
func (d *doctor) counts() (wrongs, odds int) {
	for _, r := range d.readings {
		switch r.Health {
		case wrong:
			wrongs++
		case odd:
			odds++
		case fine:
		}
	}
	return wrongs, odds
}

func (d *doctor) print(out io.Writer, asJSON bool) error {
	wrongs, odds := d.counts()
	if asJSON {
		if err := json.NewEncoder(out).Encode(map[string]any{
			"wrong": wrongs, "warn": odds, "readings": d.readings, "settings": settingsOf(d.flags),
		}); err != nil {
			return fmt.Errorf("printing the readings: %w", err)
		}
	} else {
		for _, s := range settingsOf(d.flags) {
			if s.Source != "default" {
				fmt.Fprintf(out, "      %s=%s (from %s)\n", s.Name, s.Value, s.Source)
			}
		}
		for _, r := range d.readings {
			fmt.Fprintf(out, "%-5s %s: %s\n", r.Health, r.Area, r.Says)
			if r.Remedy != "" {
				fmt.Fprintf(out, "      -> %s\n", r.Remedy)
			}
		}
		fmt.Fprintf(out, "%d wrong, %d to look at\n", wrongs, odds)
	}
	if wrongs > 0 {
		return &findingError{findings: wrongs}
	}
	return nil
}

// problem is an error on one line.
func problem(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time: " + text
	}
	return text
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tributary/internal/doctor"
	"tributary/internal/embedded"
	"tributary/internal/keyring"
	"tributary/internal/postgres"
	"tributary/internal/stream"
	"tributary/tracker/country"
	"tributary/tracker/spool"
)

// doctorCommand looks over a set-up. It changes nothing but for the self-test of ClickHouse, which makes tables of its own and
// removes them.
type doctorCommand struct {
	*app

	flags  *pflag.FlagSet
	report doctor.Report
}

func newDoctor(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is wrong with this set-up, and how to fix it",
		Long: `Look over this set-up: settings, this machine, PostgreSQL, Kafka and ClickHouse. One line each, ok, warn or wrong, and below
what is not ok what to do about it. Exits 1 when something is wrong. It starts nothing: embedded engines are looked at when
they run. It may run beside a working network.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &doctorCommand{app: a, flags: cmd.Root().PersistentFlags()}
			d.examine(cmd.Context())
			return d.print(cmd.OutOrStdout(), asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// doctorLimit bounds what one server may take.
const doctorLimit = 20 * time.Second

func (d *doctorCommand) examine(ctx context.Context) {
	d.settings()
	d.machine(ctx)
	operator := postgres.Operator.Name()
	s := stores{kafka: d.cfg.kafkaCluster()}
	unset := map[string]bool{}
	var err error
	if s.postgres, err = d.cfg.postgresAddresses([]string{operator}); err != nil {
		unset["PostgreSQL"] = true
		d.report.Add("PostgreSQL", doctor.Wrong, doctor.Problem(err), "set "+envName(postgresSetting(operator)))
	}
	if s.clickhouse, err = d.cfg.clickhouseAddresses([]string{operator}); err != nil {
		unset["ClickHouse"] = true
		d.report.Add("ClickHouse", doctor.Wrong, doctor.Problem(err), "set "+envName(clickhouseSetting(operator)))
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
			d.report.Add(server.name, doctor.OK, "embedded (no "+envName(server.setting)+"), and not running now: it starts with serve or demo", "")
			continue
		}
		limited, cancel := context.WithTimeout(ctx, doctorLimit)
		server.look(limited, s)
		cancel()
	}
}

// settings looks at what was set.
func (d *doctorCommand) settings() {
	d.report.Add("version", doctor.OK, version(), "")
	for _, w := range d.warnings {
		d.report.Add("settings", doctor.Warn, w, "correct its name or remove it")
	}
	if len(d.warnings) == 0 {
		d.report.Add("settings", doctor.OK, "every "+prefix+" name in the environment is a setting", "")
	}
	for _, flag := range []string{"tracker-url", "dashboard-url"} {
		address := map[string]string{"tracker-url": d.cfg.trackerURL(), "dashboard-url": d.cfg.dashboardURL()}[flag]
		switch shown := isShown(address); {
		case shown && !isSecure(address):
			d.report.Add("settings", doctor.Warn, envName(flag)+" is "+address+": what is sent there can be read on the way, and cookies are not marked secure",
				"put a proxy with TLS in front, and set it to the https address")
		case shown:
			if problem, fix := d.cfg.unseen(flag, address); problem != "" {
				d.report.Add("settings", doctor.Warn, problem, fix)
			}
		}
	}
	servers := []bool{d.cfg.ownPostgres(), len(d.cfg.KafkaBrokers) > 0, d.cfg.ownClickHouse()}
	if servers[0] != servers[1] || servers[1] != servers[2] {
		d.report.Add("settings", doctor.Warn, "some servers are your own and some embedded: each process starts its own embedded ones",
			"for more than one process set all of "+envName("postgres-url")+", "+envName("kafka-brokers")+" and "+envName("clickhouse-url"))
	}
	if d.cfg.SpoolKeep > d.cfg.Retention {
		d.report.Add("settings", doctor.Warn, fmt.Sprintf("the spool keeps records for %s and Kafka for %s", d.cfg.SpoolKeep, d.cfg.Retention),
			"set "+envName("retention")+" at least as long as "+envName("spool-keep"))
	}
}

func (d *doctorCommand) print(out io.Writer, asJSON bool) error {
	wrong, warn := d.report.Counts()
	if asJSON {
		if err := json.NewEncoder(out).Encode(map[string]any{
			"wrong": wrong, "warn": warn, "findings": d.report.Findings, "settings": settingsOf(d.flags),
		}); err != nil {
			return fmt.Errorf("printing the findings: %w", err)
		}
	} else {
		for _, s := range settingsOf(d.flags) {
			if s.Source != "default" {
				fmt.Fprintf(out, "      %s=%s (from %s)\n", s.Name, s.Value, s.Source)
			}
		}
		d.report.Print(out)
	}
	if wrong > 0 {
		return &findingError{findings: wrong}
	}
	return nil
}

// machine looks at this machine: the data folder, its disk, the keys, the ports, and what embedded engines need.
func (d *doctorCommand) machine(ctx context.Context) {
	if d.report.Folder(d.cfg.Data) {
		spool.Examine(&d.report, d.cfg.Data)
	}
	d.keys()
	country.Examine(&d.report, envName("country-db"), d.cfg.CountryDB)
	d.report.Port(ctx, envName("tracker-listen"), d.cfg.TrackerListen)
	d.report.Port(ctx, envName("dashboard-listen"), d.cfg.DashboardListen)
	d.report.Port(ctx, envName("admin-listen"), d.cfg.AdminListen)
	embedded.Examine(ctx, &d.report, embedded.Config{Dir: d.enginesDir(), Postgres: !d.cfg.ownPostgres(), ClickHouse: !d.cfg.ownClickHouse()})
}

// keys looks at the keys that sign click ids, and those that sign records, without making any.
func (d *doctorCommand) keys() {
	d.ring(clickKeys, d.cfg.ownPostgres(), "make click ids")
	d.ring(recordKeys, len(d.cfg.KafkaBrokers) > 0, "make records that are believed")
}

// area is what the doctor calls a ring of keys.
func (s keySetting) area() string { return strings.ReplaceAll(string(s), "-", " ") }

// ring looks at one ring of keys. Where servers are shared, so are the keys.
func (d *doctorCommand) ring(setting keySetting, shared bool, harm string) {
	area, path := setting.area(), setting.file(&d.cfg)
	info, err := os.Stat(path)
	switch {
	case setting.text(&d.cfg) != "":
	case err != nil && shared:
		d.report.Add(area, doctor.Warn, "none are set: this machine makes a key of its own, which other machines do not know",
			"give every tracker, loader and engine the same "+envName(string(setting))+"; tributary keys new makes one")
		return
	case err != nil:
		d.report.Add(area, doctor.OK, "none yet: the first start makes one in "+path, "")
		return
	case info.Mode().Perm()&0o077 != 0:
		d.report.Add(area, doctor.Wrong, fmt.Sprintf("other users may read %s (mode %o), and with it %s", path, info.Mode().Perm(), harm), "chmod 600 "+path+", and rotate the keys")
	}
	keys, err := setting.ifAny(&d.cfg)
	if err == nil {
		err = keyring.Check(keys)
	}
	if err != nil {
		d.report.Add(area, doctor.Wrong, doctor.Problem(err), "make a key with tributary keys new; its form is ID:BASE64")
		return
	}
	d.report.Add(area, doctor.OK, fmt.Sprintf("%d, the first of which signs: %s", len(keys), keys[0]), "")
}

// isShown tells whether an address is one that others than this machine are to use.
func isShown(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return true
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	return !isLoopback(net.JoinHostPort(u.Hostname(), port))
}

func isSecure(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "https"
}

// kafka looks at the brokers and their topics.
func (d *doctorCommand) kafka(ctx context.Context, s stores) {
	(&stream.Doctor{
		Cluster: s.kafka, External: len(d.cfg.KafkaBrokers) > 0, Partitions: d.cfg.Partitions, Retention: d.cfg.Retention, SpoolKeep: d.cfg.SpoolKeep,
		Log: d.log, Report: &d.report,
	}).Examine(ctx)
}

package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tributary/internal/stream"
	"tributary/partners/access"
)

// prefix opens the name of every setting in the environment.
const prefix = "TRIBUTARY_"

// config is every setting of every role. Each is a flag, and the same name in capitals behind TRIBUTARY_ in the
// environment; the flag wins. A secret may also stand in a file that TRIBUTARY_<NAME>_FILE names.
type config struct {
	Data          string
	PostgresURL   string
	PostgresOf    map[string]*string // the address of each log-in, by its name
	KafkaBrokers  []string
	KafkaPrefix   string
	Kafka         stream.Security
	ClickHouseURL string
	ClickHouseOf  map[string]*string // the same for ClickHouse
	Partitions    int
	Retention     time.Duration

	TrackerListen   string
	TrackerURL      string
	DashboardListen string
	DashboardURL    string
	AuditDays       int
	AdminListen     string
	AdminExposed    bool
	Pprof           bool
	TrustedProxies  []string

	CountryDB       string
	ClickKeys       string
	RecordKeys      string
	RedirectWait    time.Duration
	ConversionWait  time.Duration
	MerchantRate    int
	DuplicateWindow time.Duration
	SpoolKeep       time.Duration
	EngineWorkers   int
	BooksCheck      time.Duration

	LogLevel  string
	LogFormat string
}

// secrets are the settings that are never printed.
func secrets() []string {
	all := []string{"click-keys", "record-keys", "postgres-url", "clickhouse-url", "kafka-password"}
	for _, name := range postgresLogins() {
		all = append(all, postgresSetting(name))
	}
	for _, name := range clickhouseLogins() {
		all = append(all, clickhouseSetting(name))
	}
	return all
}

// bind declares the settings as flags.
func (c *config) bind(fs *pflag.FlagSet) {
	fs.StringVar(&c.Data, "data", defaultData(), "folder of everything this installation keeps on disk: spool, keys, embedded engines")
	fs.StringVar(&c.PostgresURL, "postgres-url", "", "PostgreSQL 18, postgres://user:password@host:port/database, for a process of one role or a command, as the log-in of that; unset, and none of the next either: start an embedded one")
	c.PostgresOf = map[string]*string{}
	for _, name := range postgresLogins() {
		c.PostgresOf[name] = fs.String(postgresSetting(name), "", "the address of PostgreSQL for the log-in "+loginUser(name))
	}
	fs.StringSliceVar(&c.KafkaBrokers, "kafka-brokers", nil, "Kafka brokers, host:port with commas; unset: start an embedded one")
	fs.StringVar(&c.KafkaPrefix, "kafka-prefix", "tributary.", "what the names of the topics begin with")
	fs.BoolVar(&c.Kafka.TLS, "kafka-tls", false, "speak TLS 1.2 or later with the brokers, whose certificates must be valid for the names they advertise")
	fs.StringVar(&c.Kafka.CA, "kafka-ca", "", "file of certificates in PEM that the brokers' are issued by; unset: those of the system")
	fs.StringVar(&c.Kafka.User, "kafka-user", "", "user the brokers ask for; unset: they ask for none")
	fs.StringVar(&c.Kafka.Password, "kafka-password", "", "password of kafka-user; needs kafka-tls unless every broker is on a loopback address")
	fs.StringVar(&c.Kafka.Mechanism, "kafka-mechanism", "scram-sha-512", "how the password is shown: scram-sha-512, scram-sha-256 or plain")
	fs.StringVar(&c.ClickHouseURL, "clickhouse-url", "", "ClickHouse 26, clickhouse://user:password@host:port/database, for a process of one role or a command, as the log-in of that; unset, and none of the next either: start an embedded one")
	c.ClickHouseOf = map[string]*string{}
	for _, name := range clickhouseLogins() {
		c.ClickHouseOf[name] = fs.String(clickhouseSetting(name), "", "the address of ClickHouse for the log-in "+loginUser(name))
	}
	fs.IntVar(&c.Partitions, "partitions", 6, "partitions of each topic; fixed once the topics are made")
	fs.DurationVar(&c.Retention, "retention", 7*24*time.Hour, "how long Kafka keeps records")

	fs.StringVar(&c.TrackerListen, "tracker-listen", "127.0.0.1:8080", "address the tracker listens on")
	fs.StringVar(&c.TrackerURL, "tracker-url", "", "address of the tracker as visitors see it; with https, its cookie is marked secure; unset: made from tracker-listen")
	fs.StringVar(&c.DashboardListen, "dashboard-listen", "127.0.0.1:8081", "address the dashboard listens on")
	fs.StringVar(&c.DashboardURL, "dashboard-url", "", "address of the dashboard as people see it; with https, cookies are marked secure; unset: made from dashboard-listen")
	fs.IntVar(&c.AuditDays, "audit-days", 0, "for how many days the dashboard keeps the audit log, 400 or more; 0: for ever")
	fs.StringVar(&c.AdminListen, "admin-listen", "127.0.0.1:8082", "address of health checks and metrics, which ask nobody who they are; empty: none")
	fs.BoolVar(&c.AdminExposed, "admin-exposed", false, "let admin-listen be an address that other machines can reach")
	fs.BoolVar(&c.Pprof, "pprof", false, "serve Go's profiles under /debug/pprof/ of admin-listen")
	fs.StringSliceVar(&c.TrustedProxies, "trusted-proxies", nil, "CIDRs of the proxies in front whose X-Forwarded-For is believed; unset: nobody's")

	fs.StringVar(&c.CountryDB, "country-db", "", "file of a database of countries in MaxMind's format, such as GeoLite2-Country, for trackers; read again within 10 s when it changes; unset: clicks have no country")
	fs.StringVar(&c.ClickKeys, "click-keys", "", "keys that sign click ids, ID:BASE64 with commas, the first mints; every tracker and engine needs the same; unset: made once and kept in the data folder")
	fs.StringVar(&c.RecordKeys, "record-keys", "", "keys that sign the records in Kafka, ID:BASE64 with commas, the first signs; every tracker, loader and engine needs the same; unset: made once and kept in the data folder")
	fs.DurationVar(&c.RedirectWait, "redirect-wait", 15*time.Millisecond, "how long a redirect waits for its click to be on disk before it answers anyway")
	fs.DurationVar(&c.ConversionWait, "conversion-wait", 2*time.Second, "how long a conversion waits to be on disk before it is answered with 503")
	fs.IntVar(&c.MerchantRate, "merchant-rate", 5000, "reports a second that one tracker takes from one merchant, with twice as many at once; 0: no bound")
	fs.DurationVar(&c.DuplicateWindow, "duplicate-window", time.Hour, "a visitor who follows a link again within this time is marked a duplicate")
	fs.DurationVar(&c.SpoolKeep, "spool-keep", 48*time.Hour, "how long acknowledged records stay in the spool, to refill Kafka after a loss")
	fs.IntVar(&c.EngineWorkers, "engine-workers", 3, "partitions that one engine works on at the same time")
	fs.DurationVar(&c.BooksCheck, "books-check", 2*time.Minute, "how often an engine process goes over the books: sums, the end of the hash chain, a sample of orders decided again; 0: never")

	fs.StringVar(&c.LogLevel, "log-level", "info", "debug, info, warn or error")
	fs.StringVar(&c.LogFormat, "log-format", "auto", "text, json, or auto: text on a terminal")
}

// defaultData is where an installation lives when nobody says otherwise: in the home of who runs it, and nowhere without one.
func defaultData() string {
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "tributary")
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "share", "tributary")
	}
	return ""
}

// envName is the name of a setting in the environment.
func envName(flag string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromEnv sets every flag that the command line left alone from the environment, and warns of names that mean
// nothing, with the nearest that does.
func fromEnv(fs *pflag.FlagSet, environ []string, warn func(string)) error {
	env := map[string]string{}
	for _, pair := range environ {
		if name, value, _ := strings.Cut(pair, "="); strings.HasPrefix(name, prefix) {
			env[name] = value
		}
	}
	var problems []error
	fs.VisitAll(func(f *pflag.Flag) {
		name := envName(f.Name)
		value, set := env[name]
		delete(env, name)
		if path, ok := env[name+"_FILE"]; ok && slices.Contains(secrets(), f.Name) {
			delete(env, name+"_FILE")
			content, err := readSecret(path)
			if err != nil {
				problems = append(problems, fmt.Errorf("reading %s_FILE: %w", name, err))
				return
			}
			value, set = content, true
		}
		if !set || f.Changed {
			return
		}
		if err := fs.Set(f.Name, value); err != nil {
			problems = append(problems, fmt.Errorf("reading %s=%q: %w", name, value, err))
			return
		}
		_ = fs.SetAnnotation(f.Name, "source", []string{name})
	})
	for name := range env {
		if strings.HasPrefix(name, prefix+"TEST_") || strings.HasPrefix(name, prefix+"ENGINE_") {
			continue
		}
		warn(fmt.Sprintf("%s is not a setting of this version%s", name, nearest(fs, name)))
	}
	return errors.Join(problems...)
}

// nearest suggests the setting whose name shares the longest beginning with a mistyped one.
func nearest(fs *pflag.FlagSet, name string) string {
	best, length := "", len(prefix)
	fs.VisitAll(func(f *pflag.Flag) {
		candidate := envName(f.Name)
		n := 0
		for n < len(candidate) && n < len(name) && candidate[n] == name[n] {
			n++
		}
		if n > length {
			best, length = candidate, n
		}
	})
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// check refuses settings that cannot work, all at once, before anything starts.
func (c *config) check() error {
	var problems []error
	bad := func(flag, value, fix string) {
		problems = append(problems, fmt.Errorf("--%s (%s) is %q: %s", flag, envName(flag), value, fix))
	}
	if c.Data == "" {
		problems = append(problems, fmt.Errorf("there is no home folder to keep data in: name one of your own with --data (%s)", envName("data")))
	}
	if c.Partitions < 1 || c.Partitions > 256 {
		bad("partitions", strconv.Itoa(c.Partitions), "it must be 1 to 256")
	}
	if c.EngineWorkers < 1 || c.EngineWorkers > 64 {
		bad("engine-workers", strconv.Itoa(c.EngineWorkers), "it must be 1 to 64")
	}
	problems = append(problems, checkProxies(c.TrustedProxies), checkServer("postgres-url", c.PostgresURL), c.checkLogins(), checkServer("clickhouse-url", c.ClickHouseURL))
	if c.MerchantRate < 0 || c.MerchantRate > 1_000_000 {
		bad("merchant-rate", strconv.Itoa(c.MerchantRate), "it must be 0 (no bound) to 1000000")
	}
	if c.AuditDays != 0 && c.AuditDays < access.MinAuditDays {
		bad("audit-days", strconv.Itoa(c.AuditDays), "it must be 0 (for ever) or at least "+strconv.Itoa(access.MinAuditDays))
	}
	for flag, value := range map[string]string{"tracker-url": c.TrackerURL, "dashboard-url": c.DashboardURL} {
		if u, err := url.Parse(value); value != "" && (err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https")) {
			bad(flag, value, "it must be an address such as https://go.example.com")
		}
	}
	if c.AdminListen != "" && !isLoopback(c.AdminListen) && !c.AdminExposed {
		bad("admin-listen", c.AdminListen, "other machines can reach it and it asks nobody who they are: use 127.0.0.1, or say "+envName("admin-exposed")+"=true where a network of your own protects it")
	}
	if err := c.kafkaCluster().Check(); err != nil {
		problems = append(problems, fmt.Errorf("--kafka-tls (%s) and the settings beside it: %w", envName("kafka-tls"), err))
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel) {
		bad("log-level", c.LogLevel, "it must be debug, info, warn or error")
	}
	if !slices.Contains([]string{"auto", "text", "json"}, c.LogFormat) {
		bad("log-format", c.LogFormat, "it must be auto, text or json")
	}
	for flag, d := range map[string]time.Duration{
		"redirect-wait": c.RedirectWait, "conversion-wait": c.ConversionWait, "duplicate-window": c.DuplicateWindow,
		"spool-keep": c.SpoolKeep, "retention": c.Retention, "books-check": c.BooksCheck,
	} {
		if d < 0 {
			bad(flag, d.String(), "it must not be negative")
		}
	}
	return errors.Join(problems...)
}

// kafkaCluster is the one that was configured, if any.
func (c *config) kafkaCluster() stream.Cluster {
	return stream.Cluster{Brokers: c.KafkaBrokers, Prefix: c.KafkaPrefix, Security: c.Kafka}
}

// trackerURL is the public address of the tracker, without a slash at its end.
func (c *config) trackerURL() string { return publicURL(c.TrackerURL, c.TrackerListen) }

// dashboardURL is the public address of the dashboard, without a slash at its end.
func (c *config) dashboardURL() string { return publicURL(c.DashboardURL, c.DashboardListen) }

// unseen says what is wrong where people come through a proxy, since no role speaks TLS, and none is trusted.
func (c *config) unseen(flag, address string) (problem, fix string) {
	if len(c.TrustedProxies) > 0 || !isSecure(address) {
		return "", ""
	}
	return envName(flag) + " is " + address + ", and no proxy is trusted: every visitor seems to come from the proxy",
		"set " + envName("trusted-proxies") + " to the networks of your proxies"
}

// origins may post forms to the dashboard: its public address, also where a proxy rewrites the Host header.
func (c *config) origins() []string {
	u, err := url.Parse(c.DashboardURL)
	if c.DashboardURL == "" || err != nil {
		return nil
	}
	return []string{u.Scheme + "://" + u.Host}
}

func publicURL(stated, listen string) string {
	if stated != "" {
		return strings.TrimRight(stated, "/")
	}
	if strings.HasPrefix(listen, ":") {
		listen = "127.0.0.1" + listen
	}
	return "http://" + listen
}

// setting is one of them as it stands.
type setting struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	Default string `json:"default"`
	// Source is the flag or the name in the environment that it came from, or "default".
	Source string `json:"source"`
	usage  string
}

// settingsOf lists all settings in the order of their names, secrets masked.
func settingsOf(fs *pflag.FlagSet) (all []setting) {
	fs.VisitAll(func(f *pflag.Flag) {
		s := setting{Name: envName(f.Name), Value: f.Value.String(), Default: f.DefValue, Source: "default", usage: f.Usage}
		if slices.Contains(secrets(), f.Name) && s.Value != "" {
			s.Value = "(secret)"
		}
		if from := f.Annotations["source"]; len(from) == 1 {
			s.Source = from[0]
		} else if f.Changed {
			s.Source = "--" + f.Name
		}
		if s.Default == "" || s.Default == "[]" {
			s.Default = "unset"
		}
		all = append(all, s)
	})
	return all
}

// newConfig is `tributary config`: every setting, its value, and where the value came from.
func newConfig() *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Print every setting, its value and where that came from",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, s := range settingsOf(cmd.Root().PersistentFlags()) {
				fmt.Fprintf(cmd.OutOrStdout(), "%s=%s\n  %s\n  default %s; this value from %s\n", s.Name, s.Value, s.usage, s.Default, s.Source)
			}
			return nil
		},
	}
}

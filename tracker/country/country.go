// Package country tells in which country an address is, by a database that the operator sets. It serves step 1 of the life of a
// click: the address itself is not kept.
package country

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
	"github.com/prometheus/client_golang/prometheus"

	"tributary/internal/doctor"
	"tributary/internal/event"
)

const (
	// lookEvery is how often Run looks whether the file has changed.
	lookEvery = 10 * time.Second
	// maxFile bounds a database, which is held in memory; those of countries have some ten megabytes.
	maxFile = 1 << 30
	// sample is how many networks are looked at for one with a country before a database is refused.
	sample = 10_000
)

// Database is a file in MaxMind's format (https://maxmind.github.io/MaxMind-DB), followed as it changes. Without a file, and as
// nil, it knows no country. It is safe for many readers beside Run.
type Database struct {
	file string
	log  *slog.Logger
	age  prometheus.Gauge

	edition atomic.Pointer[edition]
	tried   *stamp // of the file that was last read, well or not; only Look uses it
}

// edition is a database as it was read.
type edition struct {
	reader *maxminddb.Reader
	built  time.Time
}

// stamp tells one content of a file from the next; zero where there is no file.
type stamp struct {
	modified time.Time
	size     int64
}

func stampOf(file string) stamp {
	info, err := os.Stat(file)
	if err != nil {
		return stamp{}
	}
	return stamp{info.ModTime(), info.Size()}
}

// New makes a database of a file, or of none, that knows nothing until Look or Run.
func New(file string, log *slog.Logger, metrics prometheus.Registerer) *Database {
	d := &Database{file: file, log: log, age: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "tributary_country_db_built_timestamp_seconds", Help: "When the database of countries was built that clicks are looked up in; 0 when none can be read.",
	})}
	if metrics != nil {
		metrics.MustRegister(d.age)
	}
	return d
}

// Of gives the country of an address, two letters of ISO 3166-1, or "" where that is not known.
func (d *Database) Of(addr netip.Addr) string {
	if d == nil {
		return ""
	}
	e := d.edition.Load()
	if e == nil {
		return ""
	}
	return codeOf(e.reader.Lookup(addr.Unmap()))
}

// codeOf reads the country where an address is, and not the one where its network is registered.
func codeOf(found maxminddb.Result) string {
	var code string
	if err := found.DecodePath(&code, "country", "iso_code"); err != nil || !event.IsCountry(code) {
		return ""
	}
	return code
}

// Built is when the database was built that is in use; zero when there is none.
func (d *Database) Built() time.Time {
	if d == nil {
		return time.Time{}
	}
	if e := d.edition.Load(); e != nil {
		return e.built
	}
	return time.Time{}
}

// Run follows the file until ctx ends. One that cannot be read is logged once and looked past: the database stays as it was.
func (d *Database) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		d.Look()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Look reads the file if it has changed since the last time.
func (d *Database) Look() {
	if d.file == "" {
		return
	}
	now := stampOf(d.file)
	if d.tried != nil && *d.tried == now {
		return
	}
	d.tried = &now
	e, err := read(d.file)
	if err != nil {
		d.log.Error("the database of countries cannot be read; it stays as it was", "error", err, "built", d.Built())
		return
	}
	d.edition.Store(e)
	d.age.Set(float64(e.built.Unix()))
	d.log.Info("the database of countries is read", "file", d.file, "built", e.built)
}

// read reads a database whole: a file that is written over meanwhile cannot change under a reader.
func read(file string) (*edition, error) {
	if size := stampOf(file).size; size > maxFile {
		return nil, fmt.Errorf("opening %s: it has %d bytes, of at most %d", file, size, maxFile)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("opening a database of countries: %w", err)
	}
	reader, err := maxminddb.OpenBytes(content)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", file, err)
	}
	e := &edition{reader: reader, built: reader.Metadata.BuildTime().UTC()}
	if !e.tells() || e.built.Year() > 9999 {
		return nil, fmt.Errorf("opening %s: %w", file, errNoCountries)
	}
	return e, nil
}

var errNoCountries = errors.New("it is no database of countries, such as GeoLite2-Country or DB-IP's Country Lite")

// tells says whether the database has a country for any of its first networks: there are others of the same format.
func (e *edition) tells() bool {
	n := 0
	for found := range e.reader.Networks() {
		if codeOf(found) != "" {
			return true
		}
		if n++; n == sample {
			break
		}
	}
	return false
}

// Examine looks at the file that the setting names, if any.
func Examine(r *doctor.Report, setting, file string) {
	const area = "countries"
	if file == "" {
		r.Add(area, doctor.OK, "clicks have no country ("+setting+" is not set)", "")
		return
	}
	e, err := read(file)
	if err != nil {
		r.Add(area, doctor.Wrong, doctor.Problem(err), "set "+setting+" to a database of countries in MaxMind's format that the tracker may read, or leave it out")
		return
	}
	r.Add(area, doctor.OK, fmt.Sprintf("%s, built on %s", e.reader.Metadata.DatabaseType, e.built.Format(time.DateOnly)), "")
}

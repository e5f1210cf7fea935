package country

import (
	"bufio"
	"bytes"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tributary/internal/doctor"
)

const sampleFile = "testdata/GeoLite2-Country-Test.mmdb"

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func opened(tb testing.TB, file string) (*Database, *bytes.Buffer) {
	tb.Helper()
	var log bytes.Buffer
	d := New(file, slog.New(slog.NewTextHandler(&log, nil)), nil)
	d.Look()
	return d, &log
}

// TestEveryNetworkHasItsCountry asks for the first address of all networks from which the database was built.
func TestEveryNetworkHasItsCountry(t *testing.T) {
	t.Parallel()
	d, log := opened(t, sampleFile)
	if d.Built().Year() < 2020 {
		t.Fatalf("built %s\n%s", d.Built(), log)
	}
	file, err := os.Open("testdata/expected.txt")
	must(t, err)
	defer file.Close()
	asked := 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		network, want, _ := strings.Cut(strings.Replace(lines.Text(), " -", " ", 1), " ")
		prefix := netip.MustParsePrefix(network)
		if got := d.Of(prefix.Masked().Addr()); got != want {
			t.Errorf("%s is in %q, want %q", prefix.Addr(), got, want)
		}
		if prefix.Addr().Is4() {
			if got := d.Of(netip.AddrFrom16(prefix.Addr().As16())); got != want {
				t.Errorf("%s, written in IPv6, is in %q, want %q", prefix.Addr(), got, want)
			}
		}
		asked++
	}
	if asked < 200 {
		t.Errorf("only %d networks", asked)
	}
}

func TestWhatIsNowhere(t *testing.T) {
	t.Parallel()
	d, _ := opened(t, sampleFile)
	for _, addr := range []netip.Addr{{}, netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("::1"), netip.MustParseAddr("fe80::1%eth0")} {
		if got := d.Of(addr); got != "" {
			t.Errorf("%s is in %q", addr, got)
		}
	}
	none, _ := opened(t, "testdata/none.mmdb")
	var unset *Database
	for _, d := range []*Database{none, unset} {
		if got := d.Of(netip.MustParseAddr("2.125.160.216")); got != "" || !d.Built().IsZero() {
			t.Errorf("without a database it is in %q, built %s", got, d.Built())
		}
	}
}

// TestBrokenDatabasesAreRefused takes MaxMind's own broken files, and others that are none.
func TestBrokenDatabasesAreRefused(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.mmdb")
	must(t, err)
	if len(files) < 20 {
		t.Fatalf("%d files", len(files))
	}
	for _, file := range append(files, "testdata/GeoLite2-ASN-Test.mmdb", "testdata/SOURCE.md", "testdata", "testdata/none.mmdb") {
		d, log := opened(t, file)
		d.Look()
		if got := d.Of(netip.MustParseAddr("2.125.160.216")); got != "" || !d.Built().IsZero() || strings.Count(log.String(), "level=ERROR") != 1 {
			t.Errorf("%s: in %q, built %s\n%s", file, got, d.Built(), log)
		}
		var r doctor.Report
		if Examine(&r, "TRIBUTARY_COUNTRY_DB", file); r.Findings[0].Health != doctor.Wrong {
			t.Errorf("%s: %+v", file, r.Findings)
		}
	}
}

// TestAChangedFileIsReadAgain: one that is cut short or gone leaves the last good one in use.
func TestAChangedFileIsReadAgain(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile(sampleFile)
	must(t, err)
	file := filepath.Join(t.TempDir(), "country.mmdb")
	d, _ := opened(t, file)
	for n, step := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"whole", whole, "GB"},
		{"cut short", whole[:len(whole)/2], "GB"},
		{"gone", nil, "GB"},
		{"with another country", bytes.ReplaceAll(whole, []byte("BGB"), []byte("BUK")), "UK"},
	} {
		must(t, os.RemoveAll(file))
		if step.content != nil {
			must(t, os.WriteFile(file, step.content, 0o600))
			at := time.Unix(int64(1_700_000_000+n), 0)
			must(t, os.Chtimes(file, at, at))
		}
		d.Look()
		if got := d.Of(netip.MustParseAddr("2.125.160.216")); got != step.want {
			t.Errorf("%s: in %q", step.name, got)
		}
	}
}

func TestTheDoctorNamesTheDatabase(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{sampleFile: "GeoLite2-Country, built on 20", "": "TRIBUTARY_COUNTRY_DB is not set"} {
		var r doctor.Report
		if Examine(&r, "TRIBUTARY_COUNTRY_DB", file); r.Findings[0].Health != doctor.OK || !strings.Contains(r.Findings[0].Says, want) {
			t.Errorf("%q: %+v", file, r.Findings)
		}
	}
}

func BenchmarkOf(b *testing.B) {
	d, _ := opened(b, sampleFile)
	addr := netip.MustParseAddr("2.125.160.216")
	b.ReportAllocs()
	for b.Loop() {
		d.Of(addr)
	}
}

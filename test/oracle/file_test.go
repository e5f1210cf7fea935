package oracle

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"hash/fnv"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	samplePath   = "../../examples/retail/sample.csv.gz"
	sampleAnswer = "../../examples/retail/sample.answer.json"
	wholeAnswer  = "testdata/whole.answer.json"

	// One key in sampleShare is kept, which makes 19,963 rows.
	sampleShare = 26
)

// rewriting tells whether the committed sample and answers are to be rewritten: TRIBUTARY_RETAIL_REWRITE=1.
func rewriting() bool { return os.Getenv("TRIBUTARY_RETAIL_REWRITE") == "1" }

// wholeFile returns the decompressed real file: the one TRIBUTARY_RETAIL_FILE names, or the first
// shared/data/uci-online-retail/online-retail.csv.gz found walking up from this folder. Without one the test is skipped.
func wholeFile(t *testing.T) []byte {
	t.Helper()

	if path := os.Getenv("TRIBUTARY_RETAIL_FILE"); path != "" {
		return gunzip(t, path)
	}

	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}

	for {
		path := filepath.Join(folder, "shared", "data", "uci-online-retail", "online-retail.csv.gz")
		if _, err := os.Stat(path); err == nil {
			return gunzip(t, path)
		}

		parent := filepath.Dir(folder)
		if parent == folder {
			t.Skip("the whole Online Retail file is not here: set TRIBUTARY_RETAIL_FILE to its online-retail.csv.gz")
		}

		folder = parent
	}
}

func gunzip(t *testing.T, path string) []byte {
	t.Helper()

	packed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	unpacker, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}

	text, err := io.ReadAll(unpacker)
	if err != nil {
		t.Fatal(err)
	}

	return text
}

func TestWholeFile(t *testing.T) {
	t.Parallel()

	text := wholeFile(t)

	// A file other than the one described would give another answer for no fault of the code.
	want := describedFacts()
	if diff := cmp.Diff(want, factsOf(t, text)); diff != "" {
		t.Fatalf("the file is not the one described (-want +got):\n%s", diff)
	}

	got := checkAnswer(t, text, wholeAnswer)
	// Only the four lines of 0.001 pounds are not whole pence: each is 0 pence, so 0.4 pence of the sum are gone.
	if got.Lines != int64(want.Lines) || got.Revenue != 891_140_790 {
		t.Errorf("%d lines of %d pence, want %d of %s pounds", got.Lines, got.Revenue, want.Lines, want.Sold)
	}
}

// It is not parallel, so that a rewritten sample is in place before the parallel tests go on.
func TestSampleIsCutFromTheWholeFile(t *testing.T) {
	want := cutSample(t, wholeFile(t))
	if rewriting() {
		writeSample(t, want)
	}

	// The text is compared, not its packing: another version of gzip may pack it otherwise.
	if !bytes.Equal(gunzip(t, samplePath), want) {
		t.Errorf("%s is not the cut of %d bytes: write it with TRIBUTARY_RETAIL_REWRITE=1", samplePath, len(want))
	}
}

func TestSample(t *testing.T) {
	t.Parallel()

	got := checkAnswer(t, gunzip(t, samplePath), sampleAnswer)
	if got.Unattributed == 0 || got.UnmatchedPieces == 0 || got.Refunded == 0 || got.Total.Pending == 0 {
		t.Errorf("the sample misses a case it is there to show: %+v", got)
	}
}

// checkAnswer computes the answer for a file, holds it against the committed one and against itself.
func checkAnswer(t *testing.T, text []byte, path string) Answer {
	t.Helper()

	got, err := Compute(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}

	if rewriting() {
		writeAnswer(t, path, got)
	}

	golden, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	var want Answer
	if err := json.Unmarshal(golden, &want); err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}

	var sum Row

	for name, row := range got.Partners {
		sum = sum.plus(row)

		if row.Pending+row.Payable != row.Net || row.Net > row.Gross || row.Pending < 0 || row.Payable < 0 {
			t.Errorf("%s does not add up: %+v", name, row)
		}
	}

	if sum != got.Total || got.Total.Orders+got.Unattributed != got.Orders || len(got.Partners) != 50 {
		t.Errorf("the partners' sum %+v is not the total of %+v", sum, got)
	}

	return got
}

func writeAnswer(t *testing.T, path string, answer Answer) {
	t.Helper()

	text, err := json.MarshalIndent(answer, "", " ")
	if err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// cutSample keeps the heading and every row whose key hashes to 0 modulo sampleShare: whole customers by CustomerID,
// and for rows without one whole invoices by InvoiceNo. Rows are kept as they are written, in file order.
func cutSample(t *testing.T, text []byte) []byte {
	t.Helper()

	var kept bytes.Buffer

	reader := csv.NewReader(bytes.NewReader(text))

	for start := int64(0); ; {
		fields, err := reader.Read()
		if err == io.EOF {
			return kept.Bytes()
		}

		if err != nil {
			t.Fatal(err)
		}

		key := fields[6]
		if key == "" {
			key = fields[0]
		}

		end := reader.InputOffset()
		if start == 0 || hashOf(key)%sampleShare == 0 {
			kept.Write(text[start:end])
		}

		start = end
	}
}

func hashOf(key string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(key))

	return h.Sum64()
}

func writeSample(t *testing.T, text []byte) {
	t.Helper()

	var packed bytes.Buffer

	packer, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}

	if _, err := packer.Write(text); err != nil {
		t.Fatal(err)
	}

	if err := packer.Close(); err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(samplePath, packed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// facts is what the data set's SOURCE.md states of the whole file, sums in pounds.
type facts struct {
	Rows, NoCustomer, Invoices, Cancellations, CancellationRows, ARows, WriteOffs, Free int
	NotC, C, All                                                                        string
	Members, MembersOrdering, MembersAgain, MembersNegative                             int
	// Lines and Sold are not in SOURCE.md: the rows that are lines under the rule, and their exact sum in pounds.
	Lines int
	Sold  string
}

// describedFacts are the figures of SOURCE.md; its 22,064 ordinary invoices are 25,900 less those that start with C,
// the three A-invoices among them.
func describedFacts() facts {
	return facts{
		Rows: 541_909, NoCustomer: 135_080, Invoices: 25_900, Cancellations: 3_836, CancellationRows: 9_288, ARows: 3,
		WriteOffs: 1_336, Free: 2_515,
		NotC: "10644560.424", C: "-896812.490", All: "9747747.934",
		Members: 4_372, MembersOrdering: 4_339, MembersAgain: 2_845, MembersNegative: 41,
		Lines: 397_884, Sold: "8911407.904",
	}
}

// factsOf counts the file with csv and exact decimals alone; the members who order are counted by the code under test.
func factsOf(t *testing.T, text []byte) facts {
	t.Helper()

	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}

	f := facts{Rows: len(rows) - 1}
	invoices, spend := map[string]bool{}, map[string]*big.Rat{}
	notC, c, sold := new(big.Rat), new(big.Rat), new(big.Rat)

	for _, row := range rows[1:] {
		quantity, err := strconv.ParseInt(row[3], 10, 64)
		if err != nil {
			t.Fatal(err)
		}

		price, _ := new(big.Rat).SetString(row[5])
		amount := new(big.Rat).Mul(price, big.NewRat(quantity, 1))
		cancelled := strings.HasPrefix(row[0], "C")

		if cancelled {
			f.CancellationRows++
			c.Add(c, amount)
		} else {
			notC.Add(notC, amount)
		}

		if row[6] != "" && row[0][0] >= '0' && row[0][0] <= '9' && quantity > 0 && price.Sign() > 0 {
			f.Lines++
			sold.Add(sold, amount)
		}

		f.count(row, quantity, price, cancelled)

		if !invoices[row[0]] && cancelled {
			f.Cancellations++
		}

		invoices[row[0]] = true

		if member := row[6]; member != "" {
			if spend[member] == nil {
				spend[member] = new(big.Rat)
			}

			spend[member].Add(spend[member], amount)
		}
	}

	f.Invoices, f.Members = len(invoices), len(spend)
	f.NotC, f.C, f.All = notC.FloatString(3), c.FloatString(3), new(big.Rat).Add(notC, c).FloatString(3)
	f.Sold = sold.FloatString(3)

	for _, sum := range spend {
		if sum.Sign() < 0 {
			f.MembersNegative++
		}
	}

	f.countMembers(t, text)

	return f
}

func (f *facts) count(row []string, quantity int64, price *big.Rat, cancelled bool) {
	if row[6] == "" {
		f.NoCustomer++
	}

	if strings.HasPrefix(row[0], "A") {
		f.ARows++
	}

	if quantity < 0 && !cancelled {
		f.WriteOffs++
	}

	if price.Sign() == 0 {
		f.Free++
	}
}

func (f *facts) countMembers(t *testing.T, text []byte) {
	t.Helper()

	shop, err := readShop(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}

	for _, orders := range shop.ordersByCustomer() {
		f.MembersOrdering++

		if len(orders) > 1 {
			f.MembersAgain++
		}
	}
}

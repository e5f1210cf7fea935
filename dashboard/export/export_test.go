package export_test

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"unicode/utf8"

	"tributary/dashboard/export"
)

// file writes one row under a heading and reads it back as a spreadsheet does.
func file(t *testing.T, cells ...export.Cell) []string {
	t.Helper()
	var b bytes.Buffer
	w, err := export.New(&b, "heading")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Row(cells...); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	text, ok := strings.CutPrefix(b.String(), "\ufeff")
	if !ok {
		t.Fatalf("there is no byte order mark: %q", b.String())
	}
	if !strings.HasPrefix(text, "\"heading\"\r\n") || !strings.HasSuffix(text, "\r\n") {
		t.Fatalf("lines do not end with CRLF: %q", text)
	}
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1
	records, err := r.ReadAll()
	if err != nil {
		t.Fatalf("reading %q: %v", text, err)
	}
	return records[1]
}

func TestTextThatWouldBeAFormulaIsGuarded(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain":                         "plain",
		"":                              "",
		`=HYPERLINK("//evil")`:          `'=HYPERLINK("//evil")`,
		"+1":                            "'+1",
		"-1":                            "'-1",
		"@SUM(A1)":                      "'@SUM(A1)",
		"\t=1":                          "'\t'=1",
		" =1":                           "' =1",
		"'=1":                           "''=1",
		"\u00a0=1":                      "'\u00a0=1",
		"＝1":                            "'＝1",
		"a=1":                           "a=1",
		"x;=1+1":                        "x;'=1+1",
		"x; =1+1":                       "x;' =1+1",
		`x;"=1+1`:                       `x;'"=1+1`,
		"x\t@SUM(A1)":                   "x\t'@SUM(A1)",
		"x|-1|+2":                       "x|'-1|'+2",
		"two\n=1":                       "two\n'=1",
		"x;＝1;y":                        "x;'＝1;y",
		"a;b|c\td":                      "a;b|c\td",
		"10-20; 30":                     "10-20; 30",
		`says "hello", and goes`:        `says "hello", and goes`,
		"two\nlines":                    "two\nlines",
		"O'Brien":                       "O'Brien",
		"'quoted'":                      "'quoted'",
		"상점":                            "상점",
		"https://x.example/?a=1&b=%3D1": "https://x.example/?a=1&b=%3D1",
	} {
		if got := file(t, export.Text(text), export.Text("x"))[0]; got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestNumbersStayNumbers(t *testing.T) {
	t.Parallel()
	got := file(t, export.Number("-1234.50"), export.Number("2026-11-22T10:00:00Z"))
	if got[0] != "-1234.50" || got[1] != "2026-11-22T10:00:00Z" {
		t.Errorf("%q", got)
	}
}

// The golden file: texts stand in quotes, numbers do not, and nothing stands for nothing.
func TestAFileIsWrittenByteForByte(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w, err := export.New(&b, "order", "amount", "note")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range [][]export.Cell{
		{export.Text("x;=1+1"), export.Number("-5.00"), export.Text(`says "hi"`)},
		{export.Text("=1"), export.Number(""), export.Text("")},
		{export.Text("a\r\nb"), export.Number("2026-11-22T10:00:00Z"), export.Text("c,d")},
	} {
		if err := w.Row(row...); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want := "\ufeff\"order\",\"amount\",\"note\"\r\n\"x;'=1+1\",-5.00,\"says \"\"hi\"\"\"\r\n\"'=1\",,\"\"\r\n\"a\r\nb\",2026-11-22T10:00:00Z,\"c,d\"\r\n"
	if b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

// FuzzCSVCell: whatever a text is and whatever a reader takes for the end of a cell, none begins as a formula, and what the
// text said can be got back.
func FuzzCSVCell(f *testing.F) {
	for _, seed := range []string{
		"=1+1", "+", "-5", "@x", "\t=", "\r=", "'=", "  =1", "a,b\"c", "\ufeff=1", "＝", "", "\x00=1", "line\r\nbreak",
		"x;=1", "x|\"=1", "x\t\t=1", ";;=", "a\n=1", "x;'\u3000-1", "|＝",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			t.Skip()
		}
		cells := file(t, export.Text(text), export.Text("next"))
		if len(cells) != 2 || cells[1] != "next" {
			t.Fatalf("%q broke out of its cell: %q", text, cells)
		}
		got := cells[0]
		for piece := range strings.FieldsFuncSeq(got, func(r rune) bool { return strings.ContainsRune(";\t|\n", r) }) {
			if seen := strings.TrimLeft(piece, " \u00a0\u3000\""); seen != "" && strings.IndexAny(seen, "=+-@\x00＝＋－＠") == 0 {
				t.Errorf("%q has a cell that begins as a formula: %q", text, got)
			}
		}
		// Line ends within a cell are made alike: the writer drops CR and writes LF as CRLF, which a reader turns back.
		plain := strings.ReplaceAll(text, "\r", "")
		if strings.ReplaceAll(got, "'", "") != strings.ReplaceAll(plain, "'", "") {
			t.Errorf("%q became %q", text, got)
		}
	})
}

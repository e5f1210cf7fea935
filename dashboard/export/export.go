// Package export writes lists of the pages (step 7 in the life of a click) as CSV files that spreadsheets open as they
// are meant: UTF-8 with a byte order mark, RFC 4180, and no text that a spreadsheet would run as a formula.
package export

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
)

// MaxRows bounds a file; whoever needs more asks for a shorter period.
const MaxRows = 100_000

// A Cell is a value of a row.
type Cell struct {
	text   string
	number bool
}

// Text is a cell of words, which may come from anybody.
func Text(s string) Cell { return Cell{text: s} }

// Number is a cell whose text was written by this program from a number or a time: it is left as it is, since guarding
// "-5.00" would make it a word.
func Number(s string) Cell { return Cell{text: s, number: true} }

// Writer writes one file.
type Writer struct {
	csv  *csv.Writer
	line []string
}

// New begins a file with its heading.
func New(w io.Writer, heading ...string) (*Writer, error) {
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return nil, fmt.Errorf("writing CSV: %w", err)
	}
	c := csv.NewWriter(w)
	c.UseCRLF = true
	if err := c.Write(heading); err != nil {
		return nil, fmt.Errorf("writing CSV: %w", err)
	}
	return &Writer{csv: c}, nil
}

// Row writes a row.
func (w *Writer) Row(cells ...Cell) error {
	w.line = w.line[:0]
	for _, c := range cells {
		if c.number {
			w.line = append(w.line, c.text)
		} else {
			w.line = append(w.line, guard(c.text))
		}
	}
	if err := w.csv.Write(w.line); err != nil {
		return fmt.Errorf("writing CSV: %w", err)
	}
	return nil
}

// Close writes what is still held back.
func (w *Writer) Close() error {
	w.csv.Flush()
	if err := w.csv.Error(); err != nil {
		return fmt.Errorf("writing CSV: %w", err)
	}
	return nil
}

// triggers begin a formula in a spreadsheet, also in their full-width forms (OWASP, CSV Injection).
const triggers = "=+-@\t\r\n\x00＝＋－＠"

// guard puts an apostrophe before text that would be a formula, also behind blanks, which some importers drop.
func guard(text string) string {
	trimmed := strings.TrimLeft(text, " \u00a0\u3000'")
	if trimmed == "" {
		return text
	}
	if first := []rune(trimmed)[0]; strings.ContainsRune(triggers, first) {
		return "'" + text
	}
	return text
}

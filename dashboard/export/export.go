// Package export writes lists of the pages (step 7 in the life of a click) as CSV files that spreadsheets open as they
// are meant: UTF-8 with a byte order mark, RFC 4180, and no text that a spreadsheet would run as a formula.
package export

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

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
	out  *bufio.Writer
	line []byte
}

// New begins a file with its heading.
func New(w io.Writer, heading ...string) (*Writer, error) {
	f := &Writer{out: bufio.NewWriter(w), line: []byte("\ufeff")}
	cells := make([]Cell, len(heading))
	for i, name := range heading {
		cells[i] = Text(name)
	}
	return f, f.Row(cells...)
}

// Row writes a row. Texts are always quoted, so that a reader with another separator keeps as much of them together as it
// can, and so that a cell without quotes is a number, a time, or nothing.
func (w *Writer) Row(cells ...Cell) error {
	for i, c := range cells {
		if i > 0 {
			w.line = append(w.line, ',')
		}
		if c.number {
			w.line = append(w.line, c.text...)
		} else {
			w.line = append(w.line, '"')
			w.line = append(w.line, quoted().Replace(guard(c.text))...)
			w.line = append(w.line, '"')
		}
	}
	_, err := w.out.Write(append(w.line, '\r', '\n'))
	w.line = w.line[:0]
	if err != nil {
		return fmt.Errorf("writing CSV: %w", err)
	}
	return nil
}

// Close writes what is still held back.
func (w *Writer) Close() error {
	if err := w.out.Flush(); err != nil {
		return fmt.Errorf("writing CSV: %w", err)
	}
	return nil
}

// quoted writes quotes twice, and line ends in one way.
func quoted() *strings.Replacer {
	return strings.NewReplacer(`"`, `""`, "\r", "", "\n", "\r\n")
}

// triggers begin a formula in a spreadsheet, also in their full-width forms (OWASP, CSV Injection).
const triggers = "=+-@\t\r\n\x00＝＋－＠"

// separators begin a new cell for a reader in another locale, which does not see our quotes as such.
const separators = ";\t|\r\n"

// ignored are dropped by some readers before they look for a formula.
const ignored = " \u00a0\u3000'\""

// guard puts an apostrophe before text that would be a formula: at the beginning, and behind whatever may be read as the
// end of a cell.
func guard(text string) string {
	if !strings.ContainsAny(text, triggers) {
		return text
	}
	var b strings.Builder
	for first := true; ; first = false {
		end := strings.IndexAny(text, separators) // single bytes
		if end < 0 {
			end = len(text)
		}
		piece := text[:end]
		if first {
			piece = text // tabs and line ends begin a formula, too
		}
		if rest := strings.TrimLeft(piece, ignored); rest != "" && strings.IndexAny(rest, triggers) == 0 {
			b.WriteByte('\'')
		}
		if end == len(text) {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:end+1])
		text = text[end+1:]
	}
}

// Package asset holds the style sheet, the scripts and the mark of the pages (step 7 in the life of a click). Each is
// served under a name that carries its hash, so that browsers may keep it for ever.
package asset

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// static holds app.css and app.js, written here; htmx.min.js, taken as published in the npm package htmx.org 4.0.1
// (dist/htmx.min.js), with its licence; inter.woff2, cut from files/inter-latin-wght-normal.woff2 of the npm package
// @fontsource-variable/inter 5.3.0 to the weights 400 to 650, the letters that app.css names and the features kern, tnum and
// calt, with its licence; and the mark.
//
//go:embed static/app.css static/app.js static/htmx.min.js static/inter.woff2 static/favicon.svg
var static embed.FS

// Prefix is the path under which the assets are served.
const Prefix = "/assets/"

// Set is the assets of a binary. It is never changed, so any number of requests may use it.
type Set struct {
	urls  map[string]string // by plain name
	files map[string]file   // by hashed name
}

type file struct {
	contentType string
	plain       []byte
	zipped      []byte // nil where it would not be smaller
}

// fontName is the font as the style sheet names it.
const fontName = "inter.woff2"

// New reads the embedded files. An error means that the binary was built wrong.
func New() (*Set, error) {
	s := &Set{urls: map[string]string{}, files: map[string]file{}}
	for _, name := range []string{fontName, "app.css", "app.js", "htmx.min.js", "favicon.svg"} {
		data, err := static.ReadFile("static/" + name)
		if err != nil {
			return nil, fmt.Errorf("reading the embedded assets: %w", err)
		}
		if name == "app.css" {
			data = bytes.ReplaceAll(data, []byte("url("+fontName+")"), []byte("url("+s.URL(fontName)+")"))
		}
		if err := s.add(name, data); err != nil {
			return nil, fmt.Errorf("compressing %s: %w", name, err)
		}
	}
	return s, nil
}

// add serves data under a name that carries its hash.
func (s *Set) add(name string, data []byte) error {
	zipped, err := compress(data)
	if err != nil {
		return err
	}
	if len(zipped) >= len(data) {
		zipped = nil
	}
	sum := sha256.Sum256(data)
	ext := path.Ext(name)
	hashed := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
	s.urls[name] = Prefix + hashed
	s.files[hashed] = file{contentType: contentType(ext), plain: data, zipped: zipped}
	return nil
}

// URL is the path of an asset given its plain name, such as "app.css". It is empty for a name that does not exist.
func (s *Set) URL(name string) string { return s.urls[name] }

// ServeHTTP answers requests below Prefix; a name with an old hash is not found.
func (s *Set) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := s.files[strings.TrimPrefix(r.URL.Path, Prefix)]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	body := f.plain
	if f.zipped != nil && TakesGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = f.zipped
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(body) // whoever asked has gone
}

// TakesGzip tells whether whoever asks reads gzip (RFC 9110, 12.5.3).
func TakesGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, weighted := strings.Cut(strings.ReplaceAll(part, " ", ""), ";q=")
		if strings.EqualFold(name, "gzip") {
			q, err := strconv.ParseFloat(weight, 64)
			return !weighted || err == nil && q > 0
		}
	}
	return false
}

func contentType(ext string) string {
	switch ext {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	}
	return "application/octet-stream"
}

func compress(data []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

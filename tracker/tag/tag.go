// Package tag is the script that merchants put on their pages, and what it is served as. It serves the steps of a click's life
// that begin at the shop and not at a link: a visitor comes with a partner's code in the address.
package tag

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/sha512"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
)

// MaxBytes is the most that the script may take on the wire, compressed.
const MaxBytes = 2048

//go:generate sh -c "go tool -modfile=../../tools/go.mod esbuild t.js --minify --target=es2017 --log-level=warning --outfile=t.min.js"

// script is t.js as `make generate` makes it smaller.
//
//go:embed t.min.js
var script []byte

// Script is a form in which the tag is served.
type Script struct {
	// Plain is JavaScript, Gzip the same compressed.
	Plain, Gzip []byte
	// Version names its content: 12 hexadecimal digits of its SHA-256.
	Version string
	// Integrity is its hash as an attribute of a page's script element has it.
	Integrity string
}

// New makes the tag as this binary has it ready to be served.
func New() Script {
	plain := script
	sum, long := sha256.Sum256(plain), sha512.Sum384(plain)
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil { // memory takes whatever is written
		panic(err)
	}
	return Script{Plain: plain, Gzip: packed.Bytes(), Version: hex.EncodeToString(sum[:6]), Integrity: "sha384-" + base64.StdEncoding.EncodeToString(long[:])}
}

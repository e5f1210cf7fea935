package dashboard

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"sync"

	"tributary/dashboard/asset"
)

// mayCompress tells whether the answer to a request may be as short as it can be made. The length of a compressed page
// tells how much of what was asked for is also on the page, and so, after many tries, what else is there (BREACH). So a
// page is compressed only for a browser that says that no other site made it ask, and never as the answer to a form:
// that may show a new key beside its label.
func mayCompress(r *http.Request) bool {
	from := r.Header.Get("Sec-Fetch-Site")
	return r.Method == http.MethodGet && (from == "same-origin" || from == "none") && asset.TakesGzip(r)
}

// A zipper compresses pages. Its writers are kept: one takes some hundreds of kilobytes.
type zipper struct{ writers sync.Pool }

func (z *zipper) compress(page []byte) ([]byte, error) {
	var b bytes.Buffer
	w, ok := z.writers.Get().(*gzip.Writer)
	if !ok {
		w = gzip.NewWriter(&b)
	}
	defer z.writers.Put(w)
	w.Reset(&b)
	if _, err := w.Write(page); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

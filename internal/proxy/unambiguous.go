package proxy

import "net/http"

// Unambiguous closes the connection behind a request whose length is told by chunks. Where a length stands in its header as
// well, which net/http does not tell, a proxy in front may take another end for the request's, and what follows for a request
// of its own (RFC 9112 section 6.1): so nothing that follows is read.
func Unambiguous(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

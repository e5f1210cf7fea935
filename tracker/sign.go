package tracker

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tributary/internal/text"
	"tributary/partners/program"
)

// A merchant may sign reports and so never send a secret. The form is that of Standard Webhooks 1.0.0
// (https://github.com/standard-webhooks/standard-webhooks), with the key named beside it:
//
//	Tributary-Key: 17
//	Webhook-Id: a name of the message, the same when it is sent again
//	Webhook-Timestamp: seconds since 1970
//	Webhook-Signature: v1,<base64 of HMAC-SHA256 over "id.timestamp.body">
//
// A message is good for five minutes around its timestamp. Whoever gets hold of one may send it again for so long, and
// changes nothing by it: an order counts once.
const (
	headerKey       = "Tributary-Key"
	headerMessage   = "Webhook-Id"
	headerTime      = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"

	signatureAge  = 5 * time.Minute
	maxMessageID  = 128
	maxSignatures = 4
)

// signature is what a request claims to be signed with, until its body is there to prove it.
type signature struct {
	secret  []byte
	opening string // id.timestamp.
	proofs  []string
}

// signed tells whether a request means to be signed.
func signed(h http.Header) bool {
	return h[headerSignature] != nil || h[headerKey] != nil
}

// readSignature reads the headers of a signed request. The merchant is only known to be it when the body fits.
func (s *Server) readSignature(h http.Header) (caller, error) {
	key, signed, err := parseSignature(h, s.cfg.Now())
	if err != nil {
		return caller{}, err
	}
	signer, known := s.cfg.Catalogue.Signer(key)
	if !known {
		return caller{}, unsigned()
	}
	signed.secret = signer.Secret[:]
	return caller{signer.Key, signed}, nil
}

// parseSignature reads the headers of a signed request, all but the secret.
func parseSignature(h http.Header, now time.Time) (program.KeyID, *signature, error) {
	var values [4]string
	for i, name := range []string{headerKey, headerMessage, headerTime, headerSignature} {
		if len(h[name]) != 1 || h[name][0] == "" {
			return 0, nil, unauthorized(text.DetailSignatureHeaders())
		}
		values[i] = h[name][0]
	}
	key, message, stamp, proofs := values[0], values[1], values[2], values[3]
	if len(message) > maxMessageID || strings.Contains(message, ".") {
		return 0, nil, unauthorized(text.DetailSignatureID())
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return 0, nil, unauthorized(text.DetailSignatureTime())
	}
	if apart := now.Unix() - seconds; apart > int64(signatureAge/time.Second) || apart < -int64(signatureAge/time.Second) {
		return 0, nil, unauthorized(text.DetailSignatureAge())
	}
	id, err := strconv.ParseInt(key, 10, 64)
	if err != nil {
		return 0, nil, unsigned()
	}
	return program.KeyID(id), &signature{opening: message + "." + stamp + ".", proofs: strings.SplitN(proofs, " ", maxSignatures+1)}, nil
}

// unsigned says the same of a key that is not there and of a signature that does not fit.
func unsigned() error {
	return unauthorized(text.DetailSignature())
}

// fits tells whether one of the proofs is of this body.
func (s *signature) fits(body []byte) bool {
	mac := hmac.New(sha256.New, s.secret)
	mac.Write([]byte(s.opening))
	mac.Write(body)
	var space [sha256.Size]byte
	want := mac.Sum(space[:0])
	for i, proof := range s.proofs {
		text, ok := strings.CutPrefix(proof, "v1,")
		got, err := base64.StdEncoding.DecodeString(text)
		if ok && err == nil && i < maxSignatures && hmac.Equal(got, want) {
			return true
		}
	}
	return false
}

package dashboard

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	"tributary/internal/fault"
	"tributary/partners/access"
)

// What a session holds.
const (
	sessionLogin = "login" // the person, as the database has them now; not stored
	sessionFlash = "flash" // a sentence to show on the next page
)

// newSessions makes the session manager: tokens are random, kept as SHA-256, and end when idle or old.
func (s *Server) newSessions() *scs.SessionManager {
	m := scs.New()
	m.IdleTimeout, m.Lifetime = s.cfg.SessionIdle, s.cfg.SessionLifetime
	if m.IdleTimeout == 0 {
		m.IdleTimeout = 30 * time.Minute
	}
	if m.Lifetime == 0 {
		m.Lifetime = 12 * time.Hour
	}
	m.Store = &sessionStore{db: s.access}
	m.Codec = sessionCodec{}
	m.HashTokenInStore = true
	m.Cookie.Persist = false // gone with the browser
	m.Cookie.HttpOnly = true
	m.Cookie.SameSite = http.SameSiteLaxMode
	m.Cookie.Secure = s.cfg.SecureCookies
	m.Cookie.Name = s.cookieName("session")
	m.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) {
		s.failPlainly(w, r, fmt.Errorf("keeping the session: %w", err))
	}
	return m
}

// cookieName binds a cookie to https and this host where it can: browsers refuse the prefix over plain http.
func (s *Server) cookieName(name string) string {
	if s.cfg.SecureCookies {
		return "__Host-" + name
	}
	return name
}

// sessionData is a session as it is stored, and as it is found: with the person, whom the store adds.
type sessionData struct {
	Deadline time.Time     `json:"deadline"`
	Flash    string        `json:"flash,omitempty"`
	Login    access.Person `json:"login,omitzero"`
}

// sessionCodec writes sessions as JSON.
type sessionCodec struct{}

// Encode implements scs.Codec.
func (sessionCodec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	d := sessionData{Deadline: deadline}
	d.Flash, _ = values[sessionFlash].(string)
	data, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("writing a session: %w", err)
	}
	return data, nil
}

// Decode implements scs.Codec.
func (sessionCodec) Decode(data []byte) (time.Time, map[string]any, error) {
	var d sessionData
	if err := json.Unmarshal(data, &d); err != nil {
		return time.Time{}, nil, fmt.Errorf("reading a session: %w", err)
	}
	values := map[string]any{sessionLogin: d.Login}
	if d.Flash != "" {
		values[sessionFlash] = d.Flash
	}
	return d.Deadline, values, nil
}

// sessionStore keeps sessions in the database. It implements scs.CtxStore; tokens come to it hashed.
type sessionStore struct{ db *access.DB }

var errNoContext = errors.New("sessions are kept with a context")

// Find, Commit and Delete complete scs.Store; the manager calls the ones with a context.
func (*sessionStore) Find(string) ([]byte, bool, error) { return nil, false, errNoContext }

// Commit implements scs.Store.
func (*sessionStore) Commit(string, []byte, time.Time) error { return errNoContext }

// Delete implements scs.Store.
func (*sessionStore) Delete(string) error { return errNoContext }

// FindCtx gives a live session of a person who may still sign in.
func (st *sessionStore) FindCtx(ctx context.Context, token string) (data []byte, found bool, err error) {
	hash, ok := tokenHash(token)
	if !ok {
		return nil, false, nil
	}
	var d sessionData
	data, person, found, err := st.db.FindSession(ctx, hash)
	if err != nil || !found {
		return nil, false, err
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, false, fmt.Errorf("reading a session: %w", err)
	}
	d.Login = person
	if data, err = json.Marshal(d); err != nil {
		return nil, false, fmt.Errorf("adding the person to a session: %w", err)
	}
	return data, true, nil
}

// CommitCtx writes a session.
func (st *sessionStore) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	hash, ok := tokenHash(token)
	if !ok || ctx.Value(unattended{}) != nil {
		return nil // nobody at the keyboard: nothing worth writing down
	}
	return st.db.KeepSession(ctx, hash, data, expiry)
}

// DeleteCtx ends a session.
func (st *sessionStore) DeleteCtx(ctx context.Context, token string) error {
	hash, ok := tokenHash(token)
	if !ok {
		return nil
	}
	return st.db.EndSession(ctx, hash)
}

// unattended marks the context of a request that a page makes by itself to keep a list fresh. It does not count as use
// of the session, which would otherwise never be idle.
type unattended struct{}

func markUnattended(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.Header.Get("X-Background") != "" {
			r = r.WithContext(context.WithValue(r.Context(), unattended{}, true))
		}
		next.ServeHTTP(w, r)
	})
}

// tokenHash is by what the database knows this request's session.
func (s *Server) tokenHash(ctx context.Context) []byte {
	hash := sha256.Sum256([]byte(s.sessions.Token(ctx)))
	return hash[:]
}

// tokenHash undoes the manager's text form of a SHA-256.
func tokenHash(token string) ([]byte, bool) {
	hash, err := base64.RawURLEncoding.DecodeString(token)
	return hash, err == nil && len(hash) == 32
}

// countsAway answers for a file of counts where there are none.
func countsAway() error {
	return fault.Coded(fault.Unavailable, "counts_unavailable", nil)
}

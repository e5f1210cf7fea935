package dashboard

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/fault"
)

// What a session holds.
const (
	sessionLogin = "login" // int64, the id of the person
	sessionPrint = "print" // fingerprint of the password hash: another password ends the session
	sessionFlash = "flash" // a sentence to show on the next page
	sessionFresh = "fresh" // set from sign-in to the first use
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
	m.Store = &sessionStore{db: s.cfg.Postgres}
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

// sessionData is a session as it is stored.
type sessionData struct {
	Deadline time.Time `json:"deadline"`
	Login    int64     `json:"login"`
	Print    string    `json:"print"`
	Flash    string    `json:"flash,omitempty"`
	Fresh    bool      `json:"fresh,omitempty"`
}

// sessionCodec writes sessions as JSON. One that was read is not fresh any more.
type sessionCodec struct{}

// Encode implements scs.Codec.
func (sessionCodec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	d := sessionData{Deadline: deadline}
	d.Login, _ = values[sessionLogin].(int64)
	d.Print, _ = values[sessionPrint].(string)
	d.Flash, _ = values[sessionFlash].(string)
	d.Fresh, _ = values[sessionFresh].(bool)
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
	values := map[string]any{sessionLogin: d.Login, sessionPrint: d.Print}
	if d.Flash != "" {
		values[sessionFlash] = d.Flash
	}
	return d.Deadline, values, nil
}

// sessionStore keeps sessions in the table session. It implements scs.CtxStore; tokens come to it hashed.
type sessionStore struct{ db *pgxpool.Pool }

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
	// name: session find
	err = st.db.QueryRow(ctx, `SELECT s.data FROM session s JOIN login l ON l.id = s.login_id AND l.disabled_at IS NULL
		WHERE s.token_hash = $1 AND s.expires_at > now()`, hash).Scan(&data)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("finding a session: %w", unavailable(err))
	}
	return data, true, nil
}

// CommitCtx writes a session: a row of its own when it is fresh from sign-in, and otherwise only over the row it was
// read from, so that a request under way cannot bring back a session that was ended meanwhile.
func (st *sessionStore) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	hash, ok := tokenHash(token)
	var d sessionData
	if err := json.Unmarshal(data, &d); err != nil || !ok {
		return fmt.Errorf("keeping a session: unreadable: %w", err)
	}
	if d.Login == 0 || ctx.Value(unattended{}) != nil {
		return nil // nobody signed in, or nobody at the keyboard: nothing worth writing down
	}
	sql := `UPDATE session SET data = $3, seen_at = now(), expires_at = $4 WHERE token_hash = $1 AND login_id = $2`
	if d.Fresh {
		sql = `INSERT INTO session (token_hash, login_id, data, expires_at) VALUES ($1, $2, $3, $4)`
	}
	if _, err := st.db.Exec(ctx, sql, hash, d.Login, data, expiry); err != nil {
		return fmt.Errorf("keeping a session: %w", unavailable(err))
	}
	return nil
}

// DeleteCtx ends a session.
func (st *sessionStore) DeleteCtx(ctx context.Context, token string) error {
	hash, ok := tokenHash(token)
	if !ok {
		return nil
	}
	if _, err := st.db.Exec(ctx, `DELETE FROM session WHERE token_hash = $1`, hash); err != nil {
		return fmt.Errorf("ending a session: %w", unavailable(err))
	}
	return nil
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

// endAll ends every session of a person, and removes those of anyone that ran out.
func (st *sessionStore) endAll(ctx context.Context, login int64) error {
	if _, err := st.db.Exec(ctx, `DELETE FROM session WHERE login_id = $1 OR expires_at < now()`, login); err != nil {
		return fmt.Errorf("ending sessions: %w", unavailable(err))
	}
	return nil
}

// sweep removes sessions that ran out, a bounded number at a time.
func (st *sessionStore) sweep(ctx context.Context) error {
	_, err := st.db.Exec(ctx, `DELETE FROM session WHERE token_hash IN (SELECT token_hash FROM session WHERE expires_at < now() LIMIT 1000)`)
	if err != nil {
		return fmt.Errorf("removing old sessions: %w", err)
	}
	return nil
}

// tokenHash undoes the manager's text form of a SHA-256.
func tokenHash(token string) ([]byte, bool) {
	hash, err := base64.RawURLEncoding.DecodeString(token)
	return hash, err == nil && len(hash) == 32
}

// unavailable marks an error of the database as one that passes.
func unavailable(err error) error {
	return &fault.Error{
		Kind: fault.Unavailable, Code: "unavailable", Cause: err,
		Detail: "The books cannot be read at the moment. Nothing is lost; please try again shortly.",
	}
}

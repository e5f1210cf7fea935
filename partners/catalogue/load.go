package catalogue

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tributary/partners"
	"tributary/partners/program"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// changes is what one look found, read completely before any of it is applied.
type changes struct {
	merchants []*partners.Merchant
	programs  []*Listing
	partners  []*partners.Partner
	links     []*partners.Link
	keys      []keyRow
	states    states
}

type keyRow struct {
	partners.Key

	hash    [32]byte
	revoked bool
	signs   bool // its hash is not that of a bearer's key
	secret  [32]byte
}

// Refresh brings the catalogue up to everything that was committed before the call, as seen through q: a pool, or a
// READ COMMITTED transaction. Calls at the same time wait for one another. After an error the catalogue is as it was.
//
// Each look remembers the oldest transaction that was still running, and the next one asks for the rows written by that
// transaction or a later one. A row that commits late is thus found late, and none is missed whatever the order of
// commits. Children are read before their parents, each in a statement of its own, so that a parent is seen wherever a
// child was.
func (c *Catalogue) Refresh(ctx context.Context, q partners.Querier) error {
	c.refreshing.Lock()
	defer c.refreshing.Unlock()
	looked := time.Now()
	var version int64
	var mark uint64
	// name: catalogue look
	err := q.QueryRow(ctx, `SELECT version, pg_snapshot_xmin(pg_current_snapshot()) FROM catalogue`).Scan(&version, &mark)
	if err != nil {
		return fmt.Errorf("looking at the catalogue: %w", err)
	}
	if c.copied != nil {
		if err := c.copied.belongs(ctx, q); err != nil {
			return err
		}
	}
	if version < c.Version() || mark < c.mark { // PostgreSQL was restored to an earlier time, where transactions had other numbers
		c.mark = 0
	}
	if version != c.Version() {
		ch, err := c.read(ctx, q, c.mark)
		if err != nil {
			return err
		}
		c.apply(ch)
		c.hear(ch.states, c.mark == 0, looked)
		if c.mark == 0 && (c.copied != nil || c.Version() > 0) {
			c.retain(ch)
		}
		if c.copied != nil {
			c.log.Info("PostgreSQL answers again: the catalogue is live", "links", c.Links(), "away for", looked.Sub(c.LastLook()).Round(time.Second))
			c.copied = nil
		}
		c.mark = mark
		c.version.Store(version)
	}
	c.looked.Store(looked.UnixNano())
	return nil
}

// read collects the rows that a transaction at or after since has written.
func (c *Catalogue) read(ctx context.Context, q partners.Querier, since uint64) (*changes, error) {
	var ch changes
	var err error
	if ch.keys, err = c.readKeys(ctx, q, since); err != nil {
		return nil, fmt.Errorf("reading API keys: %w", err)
	}
	if ch.states, err = readStates(ctx, q, since); err != nil {
		return nil, err
	}
	if ch.links, err = c.readLinks(ctx, q, since); err != nil {
		return nil, fmt.Errorf("reading links: %w", err)
	}
	if ch.partners, err = readPartners(ctx, q, since); err != nil {
		return nil, fmt.Errorf("reading partners: %w", err)
	}
	programs, err := partners.ReadPrograms(ctx, q, since)
	if err != nil {
		return nil, fmt.Errorf("reading programs: %w", err)
	}
	for _, p := range programs {
		ch.programs = append(ch.programs, listingOf(p))
		c.tell(p)
	}
	if ch.merchants, err = readMerchants(ctx, q, since); err != nil {
		return nil, fmt.Errorf("reading merchants: %w", err)
	}
	if since == 0 {
		c.links.reserve(len(ch.links))
		c.partners.reserve(len(ch.partners))
	}
	return &ch, nil
}

// termsKey names a version of a program's terms.
type termsKey struct {
	program program.ProgramID
	version int
}

// tell logs terms that cannot be read whole, as when a later version wrote them: what could be read of them is in the
// listing, and the rest is for the engine.
func (c *Catalogue) tell(p *partners.Program) {
	for i := range p.Terms {
		t := &p.Terms[i]
		key := termsKey{p.ID, t.Version}
		if t.Unreadable == nil {
			delete(c.unreadable, key)
			continue
		}
		if !c.unreadable[key] {
			c.log.Warn("terms cannot be read whole; warnings about orders go by the rest", "program", p.ID, "version", t.Version, "error", t.Unreadable)
		}
		c.unreadable[key] = true
	}
}

// readKeys reads the keys, and the secrets of those that sign where they are asked for. A key that signs is not there
// without its secret.
func (c *Catalogue) readKeys(ctx context.Context, q partners.Querier, since uint64) ([]keyRow, error) {
	// name: keys changed
	sql := `SELECT id, hash, merchant_id, scopes, revoked_at IS NOT NULL, signs, NULL FROM api_key WHERE changed >= $1`
	if c.signs {
		// name: keys changed, with secrets
		sql = `SELECT k.id, k.hash, k.merchant_id, k.scopes, k.revoked_at IS NOT NULL, k.signs, s.secret
FROM api_key k LEFT JOIN signing_secret s ON s.key_id = k.id WHERE k.changed >= $1`
	}
	rows, err := q.Query(ctx, sql, since)
	if err != nil {
		return nil, err
	}
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (keyRow, error) {
		var k keyRow
		var hash, secret []byte
		var scopes []string
		err := row.Scan(&k.ID, &hash, &k.Merchant, &scopes, &k.revoked, &k.signs, &secret)
		k.Scopes = partners.KnownScopes(scopes)
		copy(k.hash[:], hash)
		copy(k.secret[:], secret)
		return k, err
	})
	return slices.DeleteFunc(keys, func(k keyRow) bool { return k.signs && !k.revoked && k.secret == [32]byte{} }), err
}

// readLinks keeps memory small where there are a million links: a target that is the landing page of the program, as
// most are, shares the program's text, and any other lies in one piece with the code.
func (c *Catalogue) readLinks(ctx context.Context, q partners.Querier, since uint64) ([]*partners.Link, error) {
	// name: links changed
	rows, err := q.Query(ctx, `SELECT l.id, l.code, p.merchant_id, l.program_id, l.partner_id, l.target_url, l.closed_at IS NOT NULL, p.landing_url
FROM link l JOIN program p ON p.id = l.program_id WHERE l.changed >= $1`, since)
	if err != nil {
		return nil, err
	}
	landings := map[program.ProgramID]string{}
	var code, target, landing pgtype.DriverBytes // valid until the next row
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (*partners.Link, error) {
		var l partners.Link
		if err := row.Scan(&l.ID, &code, &l.Merchant, &l.Program, &l.Partner, &target, &l.Closed, &landing); err != nil {
			return nil, err
		}
		shared, ok := landings[l.Program]
		if !ok {
			if shared = string(landing); shared == c.landingOf(l.Program) {
				shared = c.landingOf(l.Program)
			}
			landings[l.Program] = shared
		}
		if string(target) == shared {
			l.Code, l.Target = string(code), shared
			return &l, nil
		}
		both := string(code) + string(target)
		l.Code, l.Target = both[:len(code)], both[len(code):]
		return &l, nil
	})
}

// landingOf gives the landing page of a program that is already here.
func (c *Catalogue) landingOf(id program.ProgramID) string {
	if p, ok := c.programs.get(id); ok {
		return p.LandingURL
	}
	return ""
}

func readPartners(ctx context.Context, q partners.Querier, since uint64) ([]*partners.Partner, error) {
	// name: partners changed
	rows, err := q.Query(ctx, `SELECT id, kind, name, site_url FROM partner WHERE changed >= $1`, since)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (*partners.Partner, error) {
		var p partners.Partner
		err := row.Scan(&p.ID, &p.Kind, &p.Name, &p.SiteURL)
		return &p, err
	})
}

func readMerchants(ctx context.Context, q partners.Querier, since uint64) ([]*partners.Merchant, error) {
	// name: merchants changed
	rows, err := q.Query(ctx, `SELECT id, name FROM merchant WHERE changed >= $1`, since)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (*partners.Merchant, error) {
		var m partners.Merchant
		err := row.Scan(&m.ID, &m.Name)
		return &m, err
	})
}

// Package catalogue is what a tracker holds of the network in memory, with its copy on disk: links, keys, partners, merchants, and of
// programs the click parameter, currencies, categories and widest window. It serves steps 1 and 4 of a click's life, and
// follows PostgreSQL within about a second.
package catalogue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/partners"
	"tributary/partners/program"
)

// lookEvery is how often Run asks whether the catalogue has changed: one read of one row.
const lookEvery = 200 * time.Millisecond

// Catalogue is the network in memory: merchants, programs with their terms, partners, links and keys, as they stand in
// PostgreSQL. It is safe for many readers beside Load, Refresh and Run. What it hands out is shared and must not be
// changed by the reader.
//
// A reader that finds a link also finds its program, partner and merchant. While PostgreSQL is down the catalogue stays
// as it was.
type Catalogue struct {
	db  *pgxpool.Pool
	log *slog.Logger

	merchants  *table[program.MerchantID, *partners.Merchant]
	programs   *table[program.ProgramID, *Listing]
	byMerchant *table[program.MerchantID, *merchantEntry]
	partners   *table[program.PartnerID, *partners.Partner]
	links      *linkTable
	keys       *table[[32]byte, partners.Key]
	revoked    *table[[32]byte, partners.Key]
	signers    *table[program.KeyID, partners.Signer]
	states     atomic.Pointer[states]

	signs bool   // whether it reads the secrets of keys that sign
	file  string // where Run keeps a copy; none if empty

	refreshing sync.Mutex        // held by the one that loads
	mark       uint64            // oldest transaction that was running at the last look, under refreshing
	unreadable map[termsKey]bool // terms that cannot be read whole, of which the log tells once; under refreshing
	version    atomic.Int64
	looked     atomic.Int64 // time of the last look that succeeded, in nanoseconds
	copied     *Copy        // what was loaded in place of PostgreSQL, until that answers; under refreshing
}

// merchantEntry is what a merchant has, replaced as a whole when one of its programs changes.
type merchantEntry struct {
	programs   []*Listing // by id
	currencies []string   // of all of them, sorted
}

// New makes an empty catalogue that reads from db. It does nothing until Load.
func New(db *pgxpool.Pool, log *slog.Logger) *Catalogue {
	c := &Catalogue{
		db: db, log: log,
		merchants:  newTable[program.MerchantID, *partners.Merchant](),
		programs:   newTable[program.ProgramID, *Listing](),
		byMerchant: newTable[program.MerchantID, *merchantEntry](),
		partners:   newTable[program.PartnerID, *partners.Partner](),
		links:      newLinkTable(),
		keys:       newTable[[32]byte, partners.Key](),
		revoked:    newTable[[32]byte, partners.Key](),
		signers:    newTable[program.KeyID, partners.Signer](),
		unreadable: map[termsKey]bool{},
	}
	c.states.Store(&states{})
	return c
}

// WithSigners makes the catalogue read the keys that sign too, with their secrets, as a tracker alone may. Call it before
// Load.
func (c *Catalogue) WithSigners() *Catalogue {
	c.signs = true
	return c
}

// Load reads the whole network. Call it before the first reader, and Run after it.
func (c *Catalogue) Load(ctx context.Context) error {
	return c.Refresh(ctx, c.db)
}

// Run follows PostgreSQL until ctx ends: a change is here within about 200 ms of its commit. An error of the database is
// logged when it begins and again when it has passed, and looked past: the catalogue stays as it was. Only a PostgreSQL of
// another network than that of the copy which was loaded ends it, with ErrOtherNetwork.
func (c *Catalogue) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var keep keeper
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := c.runOnce(ctx)
		if err == nil && c.file != "" {
			keep.look(ctx, c, time.Now())
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrOtherNetwork):
			return err
		case err != nil && !failing:
			c.log.Error("refreshing the catalogue failed; it stays as it is", "version", c.Version(), "error", err)
		case err == nil && failing:
			c.log.Info("the catalogue is refreshed again", "version", c.Version())
		}
		failing = err != nil
	}
}

// runOnce looks whether anything has changed and loads it.
func (c *Catalogue) runOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var version int64
	// name: catalogue version
	if err := c.db.QueryRow(ctx, `SELECT version FROM catalogue`).Scan(&version); err != nil {
		return fmt.Errorf("looking at the catalogue's version: %w", err)
	}
	if version == c.Version() {
		c.looked.Store(time.Now().UnixNano())
		return nil
	}
	return c.Refresh(ctx, c.db)
}

// Version is the catalogue.version up to which this catalogue holds everything; 0 before Load.
func (c *Catalogue) Version() int64 { return c.version.Load() }

// LastLook is when the catalogue was last known to be as PostgreSQL has it.
func (c *Catalogue) LastLook() time.Time { return time.Unix(0, c.looked.Load()) }

// Links is how many links there are, closed ones too.
func (c *Catalogue) Links() int { return c.links.len() }

// LinkByCode finds a link by the code in its address, which must be in lower case.
func (c *Catalogue) LinkByCode(code string) (*partners.Link, bool) { return c.links.byCode(code) }

// Link finds a link by id.
func (c *Catalogue) Link(id program.LinkID) (*partners.Link, bool) { return c.links.get(id) }

// Program finds a program.
func (c *Catalogue) Program(id program.ProgramID) (*Listing, bool) { return c.programs.get(id) }

// Partner finds a partner.
func (c *Catalogue) Partner(id program.PartnerID) (*partners.Partner, bool) {
	return c.partners.get(id)
}

// Merchant finds a merchant.
func (c *Catalogue) Merchant(id program.MerchantID) (*partners.Merchant, bool) {
	return c.merchants.get(id)
}

// ProgramsOf gives a merchant's programs, by id.
func (c *Catalogue) ProgramsOf(id program.MerchantID) []*Listing {
	if h, ok := c.byMerchant.get(id); ok {
		return h.programs
	}
	return nil
}

// CurrenciesOf gives the currencies that at least one program of the merchant takes, sorted.
func (c *Catalogue) CurrenciesOf(id program.MerchantID) []string {
	if h, ok := c.byMerchant.get(id); ok {
		return h.currencies
	}
	return nil
}

// Key finds the API key that hashes to sum (see KeyHash), unless it was revoked. One that signs is not found so.
func (c *Catalogue) Key(sum [32]byte) (partners.Key, bool) { return c.keys.get(sum) }

// RevokedKey finds a key that Key would find if it was not revoked. It opens nothing: it tells whose request was refused.
func (c *Catalogue) RevokedKey(sum [32]byte) (partners.Key, bool) { return c.revoked.get(sum) }

// Signer finds a key that signs requests, unless it was revoked. See WithSigners.
func (c *Catalogue) Signer(id program.KeyID) (partners.Signer, bool) { return c.signers.get(id) }

// apply puts changes into the tables, parents before children, so that a reader who finds a link finds all it names.
func (c *Catalogue) apply(ch *changes) {
	for _, m := range ch.merchants {
		c.merchants.set(m.ID, m)
	}
	for _, p := range ch.programs {
		c.programs.set(p.ID, p)
		c.hold(p)
	}
	for _, p := range ch.partners {
		c.partners.set(p.ID, p)
	}
	c.links.set(ch.links, c.landingOf)
	for _, k := range ch.keys {
		switch {
		case k.revoked:
			c.keys.remove(k.hash)
			c.signers.remove(k.ID)
			c.revoked.set(k.hash, k.Key)
		case k.signs:
			c.signers.set(k.ID, partners.Signer{Key: k.Key, Secret: k.secret})
		default:
			c.keys.set(k.hash, k.Key)
		}
	}
}

// retain removes the links and keys that are not among all of the network's: a copy may hold what the database, restored
// from a backup, does not.
func (c *Catalogue) retain(all *changes) {
	links := make(map[program.LinkID]bool, len(all.links))
	for _, l := range all.links {
		links[l.ID] = true
	}
	c.links.retain(func(id program.LinkID) bool { return links[id] })
	keys, signers := map[[32]byte]bool{}, map[program.KeyID]bool{}
	for _, k := range all.keys {
		keys[k.hash], signers[k.ID] = !k.signs, k.signs
	}
	c.keys.retain(func(hash [32]byte, _ partners.Key) bool { return keys[hash] })
	c.signers.retain(func(id program.KeyID, _ partners.Signer) bool { return signers[id] })
}

// hold renews what is known of the merchant of a program that has changed.
func (c *Catalogue) hold(p *Listing) {
	next := &merchantEntry{programs: []*Listing{p}}
	if h, ok := c.byMerchant.get(p.Merchant); ok {
		for _, other := range h.programs {
			if other.ID != p.ID {
				next.programs = append(next.programs, other)
			}
		}
	}
	slices.SortFunc(next.programs, func(a, b *Listing) int { return int(a.ID - b.ID) })
	for _, p := range next.programs {
		next.currencies = append(next.currencies, p.Currencies...)
	}
	slices.Sort(next.currencies)
	next.currencies = slices.Compact(next.currencies)
	c.byMerchant.set(p.Merchant, next)
}

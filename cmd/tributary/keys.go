package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/keyring"
	"tributary/internal/postgres"
)

// keySetting names the setting of a ring of keys, and the file of the data folder that holds them where it is not set.
type keySetting string

// The rings of a network.
const (
	clickKeys  keySetting = "click-keys"
	recordKeys keySetting = "record-keys"
)

// errForeignKey says that a key here is not the network's.
var errForeignKey = errors.New("it is not the one that this network signs with: give every process the same keys, and a new key a new number")

// ringsOf are the rings that roles sign or verify by.
func ringsOf(roles []string) (rings []keySetting) {
	tracks, decides := slices.Contains(roles, "tracker"), slices.Contains(roles, "engine")
	if tracks || decides {
		rings = append(rings, clickKeys)
	}
	if tracks || decides || slices.Contains(roles, "loader") {
		rings = append(rings, recordKeys)
	}
	return rings
}

func (s keySetting) text(cfg *config) string {
	if s == recordKeys {
		return cfg.RecordKeys
	}
	return cfg.ClickKeys
}

func (s keySetting) file(cfg *config) string { return filepath.Join(cfg.Data, string(s)) }

// row is where the database has the fingerprint of a key.
func (s keySetting) row(k keyring.Key) string {
	if s == recordKeys {
		return fmt.Sprintf("record_key_%d", k.ID)
	}
	return fmt.Sprintf("click_key_%d", k.ID)
}

// orMade reads the keys from the settings or the data folder, where it makes one once.
func (s keySetting) orMade(cfg *config) ([]keyring.Key, error) {
	keys, err := s.ifAny(cfg)
	if err == nil && len(keys) == 0 {
		made := keyring.Generate(1)
		if err = writeSecret(s.file(cfg), []byte(made.Reveal())); err == nil {
			keys = []keyring.Key{made}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the keys of %s: %w", s, err)
	}
	return keys, nil
}

// ifAny reads the keys, and gives none where none have been made.
func (s keySetting) ifAny(cfg *config) ([]keyring.Key, error) {
	text := s.text(cfg)
	if text == "" {
		content, err := readSecret(s.file(cfg))
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		text = content
	}
	keys, err := keyring.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", envName(string(s)), err)
	}
	return keys, nil
}

// keyRows are the keys of this process by the names under which the database has their fingerprints.
func (r *river) keyRows() map[string]keyring.Key {
	rows := make(map[string]keyring.Key, len(r.keys)+len(r.recordKeys))
	for _, k := range r.keys {
		rows[clickKeys.row(k)] = k
	}
	for _, k := range r.recordKeys {
		rows[recordKeys.row(k)] = k
	}
	return rows
}

// registerKeys writes down which keys this process holds, and refuses one that another process holds otherwise: by other
// click keys every click would be forged, and what was earned by it taken back; by other record keys every record.
func (r *river) registerKeys(ctx context.Context, db *pgxpool.Pool) error {
	for row, k := range r.keyRows() {
		if err := postgres.KeepSetting(ctx, db, row, k.Fingerprint()); err != nil {
			return err
		}
	}
	return r.checkKeys(ctx, db)
}

// checkKeys refuses keys that are not those of this network.
func (r *river) checkKeys(ctx context.Context, q postgres.Rower) error {
	for row, k := range r.keyRows() {
		if err := checkKey(ctx, q, row, k); err != nil {
			return err
		}
	}
	return nil
}

// checkKey refuses a key that the database knows otherwise.
func checkKey(ctx context.Context, q postgres.Rower, row string, k keyring.Key) error {
	switch known, found, err := postgres.Setting(ctx, q, row); {
	case err != nil:
		return fmt.Errorf("comparing the keys: %w", err)
	case found && known != k.Fingerprint(): // nobody has used one that is not found
		return fmt.Errorf("%s here: %w", row, errForeignKey)
	}
	return nil
}

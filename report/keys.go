package report

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/event"
)

// A ReportingKey is an API key that orders can be narrowed to.
type ReportingKey struct {
	ID      int64
	Label   string
	Revoked bool
}

// ReportingKeys lists the keys of the scope's merchant: those in use before those revoked.
func (s *Snapshot) ReportingKeys(ctx context.Context) ([]ReportingKey, error) {
	// name: keys that report
	rows, err := s.tx.Query(ctx, `SELECT id, label, revoked_at IS NOT NULL AS revoked
		FROM api_key WHERE merchant_id = $1 ORDER BY revoked_at IS NOT NULL, id DESC LIMIT 500`, int64(s.scope.Merchant))
	if err != nil {
		return nil, fmt.Errorf("listing keys: %w", err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByName[ReportingKey])
	if err != nil {
		return nil, fmt.Errorf("listing keys: %w", err)
	}
	return keys, nil
}

// A Key is an API key, of which only the beginning is known.
type Key struct {
	ID        int64
	Prefix    string
	Label     string
	Signs     bool
	Scopes    []string
	CreatedAt time.Time
	RevokedAt *time.Time
	UsedAt    *time.Time
}

// Keys lists the newest 100 keys of the scope's merchant, live ones first.
func (s *Snapshot) Keys(ctx context.Context) ([]Key, error) {
	// name: keys of a merchant
	rows, err := s.tx.Query(ctx, `SELECT k.id, prefix, label, signs, scopes, created_at, revoked_at, used_at
		FROM api_key k LEFT JOIN key_use u ON u.key_id = k.id
		WHERE merchant_id = $1 ORDER BY revoked_at IS NOT NULL, k.id DESC LIMIT 100`, int64(s.scope.Merchant))
	if err != nil {
		return nil, fmt.Errorf("listing keys: %w", err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByName[Key])
	if err != nil {
		return nil, fmt.Errorf("listing keys: %w", err)
	}
	return keys, nil
}

// A LatestReport is an event that arrived from the shop.
type LatestReport struct {
	OrderNo    int64
	OrderID    string
	Kind       event.Kind
	Ref        string
	ReceivedAt time.Time
	Outcome    string
	Late       bool
	Test       bool
}

// LatestReports lists the eight newest reports of the 20 newest orders of the scope's merchant.
func (s *Snapshot) LatestReports(ctx context.Context) ([]LatestReport, error) {
	// name: latest orders of a merchant, by their time, with the event that was received last of each
	rows, err := s.tx.Query(ctx, `SELECT o.no AS order_no, o.order_id, e.kind, e.ref, e.received_at, o.outcome, o.late AND e.kind = 1 AS late, o.keys = 1 AS test
		FROM (SELECT no, order_id, outcome, late, keys FROM orders WHERE merchant_id = $1 AND occurred_at IS NOT NULL AND keys <> 2 ORDER BY occurred_at DESC, no DESC LIMIT 20) o
		JOIN order_event e ON e.order_no = o.no AND e.kind <> 3 ORDER BY e.received_at DESC LIMIT 8`, int64(s.scope.Merchant))
	if err != nil {
		return nil, fmt.Errorf("listing reports: %w", err)
	}
	reports, err := pgx.CollectRows(rows, pgx.RowToStructByName[LatestReport])
	if err != nil {
		return nil, fmt.Errorf("listing reports: %w", err)
	}
	return reports, nil
}

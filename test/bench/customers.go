package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"tributary/internal/clickhouse"
	"tributary/internal/postgres"
	"tributary/partners/access"
	"tributary/report"
)

// fillCustomers makes ledger events of orders over two years: a fifth as many customers, some of whom order far more often than others,
// and of ten orders three that nobody brought.
const fillCustomers = `
INSERT INTO ledger (event_id, received_at, occurred_at, ordered_at, order_no, version, merchant_id, program_id, partner_id, link_id, order_id, customer_id, currency,
  cause, orders, revenue, refunded, gross, net, fee, _partition, _seq)
SELECT generateUUIDv4(), toDateTime64('2026-11-28 00:00:00', 6, 'UTC'), at, t.at, number + 1, 1, %[1]d, if(partner = 0, 0, %[2]d), partner, t.partner,
  concat('order-', toString(number)), concat('c', toString(toUInt32(pow(rand(1) / 4294967296., 1.6) * %[3]d / 5))), 'GBP',
  'sale', 1, 1000 + rand(4) %% 10000, if(rand(5) %% 10 = 0, 500, 0), if(partner = 0, 0, 100), if(partner = 0, 0, 100), if(partner = 0, 0, 20), 0, number + 1
FROM (SELECT number, toDateTime64('2024-11-29 00:00:00', 6, 'UTC') + toIntervalSecond(toUInt32(rand(2) / 4294967296. * 729 * 86400)) AS at,
             if(rand(3) %% 10 < 3, 0, 1 + rand(3) %% 40) AS partner FROM numbers(%[3]d)) AS t`

// customers measures the reports on customers of one merchant as their pages read them.
func customers(ctx context.Context, b *bench) error {
	n, err := b.network(ctx, "customers")
	if err != nil {
		return err
	}
	defer n.close()
	orders := b.scaled(1_000_000)
	if err := n.clickhouse.Exec(ctx, fmt.Sprintf(fillCustomers, n.merchant, n.program, orders)); err != nil {
		return fmt.Errorf("making orders: %w", err)
	}
	if err := n.clickhouse.Exec(ctx, "OPTIMIZE TABLE customer_order FINAL"); err != nil {
		return fmt.Errorf("merging parts: %w", err)
	}
	db, err := postgres.Open(ctx, n.addresses.PostgresRoles[postgres.Dashboard.Name()], postgres.Dashboard, 2)
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := clickhouse.Open(n.addresses.ClickHouseRoles[clickhouse.Dashboard.Name()], 2)
	if err != nil {
		return err
	}
	defer conn.Close()
	r := report.New(access.New(db), conn)
	scope := access.Scope{Merchant: n.merchant}
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	reports := []struct {
		name string
		read func(f report.CustomersFilter, shop *report.Shop) error
	}{
		{"new", func(f report.CustomersFilter, shop *report.Shop) error {
			_, err := r.NewCustomers(ctx, scope, f, shop)
			return err
		}},
		{"returning", func(f report.CustomersFilter, shop *report.Shop) error {
			_, err := r.Returning(ctx, scope, f, shop)
			return err
		}},
		{"segments", func(f report.CustomersFilter, shop *report.Shop) error {
			_, err := r.Segments(ctx, scope, f, shop)
			return err
		}},
	}
	for _, days := range []struct{ name, aim string }{{"90", "<= 400"}, {"all", "<= 1500"}} {
		f, err := report.ParseCustomers(url.Values{"days": {days.name}}, now)
		if err != nil {
			return err
		}
		for _, one := range reports {
			if one.name == "segments" && days.name != "all" {
				continue // it is of all customers
			}
			var took []float64
			for range 5 {
				began := time.Now()
				shop, missing, err := r.Shop(ctx, scope, &f)
				if err == nil {
					err = missing
				}
				if err == nil {
					err = one.read(f, shop)
				}
				if err != nil {
					return err
				}
				took = append(took, float64(time.Since(began).Microseconds())/1000)
			}
			name := "customers_" + one.name + "_" + days.name
			if err := b.report(figure{Name: name, Value: median(took), Unit: "ms"}, days.aim); err != nil {
				return err
			}
		}
	}
	return nil
}

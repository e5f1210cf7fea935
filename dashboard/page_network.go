package dashboard

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"tributary/commission/ledger"
	"tributary/dashboard/export"
)

// networkView is the operator's page.
type networkView struct {
	period    period
	at        time.Time
	text      string
	merchants []merchantRow
	totals    networkTotals
	books     []networkBooks
	health    networkHealth
	counts    networkCounts
}

// merchantRow is a merchant of the network with a period's figures.
type merchantRow struct {
	ID         int64
	Name       string
	Programs   int64
	Partners   int64
	Currencies []string
	Orders     []int64
	Costs      []int64
	Late       int64      // orders of the period that were reported late
	Clicks     int64      `db:"-"`
	order      currencies `db:"-"`
}

func (r merchantRow) orders() int64 { return sum(r.Orders) }

// costs are commissions and fees by currency.
func (r merchantRow) costs() []amount {
	list := make([]amount, len(r.Currencies))
	for i, currency := range r.Currencies {
		list[i] = amount{currency, r.Costs[i]}
	}
	return r.order.sortAmounts(list)
}

// networkTotals counts what there is.
type networkTotals struct{ Merchants, Programs, Partners, Links int64 }

// networkBooks is the trial balance of one currency.
type networkBooks struct {
	currency                                    string
	receivable, pending, payable, fees, feesDue int64
	debits, credits                             int64
}

func (b networkBooks) balanced() bool { return b.debits == b.credits }

// networkHealth points to what may need a person.
type networkHealth struct {
	Conflicts   int64
	OverRefunds int64
	Waiting     int64
	LastPosted  *time.Time
}

// networkCounts are the figures from ClickHouse.
type networkCounts struct {
	missing        bool
	newest         time.Time
	clicks, orders series
	marked         series
}

func (s *Server) network(c echo.Context, v *visit) error {
	view, err := s.loadNetwork(c.Request().Context(), v, c.QueryParams())
	if err != nil {
		return err
	}
	keepAddress(c, "/network", withText(view.period.query(), view.text))
	return s.page(c, v, "Network", networkPage(view))
}

func (s *Server) loadNetwork(ctx context.Context, v *visit, query url.Values) (networkView, error) {
	view := networkView{period: readPeriod(query, v.at), at: v.at, text: short(query.Get("q"))}
	err := s.see(ctx, v.scope(), func(tx pgx.Tx) error {
		if err := view.readMerchants(ctx, tx); err != nil {
			return err
		}
		totals, err := ledger.TrialBalance(ctx, tx, time.Time{})
		if err != nil {
			return fmt.Errorf("reading the books: %w", err)
		}
		view.books = booksOf(totals)
		order, err := readCurrencies(ctx, tx)
		if err != nil {
			return err
		}
		slices.SortFunc(view.books, func(a, b networkBooks) int { return order.compare(a.currency, b.currency) })
		for i := range view.merchants {
			view.merchants[i].order = order
		}
		return view.readHealth(ctx, tx)
	})
	if err != nil {
		return view, err
	}
	q := question{scope: v.scope(), period: view.period}
	byMerchant, err := ask[int64](ctx, s.cfg.ClickHouse, q, clicks(), perMerchant)
	for i := range view.merchants {
		view.merchants[i].Clicks = byMerchant[view.merchants[i].ID]
	}
	if err == nil {
		view.counts, err = s.networkCounts(ctx, q, v.at)
	}
	if err != nil {
		s.cfg.Log.Warn("counts are missing on a page", "error", err, "request", v.id)
		view.counts.missing = true
	}
	return view, nil
}

func (s *Server) networkCounts(ctx context.Context, q question, now time.Time) (n networkCounts, err error) {
	if n.clicks, err = s.daily(ctx, q, clicks()); err != nil {
		return n, err
	}
	if n.marked, err = s.daily(ctx, q, marked()); err != nil {
		return n, err
	}
	if n.orders, err = s.daily(ctx, q, credited()); err != nil {
		return n, err
	}
	n.newest, err = s.newestClick(ctx, q.scope, now)
	return n, err
}

func (view *networkView) readMerchants(ctx context.Context, tx pgx.Tx) error {
	// name: merchants of the network
	rows, err := tx.Query(ctx, `SELECT m.id, m.name, (SELECT count(*) FROM program g WHERE g.merchant_id = m.id) AS programs,
			(SELECT count(DISTINCT e.partner_id) FROM enrolment e JOIN program g ON g.id = e.program_id WHERE g.merchant_id = m.id) AS partners,
			coalesce(c.currencies, '{}') AS currencies, coalesce(c.orders, '{}') AS orders, coalesce(c.costs, '{}') AS costs,
			(SELECT count(*) FROM orders o WHERE o.merchant_id = m.id AND o.late AND o.occurred_at >= $2 AND o.occurred_at < $3) AS late
		FROM merchant m LEFT JOIN (
			SELECT merchant_id, array_agg(currency ORDER BY currency) AS currencies, array_agg(orders ORDER BY currency) AS orders,
				array_agg(cost ORDER BY currency) AS costs
			FROM (SELECT merchant_id, currency, count(*) AS orders, sum(net + fee)::bigint AS cost FROM commission
				WHERE program_id IN (SELECT id FROM program) AND occurred_at >= $2 AND occurred_at < $3 GROUP BY merchant_id, currency) x GROUP BY merchant_id) c
		ON c.merchant_id = m.id
		WHERE $1 = '' OR position(lower($1) IN lower(m.name)) > 0
		ORDER BY lower(m.name), m.id LIMIT 1000`, view.text, view.period.From, view.period.To)
	if err != nil {
		return fmt.Errorf("listing merchants: %w", err)
	}
	if view.merchants, err = pgx.CollectRows(rows, pgx.RowToStructByName[merchantRow]); err != nil {
		return fmt.Errorf("listing merchants: %w", err)
	}
	// name: totals of the network
	err = tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM merchant), (SELECT count(*) FROM program), (SELECT count(*) FROM partner), (SELECT count(*) FROM link)`).
		Scan(&view.totals.Merchants, &view.totals.Programs, &view.totals.Partners, &view.totals.Links)
	if err != nil {
		return fmt.Errorf("counting the network: %w", err)
	}
	return nil
}

// readHealth counts what may need a person, each up to a thousand.
func (view *networkView) readHealth(ctx context.Context, tx pgx.Tx) error {
	h := &view.health
	// name: health of the network
	err := tx.QueryRow(ctx, `SELECT
		(SELECT count(*) FROM (SELECT FROM order_conflict LIMIT 1000) x),
		(SELECT count(*) FROM (SELECT FROM orders WHERE refund_oddities > 0 AND occurred_at > now() - interval '30 days' LIMIT 1000) x),
		(SELECT count(*) FROM (SELECT FROM orders WHERE occurred_at IS NULL LIMIT 1000) x),
		(SELECT max(posted_at) FROM (SELECT posted_at FROM posting ORDER BY seq DESC LIMIT 1) x)`).
		Scan(&h.Conflicts, &h.OverRefunds, &h.Waiting, &h.LastPosted)
	if err != nil {
		return fmt.Errorf("reading the network's health: %w", err)
	}
	return nil
}

// booksOf sorts a trial balance by currency.
func booksOf(totals []ledger.Total) []networkBooks {
	var list []networkBooks
	for _, t := range totals {
		if len(list) == 0 || list[len(list)-1].currency != t.Unit {
			list = append(list, networkBooks{currency: t.Unit})
		}
		b := &list[len(list)-1]
		b.debits += t.Debits
		b.credits += t.Credits
		switch t.Kind {
		case ledger.MerchantReceivable:
			b.receivable = t.Debits - t.Credits
		case ledger.PartnerPending:
			b.pending = t.Credits - t.Debits
		case ledger.PartnerPayable:
			b.payable = t.Credits - t.Debits
		case ledger.FeePending:
			b.feesDue = t.Credits - t.Debits
		case ledger.FeeEarned:
			b.fees = t.Credits - t.Debits
		}
	}
	return list
}

func (s *Server) networkCSV(c echo.Context, v *visit) error {
	view, err := s.loadNetwork(c.Request().Context(), v, c.QueryParams())
	if err != nil {
		return err
	}
	heading := []string{"merchant", "programs", "partners", "clicks", "orders", "late", "currency", "cost"}
	return s.sendCSV(c, "merchants", heading, func(w *export.Writer) error {
		for _, r := range view.merchants {
			costs := r.costs()
			if len(costs) == 0 {
				costs = []amount{{}}
			}
			for _, a := range costs {
				err := w.Row(export.Text(r.Name), export.Number(strconv.FormatInt(r.Programs, 10)), export.Number(strconv.FormatInt(r.Partners, 10)),
					countCell(r.Clicks, view.counts.missing), export.Number(strconv.FormatInt(r.orders(), 10)), export.Number(strconv.FormatInt(r.Late, 10)),
					export.Text(a.Currency), export.Number(a.plain()))
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}

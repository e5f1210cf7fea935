package dashboard

import (
	"context"
	_ "embed"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"tributary/commission"
	"tributary/dashboard/export"
	"tributary/partners/program"
)

// orderRow is an order as a merchant's list has it.
type orderRow struct {
	No         int64
	OrderID    string
	OccurredAt *time.Time // nil until the sale itself is known
	Currency   string
	Lines      int
	Amount     int64
	Refunded   int64
	CustomerID string
	Outcome    string
	OverRefund int64
	// RefundOddities counts what refunds asked for in vain, also where OverRefund is 0.
	RefundOddities int
	Conflict       bool
	Late           bool
	ReceivedAt     *time.Time // of the sale's report
	Partner        string
	Net            int64
	Fee            int64
	State          string
}

func (r orderRow) at() time.Time {
	if r.OccurredAt == nil {
		return time.Time{}
	}
	return r.OccurredAt.UTC()
}

// What a list of orders can be narrowed to besides reasons.
const (
	outcomeNobody    = "nobody" // every reason why nobody earned
	oddityConflict   = "conflict"
	oddityOverRefund = "over_refund"
	oddityLate       = "late"
)

// orderFilter is what the list is narrowed to.
type orderFilter struct {
	merchant program.MerchantID
	Outcome  string
	Oddity   string
	Partner  int64
	Key      int64 // an API key that reported something of the order, with or without effect
	From, To time.Time
	Text     string
	After    cursor
	limit    int
}

func readOrderFilter(q url.Values) orderFilter {
	f := orderFilter{
		Outcome: q.Get("outcome"), Oddity: oneOf(q.Get("oddity"), oddityConflict, oddityOverRefund, oddityLate), Partner: number(q.Get("partner")),
		Key: number(q.Get("key")), Text: short(q.Get("q")), After: readCursor(q.Get("after")), limit: pageSize,
	}
	f.From, f.To = readDays(q)
	known := []string{outcomeNobody}
	for _, o := range outcomes() {
		known = append(known, string(o))
	}
	f.Outcome = oneOf(f.Outcome, known...)
	return f
}

// query is the filter as readOrderFilter reads it.
func (f orderFilter) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{
		"outcome": f.Outcome, "oddity": f.Oddity, "partner": strconv.FormatInt(f.Partner, 10), "key": strconv.FormatInt(f.Key, 10), "q": f.Text,
	} {
		if value != "" && value != "0" {
			q.Set(name, value)
		}
	}
	setDays(q, f.From, f.To)
	if f.After != (cursor{}) {
		q.Set("after", f.After.text())
	}
	return q
}

func (f orderFilter) narrowed() bool { return len(without(f.query(), "after")) > 0 }

// awaiting tells whether the list is of orders whose sale is not known, which have no time.
func (f orderFilter) awaiting() bool { return f.Outcome == string(commission.AwaitingSale) }

//go:embed query/orders.sql
var ordersSQL string

// How a list of orders goes on from a cursor: by time, and those of which only a refund is known, which have none, by number.
const (
	ordersByTime = ` AND o.occurred_at >= @from AND o.occurred_at < @to AND (o.occurred_at, o.no) < (@at, @no::bigint)
		ORDER BY o.occurred_at DESC, o.no DESC LIMIT @limit`
	ordersWithoutTime = ` AND o.occurred_at IS NULL AND o.no < @no::bigint ORDER BY o.no DESC LIMIT @limit`
)

// listOrders lists those that have a time, and after them those that have none unless days were asked for.
func listOrders(ctx context.Context, tx pgx.Tx, f orderFilter) (list []orderRow, err error) {
	allTime := f.From.IsZero() && f.To.IsZero()
	if begun := allTime && f.After.No > 0 && f.After.At.IsZero(); !f.awaiting() && !begun {
		if list, err = f.read(ctx, tx, ordersByTime); err != nil || !allTime || len(list) == f.limit {
			return list, err
		}
		f.After, f.limit = cursor{}, f.limit-len(list)
	}
	timeless, err := f.read(ctx, tx, ordersWithoutTime)
	return append(list, timeless...), err
}

func (f orderFilter) read(ctx context.Context, tx pgx.Tx, following string) ([]orderRow, error) {
	args := pgx.NamedArgs{
		"merchant": int64(f.merchant), "outcome": f.Outcome, "oddity": f.Oddity, "partner": f.Partner, "key": f.Key, "text": f.Text,
		"from": orTime(f.From, beginningOfTime()), "to": orTime(f.To, endOfTime()), "limit": f.limit,
		"at": orTime(f.After.At, endOfTime()), "no": f.After.No,
	}
	if f.After == (cursor{}) {
		args["no"] = int64(math.MaxInt64)
	}
	rows, err := tx.Query(ctx, ordersSQL+following, args)
	if err != nil {
		return nil, fmt.Errorf("listing orders: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[orderRow])
	if err != nil {
		return nil, fmt.Errorf("listing orders: %w", err)
	}
	return list, nil
}

// ordersView is what the page shows.
type ordersView struct {
	filter  orderFilter
	list    []orderRow
	partner string
	keys    []choice
	// waiting counts orders of which only a refund is known, up to 1000.
	waiting int64
}

func (view ordersView) next() string {
	if len(view.list) < view.filter.limit {
		return ""
	}
	last := view.list[len(view.list)-1]
	return cursor{At: last.at(), No: last.No}.text()
}

func (s *Server) orders(c echo.Context, v *visit) error {
	view := ordersView{filter: readOrderFilter(c.QueryParams())}
	view.filter.merchant = v.login.Merchant
	ctx := c.Request().Context()
	err := s.see(ctx, v.scope(), func(tx pgx.Tx) (err error) {
		if view.list, err = listOrders(ctx, tx, view.filter); err != nil {
			return err
		}
		// name: orders without a sale
		err = tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM (SELECT FROM orders WHERE merchant_id = $1 AND occurred_at IS NULL LIMIT 1000) waiting),
			coalesce((SELECT name FROM partner p WHERE p.id = $2 AND EXISTS (
				SELECT FROM enrolment e JOIN program g ON g.id = e.program_id WHERE e.partner_id = p.id AND g.merchant_id = $1)), '')`,
			int64(v.login.Merchant), view.filter.Partner).Scan(&view.waiting, &view.partner)
		if err != nil {
			return fmt.Errorf("counting orders without a sale: %w", err)
		}
		view.keys, err = reportingKeys(ctx, tx, v.login.Merchant)
		return err
	})
	if err != nil {
		return err
	}
	keepAddress(c, "/merchant/orders", view.filter.query())
	return s.page(c, v, "Orders", ordersPage(view))
}

// reportingKeys are the keys of a merchant that orders can be narrowed to: those in use before those revoked.
func reportingKeys(ctx context.Context, tx pgx.Tx, id program.MerchantID) ([]choice, error) {
	// name: keys that report
	rows, err := tx.Query(ctx, `SELECT id, `+keyName+` || CASE WHEN revoked_at IS NULL THEN '' ELSE ' (revoked)' END AS name
		FROM api_key k WHERE merchant_id = $1 ORDER BY revoked_at IS NOT NULL, id DESC LIMIT 500`, int64(id))
	if err != nil {
		return nil, fmt.Errorf("listing keys that report: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[choice])
	if err != nil {
		return nil, fmt.Errorf("listing keys that report: %w", err)
	}
	return list, nil
}

// keyName is what people call the API key k: its label and its number.
const keyName = `CASE WHEN k.label = '' THEN '' ELSE k.label || ', ' END || 'key ' || k.id`

func (s *Server) ordersCSV(c echo.Context, v *visit) error {
	f := readOrderFilter(c.QueryParams())
	f.merchant, f.After, f.limit = v.login.Merchant, cursor{}, export.MaxRows
	var list []orderRow
	ctx := c.Request().Context()
	err := s.see(ctx, v.scope(), func(tx pgx.Tx) (err error) {
		list, err = listOrders(ctx, tx, f)
		return err
	})
	if err != nil {
		return err
	}
	heading := []string{"order", "ordered_at", "received_at", "late", "customer", "currency", "amount", "refunded", "over_refund", "refund_oddities", "outcome", "partner", "commission", "fee", "state", "conflict"}
	return s.sendCSV(c, "orders", heading, func(w *export.Writer) error {
		for _, r := range list {
			in := func(minor int64) export.Cell { return export.Number(amount{r.Currency, minor}.plain()) }
			err := w.Row(export.Text(r.OrderID), timeCell(r.OccurredAt), timeCell(r.ReceivedAt), export.Number(strconv.FormatBool(r.Late)), export.Text(r.CustomerID), export.Text(r.Currency), in(r.Amount), in(r.Refunded), in(r.OverRefund),
				export.Number(strconv.Itoa(r.RefundOddities)),
				export.Text(r.Outcome), export.Text(r.Partner), in(r.Net), in(r.Fee), export.Text(r.State), export.Number(strconv.FormatBool(r.Conflict)))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// timeCell is a time of a file, or nothing.
func timeCell(t *time.Time) export.Cell {
	if t == nil {
		return export.Number("")
	}
	return export.Number(machine(*t))
}

// outcomes are the reasons that an order can end with.
func outcomes() []commission.Reason {
	var list []commission.Reason
	for _, e := range commission.Reasons() {
		if e.Code.OfOrder() {
			list = append(list, e.Code)
		}
	}
	return list
}

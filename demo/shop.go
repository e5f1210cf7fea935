package demo

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"tributary/internal/money"
	"tributary/partners"
)

//go:embed page
var shopFiles embed.FS

// Shop is the demo's merchants' web site: it keeps the click id that a visitor brings, and reports orders to the tracker
// with the merchant's key, as any shop's server would.
type Shop struct {
	merchants map[string]*castMerchant // by slug
	tracker   string
	dashboard string
	pages     *template.Template
	orders    atomic.Int64
	client    *http.Client
}

// Shop is the web site of the network's merchants. It reports to the tracker, and leads to the dashboard, at these addresses.
func (n *Network) Shop(tracker, dashboard string) (*Shop, error) {
	pages, err := template.ParseFS(shopFiles, "page/*.html")
	if err != nil {
		return nil, fmt.Errorf("reading the shop's pages: %w", err)
	}
	s := &Shop{
		merchants: map[string]*castMerchant{}, tracker: tracker, dashboard: dashboard, pages: pages,
		client: &http.Client{Timeout: 5 * time.Second},
	}
	s.orders.Store(time.Now().Unix())
	for _, m := range n.merchants {
		s.merchants[slug(m.name)] = m
	}
	return s, nil
}

// Handler answers the shop's visitors.
func (s *Shop) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /shop.css", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, shopFiles, "page/shop.css") })
	mux.HandleFunc("GET /{slug}", s.goods)
	mux.HandleFunc("POST /{slug}/orders", s.order)
	return http.NewCrossOriginProtection().Handler(mux)
}

// goods is the landing page.
func (s *Shop) goods(w http.ResponseWriter, r *http.Request) {
	m, ok := s.merchants[r.PathValue("slug")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	type item struct{ SKU, Name, Category, Price string }
	var goods []item
	for _, g := range m.goods {
		goods = append(goods, item{g.sku, g.name, g.category, money.Format(g.price[m.currencies[0]], m.currencies[0])})
	}
	s.render(w, "shop.html", map[string]any{
		"Merchant": m.name, "Slug": r.PathValue("slug"), "Goods": goods, "ClickID": r.URL.Query().Get(partners.DefaultClickParam),
	})
}

// order buys one piece.
func (s *Shop) order(w http.ResponseWriter, r *http.Request) {
	m, ok := s.merchants[r.PathValue("slug")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	sku, clickID := r.PostFormValue("sku"), r.PostFormValue("click_id")
	for i := range m.goods {
		if m.goods[i].sku != sku {
			continue
		}
		p := &purchase{
			merchant: m, currency: m.currencies[0], customer: "visitor",
			id:    m.orderPrefix + "-" + strconv.FormatInt(s.orders.Add(1), 10),
			lines: []purchaseLine{{goods: &m.goods[i], quantity: 1, amount: m.goods[i].price[m.currencies[0]]}},
		}
		status, answer, err := s.report(r.Context(), p, clickID)
		if err != nil {
			http.Error(w, "The tracker could not be reached: "+err.Error(), http.StatusBadGateway)
			return
		}
		s.render(w, "order.html", map[string]any{
			"Merchant": m.name, "Slug": r.PathValue("slug"), "OrderID": p.id, "Status": status, "Stored": status < 300,
			"Answer": answer, "Dashboard": s.dashboard, "ClickID": clickID, "ClickParam": partners.DefaultClickParam,
		})
		return
	}
	http.Error(w, "The shop has no such goods.", http.StatusNotFound)
}

// report sends an order to the tracker and gives its answer, indented.
func (s *Shop) report(ctx context.Context, p *purchase, clickID string) (status int, answer string, err error) {
	type line struct {
		SKU      string `json:"sku"`
		Quantity int64  `json:"quantity"`
		Amount   int64  `json:"amount"`
		Category string `json:"category"`
	}
	body := struct {
		OrderID    string `json:"order_id"`
		Amount     int64  `json:"amount"`
		Currency   string `json:"currency"`
		ClickID    string `json:"click_id,omitempty"`
		CustomerID string `json:"customer_id,omitempty"`
		Coupon     string `json:"coupon,omitempty"`
		Lines      []line `json:"lines"`
	}{OrderID: p.id, Currency: p.currency, ClickID: clickID, CustomerID: p.customer, Coupon: p.coupon}
	for _, l := range p.lines {
		body.Lines = append(body.Lines, line{l.goods.sku, l.quantity, l.amount, l.goods.category})
		body.Amount += l.amount
	}
	return s.post(ctx, p.merchant, "/v1/conversions", body)
}

func (s *Shop) post(ctx context.Context, m *castMerchant, path string, body any) (status int, answer string, err error) {
	sent, err := json.Marshal(body)
	if err != nil {
		return 0, "", fmt.Errorf("encoding an order: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.tracker+path, bytes.NewReader(sent))
	if err != nil {
		return 0, "", fmt.Errorf("reporting an order: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+m.key)
	request.Header.Set("Content-Type", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return 0, "", fmt.Errorf("reporting an order: %w", err)
	}
	defer response.Body.Close()
	received, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return 0, "", fmt.Errorf("reading the tracker's answer: %w", err)
	}
	var pretty bytes.Buffer
	if json.Indent(&pretty, received, "", "  ") != nil {
		return response.StatusCode, string(received), nil
	}
	return response.StatusCode, pretty.String(), nil
}

func (s *Shop) render(w http.ResponseWriter, page string, data any) {
	var out bytes.Buffer
	if err := s.pages.ExecuteTemplate(&out, page, data); err != nil {
		http.Error(w, "The page could not be made.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = out.WriteTo(w)
}

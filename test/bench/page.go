package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"tributary/dashboard"
	"tributary/internal/keyring"
	"tributary/partners/access"
	"tributary/tracker/clickid"
	"tributary/tracker/tag"
)

const password = "a password for the bench"

// reader is a partner who is signed in to the dashboard.
type reader struct {
	client *http.Client
	url    string
}

// sign makes a log-in for a partner and signs in with it.
func (n *network) sign(ctx context.Context, dashboardAddress string, i int, hash string) (*reader, error) {
	email := fmt.Sprintf("site%d@example.com", i)
	_, err := access.CreateLogin(ctx, n.db, access.NewLogin{
		Email: email, Name: "Site", PasswordHash: hash, Seat: access.NewSeat{Scope: access.Scope{Partner: n.partners[i]}, Role: access.Owner},
	})
	if err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("making a cookie jar: %w", err)
	}
	r := &reader{client: &http.Client{Jar: jar, Timeout: 10 * time.Second}, url: "http://" + dashboardAddress}
	answer, err := r.client.PostForm(r.url+"/signin", url.Values{"email": {email}, "password": {password}})
	if err != nil {
		return nil, fmt.Errorf("signing in: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.Request.URL.Path == "/signin" {
		return nil, fmt.Errorf("signing in: %s at %s", answer.Status, answer.Request.URL.Path)
	}
	return r, nil
}

// shows tells whether the partner's list of commissions names an order.
func (r *reader) shows(order string) (bool, error) {
	answer, err := r.client.Get(r.url + "/partner/commissions")
	if err != nil {
		return false, fmt.Errorf("asking for a page: %w", err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return false, fmt.Errorf("asking for a page: %s: %w", answer.Status, err)
	}
	return bytes.Contains(page, []byte(order)), nil
}

// freshness measures how long after its 2xx an order is on the partner's page.
func freshness(ctx context.Context, b *bench) error {
	n, err := b.network(ctx, "freshness")
	if err != nil {
		return err
	}
	defer n.close()
	all, err := n.serve(ctx, "all", "", "all")
	if err != nil {
		return err
	}
	hash, err := dashboard.HashPassword(password)
	if err != nil {
		return fmt.Errorf("hashing the password: %w", err)
	}
	readers := make([]*reader, 10)
	for i := range readers {
		if readers[i], err = n.sign(ctx, all.dashboard, i, hash); err != nil {
			return err
		}
	}
	ring, err := clickid.NewRing([]keyring.Key{n.key})
	if err != nil {
		return err
	}
	orders := b.scaled(200)
	waits := make([]float64, 0, orders)
	for i := range orders {
		who := i % len(readers)
		order := fmt.Sprintf("FRESH-%05d", i)
		if err := n.place(ctx, all.tracker, order, ring.Mint(int64(n.links[who].ID), time.Now().Add(-time.Minute))); err != nil {
			return err
		}
		answered := time.Now()
		err := all.await(ctx, order+" does not show", time.Minute, func() (bool, error) { return readers[who].shows(order) })
		if err != nil {
			return err
		}
		waits = append(waits, time.Since(answered).Seconds())
	}
	slices.Sort(waits)
	return firstError(
		b.report(figure{Name: "freshness_median", Value: median(waits), Unit: "s"}, ""),
		b.report(figure{Name: "freshness_p95", Value: waits[len(waits)*95/100], Unit: "s"}, "<= 1"),
	)
}

// place reports an order, as a merchant does.
func (n *network) place(ctx context.Context, tracker, order, clickID string) error {
	body := fmt.Sprintf(`{"order_id":%q,"amount":15098,"currency":"GBP","click_id":%q}`, order, clickID)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+tracker+"/v1/conversions", bytes.NewReader([]byte(body)))
	if err != nil {
		return fmt.Errorf("reporting an order: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+n.apiKey)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("reporting an order: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		text, _ := io.ReadAll(answer.Body)
		return fmt.Errorf("reporting an order: %s: %s", answer.Status, text)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// size measures what the demo holds in memory when it is up.
func size(ctx context.Context, b *bench) error {
	port, err := fourFree()
	if err != nil {
		return err
	}
	p, err := b.start(ctx, "demo", "", nil, b.binary, "demo", "--data", filepath.Join(b.dir, "demo"), "--port", strconv.Itoa(port))
	if err != nil {
		return err
	}
	defer p.stop()
	if err := p.ready(ctx, fmt.Sprintf("http://127.0.0.1:%d/readyz", port+3)); err != nil {
		return err
	}
	// What it took to make the history is given back within a minute or two; what counts is the most it held when it was up.
	var resident, proportional float64
	for range 20 {
		r, shared, err := p.memory()
		if err != nil {
			return err
		}
		resident, proportional = max(resident, r), max(proportional, shared)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
	return firstError(
		b.report(figure{Name: "tag", Value: float64(len(tag.New().Gzip)), Unit: "B"}, fmt.Sprintf("<= %d", tag.MaxBytes)),
		// The sum counts what PostgreSQL's processes share once for each of them; the other figure counts it once.
		b.report(figure{Name: "demo_memory", Value: proportional, Unit: "MB"}, "<= 1200"),
		b.report(figure{Name: "demo_memory_summed", Value: resident, Unit: "MB"}, ""),
	)
}

// fourFree finds four ports in a row that are free at this moment.
func fourFree() (int, error) {
	for port := 20_000; port < 30_000; port += 10 {
		taken := false
		for n := range 4 {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+n))
			if err != nil {
				taken = true
				break
			}
			_ = l.Close()
		}
		if !taken {
			return port, nil
		}
	}
	return 0, fmt.Errorf("there are no four free ports in a row")
}

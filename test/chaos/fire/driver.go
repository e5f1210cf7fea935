package fire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tributary/test/chaos/model"
)

const (
	shoppers       = 24              // visitors and merchants at the same time
	answerLimit    = 5 * time.Second // longer than the tracker may take to say 503
	rememberClicks = 400             // click ids that shoppers still have in mind, a merchant
)

// Driver is the load: visitors who follow links, orders, refunds, mistakes and repetitions, each in the Journal before it
// is sent.
type Driver struct {
	// Meter times the answers.
	Meter *Meter

	world   *World
	journal *Journal
	counts  *Counts
	url     string
	client  *http.Client
	prefix  string  // of the ids of orders
	people  *people // nil where nobody sits at the pages
	pace    pace

	attempts atomic.Int64
	failure  atomic.Pointer[error]

	last lastWord

	mu     sync.Mutex
	clicks map[int64][]ownClick // by merchant
}

// lastWord is what was sent down every lane behind everything else.
type lastWord struct{ clicks, orders []string }

// ownClick is a click id that a visitor carries.
type ownClick struct {
	id     string
	at     time.Time
	spot   Place
	stored bool
	before []model.Click // those of its visitor's cookie, by links of the same merchant
}

// browser is a visitor's, with the clicks that the tracker's cookie holds.
type browser struct{ kept []ownClick }

// ids are the ids of clicks.
func ids(clicks []ownClick) (all []string) {
	for _, c := range clicks {
		all = append(all, c.id)
	}
	return all
}

// pathCookie is the tracker's cookie, where visitors do not come by https.
const pathCookie = "tributary_path"

// NewDriver makes a load; it does nothing yet. SetRate says how much.
func NewDriver(world *World, journal *Journal, counts *Counts, seed uint64, address string) *Driver {
	meter := &Meter{next: &http.Transport{MaxIdleConnsPerHost: 20 * shoppers}}
	return &Driver{
		Meter: meter,
		world: world, journal: journal, counts: counts, url: address, prefix: fmt.Sprintf("S%d", seed),
		clicks: map[int64][]ownClick{},
		client: &http.Client{
			Timeout:       answerLimit,
			Transport:     meter,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// SetRate changes how many requests a second are sent from now on.
func (d *Driver) SetRate(rate int) { d.pace.set(time.Second / time.Duration(max(1, rate))) }

// Attempts counts the requests so far.
func (d *Driver) Attempts() int64 { return d.attempts.Load() }

// Run sends the load until ctx ends, and then finishes what was begun. An error is one of the harness itself.
func (d *Driver) Run(ctx context.Context, seed uint64) error {
	var group sync.WaitGroup
	for n := range shoppers {
		group.Go(func() {
			s := &shopper{Driver: d, random: rand.New(rand.NewPCG(seed, uint64(n)+100)), name: n} //nolint:gosec // it must be repeatable
			for ctx.Err() == nil && d.failure.Load() == nil {
				s.next(ctx)
			}
		})
	}
	group.Wait()
	if err := d.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// Finish sends a last word down every lane, so that whatever was sent before has gone through once it has arrived:
// each lane keeps its order. The load must have ended.
func (d *Driver) Finish(ctx context.Context) error {
	s := &shopper{Driver: d, random: rand.New(rand.NewPCG(1, 99)), name: shoppers} //nolint:gosec // it must be repeatable
	for range 30 * partitions {                                                    // it misses one of six lanes with probability 6 x (5/6)^180, or 10^-14
		for ctx.Err() == nil && d.failure.Load() == nil {
			if c := s.click(ctx, s.place(), &browser{}); c != nil && c.stored {
				d.last.clicks = append(d.last.clicks, c.id)
				break
			}
			pause(ctx, 100*time.Millisecond)
		}
		sale := s.sale()
		s.persist(ctx, d.world.merchant(sale.Merchant), report{sale: &sale}, true)
		d.last.orders = append(d.last.orders, sale.Order)
	}
	if err := d.failure.Load(); err != nil {
		return *err
	}
	return ctx.Err()
}

// fail notes an error of the harness itself, which ends the run.
func (d *Driver) fail(err error) { d.failure.CompareAndSwap(nil, &err) }

// attempt does something once it is written down, and writes down what became of it.
func (d *Driver) attempt(ctx context.Context, intent Intent, do func(n int64) Outcome) Outcome {
	d.pace.wait(ctx)
	intent.N = d.attempts.Add(1)
	if intent.At.IsZero() {
		intent.At = time.Now().UTC()
	}
	if err := d.journal.Write(intent); err != nil {
		d.fail(err)
		return Outcome{}
	}
	outcome := do(intent.N)
	outcome.N = intent.N
	if err := d.journal.Write(outcome); err != nil {
		d.fail(err)
	}
	d.counts.add(&d.counts.Answers, kindOf(&intent)+" "+strconv.Itoa(outcome.Status))
	return outcome
}

// send sends a request once it is written down, and writes down what became of it.
func (d *Driver) send(ctx context.Context, intent Intent, build func(n int64) (*http.Request, error), read func(*http.Response, []byte) Outcome) Outcome {
	return d.attempt(ctx, intent, func(n int64) (o Outcome) {
		request, err := build(n)
		if err != nil {
			d.fail(err)
			return o
		}
		response, err := d.client.Do(request)
		if err != nil {
			return o
		}
		body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
		if err := errors.Join(err, response.Body.Close()); err == nil {
			o = read(response, body)
		}
		return o
	})
}

func kindOf(i *Intent) string {
	switch {
	case i.Link != 0:
		return "click"
	case i.Sale != nil:
		return "sale"
	case i.Refund != nil:
		return "refund"
	case i.Act != nil:
		return "page " + i.Act.Verb
	}
	return "wrong"
}

// click follows a link in a browser and gives the click that the visitor then carries; nil when there was no answer.
func (d *Driver) click(ctx context.Context, place Place, in *browser) *ownClick {
	before := ids(in.kept)
	began := time.Now()
	outcome := d.send(ctx, Intent{Link: place.Link, Path: before}, func(n int64) (*http.Request, error) {
		r, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, d.url+"/c/"+place.Code+"?sub1="+strconv.FormatInt(n, 10), http.NoBody)
		if err == nil {
			r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
			if len(before) > 0 {
				r.Header.Set("Cookie", pathCookie+"="+strings.Join(before, "."))
			}
		}
		return r, err
	}, func(r *http.Response, _ []byte) Outcome {
		o := Outcome{Status: r.StatusCode, Unstored: r.Header.Get("Tributary-Unstored") != "", Path: before}
		if u, err := url.Parse(r.Header.Get("Location")); err == nil {
			o.ID = u.Query().Get("tclid")
		}
		for _, c := range r.Cookies() {
			if c.Name == pathCookie {
				o.Path = strings.Split(c.Value, ".")
			}
		}
		return o
	})
	if outcome.Status != http.StatusFound {
		return nil
	}
	if !d.named(place.Link, outcome.ID, began) {
		return nil
	}
	says, err := d.world.ring.Verify(outcome.ID)
	if err != nil || says.Link != place.Link {
		d.fail(fmt.Errorf("the click id %q of link %d says %+v: %w", outcome.ID, place.Link, says, errors.Join(err, errors.ErrUnsupported)))
		return nil
	}
	c := ownClick{id: outcome.ID, at: says.At, spot: place, stored: !outcome.Unstored}
	for _, k := range in.kept {
		if place.Path && k.spot.Merchant == place.Merchant {
			c.before = append(c.before, model.Click{ID: k.id, Link: k.spot.Link, At: k.at})
		}
	}
	in.keep(c, outcome.Path)
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.clicks[place.Merchant]
	d.clicks[place.Merchant] = append(all[max(0, len(all)-rememberClicks):], c)
	return &c
}

// named tells whether a visitor was given a click id, and fails where they should not have been, or should.
func (d *Driver) named(link int64, id string, began time.Time) bool {
	l, now := d.world.Links[link], time.Now()
	if out := d.world.Out(l.Program, l.Partner, began); out != (id == "") && !d.world.Turns(l.Program, l.Partner, began, now) {
		d.fail(fmt.Errorf("a click at %s on link %d was given the id %q: its partner is out of the program: %t", began, link, id, out)) //nolint:err113 // it ends the run
	}
	return id != ""
}

// keep keeps those of the clicks that the cookie holds now.
func (b *browser) keep(c ownClick, held []string) {
	kept := b.kept[:0:0]
	for _, k := range append(slices.Clip(b.kept), c) {
		if slices.Contains(held, k.id) {
			kept = append(kept, k)
		}
	}
	b.kept = kept
}

// report is the body of a conversion or a refund.
type report struct {
	sale    *model.Sale
	refund  *model.Refund
	clickID string
	stated  bool   // the time is in the body
	wrong   string // why it must be refused
	body    []byte // of a report that is no report at all
}

// post sends a report once.
func (d *Driver) post(ctx context.Context, m *Merchant, r report) Outcome {
	path, body := "/v1/conversions", r.body
	if r.refund != nil {
		path = "/v1/refunds"
	}
	var err error
	if body == nil {
		body, err = r.encode()
	}
	if err != nil {
		d.fail(err)
		return Outcome{}
	}
	intent := Intent{Sale: r.sale, Refund: r.refund, Content: contentOf(body), Wrong: r.wrong}
	return d.send(ctx, intent, func(int64) (*http.Request, error) {
		request, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, d.url+path, bytes.NewReader(body))
		if err == nil {
			request.Header.Set("Authorization", "Bearer "+m.Key)
			request.Header.Set("Content-Type", "application/json")
		}
		return request, err
	}, func(response *http.Response, body []byte) Outcome {
		o := Outcome{Status: response.StatusCode, ID: response.Header.Get("Tributary-Event")}
		var says struct {
			ReceivedAt time.Time `json:"received_at"`
		}
		if o.Status == http.StatusOK && json.Unmarshal(body, &says) == nil {
			o.Received = says.ReceivedAt
		}
		return o
	})
}

// persist sends a report until it has an answer, as a merchant's server does. One that gives up after the first attempt
// never knows. When the load ends while nobody answers, it gives up too.
func (d *Driver) persist(ctx context.Context, m *Merchant, r report, stubborn bool) bool {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		switch o := d.post(ctx, m, r); {
		case o.Status == http.StatusOK:
			return true
		case o.Status >= 400 && o.Status < 500 && o.Status != http.StatusTooManyRequests || !stubborn || ctx.Err() != nil || d.failure.Load() != nil:
			return false
		}
		pause(ctx, wait)
	}
}

// encode writes the report as the API takes it.
func (r *report) encode() ([]byte, error) {
	body := map[string]any{}
	var at time.Time
	if s := r.sale; s != nil {
		lines := make([]map[string]any, len(s.Lines))
		amount := int64(0)
		for n, l := range s.Lines {
			lines[n] = map[string]any{"sku": l.SKU, "quantity": l.Quantity, "amount": l.Amount, "category": l.Category}
			amount += l.Amount
		}
		body["order_id"], body["currency"], body["lines"], body["amount"] = s.Order, s.Currency, lines, amount
		if r.clickID != "" {
			body["click_id"] = r.clickID
		}
		further(s, body)
		at = s.At
	} else {
		body["order_id"], body["refund_id"] = r.refund.Order, r.refund.ID
		if len(r.refund.Items) > 0 {
			body["items"] = r.refund.Items
		}
		if r.refund.Amount > 0 {
			body["amount"] = r.refund.Amount
		}
		if r.refund.Whole {
			body["whole_order"] = true
		}
		at = r.refund.At
	}
	if r.stated {
		body["occurred_at"] = at.Format(time.RFC3339Nano)
	}
	return json.Marshal(body)
}

// further writes what an order carries beside a click id. Codes are typed in as people do.
func further(s *model.Sale, body map[string]any) {
	path := []string{}
	for _, c := range s.Path {
		path = append(path, c.ID)
	}
	if len(path) > 0 {
		body["path"] = path
	}
	if s.Coupon != "" {
		body["coupon"] = strings.ToLower(s.Coupon) + " "
	}
	if s.Code != "" {
		body["referral_code"] = " " + strings.ToLower(s.Code)
	}
	if s.Customer != "" {
		body["customer_id"] = s.Customer
	}
}

// pace spaces requests evenly. Time that was lost while nobody answered is not made up for.
type pace struct {
	mu    sync.Mutex
	every time.Duration
	next  time.Time
}

func (p *pace) set(every time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.every = every
}

func (p *pace) wait(ctx context.Context) {
	p.mu.Lock()
	now := time.Now()
	if p.next.Before(now.Add(-100 * time.Millisecond)) {
		p.next = now
	}
	mine := p.next
	p.next = p.next.Add(p.every)
	p.mu.Unlock()
	pause(ctx, time.Until(mine))
}

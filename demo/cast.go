package demo

import (
	"embed"
	"fmt"
	"strings"
	"time"

	"tributary/partners"
	"tributary/partners/program"
)

// castMerchant is a merchant of the demo: what it sells, what it pays, and who sends it customers.
type castMerchant struct {
	name        string
	orderPrefix string
	currencies  []string
	goods       []product
	terms       func(now time.Time) []program.Version
	// customers is how many the merchant has, and codes what some of them type; first is the first partner.
	customers int
	codes     func(first *castPartner) []code

	id      program.MerchantID
	program program.ProgramID
	key     string
	links   []*castLink
}

type product struct {
	sku, name, category string
	price               map[string]int64 // minor units by currency
}

// castPartner is a partner of the demo.
type castPartner struct {
	name, site string
	kind       program.Kind
	reach      float64 // how many visits, relative to others
	skill      float64 // how many of them buy, relative to others

	id program.PartnerID
}

// castLink is a tracking link of the demo.
type castLink struct {
	link     *partners.Link
	merchant *castMerchant
	partner  *castPartner
	weight   float64
}

const day = 24 * time.Hour

//go:embed terms
var termsFiles embed.FS

// document is one of the demo's terms. They are part of the program, so one that cannot be read ends it.
func document(name string) program.Document {
	data, err := termsFiles.ReadFile("terms/" + name + ".json")
	if err != nil {
		panic(err)
	}
	d, err := program.ParseDocument(data)
	if err != nil {
		panic(fmt.Errorf("the demo's terms %s: %w", name, err))
	}
	return d
}

// castMerchants is the cast: three merchants who pay differently, in four currencies. The first shares an order among those who
// led to it, and takes coupons; the second pays more for more, up to a limit; the third keeps customers with who brought them,
// and rewards both sides.
func castMerchants() []*castMerchant {
	return []*castMerchant{
		{
			name: "Fernhill Outdoor", orderPrefix: "FH", currencies: []string{"GBP", "EUR"},
			goods: []product{
				{"BOOT-41", "Ridge walking boots", "footwear", map[string]int64{"GBP": 12900, "EUR": 14900}},
				{"TENT-2P", "Two-person tent", "camping", map[string]int64{"GBP": 24500, "EUR": 28900}},
				{"SHELL-M", "Rain shell", "clothing", map[string]int64{"GBP": 8950, "EUR": 9995}},
				{"SOCK-3", "Merino socks, three pairs", "clothing", map[string]int64{"GBP": 2199, "EUR": 2499}},
				{"POST", "Delivery", "service", map[string]int64{"GBP": 495, "EUR": 595}},
			},
			terms: func(now time.Time) []program.Version {
				// At first the last click took all, and ten orders in a month earned a tenth more.
				before := program.NewDocument(30*day, 30*day, 200_000, program.Rates{
					program.Site:   {program.AnyCategory: 80_000, "service": 0},
					program.Member: {program.AnyCategory: 50_000, "service": 0},
				})
				before.Periods = []program.Period{{
					ID: "ten-a-month", Measure: program.MeasureCount, Period: program.Month, Mode: program.Retroactive,
					Tiers: []program.Tier{{From: 10, OfCommission: 100_000}},
				}}
				return []program.Version{
					{EffectiveFrom: now.Add(-200 * day), Document: before},
					{EffectiveFrom: now.Add(-65 * day).Truncate(day), Document: document("fernhill")},
				}
			},
			customers: 1400,
			codes: func(first *castPartner) []code {
				return []code{{coupon: "WELCOME10", parts: 9}, {coupon: couponOf(first), parts: 4}, {coupon: "STAFF", parts: 1}}
			},
		},
		{
			name: "Kumo Audio", orderPrefix: "KA", currencies: []string{"JPY"},
			goods: []product{
				{"HP-100", "Open headphones", "headphones", map[string]int64{"JPY": 24800}},
				{"HP-200", "Travel headphones", "headphones", map[string]int64{"JPY": 38500}},
				{"DAC-1", "Desktop converter", "electronics", map[string]int64{"JPY": 15800}},
				{"PAD-1", "Ear pads", "accessories", map[string]int64{"JPY": 2980}},
			},
			terms:     since("kumo"),
			customers: 1400,
			codes: func(first *castPartner) []code {
				return []code{{coupon: "WELCOME10", parts: 9}, {referral: slug(first.name), parts: 3}}
			},
		},
		{
			name: "Maison Verte", orderPrefix: "MV", currencies: []string{"EUR", "CHF"},
			goods: []product{
				{"POT-20", "Glazed pot, 20 cm", "pots", map[string]int64{"EUR": 3490, "CHF": 3590}},
				{"MONSTERA", "Monstera, 80 cm", "plants", map[string]int64{"EUR": 4995, "CHF": 5490}},
				{"FERN-S", "Boston fern", "plants", map[string]int64{"EUR": 1850, "CHF": 1990}},
				{"SOIL-10", "Potting soil, 10 l", "supplies", map[string]int64{"EUR": 799, "CHF": 890}},
				{"CARE", "A year of plant care", "service", map[string]int64{"EUR": 5900, "CHF": 6400}},
			},
			terms:     since("verte"),
			customers: 260,
			codes: func(first *castPartner) []code {
				return []code{{coupon: "WELCOME10", parts: 6}, {referral: slug(first.name), parts: 8}}
			},
		},
	}
}

// since are terms that have stood for longer than the history.
func since(name string) func(now time.Time) []program.Version {
	return func(now time.Time) []program.Version {
		return []program.Version{{EffectiveFrom: now.Add(-200 * day), Document: document(name)}}
	}
}

// A code is a coupon or referral code that so many in a hundred customers type.
type code struct {
	coupon, referral string
	parts            int
}

// couponOf is the coupon of a partner.
func couponOf(p *castPartner) string {
	return strings.ToUpper(strings.ReplaceAll(slug(p.name), "-", ""))
}

// castPartners are thirty-two sites and eight members. The first site and the first member have log-ins.
func castPartners() []*castPartner {
	sites := []string{
		"Trail Notes", "Summit Weekly", "The Quiet Ear", "Balcony Jungle", "Gear Ledger", "Hill & Hound", "Slow Rooms", "Nordic Pack",
		"Couch Audiophile", "Green Corner", "Wander Cheap", "Rain or Shine", "Desk Setup Diary", "Potted Life", "Camp Kitchen", "Loft & Leaf",
		"Second Summit", "Signal to Noise", "Daily Deals Harbour", "Window Sill", "The Long Path", "Fjell Blog", "Tokyo Listening", "Herb Garden News",
		"Bothy Club", "Budget Hi-Fi", "Family Outdoors", "Urban Botanist", "Packing List", "Voucher Lane", "Weekend Walks", "Studio Ninety",
	}
	members := []string{"Aiko T.", "Beatriz M.", "Callum R.", "Dagny S.", "Emil K.", "Farah N.", "Giulia P.", "Hugo L."}
	list := make([]*castPartner, 0, len(sites)+len(members))
	for i, name := range sites {
		list = append(list, &castPartner{
			name: name, kind: program.Site, site: "https://" + slug(name) + ".example/",
			reach: 12 / float64(i+2), skill: 0.6 + 0.2*float64((i*7+4)%5),
		})
	}
	for i, name := range members {
		list = append(list, &castPartner{name: name, kind: program.Member, reach: 0.25, skill: 2 + 0.3*float64(i%3)})
	}
	return list
}

// slug is a name as a host label.
func slug(name string) string {
	out := make([]byte, 0, len(name))
	for _, c := range []byte(name) {
		switch {
		case c >= 'A' && c <= 'Z':
			out = append(out, c+'a'-'A')
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			out = append(out, c)
		case len(out) > 0 && out[len(out)-1] != '-':
			out = append(out, '-')
		}
	}
	return string(out)
}

func placements() []string {
	return []string{"review", "review", "newsletter", "sidebar", "guide", "guide", "social", ""}
}

func agents() []string {
	return []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0",
		"Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
	}
}

func bots() []string {
	return []string{
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
		"Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
		"python-requests/2.32.3",
		"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
	}
}

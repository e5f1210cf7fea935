package dashboard

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"tributary/partners/access"
	"tributary/partners/program"
)

// colleagues are people with a seat, and invitations, in the site, the shop and the network.
type colleagues struct {
	seats, invitations [3]string
	link, reset        string // the site's invitation, and a link for the password of its person
}

func (w *world) colleagues() (c colleagues) {
	for i, of := range []struct {
		owner string
		role  access.Role
		in    access.Scope
	}{{"site", access.Viewer, access.Scope{Partner: w.site}}, {"shop", access.Viewer, access.Scope{Merchant: w.shop}}, {"operator", access.Auditor, access.Scope{Network: true}}} {
		email := of.owner + "@colleague.example"
		w.person(email, of.role, of.in)
		c.seats[i] = w.seatOf(email)
		link := w.invite(of.owner+"@example.net", "invited-"+email, access.NewSeat{Scope: of.in, Role: of.role})
		if i == 0 {
			c.link = link
		}
		w.must(w.owner.QueryRow(w.t.Context(), `SELECT id::text FROM ticket WHERE email = 'invited-' || $1`, email).Scan(&c.invitations[i]))
	}
	reset, err := w.access.OfferReset(w.t.Context(), access.Scope{Network: true}, w.seatNo("site@colleague.example"))
	w.must(err)
	c.reset = string(reset)
	return c
}

// seatNo is the number of somebody's seat.
func (w *world) seatNo(email string) (id program.SeatID) {
	w.must(w.owner.QueryRow(w.t.Context(), `SELECT min(t.id) FROM seat t JOIN login l ON l.id = t.login_id WHERE l.email = $1`, email).Scan(&id))
	return id
}

// invite invites as somebody who owns an organisation, and gives the link's secret part.
func (w *world) invite(by, email string, n access.NewSeat) string {
	scope := n.Scope
	w.must(w.owner.QueryRow(w.t.Context(), `SELECT l.id, t.id FROM login l JOIN seat t ON t.login_id = l.id WHERE l.email = $1`, by).Scan(&scope.By.Login, &scope.By.Seat))
	link, err := w.access.Invite(w.t.Context(), scope, email, n)
	w.must(err)
	return string(link)
}

// seatsOf are the live seats of an address, such as "shop viewer".
func (w *world) seatsOf(email string) (seats string) {
	w.must(w.owner.QueryRow(w.t.Context(), `SELECT coalesce(string_agg(concat(CASE WHEN network THEN 'network' END, 'merchant ' || merchant_id, 'partner ' || partner_id, ' ', role), ', ' ORDER BY t.id), '')
		FROM login l JOIN seat t ON t.login_id = l.id WHERE l.email = $1 AND ended_at IS NULL`, email).Scan(&seats))
	return seats
}

// newPerson is the form of somebody who accepts an invitation.
func newPerson() url.Values {
	return url.Values{"name": {"Bo"}, "password": {"quite another sentence"}}
}

// Nobody spends an invitation by opening it, and it is accepted once, as the role that it is to, whatever the form says.
func TestAnInvitationIsAcceptedOnceByItsForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shop := w.as("shop@example.net")
	made := shop.post("/merchant/people", url.Values{"email": {"Bo@alder.example"}, "as": {"merchant:viewer"}})
	_, rest, found := strings.Cut(made.text(), "https://network.example.net")
	if made.status != http.StatusCreated || !found {
		t.Fatalf("status %d: %s", made.status, made.text())
	}
	path := strings.Fields(rest)[0]
	if again := shop.page("/merchant/people"); strings.Contains(again.body, path) {
		t.Error("the link is shown again")
	}
	visitor := w.client()
	for range 3 {
		page := visitor.page(path)
		page.holds(t, "Join Alder & Finch", "bo@alder.example is invited as: merchant, viewer.")
		if got := page.header.Get("Referrer-Policy"); got != "strict-origin" {
			t.Errorf("Referrer-Policy %q", got)
		}
	}
	form := newPerson()
	for _, raised := range []string{"role", "as", "merchant", "network", "email"} {
		form.Set(raised, "owner")
	}
	if got := visitor.post(path, form); got.status != http.StatusSeeOther || got.header.Get("Location") != "/merchant" {
		t.Fatalf("status %d to %q: %s", got.status, got.header.Get("Location"), got.text())
	}
	visitor.page("/merchant").holds(t, "Welcome: you act for Alder & Finch now.", "merchant, viewer")
	second := w.client().post(path, newPerson())
	if second.holds(t, "This link was used on "); second.status != http.StatusConflict {
		t.Errorf("a second time: status %d", second.status)
	}
	if got := w.seatsOf("bo@alder.example"); got != "merchant "+number10(int64(w.shop))+" viewer" {
		t.Errorf("seats: %s", got)
	}
}

// Of two who accept at once, in two tabs, one does.
func TestAnInvitationInTwoTabsIsAcceptedInOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := "/invite/" + w.invite("shop@example.net", "bo@alder.example", access.NewSeat{Scope: access.Scope{Merchant: w.shop}, Role: access.Manager})
	answers := make(chan int, 2)
	for range 2 {
		go func() { answers <- w.client().post(path, newPerson()).status }()
	}
	if a, b := <-answers, <-answers; min(a, b) != http.StatusSeeOther || max(a, b) != http.StatusConflict {
		t.Errorf("statuses %d and %d", a, b)
	}
}

// A known address takes a further seat, as its own person alone.
func TestAnInvitationOfAKnownAddressIsItsPersons(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := "/invite/" + w.invite("shop@example.net", "site@example.net", access.NewSeat{Scope: access.Scope{Merchant: w.shop}, Role: access.Finance})
	before := w.seatsOf("site@example.net")
	nobody, other, right := w.client(), w.as("rival@example.net"), w.as("site@example.net")
	nobody.page(path).holds(t, "Sign in to accept it")
	if got := nobody.post(path, newPerson()); got.status != http.StatusSeeOther || got.header.Get("Location") != "/signin" {
		t.Errorf("nobody: status %d", got.status)
	}
	other.page(path).holds(t, "You are signed in as rival@example.net, to whom this invitation is not.")
	if got := other.post(path, nil); got.status != http.StatusForbidden || !strings.Contains(got.text(), "to another person") {
		t.Errorf("another: status %d", got.status)
	}
	if got := right.post(path, nil); got.status != http.StatusSeeOther || got.header.Get("Location") != "/merchant" {
		t.Fatalf("status %d to %q: %s", got.status, got.header.Get("Location"), got.text())
	}
	if got, want := w.seatsOf("site@example.net"), before+", merchant "+number10(int64(w.shop))+" finance"; got != want {
		t.Errorf("seats %s, want %s", got, want)
	}
	if got := w.seatsOf("rival@example.net"); strings.Contains(got, ",") {
		t.Errorf("the other has %s", got)
	}
}

func TestAnInvitationThatIsLateOrTakenBackIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seat := access.NewSeat{Scope: access.Scope{Partner: w.site}, Role: access.Editor}
	for email, c := range map[string]struct{ sql, says string }{
		"late@x.example":  {`UPDATE ticket SET expires_at = now() WHERE email = 'late@x.example'`, "too old"},
		"ended@x.example": {`UPDATE ticket SET ended_at = now() WHERE email = 'ended@x.example'`, "taken back"},
	} {
		path := "/invite/" + w.invite("site@example.net", email, seat)
		w.must1(w.owner.Exec(t.Context(), c.sql))
		if got := w.client().post(path, newPerson()); got.status != http.StatusConflict || !strings.Contains(got.text(), c.says) || w.seatsOf(email) != "" {
			t.Errorf("%s: status %d: %s", email, got.status, got.text())
		}
	}
	if got := w.client().get("/invite/never-was"); got.status != http.StatusNotFound {
		t.Errorf("a link that never was: status %d", got.status)
	}
}

// Who may give what: forms that are refused, and where.
func TestASeatIsGivenOnlyByWhoMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person("admin@example.net", access.Admin, access.Scope{Network: true})
	shop := number10(int64(w.shop))
	for _, c := range []struct {
		who, path, as, number string
		status                int
	}{
		{"shop", "/merchant/people", "network:owner", "", http.StatusUnprocessableEntity},
		{"shop", "/merchant/people", "merchant:king", "", http.StatusUnprocessableEntity},
		{"site", "/partner/people", "merchant:owner", shop, http.StatusUnprocessableEntity},
		{"admin", "/network/people", "network:owner", "", http.StatusForbidden},
		{"admin", "/network/people", "network:auditor", "", http.StatusForbidden},
		{"admin", "/network/people", "merchant:owner", "999", http.StatusUnprocessableEntity},
		{"admin", "/network/people", "merchant:owner", "", http.StatusUnprocessableEntity},
		{"admin", "/network/people", "merchant:owner", shop, http.StatusCreated},
		{"admin", "/network/people", "merchant:viewer", "ALDER & Finch", http.StatusCreated},
		{"admin", "/network/people", "merchant:viewer", "Alder", http.StatusUnprocessableEntity},
		{"admin", "/network/people", "partner:viewer", "Alder & Finch", http.StatusUnprocessableEntity},
		{"operator", "/network/people", "network:payouts", "", http.StatusCreated},
	} {
		got := w.as(c.who+"@example.net").post(c.path, url.Values{"email": {"bo@x.example"}, "as": {c.as}, "number": {c.number}})
		if got.status != c.status {
			t.Errorf("%s gives %s: status %d: %s", c.who, c.as, got.status, got.text())
		}
	}
	if got := w.as("shop@example.net").post("/merchant/people", url.Values{"email": {"shop@example.net"}, "as": {"merchant:viewer"}}); got.status != http.StatusConflict {
		t.Errorf("somebody with a seat there: status %d", got.status)
	}
}

func TestASeatEndsAtOnceAndTheLastOwnerStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.colleagues()
	viewer, shop := w.as("shop@colleague.example"), w.as("shop@example.net")
	viewer.page("/merchant")
	if got := shop.post("/merchant/people/"+c.seats[1]+"/end", nil); got.status != http.StatusSeeOther {
		t.Fatalf("status %d: %s", got.status, got.text())
	}
	if got := viewer.get("/merchant"); got.header.Get("Location") == "" {
		t.Errorf("the ended seat opens pages: status %d", got.status)
	}
	if got := shop.post("/merchant/people/"+w.seatOf("shop@example.net")+"/end", nil); got.status != http.StatusConflict || !strings.Contains(got.text(), "keeps one owner") {
		t.Errorf("the last owner: status %d: %s", got.status, got.text())
	}
	path := "/invite/" + c.link
	w.as("site@example.net").post("/partner/invitations/"+c.invitations[0]+"/end", nil)
	w.client().page(path).holds(t, "taken back")
}

// Who may make a link for whose password. Support does so for merchants and partners, and a merchant's owner for their own people.
func TestALinkForAPasswordIsMadeByWhoMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.colleagues()
	w.person("support@example.net", access.Support, access.Scope{Network: true})
	w.person("admin@example.net", access.Admin, access.Scope{Network: true})
	w.seat("member@example.net", access.Viewer, access.Scope{Merchant: w.shop})
	for _, c := range []struct {
		who, path string
		status    int
	}{
		{"support", "/network/people/" + c.seats[0], http.StatusCreated},
		{"support", "/network/people/" + w.seatOf("admin@example.net"), http.StatusForbidden},
		{"admin", "/network/people/" + w.seatOf("operator@example.net"), http.StatusForbidden},
		{"operator", "/network/people/" + w.seatOf("admin@example.net"), http.StatusCreated},
		{"shop", "/merchant/people/" + c.seats[1], http.StatusCreated},
		{"rival", "/merchant/people/" + c.seats[1], http.StatusNotFound},
		{"shop", "/merchant/people/" + number10(int64(w.shopSeat("member@example.net"))), http.StatusForbidden},
	} {
		if got := w.as(c.who+"@example.net").post(c.path+"/reset", nil); got.status != c.status {
			t.Errorf("%s at %s: status %d: %s", c.who, c.path, got.status, got.text())
		}
	}
	w.as("operator@example.net").page("/network/audit?kind=reset_link").holds(t, "support@example.net", "Made a link for another password")
}

// shopSeat is somebody's seat in the shop.
func (w *world) shopSeat(email string) (id program.SeatID) {
	w.must(w.owner.QueryRow(w.t.Context(), `SELECT t.id FROM seat t JOIN login l ON l.id = t.login_id WHERE l.email = $1 AND t.merchant_id = $2`, email, w.shop).Scan(&id))
	return id
}

// Opening a link changes nothing; its form sets the password once, and ends what was signed in with the old one.
func TestALinkSetsAnotherPasswordOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := "/reset/" + w.colleagues().reset
	inside, visitor := w.as("site@colleague.example"), w.client()
	for range 3 {
		page := visitor.page(path)
		page.holds(t, "For site@colleague.example.")
		if got := page.header.Get("Referrer-Policy"); got != "strict-origin" {
			t.Errorf("Referrer-Policy %q", got)
		}
	}
	inside.page("/partner")
	if got := visitor.post(path, url.Values{"password": {"short"}}); got.status != http.StatusUnprocessableEntity {
		t.Errorf("a short password: status %d", got.status)
	}
	if got := visitor.post(path, url.Values{"password": {"quite another sentence"}}); got.status != http.StatusOK || !strings.Contains(got.text(), "The password is set.") {
		t.Fatalf("status %d: %s", got.status, got.text())
	}
	if got := inside.get("/partner"); !strings.HasPrefix(got.header.Get("Location"), "/signin") {
		t.Errorf("the old session: status %d", got.status)
	}
	if got := visitor.post(path, url.Values{"password": {"a third one of them"}}); got.status != http.StatusConflict || !strings.Contains(got.text(), "This link was used on ") {
		t.Errorf("a second time: status %d", got.status)
	}
	for password, status := range map[string]int{"quite another sentence": http.StatusSeeOther, thePassword: http.StatusUnauthorized} {
		if got := w.client().post("/signin", url.Values{"email": {"site@colleague.example"}, "password": {password}}); got.status != status {
			t.Errorf("%q: status %d", password, got.status)
		}
	}
}

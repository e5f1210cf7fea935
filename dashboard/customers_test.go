package dashboard

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tributary/internal/event"
	"tributary/partners"
	"tributary/partners/program"
)

// binding makes a program of the shop whose terms bind customers for a year, with the partner site in it.
func (w *world) binding() program.ProgramID {
	w.t.Helper()
	doc, err := program.ParseDocument([]byte(`{"schema":1,"attribution":{"touches":{"click":{"window":"30d"}},"bind":{"months":12}},"hold":"3d","network_fee":0,"rules":[{"pay":{"percent":50000}}]}`))
	w.must(err)
	id := w.newProgramOf(partners.NewProgram{
		Merchant: w.shop, Name: "Alder Club", LandingURL: "https://alder.example/", Currencies: []string{"GBP"},
		Terms: []program.Version{{EffectiveFrom: w.now.Add(-400 * aDay), Document: doc}},
	})
	w.must(partners.Enrol(w.t.Context(), w.owner, id, w.site))
	w.learn()
	return id
}

// seen stores an order of a customer as the engine does.
func (w *world) seen(no int64, id, customer string, at time.Time, view string) {
	w.t.Helper()
	w.must1(w.owner.Exec(w.t.Context(), `INSERT INTO customer_seen (merchant_id, customer_id, at, ref, order_no, sale, void, view) VALUES ($1, $2, $3, $4, $5, true, false, $6)`,
		int64(w.shop), customer, at, id, no, view))
}

func TestAnOperatorBindsACustomerAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	club := number10(int64(w.binding()))
	site, shop := number10(int64(w.site)), number10(int64(w.shop))
	for id, at := range map[string]time.Time{"first": w.now.Add(-90 * aDay), "second": w.now.Add(-10 * aDay)} {
		no := w.order(sale{id: id, at: at, customer: "c-77", link: w.link, lines: []*event.Line{{Number: 1, Quantity: 1, Amount: 5000}}})
		bound := `{"program":` + club + `,"partner":` + site + `,"since":"` + w.now.Add(-90*aDay).Format(time.RFC3339) + `"}`
		view := map[string]string{"first": `{"nth":1,"begins":` + bound + `}`, "second": `{"nth":2,"bound":` + bound + `}`}[id]
		w.seen(no, id, "c-77", at, view)
	}
	operator := w.as("operator@example.net")
	operator.page("/network/customers").holds(t, "Alder & Finch", "Find a customer")
	operator.page("/network/customers").holds(t, "c-77 The Slow Kitchen second")
	operator.page("/network/customers?merchant="+number10(int64(w.rival))).holds(t, "No customers of this merchant")
	path := "/network/customers?customer=c-77&merchant=" + shop
	operator.page(path).holds(t, "Customer c-77 of Alder & Finch", "belongs to The Slow Kitchen (Alder Club) since", "for life", "first", "second after binding", "nobody: set them free", "Nothing yet.")
	operator.page("/network/customers?customer=c-78&merchant="+shop).holds(t, "No order of this customer is known")

	form := func(to, from, note string) url.Values {
		return url.Values{"merchant": {shop}, "customer": {"c-77"}, "to": {to}, "from": {from}, "note": {note}}
	}
	begin := w.now.Add(-20 * aDay).Format(formTime)
	for name, row := range map[string]struct {
		form   url.Values
		status int
		says   string
	}{
		"no note":                {form(club+"-"+site, begin, " "), http.StatusUnprocessableEntity, "say why"},
		"no time":                {form(club+"-"+site, "then", "x"), http.StatusUnprocessableEntity, "then"},
		"later":                  {form(club+"-"+site, w.now.Add(aDay).Format(formTime), "x"), http.StatusUnprocessableEntity, "later than now"},
		"terms that do not bind": {form(number10(int64(w.program))+"-"+site, begin, "x"), http.StatusUnprocessableEntity, "bind no customers"},
		"not in the program":     {form(club+"-"+number10(int64(w.member)), begin, "x"), http.StatusUnprocessableEntity, "not enrolled"},
		"another's program":      {form(number10(int64(w.other))+"-0", begin, "x"), http.StatusUnprocessableEntity, "There is no program"},
		"nobody chosen":          {form("", begin, "x"), http.StatusUnprocessableEntity, "choose a partner of this program"},
		"nothing that is chosen": {form("x", begin, "x"), http.StatusNotFound, ""},
	} {
		answer := operator.post("/network/customers", row.form)
		if answer.status != row.status || !strings.Contains(strings.ToLower(answer.text()), strings.ToLower(row.says)) {
			t.Errorf("%s: status %d: %s", name, answer.status, answer.text())
		}
	}
	if done := operator.post("/network/customers", form(club+"-0", begin, "they moved")); done.status != http.StatusSeeOther {
		t.Fatalf("status %d: %s", done.status, done.text())
	}
	operator.page(path).holds(t, "It is noted.", "Set free from", "by operator@example.net", "they moved", "takes effect within some seconds")

	var lane int
	var key, author string
	w.must(w.owner.QueryRow(t.Context(), `SELECT lane, convert_from(key, 'UTF8'), author FROM inbox WHERE kind = 'bind'`).Scan(&lane, &key, &author))
	if want := event.Lane([]byte(key), 8); key != shop+"|c-77" || lane != want || author != "operator@example.net" {
		t.Errorf("%q in lane %d of %s", key, lane, author)
	}
	w.must1(w.owner.Exec(t.Context(), `INSERT INTO inbox_taken (no, problem) SELECT no, 'it cannot be' FROM inbox`))
	operator.page(path).holds(t, "It has no effect: it cannot be.")
}

// The database takes a binding from the pages for an operator alone, and of the customer that its key names.
func TestOnlyAnOperatorBindsCustomers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, row := range map[string]struct{ setting, key string }{
		"a merchant":         {"app.merchant", "1|c-1"},
		"nobody":             {"app.nobody", "1|c-1"},
		"of another's order": {"app.operator", "2|c-1"},
	} {
		tx, err := w.pool.Begin(t.Context())
		w.must(err)
		w.must1(tx.Exec(t.Context(), `SELECT set_config($1, CASE $1 WHEN 'app.operator' THEN 'on' ELSE '1' END, true)`, row.setting))
		if _, err := tx.Exec(t.Context(), `SELECT bind_customer(0, $1, '{"merchant":1,"customer":"c-1"}', 'x', 'y')`, []byte(row.key)); err == nil {
			t.Errorf("%s binds a customer", name)
		}
		w.must(tx.Rollback(t.Context()))
	}
}

package partners

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"tributary/internal/fault"
	"tributary/internal/postgres"
	"tributary/partners/program"
	"tributary/test/engines"
)

// addCoupons adds coupons in a transaction of their own.
func addCoupons(tb testing.TB, db *pgxpool.Pool, id program.ProgramID, list ...NewCoupon) (added []AddedCoupon) {
	tb.Helper()
	must(tb, postgres.InTx(tb.Context(), db, func(tx pgx.Tx) (err error) {
		added, err = AddCoupons(tb.Context(), tx, id, "a test", list)
		return err
	}))
	return added
}

func endCoupon(tb testing.TB, db *pgxpool.Pool, id program.CouponID, end CouponEnd) (from time.Time, err error) {
	tb.Helper()
	err = postgres.InTx(tb.Context(), db, func(tx pgx.Tx) (err error) {
		from, err = EndCoupon(tb.Context(), tx, id, "a test", end)
		return err
	})
	return from, err
}

// opened gives the shop an order, after which nothing of its may reach back in time.
func (s shop) opened(tb testing.TB, db *pgxpool.Pool) {
	tb.Helper()
	_, err := db.Exec(tb.Context(), `INSERT INTO orders (no, merchant_id, order_id, lane, version, outcome, decision) VALUES (1, $1, 'first', 0, 1, 'no_touch', '{}')`, s.merchant)
	must(tb, err)
}

func TestCodesAreComparedWithoutCaseAndBlanks(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]string{
		"SAVE10": "save10", " Save10\t": "save10", "save 10": "save 10", "STRASSE": "strasse", "Straße": "strasse", "ΣΊΣΥΦΟΣ": "σίσυφοσ",
		"CAFE\u0301": "caf\u00e9", "Café": "caf\u00e9", "ПРИВЕТ": "привет", "ｓａｖｅ": "ｓａｖｅ", "": "",
	} {
		if got := program.NormalCode(written); got != want || program.NormalCode(got) != want {
			t.Errorf("%q becomes %q, want %q", written, got, want)
		}
	}
}

func TestACouponNamesEveryFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	s := newShop(t, db)
	s.opened(t, db)
	now := time.Now()
	for name, row := range map[string]struct {
		n    NewCoupon
		want []string
	}{
		"as it should be":              {NewCoupon{Code: "GOOD", Partner: s.partner, Exclusive: true}, nil},
		"nobody's":                     {NewCoupon{Code: "WELCOME"}, nil},
		"a referral code":              {NewCoupon{Code: "mira", Kind: program.ReferralCode, Partner: s.partner}, nil},
		"no code":                      {NewCoupon{Code: " \t"}, []string{"code"}},
		"a long one":                   {NewCoupon{Code: fmt.Sprintf("%065d", 1)}, []string{"code"}},
		"one that nobody sees":         {NewCoupon{Code: "SAVE\u200b10"}, []string{"code"}},
		"bytes that are no text":       {NewCoupon{Code: "SAVE\xff"}, []string{"code"}},
		"no such kind":                 {NewCoupon{Code: "A", Kind: "voucher"}, []string{"kind"}},
		"a code of nobody":             {NewCoupon{Code: "B", Kind: program.ReferralCode}, []string{"partner"}},
		"exclusive to nobody":          {NewCoupon{Code: "C", Exclusive: true}, []string{"partner"}},
		"of somebody else":             {NewCoupon{Code: "D", Partner: s.partner + 1}, []string{"partner"}},
		"from now on":                  {NewCoupon{Code: "E", From: now.Add(30 * time.Second)}, []string{"from"}},
		"until before it begins":       {NewCoupon{Code: "F", From: now.Add(time.Hour), Until: now.Add(time.Hour)}, []string{"until"}},
		"a note that is no text":       {NewCoupon{Code: "H", Note: "a\x00b"}, []string{"note"}},
		"a long note and another kind": {NewCoupon{Code: "G", Kind: "x", Note: fmt.Sprintf("%0501d", 1)}, []string{"kind", "note"}},
	} {
		var got []string
		for _, f := range addCoupons(t, db, s.program, row.n)[0].Problems {
			got = append(got, f.Name)
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: wrong are %q, want %q", name, got, row.want)
		}
	}
	err := postgres.InTx(t.Context(), db, func(tx pgx.Tx) error {
		_, err := AddCoupon(t.Context(), tx, s.program, "a test", NewCoupon{Code: ""})
		return err
	})
	if fault.Of(err).Code != "bad_coupon" {
		t.Error(err)
	}
	err = postgres.InTx(t.Context(), db, func(tx pgx.Tx) error {
		_, err := AddCoupons(t.Context(), tx, 4711, "a test", nil)
		return err
	})
	if fault.Of(err).Kind != fault.NotFound {
		t.Errorf("in no program: %v", err)
	}
}

// A program has one coupon of a code at a time, whoever adds another and however it is written.
func TestACodeHasOneCouponAtATime(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	s := newShop(t, db)
	now := time.Now().Truncate(time.Second)
	day := func(n int) time.Time { return now.Add(time.Duration(n) * 24 * time.Hour) }
	first := addCoupons(t, db, s.program, NewCoupon{Code: "Save10", Partner: s.partner, From: day(10), Until: day(20)})[0]
	for name, row := range map[string]struct {
		n       NewCoupon
		already bool
		wrong   bool
	}{
		"the same again":     {NewCoupon{Code: " SAVE10", Partner: s.partner, From: day(10), Until: day(20)}, true, false},
		"another's, within":  {NewCoupon{Code: "save10", From: day(12), Until: day(13)}, false, true},
		"from before":        {NewCoupon{Code: "save10", From: day(5), Until: day(11)}, false, true},
		"without end":        {NewCoupon{Code: "save10", From: day(19)}, false, true},
		"up to it":           {NewCoupon{Code: "save10", From: day(5), Until: day(10)}, false, false},
		"from its end on":    {NewCoupon{Code: "save10", From: day(20)}, false, false},
		"the owner's, other": {NewCoupon{Code: "SAVE10", Partner: s.partner, Exclusive: true, From: day(10), Until: day(20)}, false, true},
	} {
		if got := addCoupons(t, db, s.program, row.n)[0]; got.Already != row.already || (len(got.Problems) > 0) != row.wrong || row.already && got.ID != first.ID {
			t.Errorf("%s: %+v", name, got)
		}
	}
	// Within one list, too; the rest of it is added.
	added := addCoupons(t, db, s.program, NewCoupon{Code: "twice", Partner: s.partner}, NewCoupon{Code: "TWICE"}, NewCoupon{Code: "once"})
	if added[0].ID == 0 || len(added[1].Problems) != 1 || added[2].ID == 0 {
		t.Errorf("%+v", added)
	}
	// Another program has codes of its own.
	if other := newShop(t, db); addCoupons(t, db, other.program, NewCoupon{Code: "SAVE10", Partner: other.partner, From: day(12)})[0].ID == 0 {
		t.Error("another program may not have the code")
	}
	// The table refuses it as well.
	_, err := db.Exec(t.Context(), `INSERT INTO coupon (program_id, code, written, kind, exclusive, effective_from, author) VALUES ($1, 'save10', 'X', 'coupon', false, $2, 'x')`, s.program, day(15))
	if constraint(err) != "coupon_has_one_owner" {
		t.Errorf("the table takes a second owner: %v", err)
	}
}

func TestOfManyWhoAddACodeAtOnceOneDoes(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	s := newShop(t, db)
	var group errgroup.Group
	for i := range 8 {
		group.Go(func() error {
			return postgres.InTx(t.Context(), db, func(tx pgx.Tx) error {
				_, err := AddCoupons(t.Context(), tx, s.program, "a test", []NewCoupon{{Code: "RUSH", Note: strconv.Itoa(i), Until: time.Now().Add(time.Duration(i+1) * time.Hour)}})
				return err
			})
		})
	}
	must(t, group.Wait())
	var n int
	must(t, db.QueryRow(t.Context(), `SELECT count(*) FROM coupon`).Scan(&n))
	if n != 1 {
		t.Errorf("%d coupons have the code", n)
	}
}

// What a coupon was at a time that is past stays so: rows are only added, and reach forward.
func TestCouponsReachForwardAndStay(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	s := newShop(t, db)
	// Before the first order an operator may import what was agreed long ago.
	if old := addCoupons(t, db, s.program, NewCoupon{Code: "OLD", From: longAgo})[0]; old.ID == 0 || !old.From.Equal(longAgo) {
		t.Errorf("%+v", old)
	}
	s.opened(t, db)
	for name, statement := range map[string]string{
		"a coupon from now on":     `INSERT INTO coupon (program_id, code, written, kind, exclusive, effective_from, author) VALUES ($1, 'x', 'X', 'coupon', false, now() + interval '59 seconds', 'x')`,
		"an end from now on":       `INSERT INTO coupon_end (coupon_id, program_id, effective_from, author) SELECT id, program_id, now(), 'x' FROM coupon WHERE program_id = $1`,
		"an end that is no coupon": `INSERT INTO coupon_end (coupon_id, program_id, effective_from, author) VALUES (4711, $1, now() + interval '1 hour', 'x')`,
	} {
		if _, err := db.Exec(t.Context(), statement, s.program); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	for name, statement := range map[string]string{
		"change": `UPDATE coupon SET partner_id = NULL, exclusive = true`, "removal": `DELETE FROM coupon`,
	} {
		if _, err := db.Exec(t.Context(), statement); err == nil {
			t.Errorf("the table takes a %s", name)
		}
	}
}

func TestCodesAreLookedUpAsOfATime(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	s := newShop(t, db)
	at := func(day int) time.Time { return longAgo.AddDate(0, 0, day) }
	insert := func(of program.ProgramID, code string, partner program.PartnerID, from int, until *time.Time) (id program.CouponID) {
		must(t, db.QueryRow(t.Context(), `INSERT INTO coupon (program_id, code, written, kind, partner_id, exclusive, effective_from, effective_until, author)
			VALUES ($1, $2, upper($2), 'coupon', nullif($3::bigint, 0), $3 <> 0, $4, $5, 'import') RETURNING id`, of, code, partner, at(from), until).Scan(&id))
		return id
	}
	tenth, twentieth := at(10), at(20)
	first := insert(s.program, "save", s.partner, 0, &tenth)
	second := insert(s.program, "save", 0, 20, nil)
	open := insert(s.program, "always", s.partner, 0, nil)
	other := newShop(t, db)
	theirs := insert(other.program, "save", other.partner, 0, nil)
	_, err := db.Exec(t.Context(), `INSERT INTO coupon_end (coupon_id, program_id, effective_from, author, leaked_from) VALUES ($1, $2, $3, 'import', $4)`, open, s.program, twentieth, tenth)
	must(t, err)

	type found struct {
		id      program.CouponID
		inForce bool
	}
	keys, want := []CouponKey{}, [][]found{}
	for _, row := range []struct {
		merchant program.MerchantID
		code     string
		at       time.Time
		want     []found
	}{
		{s.merchant, "SAVE", at(0).Add(-time.Microsecond), nil},
		{s.merchant, " save", at(0), []found{{first, true}}},
		{s.merchant, "Save", tenth.Add(-time.Microsecond), []found{{first, true}}},
		{s.merchant, "save", tenth, []found{{first, false}}},
		{s.merchant, "save", twentieth.Add(-time.Microsecond), []found{{first, false}}},
		{s.merchant, "save", twentieth, []found{{second, true}}},
		{s.merchant, "always", twentieth.Add(-time.Microsecond), []found{{open, true}}},
		{s.merchant, "always", twentieth, []found{{open, false}}},
		{s.merchant, "unknown", twentieth, nil},
		{other.merchant, "save", tenth, []found{{theirs, true}}},
		{4711, "save", tenth, nil},
		{s.merchant, "SAVE", twentieth, []found{{second, true}}},
	} {
		keys, want = append(keys, CouponKey{row.merchant, row.code, row.at}), append(want, row.want)
	}
	all, err := CouponsAsOf(t.Context(), db, keys)
	must(t, err)
	for i, key := range keys {
		var got []found
		for _, c := range all[i] {
			got = append(got, found{c.ID, c.InForce(key.At)})
		}
		if !slices.Equal(got, want[i]) {
			t.Errorf("%q at %v: %v, want %v", key.Code, key.At, got, want[i])
		}
	}
	if c := all[1][0]; c.Partner != s.partner || !c.Exclusive || c.Written != "SAVE" || c.Code != "save" || !c.Until.Equal(tenth) || c.Merchant != s.merchant || c.Program != s.program {
		t.Errorf("%+v", c)
	}
}

// A coupon that ends as it begins never was: it hides none of its code, whenever that begins, and nobody finds it.
func TestACancelledCouponHidesNoOther(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	s := newShop(t, db)
	begins := time.Now().Add(time.Hour).Truncate(time.Second)
	at := func(hour int) time.Time { return begins.Add(time.Duration(hour) * time.Hour) }
	keys, want := []CouponKey{}, []program.CouponID{}
	for _, cancelled := range []int{0, 5, 10, 15, 20, 25} { // beside one from 10 to 20
		code := strconv.Itoa(cancelled)
		gone := addCoupons(t, db, s.program, NewCoupon{Code: code, From: at(cancelled)})[0]
		_, err := endCoupon(t, db, gone.ID, CouponEnd{})
		must(t, err)
		is := addCoupons(t, db, s.program, NewCoupon{Code: code, Partner: s.partner, From: at(10), Until: at(20)})[0]
		for hour, id := range map[int]program.CouponID{9: 0, 10: is.ID, 15: is.ID, 20: is.ID, 30: is.ID} {
			keys, want = append(keys, CouponKey{s.merchant, code, at(hour)}), append(want, id)
		}
	}
	all, err := CouponsAsOf(t.Context(), db, keys)
	must(t, err)
	for i, found := range all {
		if len(found) > 1 || len(found) == 1 && found[0].ID != want[i] || len(found) == 0 && want[i] != 0 {
			t.Errorf("code %s at %v: %+v, want %d", keys[i].Code, keys[i].At, found, want[i])
		}
	}
}

func TestACouponEndsOnceFromAMinuteAheadOn(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	s := newShop(t, db)
	now := time.Now()
	running := addCoupons(t, db, s.program, NewCoupon{Code: "RUNS", Partner: s.partner}, NewCoupon{Code: "LATER", From: now.Add(time.Hour)}, NewCoupon{Code: "SHORT", From: now.Add(2 * time.Minute), Until: now.Add(3 * time.Minute)})
	for name, row := range map[string]struct {
		id   program.CouponID
		end  CouponEnd
		want string
	}{
		"from now on":           {running[0].ID, CouponEnd{From: now.Add(30 * time.Second)}, "bad_coupon_end"},
		"a leak to come":        {running[0].ID, CouponEnd{LeakedFrom: now.Add(time.Hour)}, "bad_coupon_end"},
		"after its own end":     {running[2].ID, CouponEnd{From: now.Add(time.Hour)}, "coupon_ended"},
		"one that there is not": {4711, CouponEnd{}, "unknown_coupon"},
	} {
		if _, err := endCoupon(t, db, row.id, row.end); fault.Of(err).Code != row.want {
			t.Errorf("%s: %v, want %s", name, err, row.want)
		}
	}
	from, err := endCoupon(t, db, running[0].ID, CouponEnd{LeakedFrom: now.Add(-24 * time.Hour), Note: "on a coupon site"})
	if until := from.Sub(now); err != nil || until < time.Minute || until > 2*time.Minute {
		t.Errorf("it ends at %v: %v", from, err)
	}
	if _, err := endCoupon(t, db, running[0].ID, CouponEnd{}); fault.Of(err).Code != "coupon_ended" {
		t.Errorf("it ends twice: %v", err)
	}
	// One that has not begun is never in force, and its code is free.
	from, err = endCoupon(t, db, running[1].ID, CouponEnd{})
	if err != nil || !from.Equal(running[1].From) {
		t.Errorf("it ends at %v, not at %v: %v", from, running[1].From, err)
	}
	if again := addCoupons(t, db, s.program, NewCoupon{Code: "LATER", Partner: s.partner, From: now.Add(time.Hour)})[0]; again.ID == 0 || again.Already {
		t.Errorf("its code is not free: %+v", again)
	}
	// After its end another may have the code, and not before.
	again := addCoupons(t, db, s.program, NewCoupon{Code: "RUNS", From: now.Add(90 * time.Minute)}, NewCoupon{Code: "RUNS", From: running[0].From})
	if again[0].ID == 0 || len(again[1].Problems) == 0 {
		t.Errorf("%+v", again)
	}
}

package fire

import (
	"slices"
	"time"

	"tributary/test/chaos/model"
)

// Row is what stands of an act.
type Row struct {
	model.Said

	No   int64
	Side string
	// Due is when it is to be taken, Taken when it was; zero where nobody has.
	Due, Taken time.Time
	// Problem is why it has no effect.
	Problem string
}

// withdrawn tells of a row that was withdrawn before it was taken.
func (r *Row) withdrawn() bool { return r.Problem == "withdrawn" }

// acts judges what people have done. Whoever is first under the lock of a row has it: of an act and its withdrawal at the same
// time it is not known who that is, only that what was answered is what stands.
func (j *judgement) acts(attempts []*Attempt) {
	made, undoing := map[int64]bool{}, map[int64]bool{}
	byNumber := map[int64]*Row{}
	for _, rows := range j.evidence.Acts {
		for n := range rows {
			byNumber[rows[n].No] = &rows[n]
		}
	}
	for _, a := range attempts {
		if a.Act == nil {
			continue
		}
		made[a.N] = true
		if a.Act.Verb == Undo && !a.Refused() {
			undoing[a.Act.Of] = true
		}
	}
	for _, a := range attempts {
		if a.Act == nil {
			continue
		}
		switch row, known := j.row(a); {
		case !known:
		case a.Act.Verb != Undo:
			j.standing(a, row, undoing[row.No])
		case byNumber[a.Act.Of] == nil || !byNumber[a.Act.Of].withdrawn():
			j.findf(ActWrong, "attempt %d has withdrawn row %d, which counts", a.N, a.Act.Of)
		}
	}
	for n, rows := range j.evidence.Acts {
		if !made[n] {
			j.findf(ActWrong, "attempt %d was no act, and has made %+v", n, rows)
		}
	}
}

// row is the one that an act has made, if it has.
func (j *judgement) row(a *Attempt) (row *Row, known bool) {
	rows := j.evidence.Acts[a.N]
	switch n := len(rows); {
	case n > 1:
		j.findf(ActWrong, "attempt %d has made %d rows", a.N, n)
	case n == 0 && a.Outcome.Status == 200:
		j.findf(ActMissing, "attempt %d, %+v", a.N, *a.Act)
	case n == 1 && a.Refused():
		j.findf(ActWrong, "attempt %d was answered with %d, and has made row %d", a.N, a.Outcome.Status, rows[0].No)
	}
	if len(rows) == 0 {
		return nil, false
	}
	return &rows[0], true
}

// standing judges what has become of an act, and enters it in the model's books if it counts.
func (j *judgement) standing(a *Attempt, row *Row, regretted bool) {
	said, want := row.Said, a.Act.Said
	said.ID, said.At = "", time.Time{}
	due := row.At.Add(undoable)
	if a.Act.Verb == "claim" {
		due = row.At
	}
	switch {
	case said != want || a.Outcome.No != 0 && a.Outcome.No != row.No || a.Act.Side != "partner" && row.Side != a.Act.Side:
		j.findf(ActWrong, "attempt %d has said %+v and stands as %+v", a.N, *a.Act, *row)
	case row.At.Before(a.At.Add(-time.Second)):
		j.findf(ActWrong, "attempt %d, of %s, stands as of %s", a.N, a.At, row.At)
	case !row.Due.Equal(due):
		j.findf(ActWrong, "attempt %d is due at %s, and said at %s", a.N, row.Due, row.At)
	case row.Taken.IsZero():
		j.findf(ActMissing, "attempt %d, %+v, is due since %s", a.N, *a.Act, row.Due)
	case row.withdrawn() && !regretted:
		j.findf(ActWrong, "attempt %d, %+v, counts as withdrawn, and nobody has", a.N, *a.Act)
	case !row.withdrawn() && row.Taken.Before(row.Due):
		j.findf(ActWrong, "attempt %d was due at %s, and taken at %s", a.N, row.Due, row.Taken)
	case row.Problem != "" && !row.withdrawn():
		j.findf(ActWrong, "attempt %d, %+v: %s", a.N, *a.Act, row.Problem)
	}
	if row.Problem == "" && !row.Taken.IsZero() {
		j.books.Say(row.Said)
	}
}

// path judges what an order was told of the clicks before its own, and takes them off where that is nothing: of a click whose
// row was lost nobody knows.
func (j *judgement) path(sale *model.Sale) {
	told, known := j.evidence.Told[sale.OrderKey]
	if !known {
		return // it waits, which is an alarm, or has no need
	}
	before := []string{}
	for _, c := range sale.Before {
		before = append(before, c.ID)
	}
	click := j.visits[told.Click]
	switch {
	case told.Incomplete && click != nil && click.Acknowledged():
		j.findf(PathWrong, "%+v was told that nobody knows what came before %s, which is stored", sale.OrderKey, told.Click)
	case !told.Incomplete && !slices.Equal(told.Before, before):
		j.findf(PathWrong, "%+v was told of %v before %s, want %v", sale.OrderKey, told.Before, told.Click, before)
	}
	if told.Incomplete {
		sale.Before = nil
	}
}

// cookie judges what the visitor of a click was given to keep, and what its row says of the clicks before it: those on links of
// the same merchant, where the program asks.
func (j *judgement) cookie(a *Attempt) {
	if a.Outcome.Status != 302 {
		return
	}
	link := j.world.Links[a.Link]
	asks := j.world.Programs[link.Program].Terms[0].Path
	merchant := j.world.Programs[link.Program].Merchant
	before, repeats := []string{}, false
	for _, id := range a.Path {
		c := j.visits[id]
		if c == nil {
			j.findf(PathWrong, "attempt %d came with %s, which nobody was given", a.N, id)
			return
		}
		repeats = repeats || c.Link == a.Link
		if asks && j.world.Programs[j.world.Links[c.Link].Program].Merchant == merchant {
			before = append(before, id)
		}
	}
	kept := a.Path
	if asks && a.Outcome.ID != "" {
		kept = append(slices.Clip(kept), a.Outcome.ID)
		kept = kept[max(0, len(kept)-8):]
	}
	leftOut := repeats && slices.Equal(a.Outcome.Path, a.Path)
	if !leftOut && !slices.Equal(a.Outcome.Path, kept) {
		j.findf(PathWrong, "attempt %d came with %v and was given %v, want %v", a.N, a.Path, a.Outcome.Path, kept)
	}
	if stored, known := j.evidence.Paths[a.Outcome.ID]; known && !slices.Equal(stored, before) {
		j.findf(PathWrong, "click %s is stored with %v before it, want %v", a.Outcome.ID, stored, before)
	}
}

package dashboard

import (
	"bytes"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"tributary/internal/text"
	"tributary/partners/access"
	"tributary/partners/program"
	"tributary/report"
)

// seatField is the field in which a form says from which seat it is sent.
const seatField = "seat"

// takeSeat changes to another of the person's seats, and begins at its first page.
func (s *Server) takeSeat(c echo.Context, v *visit) error {
	id, ok := report.ParseID(c.FormValue("to"))
	if !ok {
		return notFound()
	}
	ctx := c.Request().Context()
	if err := s.access.TakeSeat(ctx, v.by, s.tokenHash(ctx), program.SeatID(id)); err != nil {
		return err
	}
	for _, other := range v.login.Others {
		if other.ID == program.SeatID(id) {
			v.login.Seat = other
		}
	}
	return s.redirect(c, homeOf(v.who()))
}

// takeFrom takes out of a form from which seat it is sent, which no page is to know or to send again.
func takeFrom(r *http.Request) (seat string) {
	seat = r.PostForm.Get(seatField)
	if seat != "" {
		delete(r.PostForm, seatField)
		delete(r.Form, seatField)
	}
	return seat
}

// sentFromHere tells whether the person still is in the seat that a request is sent from: in a second tab they may have left it since.
// Every form names one; what is the person's own they may send from any.
func sentFromHere(method, from string, who audience, v *visit) bool {
	if method == http.MethodGet || method == http.MethodHead {
		return true
	}
	return from == strconv.FormatInt(int64(v.login.Seat.ID), 10) || who == anybodySignedIn && from != ""
}

// carrySeat has every form of a page that is sent say from which seat: here, so that no template forgets it.
func carrySeat(page []byte, seat program.SeatID) []byte {
	field := []byte(`<input type="hidden" name="` + seatField + `" value="` + strconv.FormatInt(int64(seat), 10) + `">`)
	var out bytes.Buffer
	for {
		at := bytes.Index(page, []byte("<form"))
		if at < 0 {
			out.Write(page)
			return out.Bytes()
		}
		end := at + bytes.IndexByte(page[at:], '>') + 1 // within attributes it is written &gt;
		out.Write(page[:end])
		if bytes.Contains(page[at:end], []byte(`method="post"`)) {
			out.Write(field)
		}
		page = page[end:]
	}
}

// seatWords says what somebody is in a seat, such as "merchant, owner".
func seatWords(t *text.Printer, s access.Seat) string {
	return t.SeatIs(t.Org(string(s.Org())), t.Role(string(s.Role)))
}

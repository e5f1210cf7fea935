package tracker

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"tributary/internal/text"
)

//go:embed page.html
var pageHTML string

// pages are what a person sees who cannot be sent on, by status. They hold nothing that comes from outside.
type pages struct {
	byStatus map[int][]byte
	policy   string
}

func newPages() pages {
	_, style, _ := strings.Cut(pageHTML, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	p := pages{
		byStatus: map[int][]byte{},
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
	}
	say := text.English()
	for status, words := range map[int][4]string{
		http.StatusNotFound:            {say.VisitorLostTitle(), say.VisitorLostWhat(), say.VisitorLostFix(), say.VisitorNotRecorded()},
		http.StatusMethodNotAllowed:    {say.VisitorMethodTitle(), say.VisitorMethodWhat(), say.VisitorMethodFix(), say.VisitorNotRecorded()},
		http.StatusInternalServerError: {say.VisitorTroubleTitle(), say.VisitorTroubleWhat(), say.VisitorTroubleFix(), say.VisitorTroubleNote()},
	} {
		p.byStatus[status] = []byte(strings.NewReplacer("{title}", words[0], "{what}", words[1], "{fix}", words[2], "{note}", words[3]).Replace(pageHTML))
	}
	return p
}

// write answers with the page of a status; one without a page of its own gets that of trouble on our side.
func (p *pages) write(c echo.Context, status int) error {
	page, ok := p.byStatus[status]
	if !ok {
		page = p.byStatus[http.StatusInternalServerError]
	}
	h := c.Response().Header()
	h.Set("Content-Security-Policy", p.policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	if c.Request().Method == http.MethodHead {
		h.Set("Content-Type", echo.MIMETextHTMLCharsetUTF8)
		return c.NoContent(status)
	}
	return c.HTMLBlob(status, page)
}

package tracker

import (
	"github.com/labstack/echo/v4"

	"tributary/internal/fault"
)

// problems says what each problem of the API means and what to do: the text behind the address in its "type".
func problems() map[string]string {
	return map[string]string{
		"invalid_conversion":   "The order was read, and something in it is wrong. Nothing was stored. The list \"errors\" names each field, what is wrong with it and how to fix it; send the order again when it is mended.",
		"invalid_refund":       "The refund was read, and something in it is wrong. Nothing was stored. The list \"errors\" names each field, what is wrong with it and how to fix it; send the refund again when it is mended.",
		"malformed_json":       "The body is not a JSON object of the expected form. Nothing was stored. The detail says where reading ended.",
		"unreadable_body":      "The body did not arrive whole. Nothing was stored; send it again.",
		"unsupported_type":     "The API reads JSON only: send the header Content-Type: application/json.",
		"unsupported_charset":  "The API reads JSON in UTF-8 only, as RFC 8259 has it: send the body in UTF-8, with the header Content-Type: application/json.",
		"unsupported_encoding": "The API reads bodies as they are: send them without Content-Encoding.",
		"body_too_large":       "The body is larger than any order needs to be. Nothing was stored. Send one order a request.",
		"report_too_large":     "The order has more than one record can hold. Nothing was stored. Join lines of the same goods, or shorten its texts.",
		"unauthorized":         "The request carries no API key that is valid now. Send the header Authorization: Bearer tk_live_..., with a key made on the dashboard under Developers, or sign the request as docs/integrate.md says.",
		"missing_scope":        "The key is valid, and may not report this. Nothing was stored. Keys are made for orders, for refunds or for both, on the dashboard under Developers: use one that has the scope.",
		"too_many_reports":     "More reports of one merchant came within a second than this network takes. Nothing was stored. Send the same again after the time in Retry-After, and spread what can wait.",
		"unexpected_query":     "A report stands in the body alone. Nothing was stored. Take what stands behind the question mark out of the address: addresses end up in logs.",
		"not_stored":           "It is not known whether the report was stored. Send the same report again after the time in Retry-After: a report that is there already has no effect twice.",
		"unknown_route":        "There is nothing at this address. Orders go to POST /v1/conversions, refunds to POST /v1/refunds.",
		"wrong_method":         "The address exists, and is asked with another method: see the header Allow.",
		"unknown_link":         "There is no such tracking link, or it was closed.",
		fault.Of(nil).Code:     "Something went wrong on our side. Send the same request again; if it stays so, tell the network's operator the number in \"instance\".",
	}
}

// problem is GET /problems/{code}.
func (s *Server) problem(c echo.Context) error {
	text, ok := problems()[c.Param("code")]
	if !ok {
		return echo.ErrNotFound
	}
	return plainText(c, c.Param("code")+"\n\n"+text+"\n\nRFC 9457 describes the form of these answers; the docs of this network's API are in docs/integrate.md.\n")
}

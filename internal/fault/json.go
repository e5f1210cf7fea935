package fault

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"

	"tributary/internal/text"
)

// JSON says where data that is not valid JSON goes wrong, by line and column from 1, and how to correct it.
func JSON(data []byte) (problem, fix text.Message) {
	// A zero byte is wrong wherever it stands: an error behind the data says that they end too early.
	at := len(data)
	var value json.RawMessage
	if syntax, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(append(bytes.Clone(data), 0), &value)); ok {
		at = min(at, int(syntax.Offset)-1)
	}
	if at == len(data) {
		return text.WrongJSONEnd(), text.FixJSONEnd()
	}
	line := bytes.Count(data[:at], []byte("\n")) + 1
	column := utf8.RuneCount(data[bytes.LastIndexByte(data[:at], '\n')+1:at]) + 1
	found, _ := utf8.DecodeRune(data[at:])
	return text.WrongJSON(strconv.Itoa(column), strconv.QuoteRune(found), strconv.Itoa(line)), text.FixJSONSyntax()
}

package commission

import "time"

// Rate is what a unit of one currency is worth in another: Num / Den of Quote, as a source published it for a day.
type Rate struct {
	Base  string `json:"base"`
	Quote string `json:"quote"`
	// Day is whose rate it is, UTC midnight; of a rate made of two, the earlier one's.
	Day    time.Time `json:"day"`
	Source string    `json:"source"`
	Num    int64     `json:"num"`
	Den    int64     `json:"den"`
}

// Package fire keeps the whole life of a click under fire and proves afterwards that nothing was lost or counted twice.
// It is above all steps: it starts the network as processes on engines of its own, sends it visitors, orders and refunds,
// kills, freezes and cuts off whatever a Plan says, lets it come to rest, and compares three things that must agree: its
// own journal of what it asked for and was answered, what stands in ClickHouse and PostgreSQL, and the books of package
// model, worked out from the journal alone.
//
//	Execute   one run from the first start to the verdict
//	Plan      what goes wrong, as a function over a Run
//	Network   the engines, the proxies in front of them, and the processes under test
//	Driver    the load, and the Journal that it writes ahead of each request
//	Gather    reads the stores into Evidence; Judge compares it with the journal
package fire

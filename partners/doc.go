// Package partners is who is in the network: merchants, their programs and the terms of those, partners, enrolments,
// tracking links and API keys. It serves every step of the life of a click: the tracker finds a link here (step 1) and
// whose key an order came with (step 4), the engine finds the terms in force (step 5), and the pages show all of it.
//
// A tracker holds what it needs on every click in package catalogue, and an engine holds the Programs, both in memory and
// about a second behind PostgreSQL. What is written goes to PostgreSQL by the functions that take a Querier or a transaction, and nowhere else.
package partners

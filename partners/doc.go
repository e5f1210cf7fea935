// Package partners is who is in the network: merchants, their programs and the terms of those, partners, enrolments,
// tracking links and API keys. It serves every step of the life of a click: the tracker finds a link here (step 1) and
// whose key an order came with (step 4), the engine finds the terms in force (step 5), and the pages show all of it.
//
// What is read on every click is held in memory by a Catalogue, which follows PostgreSQL within about a second; of that an
// engine holds the Programs alone. What is written goes to PostgreSQL by the functions that take a Querier or a transaction, and nowhere else.
package partners

// Package audit checks the promises that stand in the README, from outside: it works everything out again from the facts and
// compares. There is one file for each promise (p3 to p8; P1, P2 and P6 are checked where the spools are), and one check for
// each source of postings, so that whoever posts brings what its postings must follow from.
//
// Verify goes over everything, the Inspector over a part every few minutes beside the engine, and Redecide rewrites records of
// earlier forms on which an audit has nothing to say. The package reads what the engine has written and never asks the engine.
package audit

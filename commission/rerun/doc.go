// Package rerun goes over stored history again, and writes nothing: Simulate decides the orders of a time under other terms and
// says what would have been earned, Replay decides them under the terms that stand and holds the books against that. Both run
// the engine's own folds and decisions on stored facts, in memory, in batches that one query reads: what an engine has decided,
// counted or seen is no part of it.
package rerun

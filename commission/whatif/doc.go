// Package whatif decides facts that nobody has reported: lines of JSON in, credits, reasons and periods out. It runs the very
// folds and decisions of the engine, in memory, without SQL, clock or network. `tributary decide` is made of it, and the cases
// of the design are told in it.
package whatif

// Package program is what a program promises: the ids of the network's rows, the kinds of partner, and the terms by which
// orders are paid. It is pure, without SQL, clock or network, so that commission can decide by it (step 5 of the life of a
// click); package partners reads and writes what it describes.
package program

package ledger

import (
	"bytes"
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// recentPostings is how far from the end a first look at the chain begins: a process that has just started has a backlog
// to take in, and a look that takes seconds would hold it up.
const recentPostings = 50_000

// VerifyChainSince verifies that the chain still contains a head that was verified before, and every block behind it with
// its postings, and gives the new head. Without an earlier head (the zero Head) it begins at the last end of a block that has
// fifty thousand postings behind it. Otherwise it is as VerifyChain, in time that does not grow with the books.
func VerifyChainSince(ctx context.Context, q Querier, since Head) (Head, error) {
	head := since
	if since.Block == 0 {
		var err error
		if head, err = headBefore(ctx, q, recentPostings); err != nil {
			return head, err
		}
	} else if err := stillThere(ctx, q, since); err != nil {
		return head, err
	}
	for {
		links, err := readLinks(ctx, q, head.Block)
		if err != nil || len(links) == 0 {
			return head, err
		}
		for len(links) > 0 {
			n := batchOf(links)
			if err := verifyLinks(ctx, q, &head, links[:n]); err != nil {
				return head, err
			}
			links = links[n:]
		}
	}
}

// stillThere verifies that a block is as it was.
func stillThere(ctx context.Context, q Querier, since Head) error {
	links, err := readLinks(ctx, q, since.Block-1)
	if err != nil {
		return err
	}
	if len(links) == 0 || links[0].block != since.Block {
		return &BreakError{since.Block, since.Through, since.Through, "it was verified before and is gone"}
	}
	if l := links[0]; !bytes.Equal(l.hash, since.Hash[:]) {
		return &BreakError{l.block, l.after, l.through, fmt.Sprintf("its hash is %x, and was %x", l.hash, since.Hash)}
	}
	return nil
}

// headBefore gives the last head that the chain had so many postings ago; the zero Head when it is not that long.
func headBefore(ctx context.Context, q Querier, postings int) (Head, error) {
	rows, err := q.Query(ctx, `
SELECT block, through_seq, hash FROM chain
 WHERE through_seq <= (SELECT through_seq FROM chain ORDER BY block DESC LIMIT 1) - $1 ORDER BY block DESC LIMIT 1`, postings)
	if err != nil {
		return Head{}, fmt.Errorf("reading the chain: %w", err)
	}
	var l link
	_, err = pgx.ForEachRow(rows, []any{&l.block, &l.through, &l.hash}, func() error { return nil })
	if err != nil {
		return Head{}, fmt.Errorf("reading the chain: %w", err)
	}
	if l.block == 0 {
		return Head{}, nil
	}
	return l.head(), nil
}

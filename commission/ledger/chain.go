package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// postingRow is a posting as the table has it.
type postingRow struct {
	seq, no, version, n, source int64
	debit, credit               AccountID
	amount                      int64
	unit                        string
	at, postedAt                time.Time
}

// block is a run of postings and its hash.
type block struct {
	through  int64
	rows     int
	hash     [32]byte
	postings []postingRow
}

const blockPostings = `
SELECT seq, source, source_no, version, n, debit, credit, amount, unit, effective_at, posted_at
  FROM posting WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3`

func (p *postingRow) targets() []any {
	return []any{&p.seq, &p.source, &p.no, &p.version, &p.n, &p.debit, &p.credit, &p.amount, &p.unit, &p.at, &p.postedAt}
}

// readBlock reads and hashes what comes after the head, up to a boundary.
func readBlock(ctx context.Context, q Querier, head Head, boundary int64, limit int) (block, error) {
	rows, err := q.Query(ctx, blockPostings, head.Through, boundary, limit)
	if err != nil {
		return block{}, fmt.Errorf("reading postings after %d: %w", head.Through, err)
	}
	var b block
	var p postingRow
	sum := newSum(head.Hash)
	_, err = pgx.ForEachRow(rows, p.targets(), func() error {
		b.postings = append(b.postings, p)
		sum.add(&p)
		b.rows++
		b.through = p.seq
		return nil
	})
	if err != nil {
		return block{}, fmt.Errorf("reading postings after %d: %w", head.Through, err)
	}
	b.hash = sum.sum()
	return b, nil
}

// chainSum is the hash of a block: of the one before it, and of its rows' canonical bytes in the order of seq.
type chainSum struct {
	hash hash.Hash
	buf  []byte
}

func newSum(previous [32]byte) *chainSum {
	s := &chainSum{hash: sha256.New()}
	s.hash.Write(previous[:])
	return s
}

// add adds a row: its numbers as 8 bytes each, big endian, times in microseconds since 1970, and the unit last, behind
// its length. These bytes are for good: a change would break every chain there is.
func (s *chainSum) add(p *postingRow) {
	s.buf = s.buf[:0]
	for _, n := range [...]int64{
		p.seq, p.source, p.no, p.version, p.n, int64(p.debit), int64(p.credit), p.amount, p.at.UnixMicro(), p.postedAt.UnixMicro(), int64(len(p.unit)),
	} {
		s.buf = binary.BigEndian.AppendUint64(s.buf, uint64(n))
	}
	s.hash.Write(append(s.buf, p.unit...))
}

func (s *chainSum) sum() (sum [32]byte) {
	s.hash.Sum(sum[:0])
	return sum
}

// ChainHead gives the end of the hash chain.
func ChainHead(ctx context.Context, q Querier) (Head, error) {
	rows, err := q.Query(ctx, `SELECT block, through_seq, hash FROM chain ORDER BY block DESC LIMIT 1`)
	if err != nil {
		return Head{}, fmt.Errorf("reading the head of the chain: %w", err)
	}
	var head Head
	var sum []byte
	_, err = pgx.ForEachRow(rows, []any{&head.Block, &head.Through, &sum}, func() error {
		head.Hash = [32]byte(sum)
		return nil
	})
	if err != nil {
		return Head{}, fmt.Errorf("reading the head of the chain: %w", err)
	}
	return head, nil
}

// ParseHead reads a head as it was logged: the block, a colon, and the hash in hex.
func ParseHead(text string) (Head, error) {
	number, sum, _ := strings.Cut(strings.TrimSpace(text), ":")
	n, err := strconv.ParseInt(number, 10, 64)
	raw, hexErr := hex.DecodeString(sum)
	if err != nil || hexErr != nil || len(raw) != 32 || n < 1 {
		return Head{}, fmt.Errorf("reading chain head %q: it is not a block's number, a colon, and 64 hex digits", text)
	}
	return Head{Block: n, Hash: [32]byte(raw)}, nil
}

// A BreakError is the first place where the hash chain does not hold.
type BreakError struct {
	// Block is the number of the block that does not fit.
	Block int64
	// After and Through bound its postings: those above the one, up to the other.
	After, Through int64
	// Problem says what was expected and what is there.
	Problem string
}

// Error names the block, its postings and the problem.
func (b *BreakError) Error() string {
	return fmt.Sprintf("the hash chain is broken at block %d (postings %d to %d): %s", b.Block, b.After+1, b.Through, b.Problem)
}

// VerifyChain reads the whole chain and every posting it covers, in bounded memory, and gives its head. The error is a
// *BreakError when something was changed. Each of the heads given, logged at some time, must be one that the chain went
// through. Run it in a transaction of one snapshot, or while nothing is sealed.
func VerifyChain(ctx context.Context, q Querier, logged ...Head) (Head, error) {
	var head Head
	for {
		links, err := readLinks(ctx, q, head.Block)
		if err != nil {
			return head, err
		}
		if len(links) == 0 {
			break
		}
		if err := wereLogged(links, logged); err != nil {
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
	for _, h := range logged {
		if h.Block > head.Block {
			return head, &BreakError{h.Block, head.Through, head.Through, fmt.Sprintf("it was logged, but the chain ends at block %d", head.Block)}
		}
	}
	return head, nil
}

// wereLogged compares blocks with what was logged of them.
func wereLogged(links []link, logged []Head) error {
	for _, l := range links {
		for _, h := range logged {
			if h.Block == l.block && !bytes.Equal(h.Hash[:], l.hash) {
				return &BreakError{l.block, l.after, l.through, fmt.Sprintf("its hash is %x, but %x was logged", l.hash, h.Hash)}
			}
		}
	}
	return nil
}

// link is a row of the table chain.
type link struct {
	block, after, through, rows int64
	previous, hash              []byte
}

// readLinks reads the next thousand blocks.
func readLinks(ctx context.Context, q Querier, after int64) ([]link, error) {
	rows, err := q.Query(ctx, `SELECT block, after_seq, through_seq, rows, previous, hash FROM chain WHERE block > $1 ORDER BY block LIMIT 1000`, after)
	if err != nil {
		return nil, fmt.Errorf("reading the chain: %w", err)
	}
	links, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (link, error) {
		var l link
		err := row.Scan(&l.block, &l.after, &l.through, &l.rows, &l.previous, &l.hash)
		return l, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the chain: %w", err)
	}
	return links, nil
}

// batchOf tells how many blocks to verify by one query: small ones together.
func batchOf(links []link) int {
	rows := int64(0)
	for i, l := range links {
		if rows += l.rows; rows > blockRows {
			return max(1, i)
		}
	}
	return len(links)
}

var errChecked = errors.New("checked") // ends a scan that has found its break

// verifyLinks verifies the blocks behind head and moves it on.
func verifyLinks(ctx context.Context, q Querier, head *Head, links []link) error {
	for i, l := range links {
		before := *head
		if i > 0 {
			before = links[i-1].head()
		}
		problem := l.follows(before)
		if problem == "" {
			continue
		}
		if i > 0 { // what comes before is broken first, if it is
			if err := verifyLinks(ctx, q, head, links[:i]); err != nil {
				return err
			}
		}
		return &BreakError{l.block, l.after, l.through, problem}
	}
	rows, err := q.Query(ctx, blockPostings, links[0].after, links[len(links)-1].through, nil)
	if err != nil {
		return fmt.Errorf("reading postings after %d: %w", links[0].after, err)
	}
	sum, count, at := newSum([32]byte(links[0].previous)), int64(0), 0
	var broken *BreakError
	finish := func() {
		l := links[at]
		if got := sum.sum(); broken == nil && (count != l.rows || !bytes.Equal(got[:], l.hash)) {
			broken = &BreakError{l.block, l.after, l.through, fmt.Sprintf("it holds %d postings with hash %x, sealed were %d with %x", count, got, l.rows, l.hash)}
		}
		at++
		count = 0
		sum = newSum([32]byte(l.hash))
	}
	var p postingRow
	_, err = pgx.ForEachRow(rows, p.targets(), func() error {
		for p.seq > links[at].through {
			finish()
		}
		if broken != nil {
			return errChecked
		}
		sum.add(&p)
		count++
		return nil
	})
	if err != nil && !errors.Is(err, errChecked) {
		return fmt.Errorf("reading postings after %d: %w", links[0].after, err)
	}
	for at < len(links) && broken == nil {
		finish()
	}
	if broken != nil {
		return broken
	}
	*head = links[len(links)-1].head()
	return nil
}

func (l *link) head() Head { return Head{Block: l.block, Hash: [32]byte(l.hash), Through: l.through} }

// follows tells what keeps a block from being the next behind a head, or nothing.
func (l *link) follows(head Head) string {
	switch {
	case l.block != head.Block+1:
		return fmt.Sprintf("block %d is missing", head.Block+1)
	case l.after != head.Through || l.through <= l.after:
		return fmt.Sprintf("it covers postings %d to %d, but the block before ends at %d", l.after+1, l.through, head.Through)
	case !bytes.Equal(l.previous, head.Hash[:]):
		return fmt.Sprintf("it names %x as the hash before it, which is %x", l.previous, head.Hash)
	}
	return ""
}

package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Report is what Salvage found and did.
type Report struct {
	Kept     uint64   // sound records that the folder holds now
	Lost     []Loss   // records known to be missing
	Bytes    int64    // bytes of damage, headers apart
	Repaired []string // names of the files that were rewritten or were missing
}

// Loss is a run of records of one lane that are gone, the first and the last of them included.
type Loss struct {
	Lane        int
	First, Last uint64
}

// Salvage repairs the spool in a folder that no process has open, so that Open accepts it. Every record whose checksum
// holds stays, at the place and with the sequence it had, so cursors stay valid; damaged bytes become a void. A damaged
// segment is moved aside with the suffix .damaged, not deleted. What was done and what is lost is written to out, a line
// each. Records that were lost before they reached Kafka show there as a gap, which is for a person to accept. It holds
// one segment in memory at a time. It answers ErrLocked or an error of the disk; run again it goes on where it ended.
func Salvage(dir string, out io.Writer) (Report, error) {
	lock, err := lockFolder(dir)
	if err != nil {
		return Report{}, err
	}
	v := &salvage{disk: osDisk(dir), out: out}
	if err = v.run(); err == nil {
		v.sayf("%d records kept, %d files repaired, %d bytes of damage", v.report.Kept, len(v.report.Repaired), v.report.Bytes)
	}
	if err = errors.Join(err, v.outErr, lock.Close()); err != nil {
		return v.report, fmt.Errorf("salvaging spool %s: %w", dir, err)
	}
	return v.report, nil
}

const maxMissing = 10_000

type salvage struct {
	disk     osDisk
	out      io.Writer
	outErr   error // the first one
	id       ID
	lanes    int
	next     []uint64 // for each lane the sequence that should come next, 0 while it is not known
	end      int64    // where the segment before ends
	repaired bool     // the segment before has voids or a new header
	report   Report
}

func (v *salvage) sayf(format string, words ...any) {
	if _, err := fmt.Fprintf(v.out, format+"\n", words...); v.outErr == nil {
		v.outErr = err
	}
}

func (v *salvage) run() error {
	names, err := v.disk.Names()
	if err != nil {
		return fmt.Errorf("reading folder: %w", err)
	}
	numbers := segmentNumbers(names)
	if err := v.identify(numbers); err != nil || len(numbers) == 0 {
		return err
	}
	v.next = make([]uint64, v.lanes)
	if numbers[0] == 1 {
		for lane := range v.next {
			v.next[lane] = 1
		}
	}
	newest := numbers[len(numbers)-1]
	if missing := int(newest-numbers[0]) + 1 - len(numbers); missing > maxMissing {
		return fmt.Errorf("%d segments are missing between %d and %d: put them back, or move aside what does not belong here", missing, numbers[0], newest)
	}
	for number := numbers[0]; number <= newest; number++ {
		if err := v.segment(number, number == newest); err != nil {
			return fmt.Errorf("segment %d: %w", number, err)
		}
	}
	return nil
}

// identify finds the id and the lanes of the spool in their own file, or else in the first header that tells them.
func (v *salvage) identify(numbers []uint64) error {
	var err error
	if v.id, v.lanes, err = readIdentity(v.disk); err == nil || len(numbers) == 0 {
		return err
	}
	for _, number := range numbers {
		raw, err := v.content(number)
		if err != nil {
			return err
		}
		h, err := sniffHeader(raw)
		if err != nil || h.number != number {
			continue
		}
		v.id, v.lanes = h.id, len(h.first)
		v.report.Repaired = append(v.report.Repaired, identityName)
		v.sayf("%s: missing or damaged, made again from the header of segment %d", identityName, number)
		return writeIdentity(v.disk, v.id, v.lanes)
	}
	return fmt.Errorf("neither %s nor any segment tells the id of the spool: put %s back from a backup", identityName, identityName)
}

// sniffHeader reads a header without knowing the number of lanes.
func sniffHeader(raw []byte) (header, error) {
	if len(raw) < headerFixed {
		return header{}, flawf(0, "the header is cut short")
	}
	lanes := binary.LittleEndian.Uint32(raw[52:])
	if lanes > maxLanes {
		return header{}, flawf(52, "the number of lanes makes no sense")
	}
	return readHeader(bytes.NewReader(raw), int(lanes))
}

// content returns what can be read of a segment; a missing file is empty.
func (v *salvage) content(number uint64) ([]byte, error) {
	f, err := os.Open(v.disk.path(segmentName(number)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("opening: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("measuring: %w", err)
	}
	raw, bad := readable(f, info.Size())
	if bad > 0 {
		v.sayf("segment %d: %d pages cannot be read", number, bad)
	}
	return raw, nil
}

// readable reads what it can; pages that the disk does not give back are zeros, and are counted.
func readable(f io.ReaderAt, size int64) (raw []byte, bad int) {
	raw = make([]byte, size)
	if n, _ := f.ReadAt(raw, 0); n == len(raw) {
		return raw, 0
	}
	const page = 4096
	for at := 0; at < len(raw); at += page {
		part := raw[at:min(at+page, len(raw))]
		if n, _ := f.ReadAt(part, int64(at)); n < len(part) {
			clear(part)
			bad++
		}
	}
	return raw, bad
}

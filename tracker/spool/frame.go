package spool

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// MaxPayload is the largest record in bytes, far below what Kafka refuses: a report of 64 KiB fits whatever is in it.
const MaxPayload = 192 << 10

// A segment is a header and then frames, each starting at a multiple of eight:
//
//	bytes  0-3   crc32c of the rest of the frame (of a void only its header), started from the segment's seed and the offset
//	byte   4     kind: 1 record, 2 commit, 3 void
//	byte   5     zero
//	bytes  6-7   lane of a record
//	bytes  8-11  size: bytes of payload
//	bytes 12-15  group: offset at which the group of this frame starts
//	bytes 16-23  record: its sequence in the lane; commit: records in the group << 32 | crc32c of the group's bytes
//	then         payload, and zeros up to a multiple of eight
//
// All numbers are little endian. A group is what one fdatasync made durable; it ends with its commit. Since a group is
// begun only when the one before is on the disk, a sound frame of a later group proves that an earlier one was durable.
// Seed and offset keep bytes from being taken for a frame anywhere but in the place they were written for, so a payload
// that spells out a frame deceives nobody.
const (
	frameHeader = 24
	alignment   = 8

	kindRecord = 1
	kindCommit = 2
	kindVoid   = 3 // written by Salvage over what was lost
)

type frame struct {
	kind  byte
	lane  int
	size  int64
	group int64
	seq   uint64
}

// commitOf returns the sequence field of the commit of a group.
func commitOf(records uint64, sum uint32) uint64 { return records<<32 | uint64(sum) }

// length is the number of bytes the frame takes in the file.
func (f frame) length() int64 { return frameLength(f.size) }

func frameLength(size int64) int64 {
	return frameHeader + (size+alignment-1)&^(alignment-1)
}

func parseFrame(b []byte) frame {
	return frame{
		kind:  b[4],
		lane:  int(binary.LittleEndian.Uint16(b[6:])),
		size:  int64(binary.LittleEndian.Uint32(b[8:])),
		group: int64(binary.LittleEndian.Uint32(b[12:])),
		seq:   binary.LittleEndian.Uint64(b[16:]),
	}
}

// putFrame writes the header of a frame, its checksum apart.
func putFrame(b []byte, f frame) {
	b[4], b[5] = f.kind, 0
	binary.LittleEndian.PutUint16(b[6:], uint16(f.lane))
	binary.LittleEndian.PutUint32(b[8:], uint32(f.size))
	binary.LittleEndian.PutUint32(b[12:], uint32(f.group))
	binary.LittleEndian.PutUint64(b[16:], f.seq)
}

// signFrame puts the checksum over the frame b, which stands at this offset of the segment with this seed.
func signFrame(b []byte, seed uint32, offset int64) {
	binary.LittleEndian.PutUint32(b, checksum(seed^uint32(offset), b[4:]))
}

func checksum(start uint32, b []byte) uint32 {
	return crc32.Update(start, crc32.MakeTable(crc32.Castagnoli), b)
}

// damage is a place in a segment that is not what was written there.
type damage struct {
	offset     int64
	reason     string
	unreadable bool // the disk gave an error instead of bytes
}

func flawf(offset int64, reason string, words ...any) error {
	return &damage{offset: offset, reason: fmt.Sprintf(reason, words...)}
}

// unread returns what is wrong when reading at the offset came short: the file ends there, or the disk failed.
func unread(offset int64, err error) error {
	return &damage{offset: offset, reason: fmt.Sprintf("reading: %v", err), unreadable: !errors.Is(err, io.EOF)}
}

func (d *damage) Error() string { return fmt.Sprintf("byte %d: %s", d.offset, d.reason) }

// walker reads the frames of one segment through a buffer, forward.
type walker struct {
	file  io.ReaderAt
	seed  uint32
	limit int64 // nothing at or beyond this offset is read
	base  int64 // offset of buf
	buf   []byte
}

const walkBuffer = 256 << 10

// at reads and checks the frame at the offset. raw is the whole frame (of a void only the header), valid until the next
// call. What is not a sound frame is a *damage.
func (w *walker) at(offset int64) (f frame, raw []byte, err error) {
	raw, err = w.bytes(offset, frameHeader)
	if err != nil {
		return frame{}, nil, err
	}
	f = parseFrame(raw)
	length := f.length()
	switch {
	case f.kind < kindRecord || f.kind > kindVoid || raw[5] != 0:
		return frame{}, nil, flawf(offset, "no frame starts here")
	case f.kind == kindRecord && f.size > MaxPayload, f.kind == kindCommit && f.size > 0, f.group > offset:
		return frame{}, nil, flawf(offset, "the frame's header makes no sense")
	case offset+length > w.limit:
		return frame{}, nil, flawf(offset, "the frame is cut short")
	}
	if f.kind != kindVoid {
		if raw, err = w.bytes(offset, length); err != nil {
			return frame{}, nil, err
		}
	}
	if checksum(w.seed^uint32(offset), raw[4:]) != binary.LittleEndian.Uint32(raw) {
		return frame{}, nil, flawf(offset, "the checksum does not match")
	}
	return f, raw, nil
}

// bytes returns n bytes at the offset, valid until the next call.
func (w *walker) bytes(offset, n int64) ([]byte, error) {
	if offset+n > w.limit {
		return nil, flawf(offset, "the frame is cut short")
	}
	if offset < w.base || offset+n > w.base+int64(len(w.buf)) {
		if w.buf == nil {
			w.buf = make([]byte, 0, walkBuffer)
		}
		w.base = offset
		w.buf = w.buf[:min(walkBuffer, w.limit-offset)]
		if read, err := w.file.ReadAt(w.buf, offset); int64(read) < n {
			w.buf = w.buf[:0]
			return nil, unread(offset, err)
		} else if read < len(w.buf) {
			w.buf = w.buf[:read]
		}
	}
	return w.buf[offset-w.base:][:n], nil
}

// ID names a spool for the life of its folder. Records carry it to Kafka, so that equal sequences of two spools differ.
type ID [16]byte

// String returns the id as 32 hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// seed starts the checksums of a segment.
func (id ID) seed(number uint64) uint32 {
	return checksum(0, binary.LittleEndian.AppendUint64(id[:len(id):len(id)], number))
}

// header opens a segment. It also closes the one before, by naming the offset at which that one ends: whatever stands
// beyond there was never acknowledged.
type header struct {
	id          ID
	number      uint64
	previousEnd int64
	created     time.Time // whole milliseconds
	salvaged    bool      // records may be missing, so a lane may jump inside this segment and at its end
	first       []uint64  // for each lane the sequence its next record has
}

const (
	magic       = "TRIBSPL\x01" // the last byte is the format version
	headerFixed = 56
	maxLanes    = 4096
	flagSalvage = 1
)

func headerLength(lanes int) int64 { return headerFixed + 8*int64(lanes) + 8 }

func (h header) encode() []byte {
	b := append(make([]byte, 0, headerLength(len(h.first))), magic...)
	b = append(b, h.id[:]...)
	b = binary.LittleEndian.AppendUint64(b, h.number)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.previousEnd))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.created.UnixMilli()))
	flags := uint32(0)
	if h.salvaged {
		flags = flagSalvage
	}
	b = binary.LittleEndian.AppendUint32(b, flags)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(h.first)))
	for _, seq := range h.first {
		b = binary.LittleEndian.AppendUint64(b, seq)
	}
	return binary.LittleEndian.AppendUint64(b, uint64(checksum(0, b)))
}

// readHeader reads the header of a segment and checks it against itself. What is not a sound header is a *damage.
func readHeader(f io.ReaderAt, lanes int) (header, error) {
	b := make([]byte, headerLength(lanes))
	if n, err := f.ReadAt(b, 0); n < len(b) {
		return header{}, unread(0, err)
	}
	sum := len(b) - 8
	switch {
	case string(b[:7]) != magic[:7]:
		return header{}, flawf(0, "this is not a spool segment")
	case b[7] != magic[7]:
		// Not damage: there is nothing to salvage.
		return header{}, fmt.Errorf("spool segment has format version %d, this program reads version %d", b[7], magic[7])
	case int(binary.LittleEndian.Uint32(b[52:])) != lanes:
		return header{}, flawf(52, "the header is for another number of lanes")
	case uint64(checksum(0, b[:sum])) != binary.LittleEndian.Uint64(b[sum:]):
		return header{}, flawf(0, "the checksum of the header does not match")
	}
	h := header{
		number:      binary.LittleEndian.Uint64(b[24:]),
		previousEnd: int64(binary.LittleEndian.Uint64(b[32:])),
		created:     time.UnixMilli(int64(binary.LittleEndian.Uint64(b[40:]))).UTC(),
		salvaged:    binary.LittleEndian.Uint32(b[48:])&flagSalvage != 0,
		first:       make([]uint64, lanes),
	}
	copy(h.id[:], b[8:])
	for lane := range h.first {
		h.first[lane] = binary.LittleEndian.Uint64(b[headerFixed+8*lane:])
	}
	return h, nil
}

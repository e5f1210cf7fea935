package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// filled makes a folder with a spool in it, of one group for each element, and returns the folder.
func filled(tb testing.TB, cfg Config, groups [][]string) string {
	tb.Helper()
	cfg.Dir = tb.TempDir()
	s := openSpool(tb, cfg)
	for n, group := range groups {
		for i, payload := range group {
			if _, err := s.Append((n+i)%4, Live, []byte(payload)); err != nil {
				tb.Fatal(err)
			}
		}
		b := s.take()
		if s.commit(b); b.err != nil {
			tb.Fatal(b.err)
		}
	}
	if err := errors.Join(s.active.leave(), s.Close()); err != nil {
		tb.Fatal(err)
	}
	return cfg.Dir
}

// groupsOf returns groups of three records each.
func groupsOf(groups int) [][]string {
	all := make([][]string, groups)
	for n := range all {
		for i := range 3 {
			all[n] = append(all[n], strings.Repeat(strconv.Itoa(n)+"."+strconv.Itoa(i)+" ", 1+n%5))
		}
	}
	return all
}

// reopened opens the folder and returns what can be read.
func reopened(tb testing.TB, dir string) (got []string, next []uint64, err error) {
	tb.Helper()
	s, err := Open(Config{Dir: dir, Lanes: 4})
	if err != nil {
		return nil, nil, err
	}
	defer s.Close()
	got, err = readAll(s, Cursor{})
	return got, s.Sequences(), err
}

func alter(tb testing.TB, path string, change func([]byte) []byte) {
	tb.Helper()
	raw, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, change(raw), 0o600)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

func TestATornTailIsCutOffWhereverItTears(t *testing.T) {
	t.Parallel()
	dir := filled(t, Config{}, groupsOf(4))
	whole, next, err := reopened(t, dir)
	if err != nil || len(whole) != 12 {
		t.Fatal(whole, err)
	}
	path := filepath.Join(dir, segmentName(1))
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	groupStart := int(headerLength(4))
	for at := groupStart; at < len(raw)-frameHeader; {
		f := parseFrame(raw[at:])
		at += int(f.length())
		if f.kind == kindCommit {
			groupStart = at
		}
	}
	for _, tear := range []struct {
		name string
		tail func(kept int) []byte
	}{
		{"nothing follows", func(int) []byte { return nil }},
		{"zeros follow", func(kept int) []byte { return make([]byte, len(raw)-kept+100) }},
		{"noise follows", func(kept int) []byte {
			noise := make([]byte, 100)
			_, _ = rand.NewChaCha8([32]byte{byte(kept)}).Read(noise)
			return noise
		}},
		{"an older part of the file follows", func(int) []byte { return raw[headerLength(4):groupStart] }},
	} {
		for cut := groupStart; cut < len(raw); cut++ {
			torn := append(slices.Clone(raw[:cut]), tear.tail(cut)...)
			if err := os.WriteFile(path, torn, 0o600); err != nil {
				t.Fatal(err)
			}
			got, gotNext, err := reopened(t, dir)
			if bytes.HasPrefix(torn, raw) && slices.Equal(got, whole) {
				continue // what was cut off were zeros
			}
			if err != nil || !slices.Equal(got, whole[:9]) {
				t.Fatalf("cut at byte %d, %s: %q, %v", cut, tear.name, got, err)
			}
			if gotNext[3] != next[3]-1 || gotNext[0] != next[0]-1 || gotNext[1] != next[1]-1 || gotNext[2] != next[2] {
				t.Fatalf("cut at byte %d, %s: lanes at %v, they were at %v", cut, tear.name, gotNext, next)
			}
			if info, err := os.Stat(path); err != nil || info.Size() != int64(groupStart) {
				t.Fatalf("cut at byte %d, %s: the file has %d bytes, want %d", cut, tear.name, info.Size(), groupStart)
			}
		}
	}
}

func TestDamageBeforeTheTailIsRefusedAndSalvaged(t *testing.T) {
	t.Parallel()
	groups := groupsOf(3)
	sample := filled(t, Config{}, groups)
	whole, _, err := reopened(t, sample)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(sample, segmentName(1)))
	if err != nil {
		t.Fatal(err)
	}
	// The last group is the proof that those before it were durable; damage there is a torn tail.
	last := int(headerLength(4))
	for range groups[:2] {
		for f := parseFrame(raw[last:]); f.kind != kindCommit; f = parseFrame(raw[last:]) {
			last += int(f.length())
		}
		last += frameHeader
	}
	for at := range last {
		dir := t.TempDir()
		damagedFile := slices.Clone(raw)
		damagedFile[at] ^= 0x10
		id, _ := os.ReadFile(filepath.Join(sample, identityName))
		if err := errors.Join(os.WriteFile(filepath.Join(dir, segmentName(1)), damagedFile, 0o600), os.WriteFile(filepath.Join(dir, identityName), id, 0o600)); err != nil {
			t.Fatal(err)
		}
		_, _, err := reopened(t, dir)
		if at == 7 { // the format version: not damage, but another program's file
			if err == nil || !strings.Contains(err.Error(), "format version") {
				t.Fatalf("byte 7: %v", err)
			}
			continue
		}
		var refused *DamageError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), "tributary spool salvage "+dir) {
			t.Fatalf("byte %d: %v", at, err)
		}
		if distance := int64(at) - refused.Offset; at > int(headerLength(4)) && (distance < 0 || distance > 100) || refused.File != filepath.Join(dir, segmentName(1)) {
			t.Fatalf("byte %d: the damage was found at %s, byte %d", at, refused.File, refused.Offset)
		}
		var out bytes.Buffer
		report, err := Salvage(dir, &out)
		if err != nil {
			t.Fatalf("byte %d: salvaging: %v", at, err)
		}
		got, _, err := reopened(t, dir)
		if err != nil {
			t.Fatalf("byte %d: after salvage: %v\n%s", at, err, &out)
		}
		missing := slices.DeleteFunc(slices.Clone(whole), func(record string) bool { return slices.Contains(got, record) })
		if len(missing) > 1 || len(got)+len(missing) != len(whole) || int(report.Kept) != len(got) {
			t.Fatalf("byte %d: %q is missing, report %+v\n%s", at, missing, report, &out)
		}
		if kept, err := os.ReadFile(filepath.Join(dir, segmentName(1)+damagedSuffix)); err != nil || !bytes.Equal(kept, damagedFile) {
			t.Fatalf("byte %d: the damaged file was not moved aside: %v", at, err)
		}
	}
}

func TestAfterACleanStopTheLastGroupIsGuardedToo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openSpool(t, Config{Dir: dir})
	stop := running(t, s)
	put(t, s, 0, "the last one")
	stop()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	alter(t, filepath.Join(dir, segmentName(1)), func(raw []byte) []byte { raw[headerLength(4)+30] ^= 1; return raw })
	if _, _, err := reopened(t, dir); !strings.Contains(fmt.Sprint(err), "the checksum does not match") {
		t.Errorf("opening: %v", err)
	}
}

func TestDamageInAnEarlierSegmentIsFoundWhenItIsRead(t *testing.T) {
	t.Parallel()
	start := headerLength(4)
	for name, change := range map[string]func(raw []byte, id ID){
		"a flipped bit":            func(raw []byte, _ ID) { raw[start+30] ^= 1 },
		"a frame in another place": func(raw []byte, _ ID) { copy(raw[start:], raw[start+100:][:50]) },
		"a void that nobody made": func(raw []byte, id ID) {
			void := raw[start:][:parseFrame(raw[start:]).length()]
			putFrame(void, frame{kind: kindVoid, size: int64(len(void)) - frameHeader})
			signFrame(void[:frameHeader], id.seed(2), start)
		},
	} {
		dir := filled(t, Config{SegmentBytes: 300}, groupsOf(9))
		id, _, err := readIdentity(osDisk(dir))
		if err != nil {
			t.Fatal(err)
		}
		alter(t, filepath.Join(dir, segmentName(2)), func(raw []byte) []byte { change(raw, id); return raw })
		s := openSpool(t, Config{Dir: dir})
		r, err := s.Reader(Cursor{Segment: 3})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, _, err := r.Poll(); err != nil {
			t.Errorf("%s: a sound segment: %v", name, err)
		}
		_, readErr := readAll(s, Cursor{})
		for what, err := range map[string]error{"reading": readErr, "checking": s.Check(t.Context())} {
			var found *DamageError
			if !errors.As(err, &found) || found.File != filepath.Join(dir, segmentName(2)) {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
	}
}

func TestASegmentThatIsMissingCutOrForeignIsRefused(t *testing.T) {
	t.Parallel()
	other := filled(t, Config{SegmentBytes: 300}, groupsOf(9))
	for want, harm := range map[string]func(dir string) error{
		"the segment is missing": func(dir string) error { return os.Remove(filepath.Join(dir, segmentName(2))) },
		"the segment is cut short": func(dir string) error {
			return os.Truncate(filepath.Join(dir, segmentName(2)), 200)
		},
		"another segment or spool": func(dir string) error {
			return os.Rename(filepath.Join(other, segmentName(3)), filepath.Join(dir, segmentName(3)))
		},
		"lane 0 goes back": func(dir string) error {
			raw, err := os.ReadFile(filepath.Join(dir, segmentName(3)))
			binary.LittleEndian.PutUint64(raw[headerFixed:], 1)
			end := int(headerLength(4)) - 8
			binary.LittleEndian.PutUint64(raw[end:], uint64(crc32.Checksum(raw[:end], crc32.MakeTable(crc32.Castagnoli))))
			return errors.Join(err, os.WriteFile(filepath.Join(dir, segmentName(3)), raw, 0o600))
		},
		"no such file":           func(dir string) error { return os.Remove(filepath.Join(dir, identityName)) },
		"the spool id cannot be": func(dir string) error { return os.Truncate(filepath.Join(dir, identityName), 10) },
		"this is not a spool seg": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, segmentName(1)), make([]byte, 500), 0o600)
		},
	} {
		dir := filled(t, Config{SegmentBytes: 300}, groupsOf(9))
		if err := harm(dir); err != nil {
			t.Fatal(err)
		}
		_, _, err := reopened(t, dir)
		var refused *DamageError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		if _, err := Salvage(dir, t.Output()); err != nil {
			t.Errorf("%s: salvaging: %v", want, err)
		}
		if _, _, err := reopened(t, dir); err != nil {
			t.Errorf("%s: after salvage: %v", want, err)
		}
	}
}

// A crash leaves the zeros that were written ahead of the groups, which are neither records nor damage.
func TestZerosAheadAreNoDamage(t *testing.T) {
	t.Parallel()
	dir := filled(t, Config{}, groupsOf(4))
	path := filepath.Join(dir, segmentName(1))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, zeros := range []int{0, 1, frameHeader, paving} {
		alter(t, path, func([]byte) []byte { return append(slices.Clone(whole), make([]byte, zeros)...) })
		if got, _, err := reopened(t, dir); err != nil || len(got) != 12 {
			t.Errorf("%d zeros: %q, %v", zeros, got, err)
		}
		if left, err := os.ReadFile(path); err != nil || !bytes.Equal(left, whole) {
			t.Errorf("%d zeros: %d bytes are left, want %d, %v", zeros, len(left), len(whole), err)
		}
	}
	alter(t, path, func(raw []byte) []byte {
		raw[headerLength(4)] ^= 1
		return append(raw, make([]byte, paving)...)
	})
	if _, _, err := reopened(t, dir); err == nil {
		t.Error("a damaged record ahead of the zeros was cut off with them")
	}
}

func TestADiskThatRefusesTheZerosRefusesNoRecord(t *testing.T) {
	t.Parallel()
	l := newLife(3)
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	l.spool.cfg.SegmentBytes = 1 << 20
	writes := 0
	l.disk.fail = func(kind string) error {
		if kind != "write" {
			return nil
		}
		if writes++; writes == 2 { // the first is the header of the segment
			return syscall.ENOSPC
		}
		return nil
	}
	l.work(5)
	if stats := l.spool.Stats(); writes != 7 || stats.Failures > 0 || stats.Commits != 5 {
		t.Errorf("%d writes, %+v", writes, stats)
	}
}

func TestASegmentThatWasNotBegunIsRemoved(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 50, 96, 5000} {
		dir := filled(t, Config{}, groupsOf(2))
		path := filepath.Join(dir, segmentName(2))
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, _, err := reopened(t, dir); err != nil || len(got) != 6 {
			t.Errorf("%d zeros: %q, %v", size, got, err)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%d zeros: the file is still there", size)
		}
	}
}

func TestWhatCannotBeReadIsNotTakenForATornTail(t *testing.T) {
	t.Parallel()
	l := newLife(3)
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	l.spool.cfg.SegmentBytes = 1000
	for l.spool.End().Segment < 2 {
		l.work(1)
	}
	l.spool.cfg.SegmentBytes = 1 << 20
	l.work(5)
	end := l.spool.End().Offset
	l.disk = l.disk.afterCrash()
	last := l.disk.names[segmentName(2)]
	for name, bad := range map[string]int64{"the header": 10, "a record": headerLength(crashLanes) + 40, "the last commit": end - 1} {
		last.bad = bad
		err := l.open()
		var refused *DamageError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), "input/output error") {
			t.Errorf("%s cannot be read: %v", name, err)
		}
	}
	last.bad = 0
	begun := slices.Clone(last.shown)
	last.shown, last.bad = begun[:headerLength(crashLanes)], 10
	if err := l.open(); err == nil {
		t.Error("a segment without records whose header cannot be read was removed")
	}
	last.shown, last.bad = begun, 0
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	if err := l.check(); err != nil {
		t.Errorf("readable again: %v", err)
	}
	raw, pages := readable(&crashFile{shown: bytes.Repeat([]byte{7}, 10_000), bad: 5000}, 10_000)
	if pages != 1 || bytes.Count(raw, []byte{7}) != 10_000-4096 || raw[4096] != 0 || raw[8192] != 7 {
		t.Errorf("a bad page in three: %d pages given up, %d bytes read", pages, bytes.Count(raw, []byte{7}))
	}
}

// Lanes whose numbers jump although every checksum holds can only be a mistake of the program; readers stop there too.
func TestALaneThatJumpsIsDamage(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		segment int64  // size of segments
		from    uint64 // sequence that follows 2
		read    string // what a reader says
		open    string // what Open says
		kept    []string
	}{
		{"ahead inside the last segment", 1 << 20, 4, "lane 0 jumps from 2 to 4", "lane 0 jumps from 2 to 4", []string{"0/1 a", "0/2 b", "0/4 c", "0/5 d"}},
		{"back inside the last segment", 1 << 20, 2, "lane 0 jumps from 2 to 2", "lane 0 jumps from 2 to 2", []string{"0/1 a", "0/2 b", "0/3 d"}},
		{"ahead between segments", 1, 4, "lane 0 jumps from 2 to 4", "", []string{"0/1 a", "0/2 b", "0/4 c", "0/5 d"}},
		{"back between segments", 1, 2, "lane 0 jumps from 2 to 2", "", []string{"0/1 a", "0/2 b", "0/3 d"}},
	} {
		dir := t.TempDir()
		s := openSpool(t, Config{Dir: dir, SegmentBytes: row.segment})
		for _, payload := range []string{"a", "b", "c", "d"} {
			if payload == "c" {
				s.next[0] = row.from
			}
			if _, err := s.Append(0, Live, []byte(payload)); err != nil {
				t.Fatal(err)
			}
			s.commit(s.take())
		}
		if _, err := readAll(s, Cursor{}); err == nil || !strings.Contains(err.Error(), row.read) {
			t.Errorf("%s: reading: %v, want %q", row.name, err, row.read)
		}
		if err := errors.Join(s.active.leave(), s.Close()); err != nil {
			t.Fatal(err)
		}
		again, err := Open(Config{Dir: dir, Lanes: 4})
		if err == nil {
			if err := again.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if row.open == "" && err != nil || row.open != "" && (err == nil || !strings.Contains(err.Error(), row.open)) {
			t.Errorf("%s: opening: %v, want %q", row.name, err, row.open)
		}
		if _, err := Salvage(dir, t.Output()); err != nil {
			t.Fatal(err)
		}
		if got, _, err := reopened(t, dir); err != nil || !slices.Equal(got, row.kept) {
			t.Errorf("%s: after salvage: %q, %v", row.name, got, err)
		}
	}
}

func TestSalvageSealsEvenBeforeASegmentThatWasNotBegun(t *testing.T) {
	t.Parallel()
	dir := filled(t, Config{SegmentBytes: 300}, groupsOf(9))
	names, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	if err != nil {
		t.Fatal(err)
	}
	newest := uint64(len(names))
	alter(t, filepath.Join(dir, segmentName(newest)), func(raw []byte) []byte { raw[headerLength(4)+20] ^= 1; raw[20] ^= 1; return raw })
	if err := os.WriteFile(filepath.Join(dir, segmentName(newest+1)), make([]byte, 40), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Salvage(dir, t.Output()); err != nil {
		t.Fatal(err)
	}
	if got, _, err := reopened(t, dir); err != nil || len(got) != 26 {
		t.Errorf("%d records, %v", len(got), err)
	}
}

func TestALaneOfWhichNothingIsLeftIsNeverNumberedTwice(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		broken []uint64 // segments whose header is damaged; 1 and 2 are gone
		want   uint64   // last sequence of lane 1, whose only record was in segment 1
	}{
		{nil, 1},
		{[]uint64{3}, 1},
		{[]uint64{3, 4, 5}, lostTrack - 1},
	} {
		dir := t.TempDir()
		s := openSpool(t, Config{Dir: dir, SegmentBytes: 1})
		stop := running(t, s)
		put(t, s, 1, "the only one")
		for n := range 4 {
			put(t, s, 0, strconv.Itoa(n))
		}
		stop()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for _, number := range []uint64{1, 2} {
			if err := os.Remove(filepath.Join(dir, segmentName(number))); err != nil {
				t.Fatal(err)
			}
		}
		for _, number := range row.broken {
			alter(t, filepath.Join(dir, segmentName(number)), func(raw []byte) []byte { raw[30] ^= 1; return raw })
		}
		if _, err := Salvage(dir, t.Output()); err != nil {
			t.Fatal(err)
		}
		got, last, err := reopened(t, dir)
		if err != nil || !slices.Equal(got, []string{"0/2 1", "0/3 2", "0/4 3"}) || last[0] != 4 || last[1] != row.want {
			t.Errorf("headers %v broken: %q, lanes at %v, %v", row.broken, got, last, err)
		}
	}
}

// A payload that spells out sound frames of its own segment is still only a payload.
func TestAPayloadCannotPoseAsARecord(t *testing.T) {
	t.Parallel()
	dir := filled(t, Config{}, [][]string{{"before"}})
	raw, err := os.ReadFile(filepath.Join(dir, segmentName(1)))
	if err != nil {
		t.Fatal(err)
	}
	s := openSpool(t, Config{Dir: dir})
	stop := running(t, s)
	put(t, s, 0, string(raw[headerLength(4):]))
	put(t, s, 0, "after")
	stop()
	want := records(t, s, Cursor{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	alter(t, filepath.Join(dir, segmentName(2)), func(raw []byte) []byte { raw[headerLength(4)] ^= 1; return raw })
	if _, err := Salvage(dir, t.Output()); err != nil {
		t.Fatal(err)
	}
	got, _, err := reopened(t, dir)
	if err != nil || !slices.Equal(got, slices.Delete(want, 1, 2)) {
		t.Errorf("got %q, %v", got, err)
	}
}

// place is where a record stands, and which bytes of which file it needs.
type place struct {
	text     string
	segment  uint64
	from, to int64
}

func TestSalvageKeepsEveryRecordThatWasNotTouched(t *testing.T) {
	t.Parallel()
	rounds := 100
	if testing.Short() {
		rounds = 20
	}
	sample := filled(t, Config{SegmentBytes: 700}, groupsOf(30))
	s := openSpool(t, Config{Dir: sample})
	all := survey(t, s)
	newest := s.End().Segment
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(rounds) {
		rng := rand.New(rand.NewPCG(seed, 2))
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(sample)); err != nil {
			t.Fatal(err)
		}
		places := wreck(t, rng, dir, newest, slices.Clone(all))
		var out bytes.Buffer
		report, err := Salvage(dir, &out)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, &out)
		}
		again := openSpool(t, Config{Dir: dir})
		got := records(t, again, Cursor{})
		var want []string
		for _, p := range places {
			want = append(want, p.text)
		}
		if !slices.Equal(got, want) || int(report.Kept) != len(want) {
			t.Fatalf("seed %d: %d kept (-want +got):\n%s%s", seed, report.Kept, gocmp.Diff(want, got), &out)
		}
		for range min(3, len(places)) {
			i := rng.IntN(len(places))
			p := places[i]
			if behind := records(t, again, Cursor{Segment: p.segment, Offset: p.to}); !slices.Equal(behind, want[i+1:]) {
				t.Fatalf("seed %d: behind the old cursor of %q: %q", seed, p.text, behind)
			}
		}
		checkLosses(t, report, got, again)
		stop := running(t, again)
		put(t, again, 2, "new")
		stop()
		if got := records(t, again, Cursor{}); got[len(got)-1] != fmt.Sprintf("2/%d new", again.Sequences()[2]) {
			t.Fatalf("seed %d: the newest record is %q", seed, got[len(got)-1])
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
		if again, err := Salvage(dir, &out); err != nil || len(again.Repaired) > 0 || !slices.Equal(again.Lost, report.Lost) {
			t.Fatalf("seed %d: a second salvage does more: %+v, %v\n%s", seed, again, err, &out)
		}
	}
}

// survey returns the place of each record.
func survey(t *testing.T, s *Spool) (places []place) {
	t.Helper()
	r, err := s.Reader(Cursor{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		e, found, err := r.Poll()
		if !found && (err == nil || errors.Is(err, ErrClosed)) {
			return places
		} else if err != nil {
			t.Fatal(err)
		}
		places = append(places, place{
			text:    fmt.Sprintf("%d/%d %s", e.Lane, e.Seq, e.Payload),
			segment: e.Cursor.Segment, from: e.Cursor.Offset - frameLength(int64(len(e.Payload))), to: e.Cursor.Offset,
		})
	}
}

// wreck does one to four kinds of harm to the segments before the newest and returns the places left whole.
func wreck(t *testing.T, rng *rand.Rand, dir string, newest uint64, places []place) []place {
	t.Helper()
	before := contents(t, dir, newest)
	for range 1 + rng.IntN(4) {
		segment := 1 + uint64(rng.IntN(int(newest-1)))
		path := filepath.Join(dir, segmentName(segment))
		raw := contents(t, dir, newest)[segment]
		if len(raw) == 0 {
			continue // was removed already
		}
		from := rng.IntN(len(raw))
		end := min(from+rng.IntN(200), len(raw))
		switch rng.IntN(6) {
		case 0:
			raw[min(from, int(headerLength(4))-1)] ^= 0x40
		case 1:
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			continue
		case 2:
			raw = raw[:from]
		case 3:
			_ = os.Remove(filepath.Join(dir, identityName))
		case 4:
			clear(raw[from:end])
		case 5:
			for at := from; at < end; at++ {
				raw[at] = byte(rng.IntN(256))
			}
		}
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	after := contents(t, dir, newest)
	return slices.DeleteFunc(places, func(p place) bool {
		now := slices.Concat(after[p.segment], make([]byte, p.to)) // a record may have ended with the zeros that were cut off
		return !bytes.Equal(before[p.segment][p.from:p.to], now[p.from:p.to])
	})
}

// contents returns the bytes of each segment; a missing one has none.
func contents(t *testing.T, dir string, newest uint64) map[uint64][]byte {
	t.Helper()
	all := map[uint64][]byte{}
	for number := range newest {
		raw, err := os.ReadFile(filepath.Join(dir, segmentName(number+1)))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		all[number+1] = raw
	}
	return all
}

// checkLosses compares the losses reported with the sequences that are not there.
func checkLosses(t *testing.T, report Report, got []string, s *Spool) {
	t.Helper()
	lost := map[string]bool{}
	for _, loss := range report.Lost {
		for seq := loss.First; seq <= loss.Last; seq++ {
			lost[fmt.Sprintf("%d/%d", loss.Lane, seq)] = true
		}
	}
	there := map[string]bool{}
	for _, record := range got {
		name, _, _ := strings.Cut(record, " ")
		there[name] = true
	}
	h, _, err := s.loadHeader(s.Start().Segment)
	if err != nil {
		t.Fatal(err)
	}
	for lane, last := range s.Sequences() {
		for seq := h.first[lane]; seq <= last; seq++ { // what was before the oldest segment is not known
			if name := fmt.Sprintf("%d/%d", lane, seq); lost[name] == there[name] {
				t.Errorf("record %s: there %v, reported lost %v", name, there[name], lost[name])
			}
		}
	}
}

package relay

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tributary/internal/fault/inject"
	"tributary/tracker/spool"
)

// place is how far one lane is.
type place struct {
	// Cursor is behind the last acknowledged record, or further where nothing of the lane follows.
	Cursor spool.Cursor `json:"cursor"`
	// Sent is the sequence of the last acknowledged record.
	Sent uint64 `json:"sent"`
}

// places is the content of the cursor file.
type places struct {
	Spool spool.ID
	Lanes []place
}

// placesFile is how places are written: a person may have to read them.
type placesFile struct {
	Spool string  `json:"spool"`
	Lanes []place `json:"lanes"`
}

// readPlaces gives nil when there is no file.
func readPlaces(path string) (*places, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // no file is the state of a new installation
	}
	if err != nil {
		return nil, fmt.Errorf("reading the relay's places: %w", err)
	}
	var f placesFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("reading %s: %w (without this file all kept records are sent again, which is harmless: move it away)", path, err)
	}
	p := &places{Lanes: f.Lanes}
	id, err := hex.DecodeString(f.Spool)
	if err != nil || len(id) != len(p.Spool) || len(f.Lanes) == 0 {
		return nil, fmt.Errorf("reading %s: it does not name a spool and its lanes (without this file all kept records are sent again, which is harmless: move it away)", path)
	}
	copy(p.Spool[:], id)
	return p, nil
}

// write replaces the file as a whole and makes it durable.
func (p *places) write(path string) error {
	data, err := json.MarshalIndent(placesFile{Spool: hex.EncodeToString(p.Spool[:]), Lanes: p.Lanes}, "", " ")
	if err != nil {
		return fmt.Errorf("writing the relay's places: %w", err)
	}
	if err := replaceFile(path, append(data, '\n')); err != nil {
		return fmt.Errorf("writing the relay's places: %w", err)
	}
	return nil
}

func replaceFile(path string, data []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*")
	if err != nil {
		return err //nolint:wrapcheck // the caller says what for
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	d, err := os.Open(dir)
	if err != nil {
		return err //nolint:wrapcheck // as above
	}
	return errors.Join(d.Sync(), d.Close())
}

// lowest is the place before which every record is acknowledged.
func (r *Relay) lowest() spool.Cursor {
	all := r.places()
	lowest := all[0].Cursor
	for _, p := range all[1:] {
		if p.Cursor.Compare(lowest) < 0 {
			lowest = p.Cursor
		}
	}
	return lowest
}

// places gives how far each lane is. A lane that has nothing to send is as far as the common reader: a cursor that
// stays where its last record was would keep segments for ever.
func (r *Relay) places() []place {
	r.mu.Lock()
	at := r.at // before the lanes are asked, which may be given more meanwhile
	r.mu.Unlock()
	all := make([]place, len(r.lanes))
	for i, l := range r.lanes {
		l.mu.Lock()
		if !l.sending && !l.detached && len(l.queue) == 0 && at.Compare(l.place.Cursor) > 0 {
			l.place.Cursor = at
		}
		all[i] = l.place
		l.mu.Unlock()
	}
	return all
}

// save writes the places down.
func (r *Relay) save() error {
	inject.Reach(inject.RelayBeforePlace)
	if err := (&places{Spool: r.id, Lanes: r.places()}).write(r.cfg.File); err != nil {
		return err
	}
	inject.Reach(inject.RelayAfterPlace)
	return nil
}

// Rewind makes the relay send the lane's records again from the sequence seq on, when it is next started: for a Kafka
// that has lost records which the spool still keeps. The relay must not be running. Consumers drop what they have seen;
// one that halted at the gap goes on by position.Refilled.
func Rewind(file string, lane int, seq uint64) error {
	p, err := readPlaces(file)
	if err != nil {
		return err
	}
	if p == nil {
		return fmt.Errorf("rewinding: there is no %s, so all kept records are sent again anyway", file)
	}
	if lane < 0 || lane >= len(p.Lanes) {
		return fmt.Errorf("rewinding lane %d: there are %d", lane, len(p.Lanes))
	}
	if seq == 0 || seq > p.Lanes[lane].Sent {
		return fmt.Errorf("rewinding lane %d to sequence %d: it was sent up to %d", lane, seq, p.Lanes[lane].Sent)
	}
	// The zero cursor is the oldest record kept: what lies before seq is read and passed over.
	p.Lanes[lane] = place{Sent: seq - 1}
	return p.write(file)
}

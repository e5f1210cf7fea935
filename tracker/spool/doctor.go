package spool

import (
	"fmt"
	"os"
	"slices"
	"time"

	"tributary/internal/doctor"
)

const (
	// slowSync is the median of an fdatasync from which redirects do not wait for it any more.
	slowSync = 10 * time.Millisecond
	// tightDisk and fullDisk are shares of the volume: see the spool's limits.
	tightDisk, fullDisk = 0.70, Full
)

// Examine measures the volume of a data folder.
func Examine(r *doctor.Report, dir string) {
	const area = "disk"
	used, total, err := VolumeUse(dir)
	if err != nil || total == 0 {
		r.Add(area, doctor.Warn, fmt.Sprintf("its size cannot be read: %v", err), "look at it with df")
	} else {
		share, h := float64(used)/float64(total), doctor.OK
		switch {
		case share >= fullDisk:
			h = doctor.Wrong
		case share >= tightDisk:
			h = doctor.Warn
		}
		r.Add(area, h, fmt.Sprintf("%.0f %% in use, %d GB free; from 85 %% on imports are refused, from 95 %% on everything", 100*share, (total-used)>>30),
			"make room, or set TRIBUTARY_DATA to a larger volume")
	}
	median, err := measureSync(dir)
	switch {
	case err != nil:
		r.Add(area, doctor.Wrong, "it cannot be written: "+doctor.Problem(err), "choose another volume with TRIBUTARY_DATA")
	case median > slowSync:
		r.Add(area, doctor.Warn, fmt.Sprintf("a sync takes %s: redirects answer before their click is on disk", median.Round(time.Microsecond)), "put the data folder on a faster disk")
	default:
		r.Add(area, doctor.OK, fmt.Sprintf("a sync takes %s", median.Round(time.Microsecond)), "")
	}
}

// measureSync gives the median time of an appended page and its sync.
func measureSync(dir string) (time.Duration, error) {
	file, err := os.CreateTemp(dir, ".doctor-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.Remove(file.Name()) }()
	defer file.Close()
	page := make([]byte, 4096)
	times := make([]time.Duration, 0, 15)
	for range cap(times) {
		began := time.Now()
		if _, err := file.Write(page); err != nil {
			return 0, err
		}
		if err := file.Sync(); err != nil {
			return 0, err
		}
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"tributary/internal/embedded"
	"tributary/internal/keyring"
	"tributary/tracker/spool"
)

// machine looks at this machine: the data folder, its disk, the keys, the ports, and what embedded engines need.
func (d *doctor) machine(ctx context.Context) {
	if d.folder() {
		d.disk()
	}
	d.keys()
	d.ports(ctx)
	engines := embedded.Config{Dir: d.enginesDir(), Postgres: !d.cfg.ownPostgres(), ClickHouse: !d.cfg.ownClickHouse()}
	if !engines.Postgres && !engines.ClickHouse {
		return
	}
	if err := embedded.Preflight(ctx, engines); err != nil {
		d.note("embedded engines", wrong, problem(err), "mend that, or set the addresses of servers of your own")
		return
	}
	if err := embedded.VerifyPackages(ctx, engines); err != nil {
		d.note("embedded engines", wrong, problem(err), "remove that folder, which the next start installs again, and find out who changed it")
		return
	}
	d.note("embedded engines", fine, "this machine has what they need, and what is installed is unchanged", "")
}

// folder looks at the data folder, and tells whether it can be written to.
func (d *doctor) folder() bool {
	const area = "data folder"
	mend := "choose a folder of your own with " + envName("data") + ", or mend its owner and rights"
	info, err := os.Stat(d.cfg.Data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(d.cfg.Data, 0o700); err != nil {
			d.note(area, wrong, problem(err), mend)
			return false
		}
		d.note(area, fine, d.cfg.Data+" was not there yet, and was made", "")
	case err != nil:
		d.note(area, wrong, problem(err), mend)
		return false
	case !info.IsDir():
		d.note(area, wrong, d.cfg.Data+" is not a folder", mend)
		return false
	case checkOwner(d.cfg.Data) != nil:
		d.note(area, wrong, problem(checkOwner(d.cfg.Data)), mend)
		return false
	case info.Mode().Perm()&0o077 != 0:
		d.note(area, odd, fmt.Sprintf("other users may read %s (mode %o), which holds visitors' data", d.cfg.Data, info.Mode().Perm()), "chmod 700 "+d.cfg.Data)
	}
	probe, err := os.CreateTemp(d.cfg.Data, ".doctor-")
	if err != nil {
		d.note(area, wrong, "it cannot be written to: "+problem(err), mend)
		return false
	}
	_ = probe.Close()
	_ = os.Remove(probe.Name())
	d.note(area, fine, d.cfg.Data+" can be written to", "")
	return true
}

const (
	// slowSync is the median of an fdatasync from which redirects do not wait for it any more.
	slowSync = 10 * time.Millisecond
	// tightDisk and fullDisk are shares of the volume: see the spool's limits.
	tightDisk, fullDisk = 0.70, fullSpool
)

// disk measures the volume of the data folder.
func (d *doctor) disk() {
	const area = "disk"
	used, total, err := spool.VolumeUse(d.cfg.Data)
	if err != nil || total == 0 {
		d.note(area, odd, fmt.Sprintf("its size cannot be read: %v", err), "look at it with df")
	} else {
		share, h := float64(used)/float64(total), fine
		switch {
		case share >= fullDisk:
			h = wrong
		case share >= tightDisk:
			h = odd
		}
		d.note(area, h, fmt.Sprintf("%.0f %% in use, %d GB free; from 85 %% on imports are refused, from 95 %% on everything", 100*share, (total-used)>>30),
			"make room, or set "+envName("data")+" to a larger volume")
	}
	median, err := measureSync(d.cfg.Data)
	switch {
	case err != nil:
		d.note(area, wrong, "it cannot be written: "+problem(err), "choose another volume with "+envName("data"))
	case median > slowSync:
		d.note(area, odd, fmt.Sprintf("a sync takes %s: redirects answer before their click is on disk", median.Round(time.Microsecond)), "put the data folder on a faster disk")
	default:
		d.note(area, fine, fmt.Sprintf("a sync takes %s", median.Round(time.Microsecond)), "")
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

// keys looks at the keys that sign click ids, and those that sign records, without making any.
func (d *doctor) keys() {
	d.ring(clickKeys, d.cfg.ownPostgres(), "make click ids")
	d.ring(recordKeys, len(d.cfg.KafkaBrokers) > 0, "make records that are believed")
}

// area is what the doctor calls a ring of keys.
func (s keySetting) area() string { return strings.ReplaceAll(string(s), "-", " ") }

// ring looks at one ring of keys. Where servers are shared, so are the keys.
func (d *doctor) ring(setting keySetting, shared bool, harm string) {
	area, path := setting.area(), setting.file(&d.cfg)
	info, err := os.Stat(path)
	switch {
	case setting.text(&d.cfg) != "":
	case err != nil && shared:
		d.note(area, odd, "none are set: this machine makes a key of its own, which other machines do not know",
			"give every tracker, loader and engine the same "+envName(string(setting))+"; tributary keys new makes one")
		return
	case err != nil:
		d.note(area, fine, "none yet: the first start makes one in "+path, "")
		return
	case info.Mode().Perm()&0o077 != 0:
		d.note(area, wrong, fmt.Sprintf("other users may read %s (mode %o), and with it %s", path, info.Mode().Perm(), harm), "chmod 600 "+path+", and rotate the keys")
	}
	keys, err := setting.ifAny(&d.cfg)
	if err == nil {
		err = keyring.Check(keys)
	}
	if err != nil {
		d.note(area, wrong, problem(err), "make a key with tributary keys new; its form is ID:BASE64")
		return
	}
	d.note(area, fine, fmt.Sprintf("%d, the first of which signs: %s", len(keys), keys[0]), "")
}

// ports looks whether the addresses to listen on are free.
func (d *doctor) ports(ctx context.Context) {
	for _, place := range []struct{ flag, address string }{
		{"tracker-listen", d.cfg.TrackerListen}, {"dashboard-listen", d.cfg.DashboardListen}, {"admin-listen", d.cfg.AdminListen},
	} {
		flag, address := place.flag, place.address
		if address == "" {
			continue
		}
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", address)
		if err != nil {
			d.note("ports", odd, envName(flag)+": "+problem(err), "fine if it is this network's own process; else choose another address")
			continue
		}
		_ = l.Close()
		d.note("ports", fine, address+" is free for "+envName(flag), "")
	}
}

// isShown tells whether an address is one that others than this machine are to use.
func isShown(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return true
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	return !isLoopback(net.JoinHostPort(u.Hostname(), port))
}

func isSecure(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "https"
}

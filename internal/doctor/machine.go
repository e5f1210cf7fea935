package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
)

// Folder looks at a data folder, and tells whether it can be written to.
func (r *Report) Folder(dir string) bool {
	const area = "data folder"
	fix := "choose a folder of your own with TRIBUTARY_DATA, or correct its owner and rights"
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(dir, 0o700); err != nil {
			r.Add(area, Wrong, Problem(err), fix)
			return false
		}
		r.Add(area, OK, dir+" was not there yet, and was made", "")
	case err != nil:
		r.Add(area, Wrong, Problem(err), fix)
		return false
	case !info.IsDir():
		r.Add(area, Wrong, dir+" is not a folder", fix)
		return false
	case CheckOwner(dir) != nil:
		r.Add(area, Wrong, Problem(CheckOwner(dir)), fix)
		return false
	case info.Mode().Perm()&0o077 != 0:
		r.Add(area, Warn, fmt.Sprintf("other users may read %s (mode %o), which holds visitors' data", dir, info.Mode().Perm()), "chmod 700 "+dir)
	}
	probe, err := os.CreateTemp(dir, ".doctor-")
	if err != nil {
		r.Add(area, Wrong, "it cannot be written to: "+Problem(err), fix)
		return false
	}
	_ = probe.Close()
	_ = os.Remove(probe.Name())
	r.Add(area, OK, dir+" can be written to", "")
	return true
}

// Port looks whether the address that a setting says to listen on is free; "" stands for none.
func (r *Report) Port(ctx context.Context, setting, address string) {
	if address == "" {
		return
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		r.Add("ports", Warn, setting+": "+Problem(err), "fine if it is this network's own process; else choose another address")
		return
	}
	_ = l.Close()
	r.Add("ports", OK, address+" is free for "+setting, "")
}

package spool

import (
	"errors"
	"os"
	"syscall"
)

// syncData makes the bytes and the size of a file durable, and leaves out its times.
func syncData(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if errors.Is(err, syscall.EINTR) {
			continue // a signal came in: nothing was lost, unlike after any other error
		}
		return os.NewSyscallError("fdatasync", err)
	}
}

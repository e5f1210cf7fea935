//go:build unix && !linux

package embedded

import (
	"errors"
	"os/exec"
	"strconv"
	"syscall"
)

// endWithParent only takes the child out of the terminal's process group: where the kernel has no signal for a dead
// parent, children watch the pipe on their standard input (see launch).
func endWithParent(syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// inUserNamespace does nothing: only Linux has user namespaces.
func inUserNamespace(*syscall.SysProcAttr) {}

// asNobody does nothing: only Linux can leave a child the right to pass closed folders.
func asNobody(*syscall.SysProcAttr) {}

// sitAtTerminal is not implemented here.
func sitAtTerminal() error { return errors.ErrUnsupported }

// commandLine returns the arguments of a running process, or nothing.
func commandLine(pid int) string {
	out, err := exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	return string(out)
}

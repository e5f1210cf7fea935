package apache

import "syscall"

// endWithParent makes the kernel kill the child when the thread that started it ends (see launch). The child leaves the
// terminal's process group, so that Ctrl-C reaches this process alone, which stops it in order.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

package embedded

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// endWithParent makes the kernel send sig to the child when the thread that started it ends (see launch). The child leaves
// the terminal's process group, so that Ctrl-C reaches this process alone, which stops its engines in order.
func endWithParent(sig syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: sig, Setpgid: true}
}

// inUserNamespace makes the child the user nobody, in a user namespace in which that is another name for our own user. So
// files keep their owner and folders closed to others stay open to it.
func inUserNamespace(attr *syscall.SysProcAttr) {
	attr.Cloneflags |= syscall.CLONE_NEWUSER
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getgid(), Size: 1}}
}

// asNobody makes the child the user nobody, with the right to pass folders that are closed to others: the data folder is
// usually within one, and the packages too. To start with, only root may do this.
func asNobody(attr *syscall.SysProcAttr) {
	const capDacOverride = 1 // linux/capability.h
	attr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	attr.AmbientCaps = []uintptr{capDacOverride}
}

// sitAtTerminal puts a new terminal, at which nobody types, in the place of standard input. What is written to it is lost.
func sitAtTerminal() error {
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return fmt.Errorf("making terminal: %w", err)
	}
	defer func() {
		if err != nil {
			_ = keyboard.Close()
		}
	}()
	number, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		return fmt.Errorf("asking for terminal's number: %w", err)
	}
	if err = unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return fmt.Errorf("unlocking terminal: %w", err)
	}
	terminal, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return fmt.Errorf("opening terminal: %w", err)
	}
	defer func() { _ = terminal.Close() }()
	if err = unix.Dup3(int(terminal.Fd()), syscall.Stdin, 0); err != nil {
		return fmt.Errorf("replacing standard input: %w", err)
	}
	go func() { _, _ = io.Copy(io.Discard, keyboard) }() // or what is written would some day be waited for
	return nil
}

// commandLine returns the arguments of a running process, or nothing.
func commandLine(pid int) string {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return ""
	}
	return string(bytes.ReplaceAll(raw, []byte{0}, []byte{' '}))
}

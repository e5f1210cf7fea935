package embedded

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// A process is a started engine.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has ended and was waited for
	err    error         // read only after exited
}

// launch starts cmd so that it ends with this process. On Linux the kernel signals the child when the thread that
// started it ends, so that thread is kept for the child's whole life. Children that are our own executable also hold the
// reading end of a pipe on their standard input, whose closing tells them on every system.
func launch(cmd *exec.Cmd) (*process, error) {
	if _, err := cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("making pipe: %w", err)
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine, after the child
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		close(p.exited)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// runToEnd runs a program that is not a server, and returns what it printed. It is killed when ctx ends, or with this process.
func runToEnd(ctx context.Context, cmd *exec.Cmd) (output []byte, err error) {
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = endWithParent(syscall.SIGKILL)
	}
	p, err := launch(cmd)
	if err != nil {
		return nil, err
	}
	select {
	case <-p.exited:
		return bytes.TrimSpace(said.Bytes()), p.err
	case <-ctx.Done():
		_ = p.cmd.Process.Kill() // an error means it has ended already
		<-p.exited
		return nil, ctx.Err()
	}
}

// end stops the process: by the given signal, and by SIGKILL when that has not worked after limit.
func (p *process) end(how syscall.Signal, limit time.Duration) {
	_ = p.cmd.Process.Signal(how) // an error means it has ended already
	select {
	case <-p.exited:
		return
	case <-time.After(limit):
	}
	_ = p.cmd.Process.Kill()
	<-p.exited
}

func (p *process) outcome() string { return p.cmd.ProcessState.String() }

const (
	logMost  = 8 << 20 // bytes; a log larger than this at a start is moved aside, so an engine keeps two at most
	tailMost = 4 << 10 // bytes of a log that an error shows
)

func openLog(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > logMost {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, fmt.Errorf("moving log aside: %w", err)
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening log: %w", err)
	}
	return f, nil
}

// logTail is the end of the engine's log, as the end of an error that a person reads.
func (r *runner) logTail() string {
	f, err := os.Open(r.logPath())
	if err != nil {
		return "" // it has never run
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > tailMost {
		_, _ = f.Seek(-tailMost, io.SeekEnd)
	}
	tail, _ := io.ReadAll(f)
	if len(tail) == 0 {
		return ""
	}
	return fmt.Sprintf("\nthe end of %s:\n%s", r.logPath(), tail)
}

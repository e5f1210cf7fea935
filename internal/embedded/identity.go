package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
)

// nobody is the number of a user that every system names.
const nobody = 65534

// An identity is the user that PostgreSQL runs as. It refuses root, and initdb a user that has no name.
type identity string

const (
	// ourselves is the user of this process.
	ourselves identity = "ourselves"
	// namespaced is nobody in a user namespace, which outside it is the user of this process. Linux only.
	namespaced identity = "namespaced"
	// another is nobody, with root's right to pass closed folders. For root where user namespaces are off. Linux only.
	another identity = "another"
)

// chooseIdentity finds the identity under which the given program runs at all, and owns the data if there are any.
func chooseIdentity(ctx context.Context, data, program string) (identity, error) {
	_, unnamed := user.LookupId(strconv.Itoa(os.Geteuid()))
	if runtime.GOOS != "linux" || os.Geteuid() != 0 && unnamed == nil {
		return ourselves, nil
	}
	info, err := os.Stat(data)
	exists := err == nil
	if exists && os.Geteuid() == 0 {
		if owner, known := info.Sys().(*syscall.Stat_t); known && owner.Uid == nobody {
			return another, nil
		}
	}
	cmd := exec.Command(program, "--version") //nolint:noctx // runToEnd has ctx
	cmd.SysProcAttr = namespaced.attributes(syscall.SIGKILL)
	_, err = runToEnd(ctx, cmd)
	switch {
	case err == nil:
		return namespaced, nil
	case os.Geteuid() == 0:
		return another, nil
	case exists:
		return ourselves, nil // only initdb asks for a name
	}
	return "", fmt.Errorf("initializing PostgreSQL: uid %d has no name, which PostgreSQL refuses, and user namespaces, "+
		"which would help, are off here (%w): run as a user with a name, or set TRIBUTARY_POSTGRES_URL to use a server of your own",
		os.Geteuid(), err)
}

// attributes are those of a process with this identity that gets sig when its parent ends.
func (i identity) attributes(sig syscall.Signal) *syscall.SysProcAttr {
	attr := endWithParent(sig)
	switch i {
	case ourselves:
	case namespaced:
		inUserNamespace(attr)
	case another:
		asNobody(attr)
	}
	return attr
}

// own gives everything below dir to this identity.
func (i identity) own(dir string) error {
	if i != another {
		return nil
	}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, nobody, nobody)) //nolint:gosec // a folder that we just made, closed to others
	})
	if err != nil {
		return fmt.Errorf("giving %s to nobody: %w", dir, err)
	}
	return nil
}

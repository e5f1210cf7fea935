//go:build !linux

package apache

import "syscall"

// endWithParent: other systems have no such order, and the node must be stopped by its owner.
func endWithParent() *syscall.SysProcAttr { return nil }

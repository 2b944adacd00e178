//go:build unix

package storage_test

import (
	"os"
	"os/exec"
	"syscall"
)

// asNobody has a program run as somebody who owns nothing, where this one may
// write to everything.
func asNobody(c *exec.Cmd) {
	const nobody = 65534
	if os.Geteuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
}

//go:build unix

package pgserver

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is who runs the server: nil is whoever runs this process.
type account struct {
	name     string
	uid, gid uint32
}

// serverAccount picks the account: PostgreSQL refuses to run as root, so root hands it to somebody without rights.
func serverAccount(name string) (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // Nobody else is needed, which is no error.
	}
	candidates := []string{name}
	if name == "" {
		candidates = []string{"postgres", "nobody"}
	}
	for _, candidate := range candidates {
		found, err := user.Lookup(candidate)
		if err == nil {
			return parseAccount(found)
		}
	}
	return nil, fmt.Errorf("none of the accounts %q exists (PostgreSQL refuses to run as root: "+
		"run as another user, or create the account postgres)", candidates)
}

// parseAccount reads the numbers, which os/user gives as text since other systems have no numbers.
func parseAccount(found *user.User) (*account, error) {
	uid, err := strconv.ParseUint(found.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user id of account %q: %w", found.Username, err)
	}
	gid, err := strconv.ParseUint(found.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("group id of account %q: %w", found.Username, err)
	}
	return &account{name: found.Username, uid: uint32(uid), gid: uint32(gid)}, nil
}

// give hands a file to the account.
func (a *account) give(file string) error {
	if a == nil {
		return nil
	}
	return os.Chown(file, int(a.uid), int(a.gid))
}

// reaches tells whether the account may enter a folder whose owner is somebody else. One closed folder on the way is
// enough to keep it out. Groups and access control lists are not looked at: who is wrongly kept out is given /tmp.
func (a *account) reaches(dir string) bool {
	if a == nil {
		return true
	}
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return true
		}
		dir = parent
	}
}

// detach puts a process into a session of its own, where neither Ctrl-C nor the end of the terminal reaches it.
func detach(command *exec.Cmd, as *account) {
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if as != nil {
		// An empty list of groups drops those of root.
		command.SysProcAttr.Credential = &syscall.Credential{Uid: as.uid, Gid: as.gid}
	}
}

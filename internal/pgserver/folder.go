//go:build unix

package pgserver

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// socketLimit is the longest path of a unix socket that every system takes: macOS and the BSDs have 104 bytes with the
// closing zero, Linux has 108.
const socketLimit = 103

// socketPort is part of the socket's name. No other server shares the folder, so it need not be free.
const socketPort = 5432

// logTail is how many lines of the server's log an error carries.
const logTail = 15

// folder is the temporary folder of one server. It belongs to the account that runs the server, and nobody else may
// enter it: that is what makes it right for the socket in it to ask for no password.
type folder string

// newFolder picks a name that is nobody's, and makes nothing: the watchdog must know of the folder before it is there,
// or a process killed between the two would leave it behind.
func newFolder(base string, owner *account) (folder, error) {
	base, err := filepath.Abs(base)
	if err != nil {
		return "", fmt.Errorf("temporary folder: %w", err)
	}
	if !owner.reaches(base) {
		base = "/tmp"
	}
	// 80 random bits. The name is short since a socket's path has to be.
	return folder(filepath.Join(base, "stratum-pg-"+strings.ToLower(rand.Text()[:16]))), nil
}

// create makes the folder.
func (f folder) create(owner *account) error {
	if err := os.Mkdir(string(f), 0o700); err != nil {
		return fmt.Errorf("temporary folder: %w", err)
	}
	if err := owner.give(string(f)); err != nil {
		return fmt.Errorf("temporary folder: %w", err)
	}
	return nil
}

// data is PostgreSQL's own folder, which initdb makes.
func (f folder) data() string { return filepath.Join(string(f), "data") }

// log takes what initdb and the server write.
func (f folder) log() string { return filepath.Join(string(f), "log") }

// password is the file that initdb reads the superuser's password from.
func (f folder) password() string { return filepath.Join(string(f), "password") }

// fitsSocket tells whether the socket's path is short enough. The longest name in the folder is that of its lock file.
func (f folder) fitsSocket() bool {
	return len(filepath.Join(string(f), fmt.Sprintf(".s.PGSQL.%d.lock", socketPort))) <= socketLimit
}

// tail returns the last lines of the log, for an error: the folder is gone when somebody reads it. Without a log there
// is nothing to add.
func (f folder) tail() string {
	text, err := os.ReadFile(f.log())
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-logTail):], "\n")
}

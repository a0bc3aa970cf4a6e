//go:build unix

package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// maxDescriptors is how many open files are looked at: new ones get the lowest free number.
const maxDescriptors = 1024

// startEmbedded is the last resort: embedded-postgres downloads the binaries, once for a home folder, and they are run
// like any others. It would run them itself, but neither as root nor so that they end with this process.
func startEmbedded(ctx context.Context, config Config) (*Server, error) {
	owner, err := serverAccount(config.Account)
	if err != nil {
		return nil, err
	}
	dir, err := newFolder(config.TempDir, owner)
	if err != nil {
		return nil, err
	}
	guard, err := startWatchdog(ctx, dir, nil)
	if err != nil {
		return nil, err
	}
	server, err := runEmbedded(ctx, config, dir, owner)
	if err != nil {
		return nil, errors.Join(err, guard.release())
	}
	stop := server.stop
	server.stop = sync.OnceValue(func() error { return errors.Join(stop(), guard.release()) })
	return server, nil
}

// runEmbedded needs two folders: one for the binaries, which must outlast the other, for the server.
func runEmbedded(ctx context.Context, config Config, dir folder, owner *account) (*Server, error) {
	if err := dir.create(owner); err != nil {
		return nil, err
	}
	binDir, err := fetch(config, dir)
	if err != nil {
		return nil, err
	}
	if err := owner.giveAll(filepath.Dir(binDir)); err != nil {
		return nil, fmt.Errorf("hand the binaries to account %q: %w", owner.name, err)
	}
	found, err := inspect(ctx, binDir)
	if err != nil {
		return nil, fmt.Errorf("what was downloaded %w", err)
	}
	return run(ctx, config, found, KindEmbedded)
}

// fetch downloads and unpacks the binaries. embedded-postgres takes no context, so a download is only bounded by the
// timeouts of net/http.
func fetch(config Config, dir folder) (binDir string, err error) {
	// A connection kept for the next request would look like a leaked goroutine.
	defer http.DefaultClient.CloseIdleConnections()
	unpacked := filepath.Join(string(dir), "embedded")
	settings := embeddedpostgres.DefaultConfig().
		Logger(io.Discard).
		RuntimePath(unpacked).
		// It can only be asked to start a server. A data folder that it cannot empty, which os.RemoveAll refuses by its
		// name, stops it after it unpacked the binaries, so that no server ever runs out of the watchdog's sight.
		DataPath(unpacked + "/.")
	if config.EmbeddedRepository != "" {
		settings = settings.BinaryRepositoryURL(config.EmbeddedRepository)
	}
	if config.EmbeddedCache != "" {
		settings = settings.CachePath(config.EmbeddedCache)
	}
	before := embeddedLogs()
	embedded := embeddedpostgres.NewDatabase(settings)
	err = embedded.Start()
	removeLogs(before)
	// Its log must still be open to be told from those of others.
	runtime.KeepAlive(embedded)
	binDir = filepath.Join(unpacked, "bin")
	if isExecutable(filepath.Join(binDir, "postgres")) {
		return binDir, nil
	}
	return "", fmt.Errorf("download: %w", err)
}

// embeddedLogs are the logs of embedded-postgres in the system's temporary folder: it leaves one there for each start.
func embeddedLogs() []string {
	logs, _ := filepath.Glob(filepath.Join(os.TempDir(), "embedded_postgres_log*"))
	return logs
}

// removeLogs removes the logs that were not there before and that this process holds open, for other processes may run
// embedded-postgres too and need theirs.
func removeLogs(before []string) {
	for _, log := range embeddedLogs() {
		if !slices.Contains(before, log) && isOpen(log) {
			_ = os.Remove(log)
		}
	}
}

// isOpen compares the file with every open one. There is no other portable way to ask.
func isOpen(file string) bool {
	var wanted, open syscall.Stat_t
	if syscall.Stat(file, &wanted) != nil {
		return false
	}
	for descriptor := range maxDescriptors {
		if syscall.Fstat(descriptor, &open) == nil && open.Dev == wanted.Dev && open.Ino == wanted.Ino {
			return true
		}
	}
	return false
}

// giveAll hands everything below a folder to the account, which a strict umask may have kept from it.
func (a *account) giveAll(dir string) error {
	if a == nil {
		return nil
	}
	return filepath.WalkDir(dir, func(file string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		//nolint:gosec // Nobody but this process and the account may write below the folder.
		return os.Lchown(file, int(a.uid), int(a.gid))
	})
}

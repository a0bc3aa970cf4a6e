package pgserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// installation is a folder with the binaries of a server.
type installation struct {
	binDir  string
	version string
	major   int
}

// usualBinDirs are where packagers put a server that is not in PATH. Most keep it out of PATH so that several majors
// can be installed side by side.
func usualBinDirs() []string {
	return []string{
		"/usr/lib/postgresql/*/bin",          // Debian, Ubuntu
		"/usr/pgsql-*/bin",                   // Red Hat, Fedora, SUSE: the packages of postgresql.org
		"/usr/lib64/pgsql/bin",               // Red Hat: the distribution's own
		"/usr/libexec/postgresql*",           // Alpine
		"/usr/local/pgsql/bin",               // built from source
		"/opt/homebrew/opt/postgresql@*/bin", // Homebrew on Apple silicon
		"/usr/local/opt/postgresql@*/bin",    // Homebrew on Intel
		"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
		"/Library/PostgreSQL/*/bin", // EDB's installer
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	}
}

// locate returns the installations that can serve, newest first, and why each other one it met cannot.
func locate(ctx context.Context, config Config) (usable []installation, refused []error) {
	for _, dir := range binDirs(ctx, config) {
		found, err := inspect(ctx, dir)
		if err != nil {
			refused = append(refused, fmt.Errorf("%s %w", dir, err))
			continue
		}
		usable = append(usable, found)
	}
	// Stable, so that of one major the one in PATH comes first.
	slices.SortStableFunc(usable, func(a, b installation) int { return cmp.Compare(b.major, a.major) })
	return usable, refused
}

// binDirs are all folders that hold a server, each once although several paths may lead to it.
func binDirs(ctx context.Context, config Config) []string {
	// Folders first and files later: a folder may be named by PATH, by pg_config and by a pattern.
	path := filepath.SplitList(config.Getenv("PATH"))
	dirs := slices.Concat(path, []string{pgConfig(ctx, path, "--bindir")})
	for _, pattern := range config.BinDirs {
		// The only error is a malformed pattern, which matches nothing.
		matches, _ := filepath.Glob(pattern)
		dirs = append(dirs, matches...)
	}
	var unique []string
	for _, dir := range dirs {
		dir = serverDir(dir)
		if dir != "" && !slices.Contains(unique, dir) {
			unique = append(unique, dir)
		}
	}
	return unique
}

// serverDir resolves a folder to the one its postgres really lies in, or to nothing if there is no server in it:
// a client's packages put psql and pg_config into PATH, and neither postgres nor initdb.
func serverDir(dir string) string {
	if !filepath.IsAbs(dir) || !isExecutable(filepath.Join(dir, "initdb")) {
		return ""
	}
	file, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
	if err != nil || !isExecutable(file) {
		return ""
	}
	return filepath.Dir(file)
}

func isExecutable(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// inspect asks the binaries for their version, and pg_config, where it is installed, whether ltree is.
func inspect(ctx context.Context, dir string) (installation, error) {
	version, err := output(ctx, filepath.Join(dir, "postgres"), "-V")
	if err != nil {
		return installation{}, fmt.Errorf("does not tell its version: %w", err)
	}
	// As in "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)" and "postgres (PostgreSQL) 19devel".
	_, version, _ = strings.Cut(version, "(PostgreSQL) ")
	major, err := strconv.Atoi(regexp.MustCompile(`^\d*`).FindString(version))
	if err != nil {
		return installation{}, errors.New("does not tell its version")
	}
	if major < minMajor {
		return installation{}, fmt.Errorf("is PostgreSQL %s (Stratum needs %d or newer)", version, minMajor)
	}
	// Some packages, and the binaries of embedded-postgres, have no pg_config: then the server is asked once it runs.
	if share := pgConfig(ctx, []string{dir}, "--sharedir"); share != "" {
		if _, err := os.Stat(filepath.Join(share, "extension", "ltree.control")); err != nil {
			return installation{}, fmt.Errorf("is PostgreSQL %s without the ltree extension (%s)", version, contribCure)
		}
	}
	return installation{binDir: dir, version: version, major: major}, nil
}

// pgConfig asks the first pg_config of the folders, and returns nothing where there is none.
func pgConfig(ctx context.Context, dirs []string, flag string) string {
	for _, dir := range dirs {
		file := filepath.Join(dir, "pg_config")
		if filepath.IsAbs(dir) && isExecutable(file) {
			answer, _ := output(ctx, file, flag)
			return answer
		}
	}
	return ""
}

// output runs a program for its answer in a line.
func output(ctx context.Context, file, flag string) (string, error) {
	//nolint:gosec // The file comes from a search of folders that hold programs, and is meant to be run.
	answer, err := exec.CommandContext(ctx, file, flag).Output()
	return strings.TrimSpace(string(answer)), err
}

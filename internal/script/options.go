package script

import (
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrOptions is returned for Options that name no file that could be run.
var ErrOptions = errors.New("stratum: script")

// Format is the tool that a script is for.
type Format uint8

// The formats.
const (
	// Plain is one SQL file for psql, with a transaction of its own.
	Plain Format = iota
	// Goose is a migration of github.com/pressly/goose. Its Down raises an error.
	Goose
	// Atlas is a migration of atlasgo.io, and the directory's atlas.sum. Atlas runs each file in a transaction, unless
	// it is told --tx-mode none; do not do that.
	Atlas
	// GolangMigrate is a migration of github.com/golang-migrate/migrate: a file for up, and one for down that raises an
	// error.
	GolangMigrate
)

// Options say what files a script is returned as.
type Options struct {
	// Format is the tool that the files are for. Defaults to Plain.
	Format Format
	// Version begins the file's name. It consists of digits. Defaults to the time in UTC, as 20060102150405, or to what
	// follows the last version in Dir where that is not before it.
	Version string
	// Name follows the version in the file's name. It consists of letters, digits, _ and -. Defaults to "stratum".
	Name string
	// Dir is the directory of migrations that the files will be written to, such as os.DirFS("migrations"). The new
	// file must come last in it. Defaults to none, which for Atlas is an empty directory: its atlas.sum covers all
	// files. A directory that has an atlas.sum gets a new one whatever the tool, since ent wants it.
	Dir fs.FS
	// Applied says that the directory's files have been run on the database already, by their tool. Defaults to false:
	// entstratum.Script runs them, in its own transaction. gormstratum looks at the database alone.
	Applied bool
	// LockTimeout bounds how long the plan waits for a lock on a table. Defaults to 5 seconds.
	LockTimeout time.Duration
}

// File is a file to be written.
type File struct {
	// Name is the file's name, without a directory.
	Name string
	// Content is what is in it.
	Content []byte
}

// What names of files are made of.
var (
	scriptVersion = regexp.MustCompile(`^[0-9]*[1-9][0-9]*$`)
	scriptName    = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
)

// WithDefaults fills in what is empty and checks the rest, the place of the file in its directory included.
func (o Options) WithDefaults() (Options, error) {
	if o.Name == "" {
		o.Name = "stratum"
	}
	if o.Version == "" {
		var err error
		if o.Version, err = o.nextVersion(); err != nil {
			return o, err
		}
	}
	if o.LockTimeout == 0 {
		o.LockTimeout = defaultLockTimeout
	}
	switch {
	case o.Format > GolangMigrate:
		return o, fmt.Errorf("%w: format %d does not exist (use Plain, Goose, Atlas or GolangMigrate)", ErrOptions,
			o.Format)
	case !scriptVersion.MatchString(o.Version):
		return o, fmt.Errorf("%w: version %q is not a number (use digits, or leave it out)", ErrOptions, o.Version)
	case !scriptName.MatchString(o.Name):
		return o, fmt.Errorf("%w: name %q cannot be part of a file's name (use letters, digits, _ and -)",
			ErrOptions, o.Name)
	case o.LockTimeout < 0:
		return o, fmt.Errorf("%w: the lock timeout is negative", ErrOptions)
	}
	return o, o.checkLast()
}

const defaultLockTimeout = 5 * time.Second

// DefaultLockTimeout is the default as PostgreSQL's setting has it.
func DefaultLockTimeout() string {
	return Options{LockTimeout: defaultLockTimeout}.LockTimeoutSetting()
}

// LockTimeoutSetting is the lock timeout as PostgreSQL's setting has it.
func (o Options) LockTimeoutSetting() string {
	return strconv.FormatInt(max(o.LockTimeout.Milliseconds(), 1), 10) + "ms"
}

func (o Options) fileName() string {
	if o.Format == GolangMigrate {
		return o.Version + "_" + o.Name + ".up.sql"
	}
	return o.Version + "_" + o.Name + ".sql"
}

// checkLast refuses a file that the directory's tool would run before others: those have been run already.
func (o Options) checkLast() error {
	names, err := o.existing()
	if err != nil {
		return err
	}
	for _, name := range names {
		if !o.before(name, o.fileName()) {
			return fmt.Errorf("%w: %q would not come last in the directory, where there is %q (give it a later "+
				"version)", ErrOptions, o.fileName(), name)
		}
	}
	return nil
}

// nextVersion is the time, or what follows the directory's last version: a tool that was run in the same second has
// given that to its file.
func (o Options) nextVersion() (string, error) {
	now := time.Now().UTC().Format("20060102150405")
	names, err := o.existing()
	if err != nil || len(names) == 0 {
		return now, err
	}
	name := names[len(names)-1]
	last := version(name)
	if last == nil || o.before(name, now+"_"+o.Name) {
		return now, nil
	}
	return last.Add(last, big.NewInt(1)).String(), nil
}

// existing are the names of the migrations in the directory, in the order in which the tool runs them. Files without a
// version are none to goose and golang-migrate.
func (o Options) existing() ([]string, error) {
	names, err := o.all()
	if err != nil || !o.byNumber() {
		return names, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return version(name) == nil })
	slices.SortStableFunc(names, func(a, b string) int { return version(a).Cmp(version(b)) })
	return names, nil
}

// all are the names of the directory's files of SQL, in order.
func (o Options) all() ([]string, error) {
	if o.Dir == nil {
		return nil, nil
	}
	names, err := fs.Glob(o.Dir, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("stratum: reading the directory of migrations: %w", err)
	}
	return names, nil
}

// byNumber reports whether the tool runs 10_b.sql behind 9_a.sql. To others the names are texts.
func (o Options) byNumber() bool { return o.Format == Goose || o.Format == GolangMigrate }

// before reports whether the tool runs a file before another.
func (o Options) before(name, other string) bool {
	if o.byNumber() {
		return version(name).Cmp(version(other)) < 0
	}
	return name < other
}

// version is the number that a file's name begins with, or nil.
func version(name string) *big.Int {
	digits, _, ok := strings.Cut(name, "_")
	number, isNumber := new(big.Int).SetString(digits, 10)
	if !ok || !isNumber {
		return nil
	}
	return number
}

package core

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

// A placement has references to DSNs and not the DSNs, which have passwords in them: no table has one, and a rotated
// password is in force with the next connection.

// maxReference is the most bytes that a file with a DSN is read of.
const maxReference = 64 << 10

// referencePattern is what a reference looks like; secretPattern is what must not be in one, as the table's constraint
// says too.
var (
	referencePattern = regexp.MustCompile(`^[a-z][a-z0-9+.-]*:[^\s]+$`)
	secretPattern    = regexp.MustCompile(`(?i)(postgres(ql)?://|password *=|host *=|@)`)
)

// checkReference refuses what is a DSN, or no reference.
func checkReference(field, reference string) error {
	switch {
	case reference == "":
		return nil
	case secretPattern.MatchString(reference):
		return &InvalidError{Field: field, Reason: "must be a reference to a DSN, such as env:EU_DSN or " +
			"file:/run/secrets/eu, and not the DSN itself"}
	case !referencePattern.MatchString(reference):
		return &InvalidError{
			Field:  field,
			Reason: "must be env:NAME, file:/path, or scheme:name for Options.ResolveDSN",
		}
	}
	return nil
}

// resolve returns the DSN that a reference leads to. Its errors name the reference, and never the DSN.
func (s *Stratum) resolve(ctx context.Context, reference string) (string, error) {
	scheme, name, _ := strings.Cut(reference, ":")
	var dsn string
	var err error
	switch {
	case s.options.ResolveDSN != nil && scheme != "env" && scheme != "file":
		dsn, err = s.options.ResolveDSN(ctx, reference)
	case scheme == "env":
		dsn = os.Getenv(name)
	case scheme == "file":
		dsn, err = readReference(name)
	default:
		err = errors.New("no resolver for it (set core.Options.ResolveDSN)")
	}
	if err == nil && strings.TrimSpace(dsn) == "" {
		err = errors.New("it leads to nothing (set the variable, or fill the file)")
	}
	if err != nil {
		return "", fmt.Errorf("%w: the reference %q: %w", ErrPlacement, reference, withoutDSN(err))
	}
	return strings.TrimSpace(dsn), nil
}

func readReference(path string) (string, error) {
	file, err := os.Open(path) //nolint:gosec // the operator says which file
	if err != nil {
		return "", errors.New("the file cannot be read (check its path and its rights)")
	}
	defer func() { _ = file.Close() }() // it was read
	text := make([]byte, maxReference)
	n, err := file.Read(text)
	if err != nil {
		return "", errors.New("the file cannot be read (is it empty, or a folder?)")
	}
	return string(text[:n]), nil
}

// withoutDSN keeps an error of a resolver to itself if it quotes what looks like a DSN.
func withoutDSN(err error) error {
	if secretPattern.MatchString(err.Error()) {
		return errors.New("the resolver failed (its error is left out, for it quotes a DSN)")
	}
	return err
}

// credentials are the references of one purpose and the database that a DSN is to lead to.
type credentials struct {
	name      string // of the purpose, for errors: DSN, SystemDSN, OwnerDSN
	reference string // empty for a DSN of Options
	dsn       string // of Options
	database  string // replaces the DSN's, or is empty
}

// config reads what the reference leads to now.
func (s *Stratum) config(ctx context.Context, c credentials) (*pgxpool.Config, error) {
	dsn := c.dsn
	if c.reference != "" {
		var err error
		if dsn, err = s.resolve(ctx, c.reference); err != nil {
			return nil, err
		}
	}
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("%w: what the reference %q leads to cannot be read as a DSN", ErrPlacement, c.reference)
	}
	if c.database != "" {
		config.ConnConfig.Database = c.database
	}
	return config, nil
}

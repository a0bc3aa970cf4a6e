package ltree

import (
	"errors"
	"fmt"
)

// Conditions a caller may branch on with errors.Is.
var (
	// ErrEmptyLabel says that a label has no characters. The zero Label counts as such wherever a label is needed.
	ErrEmptyLabel = errors.New("ltree: empty label " +
		"(look for a leading, trailing or doubled dot, or a Label that was never parsed)")

	// ErrLabelCharacter says that a label has a character that not every supported PostgreSQL accepts.
	ErrLabelCharacter = errors.New("ltree: character not allowed in a label (use only A-Z, a-z, 0-9 and _)")

	// ErrLabelTooLong says that a label has more than MaxLabelLength characters.
	ErrLabelTooLong = errors.New("ltree: label too long (use at most 255 characters)")

	// ErrTooDeep says that a path has, or would get, more than MaxDepth labels.
	ErrTooDeep = errors.New("ltree: too many labels in a path (use at most 65535)")

	// ErrInvalidPositions says that Subpath was asked for labels that the path does not have.
	ErrInvalidPositions = errors.New("ltree: invalid positions (choose an offset below Depth and an end not before it)")

	// ErrNull says that a NULL was read into a value that cannot hold it.
	ErrNull = errors.New("ltree: NULL is neither a label nor the empty path " +
		"(declare the target as a pointer such as *ltree.Path, or as sql.Null[ltree.Path])")

	// ErrSource says that Scan was given a Go type that no ltree or text column yields.
	ErrSource = errors.New("ltree: unsupported source type (select a column of type ltree or text)")

	// ErrNotInstalled says that the database lacks the extension.
	ErrNotInstalled = errors.New("ltree: extension is not installed in this database (run CREATE EXTENSION ltree)")
)

// ParseError says where a text stops being a valid label or path. Its text quotes the surroundings of the place only,
// because a path may have megabytes.
type ParseError struct {
	Input  string // the whole text
	Offset int    // in bytes from the start of Input
	Err    error  // ErrEmptyLabel, ErrLabelCharacter, ErrLabelTooLong or ErrTooDeep
}

// Error quotes the place and ends with the cure, which the sentinel names.
func (e *ParseError) Error() string {
	return fmt.Sprintf("parse %s, byte %d: %v", e.excerpt(), e.Offset, e.Err)
}

// Unwrap returns the sentinel.
func (e *ParseError) Unwrap() error { return e.Err }

// excerpt quotes at most 40 bytes to either side of the offset, with dots where something was left out.
func (e *ParseError) excerpt() string {
	const around = 40
	from := max(0, min(e.Offset, len(e.Input))-around)
	to := min(len(e.Input), from+2*around)
	before, after := "", ""
	if from > 0 {
		before = "..."
	}
	if to < len(e.Input) {
		after = "..."
	}
	return fmt.Sprintf("%s%q%s", before, e.Input[from:to], after)
}

package dataset

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// InputError says what is wrong in a CSV file, and where.
type InputError struct {
	File   string
	Line   int // 0 for the file as a whole
	Reason string
}

// Error gives file, line and reason.
func (e *InputError) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Reason
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason)
}

// position is where a row of a CSV file begins.
type position struct {
	file string
	line int
}

func (p position) errorf(format string, args ...any) error {
	return &InputError{File: p.file, Line: p.line, Reason: fmt.Sprintf(format, args...)}
}

// row is one row of a CSV file.
type row struct {
	position
	columns []string
	fields  []string
}

// text is a field as it stands, spaces and all.
func (r row) text(column string) string { return r.fields[slices.Index(r.columns, column)] }

// key is a field without the spaces around it.
func (r row) key(column string) string { return strings.TrimSpace(r.text(column)) }

// time is a field in the form 2006-01-02T15:04:05Z.
func (r row) time(column string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, r.key(column))
	if err != nil {
		return t, r.errorf("%s %q is not a time (write it as 2006-01-02T15:04:05Z)", column, r.key(column))
	}
	return t.UTC(), nil
}

// require refuses a row in which one of the columns is blank.
func (r row) require(columns ...string) error {
	for _, column := range columns {
		if r.key(column) == "" {
			return r.errorf("%s is empty", column)
		}
	}
	return nil
}

// readCSV calls each for every row of a file that begins with a line of just these columns.
func readCSV(files fs.FS, name string, columns []string, each func(r row) error) error {
	f, err := files.Open(name)
	if err != nil {
		return openError(name, err)
	}
	defer func() { _ = f.Close() }() // it was only read
	reader := csv.NewReader(withoutMark(f))
	header, err := reader.Read()
	switch {
	case errors.Is(err, io.EOF):
		return &InputError{File: name, Line: 1, Reason: "the file is empty (its first line has the columns' names)"}
	case err != nil:
		return parseError(name, err)
	case !slices.Equal(header, columns):
		return &InputError{File: name, Line: 1, Reason: fmt.Sprintf("the columns are %q (they must be %q)",
			strings.Join(header, ","), strings.Join(columns, ","))}
	}
	return readRows(reader, name, columns, each)
}

func readRows(reader *csv.Reader, name string, columns []string, each func(r row) error) error {
	for {
		fields, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return parseError(name, err)
		}
		line, _ := reader.FieldPos(0)
		r := row{position: position{name, line}, columns: columns, fields: fields}
		if err := r.checkText(); err != nil {
			return err
		}
		if err := each(r); err != nil {
			return err
		}
	}
}

// checkText refuses what PostgreSQL cannot store.
func (r row) checkText() error {
	for i, text := range r.fields {
		if !utf8.ValidString(text) {
			return r.errorf("%s is not UTF-8", r.columns[i])
		}
		if strings.ContainsRune(text, 0) {
			return r.errorf("%s has a NUL character", r.columns[i])
		}
	}
	return nil
}

// withoutMark skips the byte order mark that spreadsheets write.
func withoutMark(r io.Reader) io.Reader {
	const mark = "\uFEFF"
	b := bufio.NewReader(r)
	if first, err := b.Peek(len(mark)); err == nil && string(first) == mark {
		_, _ = b.Discard(len(mark)) // they have just been peeked at
	}
	return b
}

func openError(name string, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return &InputError{File: name, Reason: err.Error()}
}

func parseError(name string, err error) error {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return &InputError{File: name, Line: parse.Line, Reason: parse.Err.Error()}
	}
	return &InputError{File: name, Reason: err.Error()}
}

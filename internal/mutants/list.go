package mutants

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Test is a test that is named for a refusal.
type Test struct {
	// Package is its folder from the root of the module, with slashes.
	Package string
	// Name is the test's name as go test prints it, with sub-tests behind slashes.
	Name string
}

// Pattern is what go test -run takes for just this test.
func (t Test) Pattern() string {
	parts := strings.Split(t.Name, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	return strings.Join(parts, "/")
}

// Entry is what the list says of a refusal: the tests that fail without it, or why there is none.
type Entry struct {
	// Key is the refusal's.
	Key string
	// Tests must each fail. Empty where there is a Reason.
	Tests []Test
	// Reason is why no test can fail. Empty where there are Tests.
	Reason string
}

// because introduces a reason in the list.
const because = "because "

// ReadList reads a list: a line for each refusal with its key, two colons, and either tests, as package and name with
// commas between them, or "because" and a reason. Empty lines and those that begin with # say nothing.
func ReadList(r io.Reader) ([]Entry, error) {
	var entries []Entry
	seen := map[string]bool{}
	lines := bufio.NewScanner(r)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		e, err := readEntry(line)
		if err == nil && seen[e.Key] {
			err = errors.New("the refusal is listed twice")
		}
		if err != nil {
			return nil, fmt.Errorf("mutants: line %d of the list: %w", number, err)
		}
		seen[e.Key] = true
		entries = append(entries, e)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("mutants: reading the list: %w", err)
	}
	return entries, nil
}

func readEntry(line string) (Entry, error) {
	key, rest, ok := strings.Cut(line, " :: ")
	e := Entry{Key: strings.TrimSpace(key)}
	rest = strings.TrimSpace(rest)
	if !ok || rest == "" {
		return e, errors.New(`it needs a key, " :: ", and tests or a reason`)
	}
	if reason, ok := strings.CutPrefix(rest, because); ok {
		e.Reason = reason
		return e, nil
	}
	for test := range strings.SplitSeq(rest, ", ") {
		folder, name, ok := strings.Cut(strings.TrimSpace(test), " ")
		if !ok || !strings.HasPrefix(name, "Test") || strings.Contains(name, " ") {
			return e, fmt.Errorf("%q is no package and test", test)
		}
		e.Tests = append(e.Tests, Test{Package: folder, Name: name})
	}
	return e, nil
}

// Compare holds the list against what was found in the source, and returns an error for each refusal that has no
// entry and each entry without a refusal.
func Compare(refusals []Refusal, entries []Entry) error {
	var errs []error
	for _, r := range refusals {
		if !slices.ContainsFunc(entries, func(e Entry) bool { return e.Key == r.Key() }) {
			errs = append(errs, fmt.Errorf("%s:%d: no test is named for refusal %s (add it to the list)",
				r.File, r.Line, r.Key()))
		}
	}
	for _, e := range entries {
		if !slices.ContainsFunc(refusals, func(r Refusal) bool { return e.Key == r.Key() }) {
			errs = append(errs, fmt.Errorf("the list has %s, which is not in the source (remove it)", e.Key))
		}
	}
	return errors.Join(errs...)
}

// CheckTests returns an error for each named test whose function is not in its package.
func CheckTests(root string, entries []Entry) error {
	sources := map[string]string{}
	var errs []error
	for _, e := range entries {
		for _, test := range e.Tests {
			source, ok := sources[test.Package]
			if !ok {
				var err error
				if source, err = testSource(filepath.Join(root, filepath.FromSlash(test.Package))); err != nil {
					return err
				}
				sources[test.Package] = source
			}
			function, _, _ := strings.Cut(test.Name, "/")
			if !strings.Contains(source, "\nfunc "+function+"(") {
				errs = append(errs, fmt.Errorf("package %s has no %s, which is named for %s", test.Package, function,
					e.Key))
			}
		}
	}
	return errors.Join(errs...)
}

// testSource is all test files of a folder.
func testSource(folder string) (string, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		return "", fmt.Errorf("mutants: %w", err)
	}
	var b strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // a file of the tree that is looked at
		if err != nil {
			return "", fmt.Errorf("mutants: %w", err)
		}
		b.Write(text)
	}
	return b.String(), nil
}

// Folders are those whose refusals are removed: what decides on a statement. Load adds what core refuses of keys.
func Folders() []string {
	return []string{
		"internal/scope", "internal/guard", "internal/stamp", "internal/fields", "gormstratum", "entstratum",
		"fieldcrypt",
	}
}

// operators are files of these folders that refuse no statement of an application: they are what its operator runs, or
// its tests. A new file is not among them.
var operators = regexp.MustCompile(`^(gorm|ent)stratum/(adopt|eject|foreach|isolation|script)\w*\.go$`)

// wrapping are functions of core that name the operation of an error and refuse nothing themselves.
var wrapping = regexp.MustCompile(`^(operation|statement)Error$`)

// Load reads the refusals of the module at root, and the list.
func Load(root string) ([]Refusal, []Entry, error) {
	refusals, err := Scan(root, Folders()...)
	if err != nil {
		return nil, nil, err
	}
	refusals = slices.DeleteFunc(refusals, func(r Refusal) bool { return operators.MatchString(r.File) })
	keys, err := scanNamed(root, "keys*.go", "core")
	if err != nil {
		return nil, nil, err
	}
	keys = slices.DeleteFunc(keys, func(r Refusal) bool { return wrapping.MatchString(r.Label) })
	refusals = append(refusals, keys...)
	file, err := os.Open(filepath.Join(root, "internal", "mutants", "refusals.txt")) //nolint:gosec // the tree's own
	if err != nil {
		return nil, nil, fmt.Errorf("mutants: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	entries, err := ReadList(file)
	return refusals, entries, err
}

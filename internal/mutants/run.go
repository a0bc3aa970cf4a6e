package mutants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Config says what Run runs on.
type Config struct {
	// Root is the root of the module.
	Root string
	// Refusals are those to remove.
	Refusals []Refusal
	// Entries are the list; Compare has found nothing.
	Entries []Entry
	// Timeout bounds the tests of one mutant; tests that hang have failed. Defaults to 2 minutes.
	Timeout time.Duration
	// Parallel is how many mutants run at once. Defaults to 2.
	Parallel int
	// Out gets a line for each mutant, as soon as it is known.
	Out io.Writer
}

func (c Config) withDefaults() Config {
	if c.Timeout == 0 {
		c.Timeout = 2 * time.Minute
	}
	if c.Parallel == 0 {
		c.Parallel = 2
	}
	return c
}

// ErrSurvived is returned by Run where a refusal was removed and a test that is named for it has passed, or where there
// was nothing to run.
var ErrSurvived = errors.New("mutants: not every refusal has a test that fails without it")

// ErrBaseline is returned by Run where the named tests fail with the source as it is: nothing would be shown by them.
var ErrBaseline = errors.New("mutants: the named tests must pass before anything is removed")

// Run removes one refusal after the other and runs its tests. It returns ErrSurvived unless all were killed, and the
// context's error when that ended first.
func Run(ctx context.Context, c Config) error {
	c = c.withDefaults()
	if err := c.baseline(ctx); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return fmt.Errorf("mutants: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }() // temporary files
	tally := c.each(ctx, work)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("mutants: %w", err)
	}
	c.print("%d refusals: %d killed, %d justified, %d survived, %d broken\n", len(c.Refusals), tally[killed],
		tally[justified], tally[survived], tally[unbuilt])
	if tally[survived]+tally[unbuilt] > 0 {
		return ErrSurvived
	}
	return nil
}

// each runs the mutants, a few at a time.
func (c Config) each(ctx context.Context, work string) map[verdict]int {
	tally := map[verdict]int{}
	var mu sync.Mutex
	var group sync.WaitGroup
	slots := make(chan struct{}, c.Parallel)
	for i, r := range c.Refusals {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		group.Go(func() {
			defer func() { <-slots }()
			v, detail := c.try(ctx, r, filepath.Join(work, strconv.Itoa(i)))
			mu.Lock()
			defer mu.Unlock()
			tally[v]++
			c.print("%-9s %s (line %d: %s)%s\n", v, r.Key(), r.Line, oneLine(r.Condition), detail)
		})
	}
	group.Wait()
	return tally
}

// try runs one mutant.
func (c Config) try(ctx context.Context, r Refusal, work string) (v verdict, detail string) {
	i := slices.IndexFunc(c.Entries, func(e Entry) bool { return e.Key == r.Key() })
	if i < 0 {
		return survived, ": not in the list"
	}
	e := c.Entries[i]
	if e.Reason != "" {
		return justified, ": " + e.Reason
	}
	overlay, err := c.overlay(r, work)
	if err != nil {
		return unbuilt, ": " + err.Error()
	}
	// What does not compile fails every test, and shows nothing.
	folder := "./" + filepath.ToSlash(filepath.Dir(r.File))
	if out, err := c.golang(ctx, "build", "-overlay", overlay, folder); err != nil {
		return unbuilt, ":\n" + out
	}
	for _, test := range e.Tests {
		// Without vet and symbols it takes a third less time.
		out, err := c.golang(ctx, "test", "-overlay", overlay, "-count=1", "-vet=off", "-ldflags=-s -w",
			"-timeout", c.Timeout.String(), "-run", test.Pattern(), "./"+test.Package)
		if v, detail = judge(out, err); v != killed {
			return v, ": " + test.Package + " " + test.Name + detail
		}
	}
	return killed, ""
}

// overlay writes the file without the refusal, and what tells the compiler to take it instead of the tree's.
func (c Config) overlay(r Refusal, work string) (string, error) {
	path := filepath.Join(c.Root, filepath.FromSlash(r.File))
	source, err := os.ReadFile(path) //nolint:gosec // a file of the tree that is looked at
	if err != nil {
		return "", fmt.Errorf("mutants: %w", err)
	}
	mutant, overlay := work+".go", work+".json"
	text, err := json.Marshal(map[string]map[string]string{"Replace": {path: mutant}})
	if err != nil {
		return "", fmt.Errorf("mutants: %w", err)
	}
	err = errors.Join(os.WriteFile(mutant, r.Remove(source), 0o600), os.WriteFile(overlay, text, 0o600))
	if err != nil {
		return "", fmt.Errorf("mutants: %w", err)
	}
	return overlay, nil
}

// baseline runs the named tests as they are.
func (c Config) baseline(ctx context.Context) error {
	byPackage := map[string][]string{}
	var folders []string
	for _, e := range c.Entries {
		if !slices.ContainsFunc(c.Refusals, func(r Refusal) bool { return r.Key() == e.Key }) {
			continue
		}
		for _, test := range e.Tests {
			function, _, _ := strings.Cut(test.Name, "/")
			if byPackage[test.Package] == nil {
				folders = append(folders, test.Package)
			}
			if !slices.Contains(byPackage[test.Package], function) {
				byPackage[test.Package] = append(byPackage[test.Package], function)
			}
		}
	}
	for _, folder := range folders {
		pattern := "^(" + strings.Join(byPackage[folder], "|") + ")$"
		out, err := c.golang(ctx, "test", "-count=1", "-timeout", (5 * c.Timeout).String(), "-run", pattern,
			"./"+folder)
		if err != nil {
			return fmt.Errorf("%w: package %s:\n%s", ErrBaseline, folder, out)
		}
	}
	return nil
}

// golang runs the go command in the tree.
func (c Config) golang(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "go", args...) //nolint:gosec // arguments made of the tree's own names
	command.Dir = c.Root
	out, err := command.CombinedOutput()
	return string(out), err
}

// print writes to Out. Where that fails nobody looks, and the verdict is in the error of Run.
func (c Config) print(format string, args ...any) { _, _ = fmt.Fprintf(c.Out, format, args...) }

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

package stratumtest

import (
	"errors"
	"fmt"
	"strings"
)

// IsolationReport says which paths AssertIsolated has tried on a model.
type IsolationReport struct {
	// Model is the model's name.
	Model string
	// Paths are all paths that the adapter knows, in the order in which they were taken.
	Paths []IsolationPath
}

// IsolationPath is one path of an IsolationReport.
type IsolationPath struct {
	// Name says what the application would do, such as "Raw SELECT".
	Name string
	// Callers are those on whose behalf the path was taken: "own tenant", "another tenant", "no tenant". Empty for what
	// is read from the database's catalog instead.
	Callers []string
	// Skipped is why the path was not tried. "" where it was.
	Skipped string
	// Findings are what is wrong, each with the caller. Empty where nothing is.
	Findings []string
}

// Isolated reports whether nothing was found.
func (r *IsolationReport) Isolated() bool { return r.failure() == nil }

// Tried returns the names of the paths that were tried.
func (r *IsolationReport) Tried() []string {
	var names []string
	for _, p := range r.Paths {
		if p.Skipped == "" {
			names = append(names, p.Name)
		}
	}
	return names
}

// failure lists all findings, or is nil.
func (r *IsolationReport) failure() error {
	var errs []error
	for _, p := range r.Paths {
		for _, finding := range p.Findings {
			errs = append(errs, fmt.Errorf("%s, %s", p.Name, finding))
		}
	}
	return errors.Join(errs...)
}

// String is the report as AssertIsolated logs it: findings first, then each path with its outcome.
func (r *IsolationReport) String() string {
	var b strings.Builder
	if err := r.failure(); err != nil {
		fmt.Fprintf(&b, "stratumtest: %s is not isolated:\n%v\n", r.Model, err)
	}
	fmt.Fprintf(&b, "stratumtest: %s: %d of %d paths tried\n", r.Model, len(r.Tried()), len(r.Paths))
	for _, p := range r.Paths {
		switch {
		case p.Skipped != "":
			fmt.Fprintf(&b, "  not tried  %s: %s\n", p.Name, p.Skipped)
		case len(p.Findings) > 0:
			fmt.Fprintf(&b, "  FAILED     %s\n", p.Name)
		default:
			fmt.Fprintf(&b, "  isolated   %s\n", p.Name)
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

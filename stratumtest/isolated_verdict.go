package stratumtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/isolation"
)

// run takes every path. Its error is that nothing could be tried any more.
func (w *isolationWorld) run(ctx context.Context, skip map[string]string) (*IsolationReport, error) {
	report := &IsolationReport{Model: w.subject.Model}
	for name := range skip {
		if !slices.ContainsFunc(w.subject.Paths, func(p isolation.Path) bool { return p.Name == name }) {
			return nil, fmt.Errorf("stratumtest: IsolationOptions.Skip names %q, which is no path of %s", name,
				w.subject.Model)
		}
	}
	for _, path := range w.subject.Paths {
		if reason, ok := skip[path.Name]; ok {
			path.Skipped = reason
		}
		entry, err := w.take(ctx, path)
		if err != nil {
			// What was found before may be why: a table without its policies takes no rows.
			return nil, errors.Join(err, report.failure())
		}
		report.Paths = append(report.Paths, entry)
	}
	return report, nil
}

// take takes a path as every caller.
func (w *isolationWorld) take(ctx context.Context, path isolation.Path) (IsolationPath, error) {
	entry := IsolationPath{Name: path.Name, Skipped: path.Skipped}
	if path.Skipped != "" {
		return entry, nil
	}
	if path.Effect == isolation.Inspects {
		if _, err := path.Run(ctx, isolation.Attempt{}); err != nil {
			entry.Findings = append(entry.Findings, err.Error())
		}
		return entry, nil
	}
	for _, caller := range []isolationCaller{asOwn, asAnother, asNobody} {
		finding, err := w.attempt(ctx, path, caller)
		if err != nil {
			return entry, err
		}
		entry.Callers = append(entry.Callers, string(caller))
		if finding != "" {
			entry.Findings = append(entry.Findings, "as "+string(caller)+": "+finding)
		}
	}
	return entry, nil
}

// isolationOutcome is what happened when a path was taken.
type isolationOutcome struct {
	world         *isolationWorld
	path          isolation.Path
	target        isolation.Row
	seen          []string
	err           error
	before, after isolationTruth
}

// attempt takes a path as one caller and returns what is wrong with what happened.
func (w *isolationWorld) attempt(
	ctx context.Context, path isolation.Path, caller isolationCaller,
) (finding string, err error) {
	rows, err := w.fresh(ctx, path.With)
	if err != nil {
		return "", fmt.Errorf("stratumtest: AssertIsolated has no rows for path %q: %w", path.Name, err)
	}
	a := isolation.Attempt{Target: rows.target, Own: rows.beside}
	if caller == asAnother {
		a.Own = rows.others
	}
	o := isolationOutcome{world: w, path: path, target: rows.target, before: w.truth}
	o.seen, o.err = path.Run(w.context(ctx, caller), a)
	if o.after, err = w.look(ctx); err != nil {
		return "", err
	}
	if !maps.Equal(o.before, o.after) {
		clear(w.rows)
	}
	w.truth = o.after
	switch caller {
	case asOwn:
		return o.ofOwn(), nil
	case asAnother:
		return o.ofAnother(), nil
	case asNobody:
	}
	return o.ofNobody(), nil
}

func (o isolationOutcome) changed(tenant uuid.UUID) bool { return o.before[tenant] != o.after[tenant] }

// ofOwn demands that the path works, or the other callers would prove nothing.
func (o isolationOutcome) ofOwn() string {
	const useless = "the path does not work for its own tenant, so that it shows nothing: "
	switch {
	case o.changed(o.world.other):
		return "LEAK: rows of another tenant were changed"
	case o.path.Effect == isolation.Shares:
		if !errors.Is(o.err, core.ErrDuplicateKey) {
			return useless + "a second row with the same values is not refused as a duplicate" + because(o.err)
		}
	case o.path.Effect == isolation.Links && errors.Is(o.err, core.ErrDuplicateKey):
		return "" // a has-one: what refused it is that there is one already
	case o.err != nil:
		return useless + o.err.Error()
	case o.path.Effect == isolation.Reads && !slices.Contains(o.seen, o.target.Keys[o.path.Sees]):
		return useless + "its row was not returned"
	case o.path.Effect == isolation.Reads && o.changed(o.world.target):
		return "a path that reads has changed rows"
	case o.path.Effect == isolation.Writes && !o.changed(o.world.target):
		return useless + "nothing was changed"
	}
	return ""
}

// ofAnother demands that a tenant neither sees nor changes the target's rows.
func (o isolationOutcome) ofAnother() string {
	for _, key := range o.target.Keys {
		if slices.Contains(o.seen, key) {
			return "LEAK: the row was returned"
		}
	}
	switch {
	case o.changed(o.world.target):
		return "LEAK: rows were changed, removed or added"
	case errors.Is(o.err, isolation.ErrPrepare):
		return o.err.Error()
	case o.err != nil && strings.Contains(o.err.Error(), o.world.target.String()):
		return "LEAK: the error shows the tenant's id"
	case o.path.Effect == isolation.Links && o.err == nil:
		return "LEAK: a row of another tenant refers to it"
	case o.path.Effect == isolation.Shares && o.err != nil:
		return "LEAK: a value of this tenant cannot be used by another, who learns that it is taken: " + o.err.Error()
	}
	return ""
}

// ofNobody demands that the path is refused and has no effect.
func (o isolationOutcome) ofNobody() string {
	switch {
	case len(o.seen) > 0:
		return "LEAK: rows were returned"
	case !maps.Equal(o.before, o.after):
		return "LEAK: rows were changed"
	case o.err == nil:
		return "LEAK: the path was not refused"
	case !errors.Is(o.err, core.ErrNoTenant):
		return "the path was refused for another reason than the missing tenant: " + o.err.Error()
	}
	return ""
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

package core

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/google/uuid"
)

// ErrForEach is returned by Tenants.ForEach for options that make no sense.
var ErrForEach = errors.New("stratum: ForEach")

// ForEachOptions say which tenants Tenants.ForEach visits, and how. The zero value visits all active ones.
type ForEachOptions struct {
	// Tenants are the tenants to visit, in this order. Defaults to those of the tree, in the order of their ids.
	Tenants []uuid.UUID
	// Under keeps to this tenant and its descendants. It does not go with Tenants. Defaults to the whole reach of ctx.
	Under uuid.UUID
	// Filter leaves out the tenants that it returns false for. It is called once for each active tenant, one call at a
	// time. Defaults to none left out.
	Filter func(Tenant) bool
	// Workers is how many tenants are visited at once. Each may hold a connection, so keep it below
	// Options.MaxConns. Defaults to 4.
	Workers int
	// StopOnError ends the run with the first failure: no further tenant is begun, and the context of those at work is
	// cancelled. Defaults to visiting all of them.
	StopOnError bool
	// After is the After of an earlier run's report: the run goes on behind the tenants that were finished by then.
	// Defaults to the beginning.
	After string
	// Progress is called after each tenant, one call at a time, and should be quick. Defaults to none.
	Progress func(ForEachReport)
	// MaxFailures is how many failures the report keeps; all are counted. Defaults to 100.
	MaxFailures int
}

// Defaults of ForEachOptions, and how many tenants may be finished behind one that is still at work.
const (
	defaultWorkers     = 4
	defaultMaxFailures = 100
	forEachWindow      = 1000
	forEachPage        = 200
)

func (o ForEachOptions) withDefaults() ForEachOptions {
	if o.Workers == 0 {
		o.Workers = defaultWorkers
	}
	if o.MaxFailures == 0 {
		o.MaxFailures = defaultMaxFailures
	}
	return o
}

func (o ForEachOptions) validate() error {
	switch {
	case o.Workers < 0 || o.MaxFailures < 0:
		return fmt.Errorf("%w: Workers and MaxFailures must not be negative (leave them out for the defaults)",
			ErrForEach)
	case o.Tenants != nil && o.Under != uuid.Nil:
		return fmt.Errorf("%w: Tenants and Under exclude each other (give one of them)", ErrForEach)
	case o.Tenants != nil && o.After != "" && o.resume() == 0:
		return fmt.Errorf("%w: After names none of Tenants (give the list of the run that reported it)", ErrForEach)
	}
	return nil
}

// resume returns where a list of tenants goes on.
func (o ForEachOptions) resume() int {
	return 1 + slices.IndexFunc(o.Tenants, func(id uuid.UUID) bool { return id.String() == o.After })
}

// ForEachReport says how far a run has come.
type ForEachReport struct {
	// Done, Failed and Skipped count tenants: the function returned nil, or an error, or the tenant was not active any
	// more. Those that were cut off by the end of ctx are in none of them.
	Done, Failed, Skipped int
	// Failures are the first failures, as many as ForEachOptions.MaxFailures.
	Failures []TenantFailure
	// After is what a later run goes on behind, or empty while no tenant is finished: each tenant up to it is in one of
	// the counts, and those that follow may be visited again. With StopOnError it is before the one that failed.
	After string
}

// TenantFailure is one tenant that the function failed for.
type TenantFailure struct {
	// Tenant is the tenant, and Err what the function returned.
	Tenant uuid.UUID
	Err    error
}

// ForEachError is returned by Tenants.ForEach for failures of the function. errors.Is and errors.As look into those
// that were kept.
type ForEachError struct {
	// Failed counts all failures; Failures are the first of them.
	Failed   int
	Failures []TenantFailure
}

// Error counts the failures and shows the first.
func (e *ForEachError) Error() string {
	first := e.Failures[0]
	return fmt.Sprintf("stratum: %d tenants failed, the first of them %s: %v", e.Failed, first.Tenant, first.Err)
}

// Unwrap returns the failures that were kept.
func (e *ForEachError) Unwrap() []error {
	errs := make([]error, len(e.Failures))
	for i, f := range e.Failures {
		errs[i] = f.Err
	}
	return errs
}

// PanicError is the failure of a tenant whose function panicked.
type PanicError struct {
	// Value is what it panicked with, and Stack where.
	Value any
	Stack []byte
}

// Error shows the value.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// ForEachFunc is what Tenants.ForEach calls for a tenant, with a context that belongs to it.
type ForEachFunc func(ctx context.Context, tenant Tenant) error

// ForEach calls fn for many tenants, a few of them at once, as each of them: for migrations of data, reports and jobs
// at night. ctx is the operator's, or that of AsSystem, or a tenant's for itself and its descendants; its actor is
// kept.
//
// A failure or a panic of fn is that tenant's alone. A tenant that is suspended or archived meanwhile is skipped, as is
// one for which fn returns ErrTenantNotActive. Tenants are read page by page and reports are bounded, so that a million
// of them need no more memory than a thousand. A run that ends early goes on with ForEachOptions.After.
//
// The error is a *ForEachError where fn has failed, joined with that of ctx or of reading the tree where the run ended
// early, or ErrForEach for options that make no sense. The report is valid in each case.
func (t *Tenants) ForEach(ctx context.Context, options ForEachOptions, fn ForEachFunc) (ForEachReport, error) {
	options = options.withDefaults()
	if err := options.validate(); err != nil {
		return ForEachReport{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &forEach{
		options: options, fn: fn, cancel: cancel,
		work: make(chan visit), slots: make(chan struct{}, forEachWindow), finished: make(map[int]bool),
	}
	r.report.After = options.After
	return r.run(ctx, t)
}

// forEach is one run.
type forEach struct {
	options ForEachOptions
	fn      ForEachFunc
	cancel  context.CancelFunc
	work    chan visit
	slots   chan struct{} // one for each tenant behind the first that is not finished

	mu       sync.Mutex
	report   ForEachReport
	ids      []uuid.UUID  // of the tenants from first on
	first    int          // the first that is not finished
	finished map[int]bool // those behind it that are
	cutOff   bool         // a tenant was, by the end of ctx
}

// visit is a tenant's turn. What was found out before fn is called, if anything, is in err.
type visit struct {
	number int
	tenant Tenant
	err    error
}

// run starts the workers, hands them the tenants and waits.
func (r *forEach) run(ctx context.Context, tenants *Tenants) (ForEachReport, error) {
	var workers sync.WaitGroup
	for range r.options.Workers {
		workers.Go(func() {
			for v := range r.work {
				r.visit(ctx, v)
			}
		})
	}
	err := r.list(ctx, tenants)
	close(r.work)
	workers.Wait()
	stopped := r.options.StopOnError && r.report.Failed > 0
	if err == nil && r.cutOff && !stopped {
		err = ctx.Err() // the last tenants were at work when it ended
	}
	if r.report.Failed > 0 {
		failed := &ForEachError{Failed: r.report.Failed, Failures: r.report.Failures}
		if errors.Is(err, errStopped) {
			return r.report, failed
		}
		err = errors.Join(failed, err)
	}
	return r.report, err
}

// visit calls fn for one tenant, unless that is settled, and notes how it went.
func (r *forEach) visit(ctx context.Context, v visit) {
	err := cmp.Or(v.err, ctx.Err()) // after the end no further tenant is begun
	if err == nil {
		err = r.call(WithTenant(ctx, v.tenant.ID), v.tenant)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.report.Done++
	case errors.Is(err, ErrTenantNotActive):
		r.report.Skipped++
	case ctx.Err() != nil:
		r.cutOff = true
		return // it is not finished
	default:
		r.fail(v, err)
		if r.options.StopOnError {
			return
		}
	}
	r.finish(v.number)
	r.progress()
}

// call calls fn, and turns a panic into an error.
func (r *forEach) call(ctx context.Context, tenant Tenant) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &PanicError{Value: value, Stack: debug.Stack()}
		}
	}()
	return r.fn(ctx, tenant)
}

func (r *forEach) fail(v visit, err error) {
	r.report.Failed++
	if len(r.report.Failures) < r.options.MaxFailures {
		r.report.Failures = append(r.report.Failures, TenantFailure{Tenant: v.tenant.ID, Err: err})
	}
	if r.options.StopOnError {
		r.cancel()
		r.progress()
	}
}

// finish moves After up to the last tenant before which all are finished.
func (r *forEach) finish(number int) {
	r.finished[number] = true
	for r.finished[r.first] {
		delete(r.finished, r.first)
		r.report.After = r.ids[0].String()
		r.ids = r.ids[1:]
		r.first++
		<-r.slots
	}
}

func (r *forEach) progress() {
	if r.options.Progress != nil {
		report := r.report
		report.Failures = slices.Clone(report.Failures)
		r.options.Progress(report)
	}
}

// errStopped ends the listing after a failure with StopOnError.
var errStopped = errors.New("stratum: stopped at the first failure")

// list hands the tenants to the workers.
func (r *forEach) list(ctx context.Context, tenants *Tenants) error {
	if r.options.Tenants != nil {
		return r.listGiven(ctx, tenants)
	}
	options := ListOptions{
		After: r.options.After, Limit: forEachPage, Under: r.options.Under, Statuses: []Status{StatusActive},
	}
	for {
		page, err := tenants.List(ctx, options)
		if err != nil {
			return r.ended(err)
		}
		for _, tenant := range page.Tenants {
			if err := r.hand(ctx, visit{tenant: tenant}); err != nil {
				return err
			}
		}
		if options.After = page.Next; page.Next == "" {
			return nil
		}
	}
}

// listGiven looks each tenant of the list up when it is its turn.
func (r *forEach) listGiven(ctx context.Context, tenants *Tenants) error {
	for _, id := range r.options.Tenants[r.options.resume():] {
		tenant, err := tenants.Get(ctx, id)
		if err == nil && tenant.Status != StatusActive {
			err = ErrTenantNotActive
		}
		if ctx.Err() != nil {
			return r.ended(ctx.Err())
		}
		tenant.ID = id
		if err := r.hand(ctx, visit{tenant: tenant, err: err}); err != nil {
			return err
		}
	}
	return nil
}

// hand gives a tenant to a worker, when there is one.
func (r *forEach) hand(ctx context.Context, v visit) error {
	if v.err == nil && r.options.Filter != nil && !r.options.Filter(v.tenant) {
		return nil
	}
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return r.ended(ctx.Err())
	}
	r.mu.Lock()
	v.number = r.first + len(r.ids)
	r.ids = append(r.ids, v.tenant.ID)
	r.mu.Unlock()
	select {
	case r.work <- v:
		return nil
	case <-ctx.Done():
		return r.ended(ctx.Err())
	}
}

// ended is why the listing ended early: a failure that was to stop it, or else err.
func (r *forEach) ended(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.options.StopOnError && r.report.Failed > 0 {
		return errStopped
	}
	return err
}

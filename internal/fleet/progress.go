package fleet

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Progress is how far a run is.
type Progress struct {
	// Targets is how many there are: Options.Total, or those seen so far.
	Targets int
	// Done, Skipped and Failed are what became of those that have ended: migrated, nothing to do, failed.
	Done, Skipped, Failed int
	// Rows is the estimate of how many rows those have that have ended.
	Rows int64
	// Rate is targets a second, over the last ten seconds.
	Rate float64
	// Remaining is how long the rest takes at that rate, 0 while there is none.
	Remaining time.Duration
	// Current are the IDs of the targets that are being worked on.
	Current []string
}

// Ended is how many targets have ended.
func (p Progress) Ended() int { return p.Done + p.Skipped + p.Failed }

// Report is what a run did.
type Report struct {
	// Targets is how many there were, each counted once, as far as the run came.
	Targets int
	// Done, Skipped and Failed are what became of them: migrated, nothing to do, failed. In a dry run Done is how many
	// have something to do.
	Done, Skipped, Failed int
	// Retries is how often a target was tried again.
	Retries int
	// Failures are the first that failed, a hundred at most.
	Failures []*TargetError
	// Causes counts the failures by SQLSTATE, "" for those that are not the server's.
	Causes map[string]int
	// Plans are the first of a dry run, a hundred at most. Options.Plans is told of all.
	Plans []Plan
	// Took is how long the run took.
	Took time.Duration
}

const (
	maxFailures = 100
	maxPlans    = 100
	rateWindow  = 10 * time.Second
	rateSample  = 500 * time.Millisecond
)

// Outcome is what became of a target. Of several the greatest counts.
type Outcome uint8

// The outcomes.
const (
	// Skipped is nothing to do.
	Skipped Outcome = iota
	// Done is migrated.
	Done
	// Failed is failed.
	Failed
)

// tally counts, for Report and Progress.
type tally struct {
	opts  Options
	began time.Time

	mu      sync.Mutex
	report  Report
	rows    int64
	current []string
	samples []sample // oldest first, a window's worth
}

// sample is how many targets had ended at a time.
type sample struct {
	at    time.Time
	ended int
}

func newTally(opts Options) *tally {
	now := opts.Clock.Now()
	return &tally{opts: opts, began: now, report: Report{Causes: map[string]int{}}, samples: []sample{{at: now}}}
}

func (t *tally) seen() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.Targets++
}

func (t *tally) begin(target Target) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current = append(t.current, target.ID)
	t.opts.Progress(t.progress())
}

func (t *tally) end(target Target, o Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current = slices.DeleteFunc(t.current, func(id string) bool { return id == target.ID })
	t.rows += target.Rows
	switch o {
	case Done:
		t.report.Done++
	case Skipped:
		t.report.Skipped++
	case Failed:
		t.report.Failed++
	}
	t.opts.Ended(target, o)
	t.opts.Progress(t.progress())
}

func (t *tally) retried() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.Retries++
}

func (t *tally) fail(ctx context.Context, err *TargetError) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.Causes[sqlState(err)]++
	if len(t.report.Failures) < maxFailures {
		t.report.Failures = append(t.report.Failures, err)
	}
	t.opts.Logger.ErrorContext(ctx, "stratum: a target failed",
		"target", err.Target, "version", err.Version, "error", err)
}

func (t *tally) plan(p Plan) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.report.Plans) < maxPlans {
		t.report.Plans = append(t.report.Plans, p)
	}
	t.opts.Plans(p)
}

// progress is called with the lock held.
func (t *tally) progress() Progress {
	p := Progress{
		Targets: max(t.opts.Total, t.report.Targets), Done: t.report.Done, Skipped: t.report.Skipped,
		Failed: t.report.Failed, Rows: t.rows, Current: slices.Clone(t.current),
	}
	p.Rate = t.rate(p.Ended())
	if p.Rate > 0 {
		p.Remaining = time.Duration(float64(p.Targets-p.Ended()) / p.Rate * float64(time.Second))
	}
	return p
}

// rate is targets a second since the oldest sample of the window.
func (t *tally) rate(ended int) float64 {
	now := t.opts.Clock.Now()
	for len(t.samples) > 1 && now.Sub(t.samples[1].at) >= rateWindow {
		t.samples = t.samples[1:]
	}
	first := t.samples[0]
	if now.Sub(t.samples[len(t.samples)-1].at) >= rateSample {
		t.samples = append(t.samples, sample{at: now, ended: ended})
	}
	if seconds := now.Sub(first.at).Seconds(); seconds > 0 {
		return float64(ended-first.ended) / seconds
	}
	return 0
}

func (t *tally) failures() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.report.Failed
}

// close is the report at the end.
func (t *tally) close() Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.Took = t.opts.Clock.Now().Sub(t.began)
	return t.report
}

package fleet

import (
	"context"

	"github.com/jackc/pgx/v5/pgconn"
)

// Source is what targets are brought to: Goose or Converge.
type Source interface {
	// Name names it in errors and, for Converge, in the ledger.
	Name() string

	// batch is how many targets prepare is given at most.
	batch() int
	// prepare looks at targets of the session's database together, and does what can be done together. Whatever it
	// fails at is left to visit.
	prepare(ctx context.Context, s *session, opts Options, targets []Target) prepared
	// visit brings a target to the newest step, or tells of it in a dry run. Called again, it goes on where it was.
	visit(ctx context.Context, v *visit) error
	// failed is told that a target has failed for good.
	failed(ctx context.Context, v *visit, err error)
}

// prepared is what is known of a batch, by target's ID.
type prepared map[string]planned

// planned is what is known of a target from the look at its batch.
type planned struct {
	// settled is set where nothing is left to do, and worked where something was done about it.
	settled, worked bool

	// planned is set where the statements are known that are to be run if the ledger is still in that state.
	planned    bool
	state      state
	statements []string
}

// visit is one source on one target.
type visit struct {
	target  Target
	opts    Options
	session *session
	planned planned
	tell    func(Step)

	// step names what was being done.
	step string
	// worked is set once there was something to do.
	worked bool
}

// enter begins a transaction that has the target's lock, and looks at something in it. While another run has the lock
// it waits outside of a transaction: a snapshot would hold up an index that is built concurrently under that lock.
func (v *visit) enter(ctx context.Context, look string) (*pgconn.Result, error) {
	for pause := firstWait; ; pause = min(2*pause, maxWait) {
		found, locked, err := v.session.enter(ctx, v.enterSQL(), look)
		if err != nil || locked {
			return found, err
		}
		if err := v.opts.Clock.Sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// describe tells of a step in a dry run.
func (v *visit) describe(s Step) {
	v.worked = true
	v.tell(s)
}

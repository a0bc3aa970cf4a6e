package copies

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"
)

// job is work on one target.
type job struct {
	Destination
	stale    staleness
	entries  []entry
	streamed map[[2]string]streamedTable
}

// result is what became of a job.
type result struct {
	target  *target
	epoch   int
	report  Report
	applied int
	err     error
}

// idle is how long the loop waits where nothing is due.
const idle = time.Hour

// dispatch begins what is due, and returns how long until something is.
func (s *session) dispatch(ctx context.Context, group *errgroup.Group) time.Duration {
	s.startStream(ctx, group)
	now, next := time.Now(), idle
	if !s.restart.IsZero() {
		next = max(0, s.restart.Sub(now))
	}
	for _, t := range s.targets {
		switch pause := t.retry.Sub(now); {
		case t.running || !t.busy():
		case pause > 0:
			next = min(next, pause)
		case s.running < s.Concurrency:
			s.start(ctx, group, t)
		}
	}
	return next
}

func (s *session) start(ctx context.Context, group *errgroup.Group, t *target) {
	j := job{
		Destination: t.Destination, stale: t.stale, entries: slices.Clone(t.queue), streamed: s.streamed,
	}
	t.running, t.stale, t.taken = true, fresh, len(t.queue)
	s.running++
	epoch := t.epoch
	group.Go(func() error {
		limited, cancel := context.WithTimeout(ctx, s.Timeout)
		defer cancel()
		r := result{target: t, epoch: epoch}
		r.err = s.work(limited, j, &r)
		return send(ctx, s.done, r)
	})
}

// work compares what is stale and then applies what waits. Where that meets anything unexpected, all is compared, and
// what waits must then have been seen.
func (s *session) work(ctx context.Context, j job, r *result) error {
	conn, err := j.Connect(ctx)
	if err != nil {
		return fmt.Errorf("stratum: connecting to a target of copies: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if err := s.refresh(ctx, conn, j, r); err != nil {
		return err
	}
	if len(j.entries) == 0 {
		return nil
	}
	r.applied, err = apply(ctx, conn, j)
	if err == nil || !isRepairable(err) || j.stale == wholly {
		return err
	}
	s.Logger.DebugContext(ctx, "stratum: comparing copies", "target", j.Name, "reason", err)
	j.stale = wholly
	if err := s.refresh(ctx, conn, j, r); err != nil {
		return err
	}
	r.applied, err = apply(ctx, conn, j)
	return err
}

// isRepairable tells what a Refresh may make good from a target that does not answer.
func isRepairable(err error) bool {
	var pgErr *pgconn.PgError
	var refused *TableError
	return errors.Is(err, errUnseen) || errors.As(err, &pgErr) || errors.As(err, &refused)
}

// refresh compares as much as the job says.
func (s *session) refresh(ctx context.Context, conn *pgx.Conn, j job, r *result) error {
	tables := j.Tables
	if j.stale == partly {
		tables = slices.DeleteFunc(slices.Clone(tables), func(t Table) bool {
			_, streamed := j.streamed[[2]string{t.Schema, t.Name}]
			return streamed
		})
	}
	if j.stale == fresh || len(tables) == 0 {
		return nil
	}
	source, err := s.Connect(ctx)
	if err != nil {
		return fmt.Errorf("stratum: connecting to the source of copies: %w", err)
	}
	defer func() { _ = source.Close(context.WithoutCancel(ctx)) }()
	r.report, err = Refresh(ctx, source, Target{Conn: conn, Schemas: j.Schemas}, tables)
	return err
}

package fleet

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Querier reads the catalog.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Convergence is a model, and how a target becomes like it.
type Convergence interface {
	// Hash identifies what the target is to become: its ledger says with it that it has. Empty where the model does not
	// concern the target, which is then passed over.
	Hash(t Target) string
	// Plan returns the statements that make the target like the model, none where it is. They run in the transaction
	// of q, in which the target's search_path is set and no other run is at work on the target.
	Plan(ctx context.Context, q Querier, t Target) ([]string, error)
}

// BatchConvergence is a Convergence that reads the catalog for many targets at once.
type BatchConvergence interface {
	Convergence
	// PlanMany returns what Plan would of each target, in their order. All are of one database. It runs outside of
	// their transactions, with the search_path of the login; a plan is thrown away if another run was at the target
	// meanwhile. Where it returns an error each target is planned by itself.
	PlanMany(ctx context.Context, q Querier, targets []Target) ([][]string, error)
}

// Converge is a source that makes targets like a model. What has become like it is recorded under the name in the table
// stratum.ledger of the target's database.
func Converge(name string, c Convergence) Source {
	return &convergeSource{name: name, convergence: c}
}

// convergeSource is a Source.
type convergeSource struct {
	name        string
	convergence Convergence
}

func (c *convergeSource) Name() string { return c.name }

func (c *convergeSource) batch() int { return trainLength }

func (c *convergeSource) ledger(t Target) ledger { return ledger{schema: t.Schema, source: c.name} }

func (c *convergeSource) failed(ctx context.Context, v *visit, err error) {
	// The error is reported anyway: its row is for those who look later.
	_, _ = v.session.send(ctx, c.ledger(v.target).failedSQL(message(err)))
}

// prepare reads the ledgers of a batch, and plans what is not done.
func (c *convergeSource) prepare(ctx context.Context, s *session, opts Options, targets []Target) prepared {
	defer func() { _ = s.rollback(ctx) }() // a session that has broken shows when it is used next
	if _, err := s.send(ctx, clearSQL); err != nil {
		return nil
	}
	// By itself: within a message that had other statements before it would be too late to choose the level.
	if _, err := s.send(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return nil
	}
	states, err := c.states(ctx, s, targets)
	if err != nil {
		return nil
	}
	known := make(prepared, len(targets))
	var todo []Target
	for _, t := range targets {
		if states[t.Schema].hash == c.convergence.Hash(t) && !opts.Verify {
			known[t.ID] = planned{settled: true}
			continue
		}
		if c.convergence.Hash(t) != "" {
			todo = append(todo, t)
		}
	}
	batch, ok := c.convergence.(BatchConvergence)
	if !ok || len(todo) == 0 {
		return known
	}
	plans, err := batch.PlanMany(ctx, s.pg, todo)
	if err != nil || len(plans) != len(todo) {
		return known
	}
	if opts.DryRun {
		for i, t := range todo {
			known[t.ID] = planned{state: states[t.Schema], planned: true, statements: plans[i]}
		}
		return known
	}
	if s.rollback(ctx) != nil {
		return known
	}
	sendTrain(ctx, s, opts, c.couple(todo, states, plans, opts), known)
	return known
}

// couple makes a train of the targets whose plans may share a message.
func (c *convergeSource) couple(todo []Target, states map[string]state, plans [][]string, opts Options) []wagon {
	var train []wagon
	for i, t := range todo {
		hash, seen := c.convergence.Hash(t), states[t.Schema]
		if allJoin(plans[i]) && (len(plans[i]) > 0 || seen.hash != hash) {
			v := &visit{target: t, opts: opts}
			body := join(plans[i]) + c.ledger(t).appliedSQL(hash, seen)
			train = append(train, wagon{visit: v, body: body, last: true})
		}
	}
	return train
}

// states reads the ledgers of many schemas.
func (c *convergeSource) states(ctx context.Context, s *session, targets []Target) (map[string]state, error) {
	schemas := make([]string, len(targets))
	for i, t := range targets {
		schemas[i] = t.Schema
	}
	rows, err := s.pg.Query(ctx, "SELECT table_schema, hash, coalesce(applied_at::text, '') FROM stratum.ledger "+
		"WHERE source = $1 AND table_schema = ANY($2)", c.name, schemas)
	if err != nil {
		return nil, err
	}
	states := make(map[string]state, len(targets))
	var schema, hash, stamp string
	_, err = pgx.ForEachRow(rows, []any{&schema, &hash, &stamp}, func() error {
		states[schema] = state{hash: hash, stamp: stamp}
		return nil
	})
	return states, err
}

func (c *convergeSource) visit(ctx context.Context, v *visit) error {
	hash := c.convergence.Hash(v.target)
	if hash == "" || v.planned.settled {
		return nil
	}
	row := c.ledger(v.target)
	found, err := v.enter(ctx, row.selectSQL())
	if err != nil {
		return noLedger(err)
	}
	now := stateOf(found)
	if now.hash == hash && !v.opts.Verify {
		return v.session.rollback(ctx)
	}
	v.step = hash
	statements, err := c.plan(ctx, v, now)
	if err != nil {
		return err
	}
	if v.opts.DryRun && len(statements) > 0 {
		v.describe(Step{Version: hash, Statements: statements})
	}
	if v.opts.DryRun || len(statements) == 0 && now.hash == hash {
		return v.session.rollback(ctx)
	}
	v.worked = true
	_, err = v.session.send(ctx, join(statements)+row.appliedSQL(hash, now)+"COMMIT")
	if sqlState(err) == codeDivision {
		return fmt.Errorf("%w: %w", errBusy, err)
	}
	return err
}

// plan is that of the batch, unless another run was here since.
func (c *convergeSource) plan(ctx context.Context, v *visit, now state) ([]string, error) {
	p := v.planned
	// A plan serves one try: the next may come after somebody else's.
	v.planned = planned{}
	if p.planned && p.state == now {
		return p.statements, nil
	}
	statements, err := c.convergence.Plan(ctx, v.session.pg, v.target)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("planning: %w", err), v.session.rollback(ctx))
	}
	return statements, nil
}

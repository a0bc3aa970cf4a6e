package core

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/fleet"
	"github.com/stratum-hq/stratum-go/internal/provision"
	"github.com/stratum-hq/stratum-go/internal/shape"
)

// ErrDestructive is returned for a target that could be brought to the model only by losing data.
var ErrDestructive = errors.New("stratum: the target differs from the model in a way that may lose data (look at " +
	"Fleet.Drift, and set FleetOptions.AllowDestructive)")

// converge is the source that brings targets to the model.
func (r *fleetRun) converge(model shape.Model) fleet.Source {
	return fleet.Converge(provision.Ledger, &convergence{
		st: r.fleet.st, model: model, hash: model.Hash(), destructive: r.options.AllowDestructive,
		verify: r.options.Verify, steps: &steps{},
	})
}

// convergeGlobals is converge for the copies of global tables alone.
func (r *fleetRun) convergeGlobals(model shape.Model) fleet.Source {
	globals := provision.Globals(model)
	return fleet.Converge(provision.LedgerGlobals, &convergence{
		st: r.fleet.st, model: globals, hash: globals.Hash(), destructive: r.options.AllowDestructive, copies: true,
		verify: true, // they are few
	})
}

// toConverge are targets with the search_path that the statements of a convergence must have.
func toConverge(targets iter.Seq2[fleet.Target, error]) iter.Seq2[fleet.Target, error] {
	return func(yield func(fleet.Target, error) bool) {
		for t, err := range targets {
			t.SearchPath = shape.SearchPath
			if !yield(t, err) {
				return
			}
		}
	}
}

// convergence brings schemas and databases to the shape that the model has there.
type convergence struct {
	st          *Stratum
	model       shape.Model
	hash        string
	destructive bool
	copies      bool // these alone, which schemas have none of
	verify      bool // look at targets, whatever is recorded
	steps       *steps
}

// Hash is the model's.
func (c *convergence) Hash(t fleet.Target) string {
	if c.copies && (t.Kind == fleet.KindSchema || len(c.model.Specs) == 0) {
		return ""
	}
	return c.hash
}

// Plan returns the statements for one target, which it looks at.
func (c *convergence) Plan(ctx context.Context, q fleet.Querier, t fleet.Target) ([]string, error) {
	changes, err := c.compare(ctx, q, []fleet.Target{t})
	if err != nil {
		return nil, err
	}
	return c.statements(changes[0])
}

// PlanMany returns the statements for targets of one database.
func (c *convergence) PlanMany(ctx context.Context, q fleet.Querier, targets []fleet.Target) ([][]string, error) {
	plans, left, err := c.known(ctx, q, targets)
	if err != nil || len(left) == 0 {
		return plans, err
	}
	unknown := make([]fleet.Target, len(left))
	for i, at := range left {
		unknown[i] = targets[at]
	}
	changes, err := c.compare(ctx, q, unknown)
	if err != nil {
		return nil, err
	}
	for i, at := range left {
		if plans[at], err = c.statements(changes[i]); err != nil {
			return nil, err
		}
	}
	return plans, nil
}

// known returns the plans of those targets that are recorded to be like a model which is known, and the indexes of the
// others. Where a target is not what is recorded its plan fails, and it is then looked at.
func (c *convergence) known(
	ctx context.Context, q fleet.Querier, targets []fleet.Target,
) (plans [][]string, left []int, err error) {
	plans = make([][]string, len(targets))
	if c.verify {
		for i := range targets {
			left = append(left, i)
		}
		return plans, left, nil
	}
	hashes, err := recorded(ctx, q, c.source(), targets)
	if err != nil {
		return nil, nil, err
	}
	var at site
	if at.owner, at.number, err = c.residence(ctx, q); err != nil {
		return nil, nil, err
	}
	for i, t := range targets {
		at.hash = hashes[t.Schema]
		plan, ok, err := c.step(ctx, t, at)
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			left = append(left, i)
			continue
		}
		plans[i] = plan
	}
	return plans, left, nil
}

// residence says who owns the tables of the database, and what is the number of its range of keys.
func (c *convergence) residence(ctx context.Context, q fleet.Querier) (owner string, number int64, err error) {
	if err := q.QueryRow(ctx, "SELECT current_user").Scan(&owner); err != nil {
		return "", 0, fmt.Errorf("stratum: looking for the owner: %w", err)
	}
	number, err = c.number(ctx, q)
	return owner, number, err
}

// compare returns how each target differs from what it is to be.
func (c *convergence) compare(
	ctx context.Context, q fleet.Querier, targets []fleet.Target,
) ([][]shape.Change, error) {
	owner, number, err := c.residence(ctx, q)
	if err != nil {
		return nil, err
	}
	wanted := make([]shape.Shape, len(targets))
	schemas, tables, views := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i, t := range targets {
		if wanted[i], err = c.wanted(t, owner, number); err != nil {
			return nil, err
		}
		for j := range wanted[i].Tables {
			schemas[wanted[i].Tables[j].Schema], tables[wanted[i].Tables[j].Name] = true, true
		}
		for j := range wanted[i].Views {
			schemas[wanted[i].Views[j].Schema], views[wanted[i].Views[j].Name] = true, true
		}
	}
	have, err := shape.ReadManyPgx(ctx, q, slices.Sorted(maps.Keys(schemas)), &shape.Names{
		Tables: slices.Sorted(maps.Keys(tables)), Views: slices.Sorted(maps.Keys(views)),
	})
	if err != nil {
		return nil, err
	}
	changes := make([][]shape.Change, len(targets))
	for i := range targets {
		changes[i] = shape.Diff(restrict(have, wanted[i]), wanted[i])
	}
	return changes, nil
}

// wanted is the shape of the model at a target. number is that of the database's range of keys.
func (c *convergence) wanted(t fleet.Target, owner string, number int64) (shape.Shape, error) {
	roles := c.st.roles
	r := shape.Residence{
		Owner: owner,
		Roles: shape.Roles{Tenant: roles.Tenant, Subtree: roles.Subtree, System: roles.System, Schema: roles.Schema},
	}
	if t.Kind == fleet.KindSchema {
		r.Schema = t.Schema
		r.Keys = provision.Keys(provision.Number(strings.TrimPrefix(t.Schema, "t_")))
		return c.model.InSchema(r)
	}
	r.Keys = provision.Keys(number)
	return c.model.InDatabase(r)
}

// number is that of the range of keys of the database itself: of the tenant whose it is, or of the placement.
func (c *convergence) number(ctx context.Context, q fleet.Querier) (int64, error) {
	var label *string
	var placement string
	err := q.QueryRow(ctx, "SELECT label, placement FROM stratum.site").Scan(&label, &placement)
	switch {
	case err != nil:
		return 0, fmt.Errorf("stratum: reading what the database is: %w", err)
	case label != nil:
		return provision.Number(*label), nil
	case placement == homePlacement:
		return 0, nil
	}
	return c.st.Placements.keyRange(ctx, placement)
}

// keyRange is the number of a placement's range of keys.
func (p *Placements) keyRange(ctx context.Context, name string) (number int64, err error) {
	err = p.st.registryTx(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `SELECT key_range FROM stratum.placements WHERE name = $1`, name).Scan(&number)
	})
	return number, statementError(ctx, err)
}

// restrict takes of what there is the tables and views that are wanted: others are nobody's business.
func restrict(have map[string]shape.Shape, wanted shape.Shape) shape.Shape {
	var found shape.Shape
	for i := range wanted.Tables {
		w := &wanted.Tables[i]
		if t := have[w.Schema].Table(w.Schema, w.Name); t != nil {
			found.Tables = append(found.Tables, *t)
		}
	}
	for i := range wanted.Views {
		w := &wanted.Views[i]
		if v := have[w.Schema].View(w.Schema, w.Name); v != nil {
			found.Views = append(found.Views, *v)
		}
	}
	return found
}

// statements are those of changes that lose nothing, and of others where that is allowed. What the model does not have
// is left alone: somebody may need it, and drift tells.
func (c *convergence) statements(changes []shape.Change) ([]string, error) {
	var kept []shape.Change
	for _, change := range changes {
		switch {
		case change.Want == "" && change.Destructive:
			continue
		case change.Destructive && !c.destructive:
			return nil, fmt.Errorf("%w: %s", ErrDestructive, change)
		case !change.Curable():
			return nil, fmt.Errorf("%w: %s", provision.ErrUnverified, change)
		}
		kept = append(kept, change)
	}
	return shape.Statements(kept), nil
}

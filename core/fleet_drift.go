package core

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/fleet"
	"github.com/stratum-hq/stratum-go/internal/shape"
)

// Drift is how one target differs from the model.
type Drift struct {
	// Target is the target.
	Target FleetTarget
	// Differences are all that there are, by table.
	Differences []Difference
	// Err is why the target could not be looked at, or nil.
	Err error
}

// Difference is one way in which a target differs from the model.
type Difference struct {
	// Kind is what differs: "table", "view", "column", "index", "constraint", "sequence", "trigger", "policy", "grant"
	// and others.
	Kind string
	// Table is the table concerned, and Object its column, index and so on, or empty.
	Table, Object string
	// Have and Want describe both; one of them is empty for what is missing, or is not in the model.
	Have, Want string
	// Destructive is set where the cure may lose data.
	Destructive bool
	// Text is the difference in words, such as: index "invoices.idx_number" is missing.
	Text string
}

// driftBatch is how many schemas are read at once.
const driftBatch = 50

// Drift compares the targets with the model, and yields those that differ or cannot be looked at. It changes nothing.
// An error ends it.
func (f *Fleet) Drift(ctx context.Context) iter.Seq2[Drift, error] {
	return func(yield func(Drift, error) bool) {
		if err := f.st.Placements.checkCaller(ctx); err != nil {
			yield(Drift{}, err)
			return
		}
		model, err := f.st.Tenants.builder.model(ctx)
		if err != nil {
			yield(Drift{}, err)
			return
		}
		base, err := f.baseSchema()
		if err != nil {
			yield(Drift{}, err)
			return
		}
		look := drifting{
			fleet: f, base: base, yield: yield,
			model: &convergence{st: f.st, model: model, hash: model.Hash()},
		}
		look.run(ctx)
	}
}

// drifting is one Drift.
type drifting struct {
	fleet *Fleet
	base  string
	model *convergence
	yield func(Drift, error) bool
}

// run reads targets of one database together.
func (d *drifting) run(ctx context.Context) {
	var batch []FleetTarget
	for t, err := range d.fleet.list(ctx) {
		if err != nil {
			d.yield(Drift{}, err)
			return
		}
		if t.ID == homePlacement+"/shared" {
			continue // it is the model
		}
		apart := len(batch) > 0 && (batch[0].Placement != t.Placement || batch[0].Isolation != t.Isolation ||
			t.Isolation != SchemaIsolation || len(batch) == driftBatch)
		if apart {
			if !d.look(ctx, batch) {
				return
			}
			batch = nil
		}
		batch = append(batch, t)
	}
	if len(batch) > 0 {
		d.look(ctx, batch)
	}
}

// look yields those of a batch that differ. It reports whether more are wanted.
func (d *drifting) look(ctx context.Context, batch []FleetTarget) bool {
	changes, err := d.compare(ctx, batch)
	for i, t := range batch {
		found := Drift{Target: t, Err: err}
		if err == nil {
			found.Differences = differences(changes[i])
		}
		if (found.Err != nil || len(found.Differences) > 0) && !d.yield(found, nil) {
			return false
		}
	}
	return true
}

func (d *drifting) compare(ctx context.Context, batch []FleetTarget) (changes [][]shape.Change, err error) {
	targets := make([]fleet.Target, len(batch))
	for i, t := range batch {
		targets[i] = d.fleet.target(t, d.base)
	}
	config, err := targets[0].Database.Config(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, connectError("OwnerDSN", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		changes, err = d.model.compare(ctx, tx, targets)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("stratum: looking for drift: %w", err)
	}
	return changes, nil
}

func differences(changes []shape.Change) []Difference {
	list := make([]Difference, len(changes))
	for i, c := range changes {
		list[i] = Difference{
			Kind: string(c.Kind), Table: c.Table, Object: c.Object, Have: c.Have, Want: c.Want,
			Destructive: c.Destructive,
			Text:        c.String(),
		}
	}
	return list
}

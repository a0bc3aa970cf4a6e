package forest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/bench/internal/sample"
)

const moveGoal = 3

const (
	// topsSQL lists what can be moved, at random: the tops of subtrees.
	topsSQL = `SELECT id FROM stratum.tenants WHERE nlevel(path) = $1 ORDER BY random() LIMIT $2`

	// parentsSQL lists where a tenant can be moved to: beside its parent.
	parentsSQL = `SELECT p.id FROM stratum.tenants t JOIN stratum.tenants p
		ON nlevel(p.path) = nlevel(t.path) - 1 AND p.id <> t.parent_id WHERE t.id = $1 ORDER BY random() LIMIT 1`

	// touchSQL is what a move is compared with: it changes as many rows of the same table, found in the same way.
	touchSQL = `UPDATE stratum.tenants SET updated_at = now()
		WHERE path <@ (SELECT path FROM stratum.tenants WHERE id = $1)`
)

// moves moves every other subtree and touches the rest, two by two in an order that changes by chance. A subtree is
// used once: no row has room beside its old self, so that each needs a new entry in every index, whatever is changed.
// The dead rows and split pages that an earlier turn leaves would be another measurement.
func (g *grove) moves(ctx context.Context) error {
	tops, err := g.pickTops(ctx, 2*g.Moves)
	if err != nil {
		return err
	}
	sides := []side{{name: "bare-update"}, {name: "core", goal: sample.AtMost(moveGoal)}}
	do := []func(context.Context, uuid.UUID) (float64, error){g.touch, g.move}
	for pair := range slices.Chunk(tops, len(sides)) {
		for _, which := range g.random.Perm(len(sides)) {
			took, err := do[which](ctx, pair[which])
			if err != nil {
				return err
			}
			sides[which].times = append(sides[which].times, took)
		}
	}
	g.report("tree/move", sides)
	return nil
}

func (g *grove) pickTops(ctx context.Context, limit int) ([]uuid.UUID, error) {
	level := max(topLevel, g.Levels-subtreeLevels+1)
	rows, err := g.bare.Query(ctx, topsSQL, level, limit)
	if err != nil {
		return nil, err
	}
	tops, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, err
	}
	g.logf("subtrees of %d tenants", sizeOf(g.Levels-level+1))
	return tops, nil
}

func (g *grove) touch(ctx context.Context, id uuid.UUID) (float64, error) {
	return timed(func() error {
		_, err := g.bare.Exec(ctx, touchSQL, id)
		return err
	})
}

func (g *grove) move(ctx context.Context, id uuid.UUID) (float64, error) {
	var parent uuid.UUID
	if err := g.bare.QueryRow(ctx, parentsSQL, id).Scan(&parent); err != nil {
		return 0, fmt.Errorf("where to move: %w", err)
	}
	return timed(func() error {
		moved, err := g.st.Tenants.Move(ctx, id, parent)
		if err == nil && moved.ParentID != parent {
			err = errors.New("the tenant is not where it was moved to")
		}
		return err
	})
}

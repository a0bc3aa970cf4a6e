package forest

import (
	"context"
	"fmt"
	"runtime"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stratum-hq/stratum-go/core"

	"github.com/stratum-hq/stratum-go/bench/internal/sample"
)

const (
	ancestorsGoal = 1.1
	// leaves is how many tenants are asked for, at random.
	leaves = 500
	// sliceReads is how many reads one side does at a stretch, settleReads how many of them do not count.
	sliceReads  = 60
	settleReads = 5
)

const (
	columns = `id, label, path, parent_id, slug, external_id, name, status, metadata, position, created_at, updated_at`

	// fetchSQL is what ancestors are compared with: the same rows, where somebody knows their ids already.
	fetchSQL = `SELECT ` + columns + ` FROM stratum.tenants WHERE id = ANY($1) ORDER BY nlevel(path)`

	// lineSQL is the statement that core.Tenants.Ancestors sends, without its transaction.
	lineSQL = `SELECT ` + columns + ` FROM stratum.tenants WHERE label = ANY(
		(SELECT string_to_array(ltree2text(self.path), '.') FROM stratum.tenants self WHERE self.id = $1)::text[])
		ORDER BY nlevel(path)`

	// leavesSQL takes leaves at random, each with the ids of its line.
	leavesSQL = `SELECT t.id, array_agg(a.id ORDER BY nlevel(a.path))
		FROM (SELECT id, path FROM stratum.tenants WHERE nlevel(path) = $1 ORDER BY random() LIMIT $2) t
		JOIN stratum.tenants a ON a.label = ANY(string_to_array(ltree2text(t.path), '.'))
		GROUP BY t.id`
)

// leaf is a tenant and the ids of its line, root first, itself last.
type leaf struct {
	id   uuid.UUID
	line []uuid.UUID
}

// ancestors reads the line above leaves in three ways: by keys that are known, by the statement alone, and by core.
func (g *grove) ancestors(ctx context.Context) error {
	sampled, err := g.pickLeaves(ctx)
	if err != nil {
		return err
	}
	sides := []side{
		{name: "by-keys"},
		{name: "statement"},
		{name: "core", goal: sample.AtMost(ancestorsGoal)},
	}
	do := []func(leaf) (int, error){
		func(l leaf) (int, error) { return g.fetch(ctx, fetchSQL, l.line) },
		func(l leaf) (int, error) { return g.fetch(ctx, lineSQL, l.id) },
		func(l leaf) (int, error) {
			above, err := g.st.Tenants.Ancestors(ctx, l.id)
			return len(above) + 1, err
		},
	}
	err = sample.Turns(ctx, g.random, len(sides), g.Time, func(i int) error {
		median, err := g.readSlice(sampled, do[i])
		sides[i].times = append(sides[i].times, median)
		return err
	})
	if err != nil {
		return err
	}
	g.report("tree/ancestors", sides)
	return nil
}

func (g *grove) pickLeaves(ctx context.Context) ([]leaf, error) {
	rows, err := g.bare.Query(ctx, leavesSQL, g.Levels, leaves)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (l leaf, err error) {
		err = row.Scan(&l.id, &l.line)
		return l, err
	})
}

// readSlice returns the median time of one side's reads.
func (g *grove) readSlice(sampled []leaf, read func(leaf) (int, error)) (float64, error) {
	runtime.GC() // whoever goes next does not pay for the garbage of who went before
	times := make([]float64, 0, sliceReads)
	for range sliceReads {
		asked := sampled[g.random.IntN(len(sampled))]
		took, err := timed(func() error {
			n, err := read(asked)
			if err == nil && n != g.Levels {
				err = fmt.Errorf("%d tenants in a line of %d", n, g.Levels)
			}
			return err
		})
		if err != nil {
			return 0, err
		}
		times = append(times, took)
	}
	return sample.Median(times[settleReads:]), nil
}

// fetch reads tenants without Stratum, into the same type.
func (g *grove) fetch(ctx context.Context, query string, arg any) (int, error) {
	rows, err := g.bare.Query(ctx, query, arg)
	if err != nil {
		return 0, err
	}
	found, err := pgx.CollectRows(rows, scanTenant)
	return len(found), err
}

func scanTenant(row pgx.CollectableRow) (t core.Tenant, err error) {
	var (
		parent     uuid.NullUUID
		externalID *string
	)
	err = row.Scan(&t.ID, &t.Label, &t.Path, &parent, &t.Slug, &externalID, &t.Name, &t.Status, &t.Metadata,
		&t.Position, &t.CreatedAt, &t.UpdatedAt)
	t.ParentID = parent.UUID
	return t, err
}

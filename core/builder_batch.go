package core

import (
	"context"
	"database/sql"
	"slices"
	"sync"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/copies"
	"github.com/stratum-hq/stratum-go/internal/provision"
)

const (
	// batchWorkers is how many places of a batch are made at once. More of them wait for each other in the server's
	// catalog.
	batchWorkers = 2
	// batchChunk is how many schemas share a look at the model, and one at what has been made of it.
	batchChunk = 64
)

// buildAll is build for the tenants of a batch that are provisioning, parents first. It goes on where one fails, except
// with those beneath it, and returns an error for each that has, by index.
func (b *builder) buildAll(ctx context.Context, tenants []Tenant) map[int]error {
	failed := make(map[int]error)
	run := &batchRun{builder: b, makers: make(map[[3]string]*provision.Maker)}
	for _, level := range levels(tenants) {
		results := make(chan built, len(level))
		var g errgroup.Group
		g.SetLimit(batchWorkers)
		for _, job := range jobs(tenants, level) {
			g.Go(func() error {
				run.buildSome(ctx, tenants, job, results)
				return nil
			})
		}
		_ = g.Wait() // the errors are among the results
		close(results)
		for r := range results {
			if r.err != nil {
				failed[r.index] = r.err
			}
		}
	}
	return failed
}

// batchRun is one buildAll. What it knows of the schemas that it has made serves all chunks.
type batchRun struct {
	*builder

	mu     sync.Mutex
	makers map[[3]string]*provision.Maker // by placement, model and owner
}

// maker is the one for schemas at a placement.
func (b *batchRun) maker(placement, owner string, blueprint provision.Blueprint) *provision.Maker {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := [3]string{placement, blueprint.Hash(), owner}
	if b.makers[key] == nil {
		b.makers[key] = provision.NewMaker(blueprint, b.st.roles, owner)
	}
	return b.makers[key]
}

// built is what came of one tenant of a batch.
type built struct {
	index int
	err   error
}

// levels are the indexes of tenants that are provisioning: first those beneath none of the others, and so on.
func levels(tenants []Tenant) (levels [][]int) {
	depth := make(map[uuid.UUID]int)
	for i, t := range tenants {
		if t.Status != StatusProvisioning {
			continue
		}
		d := 0
		if above, ok := depth[t.ParentID]; ok {
			d = above + 1
		}
		depth[t.ID] = d
		if d == len(levels) {
			levels = append(levels, nil)
		}
		levels[d] = append(levels[d], i)
	}
	return levels
}

// jobs groups the tenants of a level by what is made in one go: schemas of one placement, up to a chunk. There are
// enough jobs for all workers to end at about the same time.
func jobs(tenants []Tenant, level []int) (jobs [][]int) {
	open := make(map[string]int)
	chunk := min(batchChunk, 1+(len(level)-1)/batchWorkers)
	for _, i := range level {
		t := tenants[i]
		at, ok := open[t.Placement]
		switch {
		case t.Isolation != SchemaIsolation:
			jobs = append(jobs, []int{i})
		case ok && len(jobs[at]) < chunk:
			jobs[at] = append(jobs[at], i)
		default:
			open[t.Placement] = len(jobs)
			jobs = append(jobs, []int{i})
		}
	}
	return jobs
}

// buildSome does one job. What does not go together goes one by one, and says then what is wrong with it.
func (b *batchRun) buildSome(ctx context.Context, tenants []Tenant, job []int, results chan<- built) {
	if len(job) > 1 {
		chunk := make([]Tenant, len(job))
		for k, i := range job {
			chunk[k] = tenants[i]
		}
		if b.buildSchemas(ctx, chunk) == nil {
			return
		}
	}
	for _, i := range job {
		results <- built{index: i, err: b.build(ctx, tenants[i])}
	}
}

// buildSchemas makes schemas of one placement: each in a transaction, looked at together, and then active together.
func (b *batchRun) buildSchemas(ctx context.Context, tenants []Tenant) error {
	labels := make([]string, len(tenants))
	for i, t := range tenants {
		labels[i] = t.Label.String()
	}
	return b.exclusively(ctx, labels, func() error {
		blueprint, err := b.blueprint(ctx)
		if err != nil {
			return err
		}
		p, err := b.st.placement(ctx, tenants[0].Placement)
		if err != nil {
			return err
		}
		owner, err := b.st.ownerOf(ctx, p)
		if err != nil {
			return err
		}
		if tenants, err = b.waiting(ctx, tenants); err != nil || len(tenants) == 0 {
			return err
		}
		if err := b.makeSchemas(ctx, owner, tenants, blueprint); err != nil {
			return err
		}
		for _, t := range tenants {
			if err := b.refreshSchema(ctx, owner, t.Label.String(), blueprint.Model); err != nil {
				return err
			}
		}
		return b.activateAll(ctx, tenants)
	})
}

// waiting are the tenants that are still provisioning.
func (b *builder) waiting(ctx context.Context, tenants []Tenant) (left []Tenant, err error) {
	var ids []uuid.UUID
	err = b.st.registryTx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT id FROM stratum.tenants WHERE id = ANY($1) AND status = 'provisioning'`,
			idsOf(tenants))
		if err != nil {
			return err
		}
		ids, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	for _, t := range tenants {
		if slices.Contains(ids, t.ID) {
			left = append(left, t)
		}
	}
	return left, statementError(ctx, err)
}

func idsOf(tenants []Tenant) []uuid.UUID {
	ids := make([]uuid.UUID, len(tenants))
	for i, t := range tenants {
		ids[i] = t.ID
	}
	return ids
}

func (b *batchRun) makeSchemas(
	ctx context.Context, owner *sql.DB, tenants []Tenant, blueprint provision.Blueprint,
) error {
	var login string
	if err := owner.QueryRowContext(ctx, "SELECT current_user").Scan(&login); err != nil {
		return err
	}
	maker := b.maker(tenants[0].Placement, login, blueprint)
	schemas := make([]provision.Schema, len(tenants))
	for i, t := range tenants {
		l := location{isolation: t.Isolation, placement: t.Placement, label: t.Label.String()}
		schemas[i] = provision.Schema{Name: l.schema(), Label: l.label, Roles: b.st.roles}
		err := inOwnerTx(ctx, owner, func(tx *sql.Tx) error {
			if err := maker.Make(ctx, tx, schemas[i]); err != nil || l.placement == homePlacement {
				return err
			}
			return b.resident(t.ID, l, StatusActive).Save(ctx, tx)
		})
		if err != nil {
			return err
		}
	}
	return inOwnerTx(ctx, owner, func(tx *sql.Tx) error { return maker.Verify(ctx, tx, schemas) })
}

// activateAll is activate for several tenants of one placement with schemas.
func (b *builder) activateAll(ctx context.Context, tenants []Tenant) error {
	const statement = `UPDATE stratum.tenants SET status = 'active', updated_at = clock_timestamp(),
			told_status = CASE WHEN placement <> 'home' THEN 'active' END
		WHERE id = ANY($1) AND status = 'provisioning'`
	err := b.st.registryTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, statement, idsOf(tenants)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, copies.NotifyTargets)
		return err
	})
	if err == nil {
		b.st.cached.catchUp(ctx)
	}
	return statementError(ctx, err)
}

// blueprint reads what places are made from.
func (b *builder) blueprint(ctx context.Context) (blueprint provision.Blueprint, err error) {
	schema, err := b.st.Fleet.baseSchema()
	if err != nil {
		return blueprint, err
	}
	db, err := b.st.OwnerDB(access.Token{})
	if err != nil {
		return blueprint, err
	}
	err = inOwnerTx(ctx, db, func(tx *sql.Tx) error {
		blueprint, err = provision.ReadBlueprint(ctx, tx, schema)
		return err
	})
	return blueprint, err
}

package entstratum_test

import (
	"context"
	stdsql "database/sql"
	"maps"
	"slices"
	"strings"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/ticket"
	"github.com/stratum-hq/stratum-go/internal/conformance"
)

// clients are the ways in which an application makes a client of one driver.
type clients struct {
	plain *ent.Client
	// nosy has hooks and interceptors of the application's, which run statements of their own and widen conditions.
	nosy *ent.Client
	pool *stdsql.DB
}

func newClients(drv dialect.Driver, pool *stdsql.DB) clients {
	open := func() *ent.Client { return ent.NewClient(ent.Driver(drv), ent.Log(func(...any) {})) }
	c := clients{plain: open(), nosy: open(), pool: pool}
	makeNosy(c.nosy)
	return c
}

// allPaths are the ways to the database that the suite takes.
func allPaths(c clients) []conformance.Path {
	return slices.Concat(
		queryPaths(c.plain), againPaths(c.plain), columnPaths(c.plain), orderPaths(c.plain), lockPaths(c.plain),
		predicatePaths(c.plain), widenPaths(c.plain), textPaths(c.plain), filterPaths(c.plain),
		modifierPaths(c.plain), traversalPaths(c.plain), eagerPaths(c.plain), oraclePaths(c.plain),
		createPaths(c.plain), stampPaths(c.plain), upsertPaths(c.plain), upsertBulkPaths(c.plain),
		updatePaths(c.plain), updateOnePaths(c.plain), deletePaths(c.plain), setPaths(c.plain),
		linkPaths(c.plain), unlinkPaths(c.plain), foreignLinkPaths(c.plain), throughPaths(c.plain),
		rawPaths(c.plain), poolPaths(c.pool), transactionPaths(c.plain), transactionWritePaths(c.plain),
		nosyReadPaths(c.nosy), nosyWritePaths(c.nosy), attackPaths(c.plain),
	)
}

// read and write are paths in short. what a read returns is printed.
type (
	target = conformance.Target
	read   func(ctx context.Context, x target) (any, error)
	write  func(ctx context.Context, x target) error
)

// reading makes paths of reads, in a fixed order.
func reading(all map[string]read) []conformance.Path {
	paths := make([]conformance.Path, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		paths = append(paths, conformance.Path{Name: name, Effect: conformance.Reads, Run: all[name]})
	}
	return paths
}

// writing makes paths of writes.
func writing(all map[string]write) []conformance.Path {
	paths := make([]conformance.Path, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		paths = append(paths, conformance.Path{
			Name: name, Effect: conformance.Writes,
			Run: func(ctx context.Context, x target) (any, error) { return nil, all[name](ctx, x) },
		})
	}
	return paths
}

// refusing says with which error the system is refused on paths.
func refusing(err error, paths []conformance.Path) []conformance.Path {
	for i := range paths {
		paths[i].System = err
	}
	return paths
}

// told returns what a caller learns of a secret from something that is not a text.
func told[T comparable](x target, answer T, err error) (any, error) {
	var nothing T
	if ent.IsNotFound(err) || err == nil && answer == nothing {
		return nil, nil //nolint:nilnil // nothing was learned
	}
	if err != nil {
		return nil, err
	}
	return x.Secret, nil
}

// found leaves out the error of a row that is not there: the other callers do not find it.
func found[T any](v T, err error) (any, error) {
	if ent.IsNotFound(err) {
		return nil, nil //nolint:nilnil // nothing was found
	}
	return v, err
}

// each collects what fn returns of the rows.
func each[T, V any](rows []T, err error, fn func(T) V) (any, error) {
	all := make([]V, 0, len(rows))
	for _, row := range rows {
		all = append(all, fn(row))
	}
	return all, err
}

// scanned reads rows of one text column.
func scanned(rows *stdsql.Rows, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells more
	var all []string
	for rows.Next() {
		var title stdsql.NullString
		if err := rows.Scan(&title); err != nil {
			return nil, err
		}
		all = append(all, title.String)
	}
	return all, rows.Err()
}

// withTx is what ent's documentation has an application write.
func withTx(ctx context.Context, c *ent.Client, fn func(tx *ent.Tx) error) error {
	tx, err := c.Tx(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it has nothing to do
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// owner is a context of the tenant whose rows are aimed at: what an application may have got under it before the caller
// came.
func owner(ctx context.Context, x target) context.Context { return core.WithTenant(ctx, x.Tenant) }

// owned returns the ticket as its owner has read it.
func owned(ctx context.Context, c *ent.Client, x target) (*ent.Ticket, error) {
	return c.Ticket.Query().Where(ticket.ID(x.Ticket)).Only(owner(ctx, x))
}

// text is a condition in SQL of the application's own, with a question mark for each argument.
func text(condition string, args ...any) func(*sql.Selector) {
	return func(s *sql.Selector) {
		s.Where(sql.P(func(b *sql.Builder) {
			for i, part := range strings.Split(condition, "?") {
				if i > 0 {
					b.Arg(args[i-1])
				}
				b.WriteString(part)
			}
		}))
	}
}

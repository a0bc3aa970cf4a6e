package conformance

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// resident is a tenant of the suite and where its rows are.
type resident struct {
	Target
	place
	shared bool // with whoever else is in the tables
}

func (r resident) holding() holding { return holding{r.place, r.Tenant} }

// world is the databases of a suite: tenants with rows of the same shape, one of them suspended.
type world struct {
	server    *server
	base      place   // the shared tables of the registry's database
	common    []place // all shared tables
	target    resident
	other     resident
	suspended resident
}

func newWorld(t *testing.T, s Suite) *world {
	t.Helper()
	w := &world{server: newServer(s.AdminDSN)}
	w.base = place{w.server.connect(t.Context(), t, ""), public}
	w.share(w.base)
	w.target = w.settle(t, s, "target", s.Mix.Target)
	w.other = w.settle(t, s, "other", s.Mix.Other)
	w.suspended = w.settle(t, s, "suspended", s.Mix.Suspended)
	require.NoError(t, s.Stratum.Tenants.Suspend(t.Context(), w.suspended.Tenant))
	return w
}

// settle makes a tenant and finds its place. Suites may share a database, so that slugs have a part of their own.
func (w *world) settle(t *testing.T, s Suite, name string, l Lodging) resident {
	t.Helper()
	l = l.withDefaults()
	tenant, err := s.Stratum.Tenants.Create(t.Context(), core.NewTenant{
		Name: name, Slug: name + "-" + strings.ToLower(rand.Text()[:8]), Isolation: l.Isolation, Placement: l.Placement,
	})
	require.NoError(t, err)
	require.Equal(t, core.StatusActive, tenant.Status)
	r := resident{Target: newTarget(tenant.ID, name), shared: l.Isolation == core.SharedIsolation}
	r.place = place{w.base.database, public}
	if l.Placement != home {
		r.database = w.server.connect(t.Context(), t, s.Placements[l.Placement])
		w.share(r.place)
	}
	switch l.Isolation {
	case core.SharedIsolation:
	case core.SchemaIsolation:
		r.schema = "t_" + tenant.Label.String()
	case core.DatabaseIsolation:
		r.database = w.server.connect(t.Context(), t, w.databaseOf(t, r.database, tenant.Label.String()))
	}
	w.server.watch(r.place)
	return r
}

// share has the shared tables of a database be part of the truth.
func (w *world) share(p place) {
	if !slices.Contains(w.common, p) {
		w.common = append(w.common, p)
		w.server.watch(p)
	}
}

// databaseOf is the name of the database that a tenant has of its own, beside the one of its placement.
func (w *world) databaseOf(t *testing.T, beside, label string) (name string) {
	t.Helper()
	const query = `SELECT d.datname FROM pg_database d JOIN pg_database b ON b.datdba = d.datdba
		WHERE b.datname = $1 AND d.datname <> $1 AND d.datname LIKE '%\_t\_' || $2`
	require.NoError(t, w.server.open[beside].QueryRow(t.Context(), query, beside, label).Scan(&name))
	return name
}

// residents are all of them.
func (w *world) residents() []resident { return []resident{w.target, w.other, w.suspended} }

// seed puts the rows of all tenants back to what they are at the start of each cell. In shared tables that are not the
// tenant's there are its rows too, as a move would leave them behind.
func (w *world) seed(ctx context.Context, t *testing.T) {
	t.Helper()
	for _, database := range w.server.databases() {
		w.server.write(ctx, t, database, func(batch *pgx.Batch) {
			for _, r := range w.residents() {
				if r.database == database {
					r.queue(batch, r.schema)
				}
				for _, p := range w.common {
					if p.database == database && p != r.place {
						r.leftover().queue(batch, p.schema)
					}
				}
			}
		})
	}
}

// empty leaves nothing for the next suite.
func (w *world) empty(ctx context.Context, t *testing.T) {
	t.Helper()
	require.Empty(t, w.server.strays(ctx, t), "LEAK: rows in tables of nobody's")
	for _, database := range w.server.databases() {
		w.server.write(ctx, t, database, func(*pgx.Batch) {})
	}
}

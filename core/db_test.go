package core_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// invoices is a tenant-owned table made by hand.
const invoices = `
CREATE TABLE invoices (tenant_id uuid NOT NULL DEFAULT stratum.tenant_id(), id int, PRIMARY KEY (tenant_id, id));
ALTER TABLE invoices ENABLE ROW LEVEL SECURITY;
ALTER TABLE invoices FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON invoices TO stratum_tenant, stratum_subtree, stratum_system;
CREATE POLICY tenant ON invoices TO stratum_tenant USING (tenant_id = stratum.tenant_id());
CREATE POLICY subtree ON invoices FOR SELECT TO stratum_subtree
	USING (tenant_id = ANY ((SELECT stratum.visible_tenants())::uuid[]));
CREATE POLICY subtree_write ON invoices TO stratum_subtree USING (tenant_id = stratum.tenant_id());
CREATE POLICY system ON invoices TO stratum_system USING (true);
CREATE POLICY owner ON invoices TO CURRENT_USER USING (stratum.admit_owner());`

// business is a database with a small tree of tenants, each with an invoice: msp, its child acme, and beside them globex.
func business(t *testing.T) (st *core.Stratum, msp, acme, globex uuid.UUID) {
	t.Helper()
	st, d := stratumtest.Open(t)
	runAs(t, d.OwnerDSN, invoices)
	for _, tenant := range []struct {
		id     *uuid.UUID
		slug   string
		parent *uuid.UUID
	}{{&msp, "msp", new(uuid.UUID)}, {&acme, "acme", &msp}, {&globex, "globex", new(uuid.UUID)}} {
		created, err := st.Tenants.Create(t.Context(),
			core.NewTenant{Name: tenant.slug, Slug: tenant.slug, Parent: *tenant.parent})
		require.NoError(t, err)
		*tenant.id = created.ID
		_, err = st.DB().ExecContext(core.WithTenant(t.Context(), created.ID), "INSERT INTO invoices (id) VALUES (1)")
		require.NoError(t, err)
	}
	return st, msp, acme, globex
}

func invoicesOf(t *testing.T, db *sql.DB, ctx context.Context) (n int) { //nolint:revive // t first
	t.Helper()
	require.NoError(t, db.QueryRowContext(ctx, "SELECT count(*) FROM invoices").Scan(&n))
	return n
}

// TestDBIsScoped for plain database/sql: each scope sees and writes what it should.
func TestDBIsScoped(t *testing.T) {
	t.Parallel()
	st, msp, acme, globex := business(t)
	ctx, db := t.Context(), st.DB()
	for _, id := range []uuid.UUID{msp, acme, globex} {
		require.Equal(t, 1, invoicesOf(t, db, core.WithTenant(ctx, id)))
	}
	require.Equal(t, 2, invoicesOf(t, db, core.WithSubtree(ctx, msp)))
	require.Equal(t, 1, invoicesOf(t, db, core.WithSubtree(ctx, globex)))
	require.Equal(t, 3, invoicesOf(t, db, core.AsSystem(ctx, "a test counts")))
	require.ErrorIs(t, db.QueryRowContext(ctx, "SELECT count(*) FROM invoices").Scan(new(int)), core.ErrNoTenant)

	for name, write := range map[string]string{
		"delete": "DELETE FROM invoices", "update": "UPDATE invoices SET id = id + 10",
	} {
		for _, scoped := range []context.Context{core.WithTenant(ctx, msp), core.WithSubtree(ctx, msp)} {
			tx, err := db.BeginTx(scoped, nil)
			require.NoError(t, err)
			result, err := tx.ExecContext(scoped, write)
			require.NoError(t, err, name)
			affected, err := result.RowsAffected()
			require.NoError(t, err)
			require.EqualValues(t, 1, affected, name)
			require.NoError(t, tx.Rollback())
		}
	}
	_, err := db.ExecContext(core.WithTenant(ctx, acme), "INSERT INTO invoices (tenant_id, id) VALUES ($1, 2)", globex)
	require.ErrorIs(t, err, core.ErrCrossTenant)
	_, err = db.ExecContext(core.WithSubtree(ctx, msp), "INSERT INTO invoices (tenant_id, id) VALUES ($1, 2)", acme)
	require.ErrorIs(t, err, core.ErrCrossTenant, "a subtree reads further than it writes")
	_, err = db.ExecContext(core.AsSystem(ctx, "a test writes"), "INSERT INTO invoices (tenant_id, id) VALUES ($1, 2)", acme)
	require.NoError(t, err)
	_, err = db.ExecContext(core.AsSystem(ctx, "a test writes"), "INSERT INTO invoices (id) VALUES (2)")
	require.ErrorIs(t, err, core.ErrNoTenant, "the system says whose a row is")
	require.Equal(t, 2, invoicesOf(t, db, core.WithTenant(ctx, acme)))
}

// TestOwnerIsTold instead of seeing an empty table.
func TestOwnerIsTold(t *testing.T) {
	t.Parallel()
	st, d := stratumtest.Open(t)
	runAs(t, d.OwnerDSN, invoices)
	options := d.Options()
	options.DSN = d.OwnerDSN
	_, err := core.Open(t.Context(), options)
	require.Error(t, err, "the owner is no login for tenants")
	require.NoError(t, st.Ping(t.Context()))
}

func ExampleStratum_DB() {
	ctx := context.Background()
	server, err := stratumtest.Start(ctx, stratumtest.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = server.Close(ctx) }()
	database, err := server.CreateDatabase(ctx, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	st, err := core.Open(ctx, database.Options())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = st.Close() }()
	if err := st.Migrate(ctx); err != nil {
		fmt.Println(err)
		return
	}
	acme, err := st.Tenants.Create(ctx, core.NewTenant{Name: "Acme", Slug: "acme"})
	if err != nil {
		fmt.Println(err)
		return
	}
	var same bool
	err = st.DB().QueryRowContext(core.WithTenant(ctx, acme.ID), "SELECT stratum.tenant_id() = $1", acme.ID).Scan(&same)
	fmt.Println(same, err)
	// Output: true <nil>
}

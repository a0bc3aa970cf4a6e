package core_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	d := stratumtest.EmptyDatabase(t)
	for _, mode := range []string{"", "cache_describe", "describe_exec", "simple_protocol"} {
		dsn := d.DSN
		if mode != "" {
			dsn += "&default_query_exec_mode=" + mode
		}
		t.Log(dsn)
		st, err := core.Open(ctx, core.Options{DSN: dsn, OwnerDSN: d.OwnerDSN, SystemDSN: d.SystemDSN})
		require.NoError(t, err)
		require.NoError(t, st.Migrate(ctx))
		a, err := st.Tenants.Create(ctx, core.NewTenant{Name: "A", Slug: "a" + uuid.NewString()[:8]})
		require.NoError(t, err)
		admin, err := pgx.Connect(ctx, d.AdminDSN)
		require.NoError(t, err)
		_, err = admin.Exec(ctx, `drop table if exists t; create table t (tenant_id uuid not null default stratum.tenant_id(), id int, v text, unique(v) deferrable initially deferred); alter table t enable row level security; alter table t force row level security;
			grant all on t to stratum_tenant, stratum_system; create policy p on t to stratum_tenant using (tenant_id=stratum.tenant_id()); create policy s on t to stratum_system using (true)`, pgx.QueryExecModeSimpleProtocol)
		require.NoError(t, err)
		_, err = st.DB().ExecContext(ctx, "insert into t(id) values (1)")
		require.ErrorIs(t, err, core.ErrNoTenant)
		tctx := core.WithTenant(ctx, a.ID)
		for i := range 5 {
			_, err = st.DB().ExecContext(tctx, "insert into t(id, v) values ($1, $2)", i, "it's "+uuid.NewString())
			require.NoError(t, err)
		}
		rows, err := st.DB().QueryContext(tctx, "select id, v, now(), tenant_id, 1.5::float8, '{\"a\":1}'::jsonb, true, null::int from t order by id")
		require.NoError(t, err)
		n := 0
		for rows.Next() {
			var id int
			var v string
			var at time.Time
			var ten uuid.UUID
			var f float64
			var j []byte
			var b bool
			var null sql.NullInt64
			require.NoError(t, rows.Scan(&id, &v, &at, &ten, &f, &j, &b, &null))
			require.Equal(t, n, id)
			require.Equal(t, a.ID, ten)
			n++
		}
		require.NoError(t, rows.Err())
		require.Equal(t, 5, n)
		_, err = st.DB().ExecContext(tctx, "insert into t(id, v) values (7, 'x'), (8, 'x')")
		require.ErrorIs(t, err, core.ErrDuplicateKey)
		var x int
		err = st.DB().QueryRowContext(tctx, "insert into t(id, v) values (7, 'x'), (8, 'x') returning id").Scan(&x)
		t.Log(err)
		require.Error(t, err)
		tx, err := st.DB().BeginTx(tctx, nil)
		require.NoError(t, err)
		_, err = tx.ExecContext(tctx, "insert into t(id) values (100)")
		require.NoError(t, err)
		_, err = tx.ExecContext(ctx, "insert into t(id) values (100)")
		require.ErrorIs(t, err, core.ErrNoTenant)
		require.NoError(t, tx.Commit())
		var cnt int
		require.NoError(t, st.DB().QueryRowContext(core.AsSystem(ctx, "count"), "select count(*) from t").Scan(&cnt))
		require.Equal(t, 6, cnt)
		_, err = st.DB().ExecContext(tctx, "do $$ begin delete from t; commit; end $$")
		require.Error(t, err)
		t.Log(err)
		require.NoError(t, st.DB().QueryRowContext(core.AsSystem(ctx, "count"), "select count(*) from t").Scan(&cnt))
		require.Equal(t, 6, cnt)
		_, err = st.DB().ExecContext(tctx, "do $$ begin delete from t where id = 100; end $$")
		require.NoError(t, err)
		err = st.Tenants.Suspend(ctx, a.ID)
		require.NoError(t, err)
		_, err = st.DB().ExecContext(tctx, "insert into t(id) values (1)")
		require.ErrorIs(t, err, core.ErrTenantNotActive)
		_, err = st.DB().BeginTx(tctx, nil)
		require.ErrorIs(t, err, core.ErrTenantNotActive)
		_, err = st.DB().BeginTx(core.WithTenant(ctx, uuid.New()), nil)
		require.ErrorIs(t, err, core.ErrTenantUnknown)
		require.NoError(t, st.Close())
	}
}

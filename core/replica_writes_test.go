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
)

// writes are all ways to write a note.
func writes(st *core.Stratum) map[string]func(ctx context.Context, body string) error {
	db := st.DB()
	return map[string]func(ctx context.Context, body string) error{
		"exec": func(ctx context.Context, body string) error {
			_, err := db.ExecContext(ctx, "INSERT INTO notes (body) VALUES ($1)", body)
			return err
		},
		"returning": func(ctx context.Context, body string) error {
			return db.QueryRowContext(ctx, "INSERT INTO notes (body) VALUES ($1) RETURNING id", body).Scan(new(int64))
		},
		"function": func(ctx context.Context, body string) error {
			return db.QueryRowContext(ctx, "SELECT write_note($1) -- a comment", body).Scan(new(int64))
		},
		"do": func(ctx context.Context, body string) error {
			_, err := db.ExecContext(ctx, "DO $$ BEGIN INSERT INTO notes (body) VALUES ('"+body+"'); END $$")
			return err
		},
		"transaction": func(ctx context.Context, body string) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback() }()
			if _, err := tx.ExecContext(ctx, "INSERT INTO notes (body) VALUES ($1)", body); err != nil {
				return err
			}
			return tx.Commit()
		},
		"tx of pgx": func(ctx context.Context, body string) error {
			return st.BeginFunc(ctx, func(tx *core.Tx) error {
				rows := pgx.CopyFromRows([][]any{{body}})
				_, err := tx.CopyFrom(ctx, pgx.Identifier{"notes"}, []string{"body"}, rows)
				return err
			})
		},
	}
}

func replicaOwnWrites(t *testing.T, c *cluster, e estate) {
	t.Helper()
	other := e.create(t, core.NewTenant{Slug: "bystander"})
	tenants := map[string]uuid.UUID{}
	for name := range writes(e.st) {
		for _, isolation := range isolations() {
			if name == "function" && isolation == core.DatabaseIsolation {
				continue // functions are the registry's
			}
			tenant := e.create(t, core.NewTenant{Slug: "w-" + string(isolation) + "-" + uuid.NewString()[:8], Isolation: isolation})
			tenants[name+" "+string(isolation)] = tenant.ID
		}
	}
	c.settle(t)
	comesToReplica(reader(t, other.ID), t, e.st)
	for _, tenant := range tenants {
		comesToReplica(reader(t, tenant), t, e.st)
	}
	c.pause(t)
	defer c.resume(t)
	for name, write := range writes(e.st) {
		for _, isolation := range isolations() {
			tenant, ok := tenants[name+" "+string(isolation)]
			if !ok {
				continue
			}
			ctx := reader(t, tenant)
			for _, body := range []string{"a", "b"} {
				require.NoError(t, write(ctx, body), name)
			}
			for range 3 {
				requireBodies(ctx, t, e.st.DB(), "a,b")
			}
			require.False(t, onReplica(ctx, t, e.st.DB()), name)
			tx, err := e.st.DB().BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
			require.NoError(t, err)
			requireBodies(ctx, t, tx, "a,b")
			require.NoError(t, tx.Rollback())
		}
	}
	require.True(t, onReplica(reader(t, other.ID), t, e.st.DB()), "others are not held up")
	replicaSystemWrites(t, e, other.ID)
	c.resume(t)
	for name, tenant := range tenants {
		ctx := reader(t, tenant)
		comesToReplica(ctx, t, e.st)
		requireBodies(ctx, t, e.st.DB(), "a,b")
		// What only reads on the primary is no write.
		c.settle(t)
		require.False(t, onReplica(core.WithTenant(t.Context(), tenant), t, e.st.DB()))
		require.True(t, onReplica(ctx, t, e.st.DB()), name)
	}
}

// replicaSystemWrites runs while replay is paused.
func replicaSystemWrites(t *testing.T, e estate, tenant uuid.UUID) {
	t.Helper()
	at := core.AsSystemAt(t.Context(), "test", tenant)
	_, err := e.st.DB().ExecContext(at, "INSERT INTO notes (tenant_id, body) VALUES ($1, 'for you')", tenant)
	require.NoError(t, err)
	requireBodies(reader(t, tenant), t, e.st.DB(), "for you")
	system := core.WithReplica(core.AsSystem(t.Context(), "test"))
	_, err = e.st.DB().ExecContext(system, "INSERT INTO countries VALUES ('xx', 'Nowhere')")
	require.NoError(t, err)
	var name string
	require.NoError(t, e.st.DB().QueryRowContext(system, "SELECT name FROM countries WHERE code = 'xx'").Scan(&name))
}

// A function that a query calls writes: the replica refuses, and the primary does it once.
func replicaWriteInQuery(t *testing.T, _ *cluster, e estate) {
	t.Helper()
	tenant := e.create(t, core.NewTenant{Slug: "writes-in-query"})
	ctx := reader(t, tenant.ID)
	comesToReplica(ctx, t, e.st)
	require.NoError(t, e.st.DB().QueryRowContext(ctx, "SELECT write_note('once')").Scan(new(int64)))
	requireBodies(ctx, t, e.st.DB(), "once")
	tx, err := e.st.DB().BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	require.NoError(t, err)
	require.Error(t, tx.QueryRowContext(ctx, "SELECT write_note('never')").Scan(new(int64)), "read-only is what was asked for")
	require.NoError(t, tx.Rollback())
	// Errors are those of the primary.
	require.ErrorContains(t, e.st.DB().QueryRowContext(ctx, "SELECT 1 / 0").Scan(new(int)), "division by zero")
	require.ErrorContains(t, e.st.DB().QueryRowContext(ctx, "SELECT nonsense").Scan(new(int)), "nonsense")
}

func replicaTokens(t *testing.T, c *cluster, e estate) {
	t.Helper()
	tenant := e.create(t, core.NewTenant{Slug: "tokens"})
	ctx := reader(t, tenant.ID)
	other := e.open(t, c.replicas)
	c.settle(t)
	comesToReplica(ctx, t, other)
	c.pause(t)
	defer c.resume(t)
	note(t, e.st, tenant.ID, "elsewhere")
	token, err := e.st.WriteToken(ctx)
	require.NoError(t, err)
	require.True(t, onReplica(ctx, t, other.DB()), "it knows nothing of the write")
	requireBodies(ctx, t, other.DB(), "")
	for range 3 {
		requireBodies(core.AfterWrite(ctx, token), t, other.DB(), "elsewhere")
	}
	require.True(t, onReplica(core.AfterWrite(ctx, ""), t, other.DB()))
	for _, wrong := range []string{"nonsense", "-", "1-", "zz-1", token + "0", "1" + token} {
		require.False(t, onReplica(core.AfterWrite(ctx, wrong), t, other.DB()), wrong)
	}
	_, err = e.st.WriteToken(t.Context())
	require.ErrorIs(t, err, core.ErrNoTenant)
	c.resume(t)
	comesToReplica(core.AfterWrite(core.AfterWrite(ctx, token), "zz-1"), t, other)
	requireBodies(core.AfterWrite(ctx, token), t, other.DB(), "elsewhere")
}

func replicaLag(t *testing.T, c *cluster, e estate) {
	t.Helper()
	tenant := e.create(t, core.NewTenant{Slug: "lag"})
	ctx := reader(t, tenant.ID)
	careful := e.open(t, c.replicas, func(o *core.Options) { o.MaxReplicaLag = 300 * time.Millisecond })
	comesToReplica(ctx, t, careful)
	c.pause(t)
	defer c.resume(t)
	note(t, e.st, tenant.ID, "by another program")
	require.Eventually(t, func() bool { return !onReplica(ctx, t, careful.DB()) }, time.Minute, 20*time.Millisecond)
	for range 5 {
		requireBodies(ctx, t, careful.DB(), "by another program")
	}
	c.resume(t)
	comesToReplica(ctx, t, careful)
}

// All ways of sending statements take part.
func replicaModes(t *testing.T, c *cluster, e estate) {
	t.Helper()
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "simple_protocol"} {
		st := e.open(t, c.replicas, func(o *core.Options) { o.DSN += "&default_query_exec_mode=" + mode })
		for name, write := range writes(st) {
			tenant := e.create(t, core.NewTenant{Slug: "mode-" + uuid.NewString()[:8]})
			ctx := reader(t, tenant.ID)
			comesToReplica(ctx, t, st)
			requireBodies(ctx, t, st.DB(), "")
			c.pause(t)
			require.NoError(t, write(ctx, "a"), name)
			requireBodies(ctx, t, st.DB(), "a")
			c.resume(t)
			comesToReplica(ctx, t, st)
			requireBodies(ctx, t, st.DB(), "a")
			require.Error(t, st.DB().QueryRowContext(ctx, "SELECT nonsense").Scan(new(int)), mode)
			tx, err := st.DB().BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
			require.NoError(t, err)
			require.True(t, onReplica(ctx, t, tx), mode)
			require.NoError(t, tx.Commit())
		}
	}
}

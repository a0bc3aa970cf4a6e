package core_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// TestTenantsErrorTexts shows that an error names the operation and the cure.
func TestTenantsErrorTexts(t *testing.T) {
	t.Parallel()
	f := newForest(t)
	parent := f.add(t, uuid.Nil)
	child := f.add(t, parent.ID)
	archived := f.add(t, uuid.Nil)
	require.NoError(t, f.Archive(t.Context(), archived.ID))
	_, missing := f.Get(t.Context(), unknownID)
	_, cycle := f.Move(t.Context(), parent.ID, child.ID)
	_, batch := f.CreateBatch(t.Context(), []core.NewTenant{{Slug: "x-1", Name: "n"}, {Slug: "X", Name: "n"}})
	for text, err := range map[string]error{
		"get tenant: stratum: no such tenant (check":                                               missing,
		"suspend tenant: stratum: the tenant has active children (suspend":                         f.Suspend(t.Context(), parent.ID),
		"resume tenant: stratum: cannot resume a tenant, one that is active (only":                 f.Resume(t.Context(), parent.ID),
		"suspend tenant: stratum: cannot suspend a tenant, one that is archived (restore it first": f.Suspend(t.Context(), archived.ID),
		"move tenant: stratum: a tenant cannot be moved beneath itself":                            cycle,
		`create tenants: tenant 1, "X": stratum: Slug must be a lower-case letter`:                 batch,
		"create tenant: stratum: another tenant has this Slug (choose another one)": createError(t, f,
			core.NewTenant{Name: "n", Slug: parent.Slug}),
		"create tenant: stratum: cannot create a tenant beneath one that is archived (restore": createError(t, f,
			core.NewTenant{Name: "n", Slug: f.slug(), Parent: archived.ID}),
		"reorder children: stratum: the order must have each child exactly once (list them with Tenants.Children): 1 " +
			"missing, 0 unknown, 0 repeated": f.Reorder(t.Context(), parent.ID, nil),
	} {
		require.ErrorContains(t, err, text)
		require.True(t, strings.HasPrefix(err.Error(), text))
	}
}

// raise makes every insert into the table fail with a SQLSTATE and a text that must not be seen.
func (f forest) raise(t *testing.T, code, constraint string) {
	t.Helper()
	_, err := f.admin.Exec(t.Context(), `
		CREATE OR REPLACE FUNCTION public.sabotage() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			RAISE EXCEPTION 'secret' USING ERRCODE = '`+code+`', CONSTRAINT = '`+constraint+`';
		END $$;
		CREATE OR REPLACE TRIGGER sabotage BEFORE INSERT ON stratum.tenants EXECUTE FUNCTION public.sabotage()`)
	require.NoError(t, err)
}

// TestTenantsForeignWriter shows what becomes of the errors that only the database can raise: those of another program
// in the table, or of a database that is not as it should be.
func TestTenantsForeignWriter(t *testing.T) {
	t.Parallel()
	f := newForest(t)
	for _, c := range []struct {
		code, constraint string
		want             error
	}{
		{"23505", "tenants_pkey", core.ErrTenantExists},
		{"23505", "tenants_slug_key", core.ErrTenantExists},
		{"23505", "tenants_external_id_key", core.ErrTenantExists},
		{"23514", "tenants_slug_check", core.ErrInvalidTenant},
		{"23514", "tenants_name_check", core.ErrInvalidTenant},
		{"23514", "tenants_external_id_check", core.ErrInvalidTenant},
		{"23514", "tenants_metadata_check", core.ErrInvalidTenant},
		{"23514", "tenants_depth_check", core.ErrDepth},
		{"23503", "tenants_parent_id_fkey", core.ErrTenantNotFound},
		{"ST005", "", core.ErrTenantState},
	} {
		f.raise(t, c.code, c.constraint)
		err := createError(t, f, core.NewTenant{Name: "n", Slug: f.slug()})
		require.ErrorIs(t, err, c.want, "%s %s", c.code, c.constraint)
		require.NotContains(t, err.Error(), "secret")
	}
	for _, code := range []string{"42501", "42P01", "40001", "40P01", "ST006", "XX000", "23505"} {
		f.raise(t, code, "another_constraint")
		err := createError(t, f, core.NewTenant{Name: "n", Slug: f.slug()})
		var refused *core.DatabaseError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, code, refused.Code)
		require.ErrorContains(t, err, "SQLSTATE "+code)
		require.NotContains(t, err.Error(), "secret")
		var server *pgconn.PgError
		require.ErrorAs(t, err, &server)
		require.Equal(t, "secret", server.Message)
	}
}

// TestTenantsRetry shows that the victim of another program's deadlock is tried again.
func TestTenantsRetry(t *testing.T) {
	t.Parallel()
	f := newForest(t)
	_, err := f.admin.Exec(t.Context(), `
		CREATE SEQUENCE public.attempts;
		GRANT USAGE ON SEQUENCE public.attempts TO PUBLIC;
		CREATE FUNCTION public.sabotage() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF nextval('public.attempts') < 3 THEN
				RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01';
			END IF;
			RETURN NULL;
		END $$;
		CREATE TRIGGER sabotage BEFORE INSERT ON stratum.tenants EXECUTE FUNCTION public.sabotage()`)
	require.NoError(t, err)
	created, err := f.CreateBatch(t.Context(), []core.NewTenant{
		{Name: "n", Slug: "top"}, {Name: "n", Slug: "beneath", ParentSlug: "top"},
	})
	require.NoError(t, err)
	require.Len(t, created, 2)
	require.Equal(t, created[0].ID, created[1].ParentID)
}

// endedContext has ended, but whoever waits for it has not heard of it yet.
type endedContext struct{ context.Context } //nolint:containedctx // it is a context

func (endedContext) Err() error { return context.Canceled }

func TestTenantsContext(t *testing.T) {
	t.Parallel()
	f := newForest(t)
	root := f.add(t, uuid.Nil)
	t.Run("a context that has ended is its error", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := f.Get(ctx, root.ID)
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("a server that was told to stop is not to blame", func(t *testing.T) {
		t.Parallel()
		sabotaged := newForest(t)
		sabotaged.raise(t, "57014", "")
		_, err := sabotaged.Create(endedContext{t.Context()}, core.NewTenant{Name: "n", Slug: "a"})
		require.ErrorIs(t, err, context.Canceled)
		_, err = sabotaged.Create(t.Context(), core.NewTenant{Name: "n", Slug: "a"}) // an administrator's doing
		var refused *core.DatabaseError
		require.ErrorAs(t, err, &refused)
	})
	t.Run("an operation that waits for a lock ends with the context", func(t *testing.T) {
		t.Parallel()
		tx, err := f.admin.Begin(t.Context())
		require.NoError(t, err)
		defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
		_, err = tx.Exec(t.Context(), "SELECT FROM stratum.tenants WHERE id = $1 FOR UPDATE", root.ID)
		require.NoError(t, err)
		for _, operation := range f.lifecycle() {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			err := operation(ctx, root.ID)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
			var server *core.DatabaseError
			require.NotErrorAs(t, err, &server)
		}
	})
}

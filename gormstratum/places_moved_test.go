package gormstratum_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// move brings a tenant of the shared tables into the schema of another, who leaves it, as a mover would: rows are copied,
// and the registry is told. The label goes with the schema.
func (d desk) move(t *testing.T, r resident) {
	t.Helper()
	schema := "t_" + r.Label.String()
	spare := d.lodge(t, "spare-"+r.Slug, core.SchemaIsolation)
	d.exec(t, d.AdminDSN, fmt.Sprintf(`
		BEGIN;
		DELETE FROM %[1]s.tickets; DELETE FROM %[1]s.bills;
		ALTER SCHEMA %[1]s RENAME TO %[2]s;
		DO $$ DECLARE p record; BEGIN
			FOR p IN SELECT * FROM pg_policies WHERE schemaname = '%[2]s' LOOP
				EXECUTE format('ALTER POLICY %%I ON %[2]s.%%I %%s %%s', p.policyname, p.tablename,
					'USING (' || replace(p.qual, '''%[1]s''', '''%[2]s''') || ')',
					'WITH CHECK (' || replace(p.with_check, '''%[1]s''', '''%[2]s''') || ')');
			END LOOP;
		END $$;
		INSERT INTO %[2]s.tickets SELECT * FROM public.tickets WHERE tenant_id = '%[3]s';
		INSERT INTO %[2]s.bills SELECT * FROM public.bills WHERE tenant_id = '%[3]s';
		UPDATE stratum.tenants SET isolation = 'shared' WHERE id = '%[4]s';
		UPDATE stratum.tenants SET isolation = 'schema' WHERE id = '%[3]s';
		COMMIT`, spare.schema, schema, r.ID, spare.ID))
}

// back brings the tenant back to the shared tables. The schema is left behind, as it is while a mover looks once more.
func (d desk) back(t *testing.T, r resident) {
	t.Helper()
	d.exec(t, d.AdminDSN, fmt.Sprintf(`
		BEGIN;
		DELETE FROM public.tickets WHERE tenant_id = '%[1]s'; DELETE FROM public.bills WHERE tenant_id = '%[1]s';
		INSERT INTO public.tickets SELECT * FROM t_%[2]s.tickets; INSERT INTO public.bills SELECT * FROM t_%[2]s.bills;
		UPDATE stratum.tenants SET isolation = 'shared' WHERE id = '%[1]s';
		COMMIT`, r.ID, r.Label))
}

// process is another program on the same registry.
func (d desk) process(t *testing.T) desk {
	t.Helper()
	st := d.openStratum(t, d.Options())
	db, err := gorm.Open(gormstratum.Open(st), &gorm.Config{Logger: logger.Discard})
	require.NoError(t, err)
	require.NoError(t, db.Use(gormstratum.New(st, gormstratum.Options{Models: append(deskModels(), &Bill{})})))
	return desk{Database: d.Database, st: st, db: db}
}

// A program that believes a tenant to be where it was follows it by itself: each statement is tried where the tenant is
// said to be, and nothing is read or written where it was.
func TestRouterFollows(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]func(context.Context, desk) error{
		"a statement": func(ctx context.Context, d desk) error {
			return d.plain(ctx, "UPDATE tickets SET title = title || '!'")
		},
		"a transaction": func(ctx context.Context, d desk) error {
			return d.inTx(ctx, "UPDATE tickets SET title = title || '!'")
		},
		"a read-only transaction": func(ctx context.Context, d desk) error {
			tx, err := d.st.DB().BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelSerializable})
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "TABLE tickets"); err != nil {
				return err
			}
			return tx.Commit()
		},
		"GORM": func(ctx context.Context, d desk) error {
			return d.db.WithContext(ctx).Model(&Ticket{}).Where("true").Update("title", gorm.Expr("title || '!'")).Error
		},
		"pgx": func(ctx context.Context, d desk) error {
			return d.st.BeginFunc(ctx, func(tx *core.Tx) error {
				_, err := tx.Exec(ctx, "UPDATE tickets SET title = title || '!'")
				return err
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := newPlaces(t)
			second := first.process(t)
			r := first.lodge(t, "mover", core.SharedIsolation)
			system := core.AsSystemAt(t.Context(), "a test", r.ID)
			expect := func(isolation string, ctxs ...context.Context) {
				for _, ctx := range ctxs {
					for _, d := range []desk{first, second} {
						require.NoError(t, use(ctx, d), isolation)
					}
				}
			}
			expect("shared", system, r.ctx)
			shared := titlesIn(t, first, "public", r)
			first.move(t, r)
			expect("schema", system, r.ctx)
			require.Equal(t, shared, titlesIn(t, first, "public", r), "nothing is written where it was")
			if name != "a read-only transaction" {
				require.NotEqual(t, shared, titlesIn(t, first, "t_"+r.Label.String(), r))
			}
			schema := titlesIn(t, first, "t_"+r.Label.String(), r)
			first.back(t, r)
			expect("shared once more", system, r.ctx)
			require.Equal(t, schema, titlesIn(t, first, "t_"+r.Label.String(), r), "nothing is written where it was")
		})
	}
}

func titlesIn(t *testing.T, d desk, schema string, r resident) []string {
	t.Helper()
	return d.texts(t, "SELECT title FROM "+schema+".tickets WHERE tenant_id = $1", r.ID)
}

// Where the registry and the tenant's database contradict each other, a statement is not led to and fro without end.
func TestRegistryContradicted(t *testing.T) {
	t.Parallel()
	d := newPlaces(t)
	r := d.lodge(t, "torn", core.DatabaseIsolation)
	d.exec(t, d.databaseOf(t, r).AdminDSN, "UPDATE stratum.tenants SET isolation = 'schema'")
	before := d.truth(t)
	for range 2 {
		for name, way := range d.ticketWays() {
			require.ErrorIs(t, way(r.ctx), core.ErrElsewhere, name)
			require.ErrorIs(t, way(core.AsSystemAt(t.Context(), "a test", r.ID)), core.ErrElsewhere, name)
		}
	}
	require.Equal(t, before, d.truth(t))
}

// A subtree that one statement cannot read is refused, whether the tenant at its top or one beneath is elsewhere.
func TestSubtreeElsewhere(t *testing.T) {
	t.Parallel()
	d := newPlaces(t)
	for _, top := range isolations() {
		r := d.lodge(t, "top-"+string(top), top)
		subtree := core.WithSubtree(t.Context(), r.ID)
		for name, way := range d.ticketWays() {
			if name == "Find" || name == "Raw" {
				require.NoError(t, way(subtree), "%s %s: nobody is beneath", top, name)
			}
		}
		child, err := d.st.Tenants.Create(t.Context(), core.NewTenant{
			Name: "child", Slug: "child-" + string(top), Parent: r.ID, Isolation: core.SchemaIsolation,
		})
		require.NoError(t, err)
		require.ErrorIs(t, d.plain(subtree, "TABLE tickets"), core.ErrSubtreeElsewhere, top)
		require.ErrorIs(t, d.inTx(subtree, "TABLE tickets"), core.ErrSubtreeElsewhere, top)
		require.NoError(t, d.plain(core.WithSubtree(t.Context(), child.ID), "TABLE tickets"))
	}
}

// A transaction that has begun keeps its place: the mover waits for it, and who comes later follows.
func TestTransactionKeepsItsPlace(t *testing.T) {
	t.Parallel()
	d := newPlaces(t)
	r := d.lodge(t, "mover", core.SharedIsolation)
	tx, err := d.st.DB().BeginTx(r.ctx, nil)
	require.NoError(t, err)
	// What a mover takes is the tenant's lock, alone.
	const lock = `SELECT pg_try_advisory_lock(uuid_hash_extended($1, 0))::int`
	require.Equal(t, int64(0), d.value(t, lock, r.ID))
	_, err = tx.ExecContext(r.ctx, "INSERT INTO tickets (number) VALUES ('T-2')")
	require.NoError(t, err)
	require.NoError(t, tx.Commit())
	require.Equal(t, int64(1), d.value(t, lock, r.ID))
}

package adopt_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/adopt"
	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/internal/tables"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

func TestMain(m *testing.M) { stratumtest.Main(m) }

// yard is a database with two tables: boxes have a key, and what is in them has not.
type yard struct {
	*stratumtest.Database

	owner *sql.DB
}

const yardSQL = `
	CREATE TABLE boxes (id bigserial PRIMARY KEY, account_id bigint, label text NOT NULL);
	CREATE UNIQUE INDEX idx_boxes_label ON boxes (label);
	CREATE TABLE things (box_id bigint NOT NULL, place int NOT NULL, PRIMARY KEY (box_id, place));
	ALTER TABLE things ADD CONSTRAINT fk_boxes_things FOREIGN KEY (box_id) REFERENCES boxes (id) ON DELETE CASCADE;
	INSERT INTO boxes (account_id, label) SELECT 1 + g % 2, 'box ' || g FROM generate_series(1, 500) g;
	INSERT INTO things SELECT 1 + g % 500, g FROM generate_series(1, 1500) g;
	INSERT INTO stratum.tenants (id, label, path, slug, name, external_id) VALUES
		(gen_random_uuid(), 'a', 'a', 'one', 'One', '1'), (gen_random_uuid(), 'b', 'b', 'two', 'Two', '2')`

func newYard(t *testing.T) yard {
	t.Helper()
	y := yard{Database: stratumtest.NewDatabase(t)}
	config, err := pgx.ParseConfig(y.OwnerDSN)
	require.NoError(t, err)
	y.owner = stdlib.OpenDB(*config)
	t.Cleanup(func() { require.NoError(t, y.owner.Close()) })
	y.exec(t, yardSQL)
	return y
}

func (y yard) exec(t *testing.T, statements string) {
	t.Helper()
	_, err := y.owner.ExecContext(t.Context(), statements)
	require.NoError(t, err)
}

func (y yard) value(t *testing.T, query string) (value int64) {
	t.Helper()
	require.NoError(t, y.owner.QueryRowContext(t.Context(), query).Scan(&value))
	return value
}

func (y yard) config(t *testing.T) adopt.Config {
	t.Helper()
	roles, err := install.NewRoles(install.DefaultPrefix)
	require.NoError(t, err)
	return adopt.Config{
		DB: y.owner, SearchPath: "public", LockTimeout: time.Second,
		Online: tables.Online{Roles: roles, Key: tables.Key{Column: "account_id"}, Tables: []tables.Table{
			{Name: "boxes", PrimaryKey: []string{"id"}, Indexes: []tables.Index{{Name: "idx_boxes_label"}}},
			{Name: "things", PrimaryKey: []string{"box_id", "place"}, ForeignKeys: []tables.ForeignKey{{
				Name: "fk_boxes_things", Columns: []string{"box_id"}, RefTable: "boxes", RefColumns: []string{"id"},
				RefOwned: true, OnDelete: "CASCADE",
			}}},
		}},
	}
}

// Rows are filled along the primary key, in batches that are no larger than asked for, and each row is told of once.
func TestFillInBatches(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	config := y.config(t)
	config.Batch = 100
	last, read := map[string]int64{}, map[string]int64{}
	config.Progress = func(e adopt.Event) error {
		if e.Rows > 0 {
			require.LessOrEqual(t, e.Rows-last[e.Table], int64(100))
			last[e.Table], read[e.Table] = e.Rows, e.Rows
		}
		return nil
	}
	require.NoError(t, adopt.Forward(t.Context(), config, tables.Filled))
	require.Equal(t, map[string]int64{`"public"."boxes"`: 500, `"public"."things"`: 1500}, read)
	require.Zero(t, y.value(t, `SELECT count(*) FROM things x JOIN boxes b ON b.id = x.box_id
		JOIN stratum.tenants s ON s.external_id = b.account_id::text WHERE x.tenant_id IS DISTINCT FROM s.id`))
}

// What was filled before it was stopped is not read again.
func TestFillGoesOn(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	config := y.config(t)
	config.Batch = 40
	stop := errors.New("stopped by the test")
	config.Progress = func(e adopt.Event) error {
		if e.Rows >= 200 {
			return stop
		}
		return nil
	}
	require.ErrorIs(t, adopt.Forward(t.Context(), config, tables.Filled), stop)
	left := y.value(t, "SELECT count(*) FROM boxes WHERE tenant_id IS NULL")
	require.LessOrEqual(t, left, int64(300))
	var read int64
	config.Progress = func(e adopt.Event) error {
		if e.Table == `"public"."boxes"` {
			read = max(read, e.Rows)
		}
		return nil
	}
	require.NoError(t, adopt.Forward(t.Context(), config, tables.Filled))
	require.Equal(t, left, read)
}

// A row that somebody is writing to is passed over, and found by the next pass.
func TestFillPassesOver(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	config := y.config(t)
	require.NoError(t, adopt.Forward(t.Context(), config, tables.Expanded))
	tx, err := y.owner.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(t.Context(), "SELECT FROM boxes WHERE id = 7 FOR UPDATE")
	require.NoError(t, err)
	var read int64
	passes := 1
	config.Progress = func(e adopt.Event) error {
		if e.Table != `"public"."boxes"` || e.Rows == 0 {
			return nil
		}
		again := e.Rows < read
		if read = e.Rows; !again {
			return nil
		}
		if passes++; passes == 3 {
			return tx.Commit()
		}
		return nil
	}
	require.NoError(t, adopt.Forward(t.Context(), config, tables.Filled))
	require.Zero(t, y.value(t, "SELECT count(*) FROM boxes WHERE tenant_id IS NULL"))
	require.GreaterOrEqual(t, passes, 3)
}

// A key whose tenant goes, or a new one, is found when its rows are filled at the latest.
func TestFillFindsNoTenant(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	config := y.config(t)
	require.NoError(t, adopt.Forward(t.Context(), config, tables.Expanded))
	config.Progress = func(e adopt.Event) error {
		if e.Table == `"public"."boxes"` && e.Rows == 50 {
			y.exec(t, "INSERT INTO boxes (account_id, label) VALUES (3, 'new')")
		}
		return nil
	}
	err := adopt.Forward(t.Context(), config, tables.Filled)
	require.ErrorIs(t, err, tables.ErrKey)
	require.ErrorContains(t, err, `table "public"."boxes": 1 rows have no tenant to go to`)
}

// It ends with its context.
func TestCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, adopt.Forward(ctx, newYard(t).config(t), tables.Expanded), context.Canceled)
}

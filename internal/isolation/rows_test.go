package isolation_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/isolation"
	"github.com/stratum-hq/stratum-go/internal/scope"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// market has a row of everyone's, a tree, and columns that are unique and whose usual values are always the same.
const market = `
CREATE TABLE regions (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
CREATE TABLE stalls (
	tenant_id uuid NOT NULL DEFAULT '6f1d3fd8-0fe1-4d0c-8d34-9c8c8e7f5a11', id uuid PRIMARY KEY, name text NOT NULL,
	region bigint NOT NULL REFERENCES regions, parent uuid REFERENCES stalls, number int, day date, opened timestamptz,
	small smallint, note text, UNIQUE (tenant_id, number), UNIQUE (tenant_id, day), UNIQUE (tenant_id, opened),
	UNIQUE (tenant_id, small));`

// newMarket returns the tables of a market, and who makes rows in them.
func newMarket(t *testing.T) (db *sql.DB, rows *isolation.Rows, stalls *isolation.Entry) {
	t.Helper()
	database := stratumtest.EmptyDatabase(t)
	db, err := sql.Open("pgx", database.OwnerDSN)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	_, err = db.ExecContext(t.Context(), market)
	require.NoError(t, err)
	stalls = &isolation.Entry{Schema: "public", Name: "stalls", Column: "tenant_id"}
	return db, isolation.NewRows(db, "test", []*isolation.Entry{{Name: "regions"}, stalls}), stalls
}

func asTenant(ctx context.Context) context.Context {
	return scope.With(ctx, scope.Scope{Kind: scope.Tenant, Tenant: uuid.New()})
}

func count(t *testing.T, db *sql.DB, table string) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
	return n
}

func TestMake(t *testing.T) {
	t.Parallel()
	db, rows, stalls := newMarket(t)
	ctx := asTenant(t.Context())
	stalls.Sample = func() (isolation.Values, error) { return isolation.Values{"name": "fish"}, nil }
	for range 20 { // unique values of all types
		made, err := rows.Make(ctx, stalls, isolation.Values{"note": "fresh"})
		require.NoError(t, err)
		require.Equal(t, "fish", made["name"])
		require.Equal(t, "fresh", made["note"])
		require.NotEmpty(t, made["region"])
		require.NotEmpty(t, made["parent"], "a row of a tree has a parent")
		require.Equal(t, "stalls/"+made["id"], rows.Key(stalls, made))
	}
	require.Equal(t, 40, count(t, db, "stalls"), "a parent has none")
	require.Equal(t, 1, count(t, db, "regions"), "of everyone's rows any will do")

	loose, err := rows.Loose(ctx, stalls)
	require.NoError(t, err)
	require.NotEmpty(t, loose["region"], "it cannot do without")
	require.NotContains(t, loose, "parent")
	require.Equal(t, 41, count(t, db, "stalls"))
}

// Whoever may not write gets values and no more.
func TestFillWithoutTenant(t *testing.T) {
	t.Parallel()
	db, rows, stalls := newMarket(t)
	values, err := rows.Fill(t.Context(), stalls, isolation.Values{"note": "fresh"})
	require.NoError(t, err)
	require.Equal(t, "fresh", values["note"])
	require.NotEmpty(t, values["region"])
	require.NotContains(t, values, "tenant_id")
	require.Zero(t, count(t, db, "stalls")+count(t, db, "regions"))
}

func TestCloseRemovesRowsOfEveryone(t *testing.T) {
	t.Parallel()
	db, rows, stalls := newMarket(t)
	_, err := rows.Make(asTenant(t.Context()), stalls, nil)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "DELETE FROM stalls")
	require.NoError(t, err)
	require.Equal(t, 1, count(t, db, "regions"))
	require.NoError(t, rows.Close(t.Context()))
	require.Zero(t, count(t, db, "regions"))
}

func TestRowsRefuse(t *testing.T) {
	t.Parallel()
	db, _, stalls := newMarket(t)
	ctx := asTenant(t.Context())
	rows := isolation.NewRows(db, "test", []*isolation.Entry{stalls}) // regions are not declared
	_, err := rows.Make(ctx, stalls, nil)
	require.ErrorContains(t, err, "test: making a row of stalls")
	require.ErrorContains(t, err, "give IsolationOptions a Sample")
	missing := &isolation.Entry{Name: "missing", Column: "tenant_id"}
	_, err = rows.Make(ctx, missing, nil)
	require.ErrorIs(t, err, isolation.ErrNoTable)
	_, err = isolation.NewStatements(ctx, isolation.NewRows(db, "test", []*isolation.Entry{stalls, missing}), stalls, nil)
	require.ErrorIs(t, err, isolation.ErrNoTable)
}

func TestStatementsNeedAKey(t *testing.T) {
	t.Parallel()
	db, _, _ := newMarket(t)
	_, err := db.ExecContext(t.Context(), "CREATE TABLE logs (tenant_id uuid, line text)")
	require.NoError(t, err)
	logs := &isolation.Entry{Name: "logs", Column: "tenant_id"}
	_, err = isolation.NewStatements(t.Context(), isolation.NewRows(db, "test", []*isolation.Entry{logs}), logs, nil)
	require.ErrorContains(t, err, "has no primary key")
}

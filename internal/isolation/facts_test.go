package isolation_test

import (
	"database/sql"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/isolation"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// shop is a table of every fact, with one that it refers to.
const shop = `
CREATE TYPE size AS ENUM ('small', 'it''s large');
CREATE DOMAIN short AS varchar(5) NOT NULL;
CREATE TABLE customers (tenant_id uuid, id int PRIMARY KEY, UNIQUE (tenant_id, id));
CREATE SCHEMA "of Goods";
CREATE TABLE "of Goods".orders (
	tenant_id uuid NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	customer int NOT NULL, code varchar(12), note short, size size, status text NOT NULL DEFAULT 'new',
	reason text CHECK (reason = 'late'), pattern text CHECK (pattern ~ '^[A-Z]+$'), level int,
	CHECK (status IN ('new', 'it''s paid')), CHECK (level > 3),
	CONSTRAINT buyer FOREIGN KEY (tenant_id, customer) REFERENCES customers (tenant_id, id));
CREATE UNIQUE INDEX codes ON "of Goods".orders (tenant_id, code);
CREATE UNIQUE INDEX lowered ON "of Goods".orders (lower(code)) WHERE level > 1;
ALTER TABLE "of Goods".orders ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;`

func openShop(t *testing.T) *sql.DB {
	t.Helper()
	database := stratumtest.EmptyDatabase(t)
	db, err := sql.Open("pgx", database.OwnerDSN)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	_, err = db.ExecContext(t.Context(), shop)
	require.NoError(t, err)
	return db
}

func TestReadFacts(t *testing.T) {
	t.Parallel()
	db := openShop(t)
	facts, err := isolation.ReadFacts(t.Context(), db, isolation.Quote("of Goods.orders"), "tenant_id")
	require.NoError(t, err)
	require.True(t, facts.Secured)
	require.True(t, facts.Forced)
	require.Equal(t, []isolation.Unique{
		{Name: "codes", Columns: []string{"tenant_id", "code"}}, {Name: "lowered", Columns: []string{""}, Partial: true},
	}, facts.Uniques)
	require.Equal(t, []isolation.Reference{{
		Name: "buyer", Columns: []string{"tenant_id", "customer"}, RefColumns: []string{"tenant_id", "id"},
		Schema: "public", Table: "customers",
	}}, facts.References)
	require.Equal(t, []string{"id"}, facts.Primary)
	require.True(t, facts.IsUnique("code"))
	require.False(t, facts.IsUnique("note"))
	require.Nil(t, facts.Column("missing"))
	for name, want := range map[string]isolation.Column{
		"id":       {Name: "id", Type: "bigint", NotNull: true, Default: true},
		"customer": {Name: "customer", Type: "integer", NotNull: true},
		"code":     {Name: "code", Type: "character varying", Length: 12, Checked: false},
		"note":     {Name: "note", Type: "character varying", Length: 5, NotNull: true},
		"size":     {Name: "size", Type: "size", Labels: []string{"small", "it's large"}},
		"status": {
			Name: "status", Type: "text", NotNull: true, Default: true, Checked: true, Labels: []string{"new", "it's paid"},
		},
		"reason":  {Name: "reason", Type: "text", Checked: true, Labels: []string{"late"}},
		"pattern": {Name: "pattern", Type: "text", Checked: true},
		"level":   {Name: "level", Type: "integer", Checked: true},
	} {
		require.Equal(t, &want, facts.Column(name), name)
	}
	open, err := isolation.ReadFacts(t.Context(), db, "customers", "")
	require.NoError(t, err)
	require.False(t, open.Secured)
	require.False(t, open.Forced)
}

func TestReadFactsRefuses(t *testing.T) {
	t.Parallel()
	db := openShop(t)
	_, err := isolation.ReadFacts(t.Context(), db, "missing", "tenant_id")
	require.ErrorIs(t, err, isolation.ErrNoTable)
	require.ErrorContains(t, err, "migrate first")
	_, err = isolation.ReadFacts(t.Context(), db, "customers", "account_id")
	require.ErrorIs(t, err, isolation.ErrNoTable)
	require.ErrorContains(t, err, `has no column "account_id"`)
	_, err = isolation.ReadFacts(t.Context(), db, `"`, "")
	require.ErrorContains(t, err, "reading what table")
}

func TestQuote(t *testing.T) {
	t.Parallel()
	require.Equal(t, `"orders"`, isolation.Quote("orders"))
	require.Equal(t, `"a"."b""c"`, isolation.Quote(`a.b"c`))
}

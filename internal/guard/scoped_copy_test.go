package guard_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

const copyTables = `
CREATE TYPE mood AS ENUM ('sad', 'a "happy", \one');
CREATE DOMAIN short AS text CHECK (length(value) < 9);
CREATE TYPE pair AS (a int, b text);
CREATE TABLE everything (
	tenant_id uuid NOT NULL DEFAULT stratum.tenant_id(), id int,
	"a text" text, n numeric(8, 2), at timestamptz, day date, raw bytea, doc jsonb, plain json, yes bool, tags text[],
	grid int[], feeling mood, brief short, two pair, span int4range, u uuid, f float8, v varchar(3), net inet
);`

var allColumns = strings.Split("id|a text|n|at|day|raw|doc|plain|yes|tags|grid|feeling|brief|two|span|u|f|v|net", "|")

// row is a row for everything.
func row(id int) []any {
	return []any{
		id, "a 'text', \"with\" {braces}, \\ and \n", "12.50", time.Unix(0, 0).UTC(), "2026-01-02",
		[]byte{0, 1, 255},
		map[string]any{"a": []int{1}},
		`{"b":  "NULL"}`, true,
		[]string{"x", "", "NULL", `"y"`},
		[][]int{{1, 2}, {3, 4}},
		`a "happy", \one`, "brief", `(1,"x y")`, "[1,5)", "6f3a4c1e-0000-4000-8000-000000000001", 0.1, "abc", "10.0.0.1",
	}
}

func copyInTypes(t *testing.T, h *handle, _ setup) {
	t.Helper()
	nulls := make([]any, len(allColumns))
	nulls[0] = 3
	h.inTx(func(ctx context.Context, tx *core.Tx) {
		n, err := tx.CopyFrom(ctx, pgx.Identifier{"everything"}, allColumns, pgx.CopyFromRows([][]any{row(1), row(2), nulls}))
		require.NoError(t, err)
		require.EqualValues(t, 3, n)
	})
	require.Equal(t, strings.Join([]string{
		`(1,"a 'text', ""with"" {braces}, \\ and `, `",12.50,"1970-01-01 00:00:00+00",2026-01-02,"\\x0001ff",` +
			`"{""a"": [1]}","{""b"":  ""NULL""}",t,"{x,"""",""NULL"",""\\""y\\""""}","{{1,2},{3,4}}",` +
			`"a ""happy"", \\one",brief,"(1,""x y"")","[1,5)",6f3a4c1e-0000-4000-8000-000000000001,0.1,abc,10.0.0.1)`,
	}, "\n"), h.text(h.as(h.acme), `SELECT (r)::text FROM (SELECT id, "a text", n, at AT TIME ZONE 'UTC' || '+00', day, raw,
		doc, plain, yes, tags, grid, feeling, brief, two, span, u, f, v, net FROM everything) r WHERE id = 1`))
	require.Equal(t, "1", h.text(h.as(h.acme), `SELECT count(*) FROM everything e
		WHERE jsonb_strip_nulls(to_jsonb(e)) - 'tenant_id' = '{"id": 3}'`))
	require.Equal(t, "0", h.text(h.as(h.globex), "SELECT count(*) FROM everything"))
}

func copyIn(t *testing.T, h *handle, s setup) {
	t.Helper()
	const many = 25_000
	table, columns := pgx.Identifier{"public", "notes"}, []string{"body", "code"}
	source := func() pgx.CopyFromSource {
		return pgx.CopyFromSlice(many, func(i int) ([]any, error) { return []any{fmt.Sprint("note ", i), i}, nil })
	}
	load := func(ctx context.Context, tx *core.Tx) {
		n, err := tx.CopyFrom(ctx, table, columns, source())
		require.NoError(t, err)
		require.EqualValues(t, many, n)
	}
	h.inTx(load)
	require.Equal(t, strconv.Itoa(many), h.count(h.as(h.acme)))
	require.Equal(t, "0", h.count(h.as(h.globex)))
	require.Equal(t, strconv.Itoa(many-1), h.text(h.as(h.acme), "SELECT max(code) FROM notes WHERE body = 'note ' || code"))
	h.exec(h.as(h.acme), "DELETE FROM notes")
	require.Equal(t, 2+trips[s.mode].steady+3, h.trips(func() { h.inTx(load) }), "the types, and one for each chunk")
	h.exec(h.as(h.acme), "DELETE FROM notes")
	h.inTx(func(ctx context.Context, tx *core.Tx) {
		n, err := tx.CopyFrom(ctx, table, columns, pgx.CopyFromRows(nil))
		require.NoError(t, err)
		require.Zero(t, n)
	})
	require.NoError(t, h.BeginFunc(h.system(), func(tx *core.Tx) error {
		_, err := tx.CopyFrom(h.system(), table, []string{"tenant_id", "body"},
			pgx.CopyFromRows([][]any{{h.globex, "from the system"}}))
		return err
	}))
	require.Equal(t, "1", h.count(h.as(h.globex)))
}

func copyInFails(t *testing.T, h *handle, _ setup) {
	t.Helper()
	pid := h.pid()
	rows := func(values ...any) pgx.CopyFromSource { return pgx.CopyFromRows([][]any{values}) }
	const secret = "s3cret"
	for name, test := range map[string]struct {
		table   string
		columns []string
		source  pgx.CopyFromSource
		check   func(err error)
	}{
		"another tenant's row": {"notes", []string{"tenant_id"}, rows(h.globex), func(err error) {
			require.ErrorIs(t, err, core.ErrCrossTenant)
		}},
		"no such column": {"notes", []string{"body", "bdy"}, rows("x", "y"), func(err error) {
			require.ErrorContains(t, err, `"bdy"`)
		}},
		"no columns": {"notes", nil, rows(), func(err error) { require.ErrorContains(t, err, "without columns") }},
		"no such table": {"nots", []string{"body"}, rows("x"), func(err error) {
			var refused *pgconn.PgError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, "42P01", refused.Code)
		}},
		"too few values": {"notes", []string{"body", "code"}, rows("x"), func(err error) {
			require.ErrorContains(t, err, "row 1 has 1 values for 2 columns")
		}},
		"a value that does not fit": {"notes", []string{"code"}, rows(secret), func(err error) {
			require.Error(t, err)
			require.NotContains(t, err.Error(), secret)
		}},
		"a source that fails": {
			"notes",
			[]string{"body"},
			pgx.CopyFromFunc(func() ([]any, error) { return nil, errOwn }),
			func(err error) { require.ErrorIs(t, err, errOwn) },
		},
		"a table without rights": {"pg_authid", []string{"rolname"}, rows("x"), func(err error) {
			require.ErrorIs(t, err, core.ErrPermission)
		}},
		"a name that is more": {`notes" SELECT 1; COMMIT; --`, []string{"body"}, rows("x"), func(err error) {
			require.Error(t, err)
		}},
	} {
		err := h.begin(func(ctx context.Context, tx *core.Tx) error {
			_, err := tx.CopyFrom(ctx, pgx.Identifier{test.table}, test.columns, test.source)
			return err
		})
		require.Error(t, err, name)
		test.check(err)
	}
	require.Equal(t, "0", h.count(h.as(h.acme)))
	require.Equal(t, pid, h.pid(), "no connection was lost")
}

func copyOut(t *testing.T, h *handle, _ setup) {
	t.Helper()
	pid := h.pid()
	h.exec(h.as(h.acme), "INSERT INTO notes (body, code) VALUES ('a,b', 1), ('it''s', 2)")
	h.exec(h.as(h.globex), "INSERT INTO notes (body, code) VALUES ('theirs', 1)")
	h.inTx(func(ctx context.Context, tx *core.Tx) {
		for format, want := range map[core.CopyFormat]string{
			core.CopyText: "a,b\t1\nit's\t2\n", core.CopyCSV: "\"a,b\",1\nit's,2\n",
			core.CopyCSVHeader: "body,code\n\"a,b\",1\nit's,2\n",
		} {
			var out bytes.Buffer
			n, err := tx.CopyTo(ctx, &out, format, "SELECT body, code FROM notes WHERE code < $1 ORDER BY code -- all", 10)
			require.NoError(t, err)
			require.EqualValues(t, 2, n)
			require.Equal(t, want, out.String())
		}
		var out bytes.Buffer
		_, err := tx.CopyTo(ctx, &out, core.CopyBinary, "SELECT 1")
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(out.String(), "PGCOPY\n"))
		out.Reset()
		_, err = tx.CopyTo(ctx, &out, core.CopyText, "SELECT body FROM notes WHERE body = $1", `it's`)
		require.NoError(t, err)
		require.Equal(t, "it's\n", out.String())
		_, err = tx.CopyTo(ctx, &out, "xml", "SELECT 1")
		require.ErrorContains(t, err, "xml")
	})
	for _, text := range []string{
		"SELECT 1) TO PROGRAM 'true' --", "SELECT 1) TO '/tmp/stolen' --", "SELECT none FROM notes", "SELECT 1 / 0",
	} {
		var out bytes.Buffer
		require.Error(t, h.begin(func(ctx context.Context, tx *core.Tx) error {
			_, err := tx.CopyTo(ctx, &out, core.CopyText, text)
			return err
		}), text)
		require.Empty(t, out.String())
	}
	require.Equal(t, pid, h.pid(), "no connection was lost")
	require.ErrorIs(t, h.begin(func(ctx context.Context, tx *core.Tx) error {
		_, err := tx.CopyTo(ctx, failingWriter{}, core.CopyText, "SELECT generate_series(1, 100000)")
		return err
	}), errFull)
	require.Equal(t, "2", h.count(h.as(h.acme)))
}

var errFull = errors.New("the disk is full")

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errFull }

// TestCopyFromIsRefusedByPostgres is why CopyFrom does not COPY: for tenants, and for the system too.
func TestCopyFromIsRefusedByPostgres(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	admin := d.admin(t)
	for _, role := range []string{"stratum_tenant", "stratum_system"} {
		_, err := admin.Exec(t.Context(), "SET ROLE "+role)
		require.NoError(t, err)
		_, err = admin.CopyFrom(t.Context(), pgx.Identifier{"notes"}, []string{"id"}, pgx.CopyFromRows([][]any{{1}}))
		var refused *pgconn.PgError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, "0A000", refused.Code)
		_, err = admin.Exec(t.Context(), "RESET ROLE")
		require.NoError(t, err)
	}
}

package guard_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/guard"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// The plain runs are pgx's own driver with the same statement on the same table, read without a boundary.

func direct(b *testing.B) (h *handle, pgxDB *sql.DB) {
	b.Helper()
	d := newDatabase(b)
	h = openWith(b, d.options(setup{}))
	h.exec(h.as(h.acme), "INSERT INTO notes (body) SELECT 'x' FROM generate_series(1, 1000)")
	pgxDB = plain(b, d.AdminDSN)
	pgxDB.SetMaxOpenConns(1)
	return h, pgxDB
}

func BenchmarkPointRead(b *testing.B) {
	h, pgxDB := direct(b)
	run := func(db *sql.DB, ctx context.Context) func(b *testing.B) {
		return func(b *testing.B) {
			b.Helper()
			b.ReportAllocs()
			var body string
			for b.Loop() {
				if err := db.QueryRowContext(ctx, "SELECT body FROM notes WHERE id = $1", 7).Scan(&body); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.Run("plain", run(pgxDB, b.Context()))
	b.Run("guard", run(h.db, h.as(h.acme)))
	b.Run("guard with actor", run(h.db, core.WithActor(h.as(h.acme), core.Actor{ID: "u-17", Kind: "user"})))
}

func BenchmarkTransaction(b *testing.B) {
	h, pgxDB := direct(b)
	run := func(db *sql.DB, ctx context.Context) func(b *testing.B) {
		return func(b *testing.B) {
			b.Helper()
			b.ReportAllocs()
			for b.Loop() {
				tx, err := db.BeginTx(ctx, nil)
				if err != nil {
					b.Fatal(err)
				}
				if err := tx.Commit(); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.Run("plain", run(pgxDB, b.Context()))
	b.Run("guard", run(h.db, h.as(h.acme)))
}

func BenchmarkThousandRows(b *testing.B) {
	h, pgxDB := direct(b)
	run := func(db *sql.DB, ctx context.Context) func(b *testing.B) {
		return func(b *testing.B) {
			b.Helper()
			b.ReportAllocs()
			for b.Loop() {
				if n, err := scanAll(ctx, db); err != nil || n != 1000 {
					b.Fatal(n, err)
				}
			}
		}
	}
	b.Run("plain", run(pgxDB, b.Context()))
	b.Run("guard", run(h.db, h.as(h.acme)))
}

// scanAll reads all notes of a type that needs no memory of its own.
func scanAll(ctx context.Context, db *sql.DB) (n int, err error) {
	rows, err := db.QueryContext(ctx, "SELECT id FROM notes")
	if err != nil {
		return 0, err
	}
	defer rows.Close() //nolint:errcheck // Err has it
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return 0, err
		}
		n++
	}
	return n, rows.Err()
}

// TestRowsAllocateAsPgxDoes: what the guard adds is by statement, and nothing by row.
func TestRowsAllocateAsPgxDoes(t *testing.T) { //nolint:paralleltest // it counts
	d := newDatabase(t)
	h := openWith(t, d.options(setup{}))
	h.exec(h.as(h.acme), "INSERT INTO notes (body) SELECT 'x' FROM generate_series(1, 1000)")
	pgxDB := plain(t, d.AdminDSN)
	measure := func(ctx context.Context, db *sql.DB) float64 {
		return testing.AllocsPerRun(20, func() {
			n, err := scanAll(ctx, db)
			require.NoError(t, err)
			require.Equal(t, 1000, n)
		})
	}
	require.LessOrEqual(t, measure(h.as(h.acme), h.db), measure(t.Context(), pgxDB)+60)
}

func BenchmarkDescribeContext(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := guard.DescribeContext(scope.Scope{}, scope.Actor{ID: "u-17", Kind: "user"}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkInsert(b *testing.B) {
	h, pgxDB := direct(b)
	run := func(db *sql.DB, ctx context.Context) func(b *testing.B) {
		return func(b *testing.B) {
			b.Helper()
			b.ReportAllocs()
			for b.Loop() {
				_, err := db.ExecContext(ctx, "INSERT INTO notes (tenant_id, body) VALUES ($1, $2)", h.acme, "x")
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.Run("plain", run(pgxDB, b.Context()))
	b.Run("guard", run(h.db, h.as(h.acme)))
}

package guard_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// BenchmarkCopyFrom loads rows of four columns: as a tenant, and with COPY by pgx into a table without policies. A row
// of the table has the same columns and the same indexes in both.
func BenchmarkCopyFrom(b *testing.B) {
	const rows = 100_000
	d := newDatabase(b)
	d.exec(b, `CREATE TABLE theirs (tenant_id uuid, id bigint, body text, code int,
		PRIMARY KEY (id), UNIQUE (tenant_id, code) DEFERRABLE INITIALLY DEFERRED)`)
	h := openWith(b, d.options(setup{}))
	admin := d.admin(b)
	columns := []string{"tenant_id", "id", "body", "code"}
	source := func() pgx.CopyFromSource {
		return pgx.CopyFromSlice(rows, func(i int) ([]any, error) {
			return []any{h.acme, int64(i), "a note of some length, as notes are", int32(i)}, nil
		})
	}
	report := func(b *testing.B) {
		b.Helper()
		b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	}
	clean := func(b *testing.B, table string) {
		b.Helper()
		b.StopTimer()
		_, err := admin.Exec(b.Context(), "TRUNCATE "+table)
		require.NoError(b, err)
		b.StartTimer()
	}
	for name, ctx := range map[string]context.Context{"tenant": h.as(h.acme), "system": h.system()} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				clean(b, "notes")
				require.NoError(b, h.BeginFunc(ctx, func(tx *core.Tx) error {
					_, err := tx.CopyFrom(ctx, pgx.Identifier{"notes"}, columns, source())
					return err
				}))
			}
			report(b)
		})
	}
	b.Run("one INSERT for each row, in batches", func(b *testing.B) {
		for range b.N {
			clean(b, "notes")
			ctx := h.as(h.acme)
			require.NoError(b, h.BeginFunc(ctx, func(tx *core.Tx) error {
				for i := range rows / 1000 {
					batch := new(pgx.Batch)
					for j := range 1000 {
						batch.Queue("INSERT INTO notes (tenant_id, id, body, code) VALUES ($1, $2, $3, $4)", h.acme, 1000*i+j,
							"a note of some length, as notes are", 1000*i+j)
					}
					if err := tx.SendBatch(ctx, batch).Close(); err != nil {
						return err
					}
				}
				return nil
			}))
		}
		report(b)
	})
	b.Run("pgx without policies", func(b *testing.B) {
		for range b.N {
			clean(b, "theirs")
			_, err := admin.CopyFrom(context.WithoutCancel(b.Context()), pgx.Identifier{"theirs"}, columns, source())
			require.NoError(b, err)
		}
		report(b)
	})
}

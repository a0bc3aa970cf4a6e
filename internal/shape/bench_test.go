package shape_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/shape"
)

// fleetTables is how many tables a schema of the benchmark has.
const fleetTables = 10

// rawTable is a table as one would write it without any isolation inside of the schema.
func rawTable(schema string, i int) string {
	return fmt.Sprintf(`CREATE TABLE %[1]s.t%[2]d (id bigserial PRIMARY KEY, tenant_id uuid NOT NULL, name text, at timestamptz,
		UNIQUE (tenant_id, id)); CREATE INDEX t%[2]d_name ON %[1]s.t%[2]d (tenant_id, name);
		CREATE INDEX t%[2]d_at ON %[1]s.t%[2]d (tenant_id, at)`, schema, i)
}

// BenchmarkCreate makes schemas of ten tables, one with all that belongs to them and one with the bare tables and
// indexes in turn, so that a busy machine slows both down. raw/shape is the share of the bare one's throughput.
func BenchmarkCreate(b *testing.B) {
	w := newWorld(b)
	var names []string
	for i := range fleetTables {
		w.exec(b, rawTable("public", i))
		names = append(names, fmt.Sprintf("t%d", i))
	}
	m := w.model(b, ownedSpecs(names...))
	conn, err := pgx.Connect(b.Context(), w.OwnerDSN)
	require.NoError(b, err)
	defer func() { require.NoError(b, conn.Close(b.Context())) }()
	timed := func(statements ...string) time.Duration {
		begun := time.Now()
		_, err := conn.PgConn().Exec(b.Context(), strings.Join(statements, ";\n")).ReadAll()
		require.NoError(b, err)
		return time.Since(begun)
	}
	var raw, whole time.Duration
	made := 0
	for b.Loop() {
		made++
		bare := []string{fmt.Sprintf("CREATE SCHEMA raw_%d", made)}
		for i := range fleetTables {
			bare = append(bare, rawTable(fmt.Sprintf("raw_%d", made), i))
		}
		raw += timed(bare...)
		schema := fmt.Sprintf("t_%d", made)
		want, err := m.InSchema(w.residence(schema))
		require.NoError(b, err)
		whole += timed(append([]string{"CREATE SCHEMA " + schema, "SET LOCAL search_path = " + shape.SearchPath},
			shape.Create(want)...)...)
	}
	b.ReportMetric(raw.Seconds()*1000/float64(made), "raw-ms")
	b.ReportMetric(whole.Seconds()*1000/float64(made), "shape-ms")
	b.ReportMetric(raw.Seconds()/whole.Seconds(), "raw/shape")
}

package fleet

import (
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// ledger is a row of stratum.ledger: what a source has last done in a schema.
type ledger struct {
	schema, source string
}

func (l ledger) where() string {
	return "table_schema = " + sqltext.Literal(l.schema) + " AND source = " + sqltext.Literal(l.source)
}

// state is what a row says.
type state struct {
	hash, stamp string
}

// selectSQL finds hash and stamp. Each run that changes something leaves another stamp.
func (l ledger) selectSQL() string {
	return "SELECT hash, coalesce(applied_at::text, '') FROM stratum.ledger WHERE " + l.where()
}

func stateOf(r *pgconn.Result) state {
	if len(r.Rows) == 0 {
		return state{}
	}
	return state{hash: string(r.Rows[0][0]), stamp: string(r.Rows[0][1])}
}

// appliedSQL is the end of a transaction that has brought the schema to a hash. It divides by zero where the row is not
// as it was seen.
func (l ledger) appliedSQL(hash string, seen state) string {
	return fmt.Sprintf(`INSERT INTO stratum.ledger AS l (table_schema, source, hash, applied_at, took)
	VALUES (%s, %s, %s, pg_catalog.clock_timestamp(), pg_catalog.clock_timestamp() - pg_catalog.transaction_timestamp())
	ON CONFLICT (table_schema, source) DO UPDATE SET hash = EXCLUDED.hash, applied_at = EXCLUDED.applied_at,
		error = NULL, took = EXCLUDED.took * (1 / (l.hash = %s AND coalesce(l.applied_at::text, '') = %s)::int);
`, sqltext.Literal(l.schema), sqltext.Literal(l.source), sqltext.Literal(hash), sqltext.Literal(seen.hash),
		sqltext.Literal(seen.stamp))
}

// failedSQL leaves hash and stamp as they are.
func (l ledger) failedSQL(text string) string {
	return fmt.Sprintf(`INSERT INTO stratum.ledger (table_schema, source, error) VALUES (%s, %s, %s)
	ON CONFLICT (table_schema, source) DO UPDATE SET error = EXCLUDED.error`,
		sqltext.Literal(l.schema), sqltext.Literal(l.source), sqltext.Literal(text))
}

func (l ledger) deleteSQL() string { return "DELETE FROM stratum.ledger WHERE " + l.where() }

// noLedger says what is missing where the table is.
func noLedger(err error) error {
	if sqlState(err) == codeUndefinedTable {
		return ErrNoLedger
	}
	return err
}

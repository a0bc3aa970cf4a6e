package copies

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// publish makes the publication those of the tables that can be streamed, and returns them. A table without an identity
// must not be published: its rows could not be updated any more.
func publish(
	ctx context.Context, conn *pgx.Conn, tables []Table,
) (streamed map[[2]string]streamedTable, near uint64, err error) {
	if err := mayStream(ctx, conn); err != nil {
		return nil, 0, err
	}
	tx, err := begin(ctx, conn, pgx.TxOptions{})
	if err != nil {
		return nil, 0, err
	}
	defer rollback(ctx, tx)
	now, err := readMoment(ctx, tx)
	if err != nil {
		return nil, 0, err
	}
	shapes, err := readShapes(ctx, tx, newPairs(tables, nil), sourceSchema)
	if err != nil {
		return nil, 0, err
	}
	streamed = map[[2]string]streamedTable{}
	var list []string
	for _, f := range shapes {
		if len(f.Key) > 0 && f.Watched && (f.Identity == "d" || f.Identity == "f") {
			streamed[[2]string{f.Schema, f.Name}] = streamedTable{source: now.source, digest: f.Digest}
			list = append(list, sqltext.Quote(f.Schema, f.Name))
		}
	}
	if len(list) == 0 {
		return nil, 0, errNoStream
	}
	slices.Sort(list)
	if err := setPublication(ctx, tx, list); err != nil {
		return nil, 0, err
	}
	if err := tx.Commit(ctx); err != nil {
		return nil, 0, fmt.Errorf("stratum: publishing tables to copy: %w", err)
	}
	return streamed, now.snapshot.xmax, nil
}

// setPublication issues nothing where the publication is as it should be.
func setPublication(ctx context.Context, tx pgx.Tx, list []string) error {
	var exists bool
	var published []string
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubname = $1), ARRAY(
		SELECT '"' || replace(schemaname, '"', '""') || '"."' || replace(tablename, '"', '""') || '"'
		FROM pg_catalog.pg_publication_tables WHERE pubname = $1)`, pgx.QueryExecModeExec, publication).
		Scan(&exists, &published)
	if err != nil {
		return fmt.Errorf("stratum: looking for the publication of copies: %w", err)
	}
	if slices.Sort(published); slices.Equal(published, list) {
		return nil
	}
	statement := "CREATE PUBLICATION " + publication + " FOR TABLE " + joined(list) +
		" WITH (publish_via_partition_root = true)"
	if exists {
		statement = "ALTER PUBLICATION " + publication + " SET TABLE " + joined(list)
	}
	if _, err := tx.Exec(ctx, statement); err != nil {
		return fmt.Errorf("stratum: publishing tables to copy: %w", err)
	}
	return nil
}

// mayStream is errNoStream where the server or the login cannot.
func mayStream(ctx context.Context, conn *pgx.Conn) error {
	var able bool
	err := conn.QueryRow(ctx, `SELECT current_setting('wal_level') = 'logical' AND (r.rolsuper OR r.rolreplication)
		FROM pg_catalog.pg_roles r WHERE r.rolname = session_user`, pgx.QueryExecModeExec).Scan(&able)
	if err != nil {
		return fmt.Errorf("stratum: looking at the log of the source: %w", err)
	}
	if !able {
		return errNoStream
	}
	return nil
}

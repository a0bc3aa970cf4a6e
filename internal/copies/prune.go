package copies

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Prune removes from the source what has been written down of changes that every copy holds: those of transactions
// before the oldest one that was still running in any of the snapshots, each as in Report.Snapshot. A target whose
// snapshot is not among them is not told wrongly: it is found behind, and compared as a whole. Conn is the owner's. It
// returns how many rows went.
func Prune(ctx context.Context, conn *pgx.Conn, snapshots []string) (int64, error) {
	if len(snapshots) == 0 {
		return 0, nil
	}
	tx, err := begin(ctx, conn, pgx.TxOptions{})
	if err != nil {
		return 0, err
	}
	defer rollback(ctx, tx)
	tag, err := tx.Exec(ctx, pruneSQL, pgx.QueryExecModeExec, snapshots)
	if err != nil {
		return 0, fmt.Errorf("stratum: removing changes that are copied: %w", notInstalled(err))
	}
	if tag.RowsAffected() == 0 {
		return 0, nil
	}
	_, err = tx.Exec(ctx, horizonSQL, pgx.QueryExecModeExec, snapshots)
	if err == nil {
		err = tx.Commit(ctx)
	}
	if err != nil {
		return 0, fmt.Errorf("stratum: removing changes that are copied: %w", err)
	}
	return tag.RowsAffected(), nil
}

// What is below the present xmin has ended, so that nothing can be added there behind the horizon.
const horizonValue = `(SELECT min(pg_snapshot_xmin(s)) FROM (
	SELECT unnest($1::text[])::pg_snapshot UNION ALL SELECT pg_current_snapshot()) AS all_of (s))`

const pruneSQL = `DELETE FROM stratum.copy_changes WHERE xid < ` + horizonValue

const horizonSQL = `
INSERT INTO stratum.copy_horizon AS h (xid, source) VALUES (` + horizonValue + `, ` + sourceSQL + `)
ON CONFLICT (singleton) DO UPDATE SET source = excluded.source,
	xid = CASE WHEN h.source = excluded.source THEN greatest(h.xid, excluded.xid) ELSE excluded.xid END`

package forest

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// fanOut is how many children a tenant has.
const fanOut = 10

// The tree is written level by level. Neither the trigger nor the foreign key looks at each row, and the indexes beside
// the primary key are made at the end, as a restore does it. Numbers are breadth-first from 1, so that the parent of n
// is (n-2)/10+1. Ids grow with the number, as those of version 7 do with time.
const (
	beginLoad = `SET session_replication_role = replica;
		SET maintenance_work_mem = '512MB';
		ALTER TABLE stratum.tenants SET (autovacuum_enabled = false);
		CREATE TEMPORARY TABLE definitions AS
			SELECT pg_get_indexdef(indexrelid) AS text FROM pg_index WHERE indexrelid IN (
				'stratum.tenants_path_idx'::regclass, 'stratum.tenants_children_idx'::regclass);
		DROP INDEX stratum.tenants_path_idx, stratum.tenants_children_idx`

	loadLevel = `INSERT INTO stratum.tenants (id, label, path, parent_id, slug, name)
		SELECT (lpad(to_hex(n), 12, '0') || '7' || left(md5(n::text), 3) || '8' || right(md5(n::text), 15))::uuid,
			l, CASE WHEN p.id IS NULL THEN l::ltree ELSE p.path || l END, p.id, 't' || n, 'Tenant ' || n
		FROM (SELECT n, stratum.base36(n) FROM generate_series($1::bigint, $2::bigint) n) AS new (n, l)
		LEFT JOIN stratum.tenants p ON p.label = stratum.base36((n - 2) / 10 + 1) AND n > 1`

	endLoad = `DO $$
		DECLARE
			definition text;
		BEGIN
			FOR definition IN SELECT text FROM definitions LOOP
				EXECUTE definition;
			END LOOP;
		END $$;
		SELECT setval('stratum.tenant_number', (SELECT count(*) FROM stratum.tenants));
		RESET session_replication_role`
)

// load makes a tree of so many levels as the superuser.
func load(ctx context.Context, dsn string, levels int) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("connect to load the tree: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }() // what counts was committed
	if err := execute(ctx, conn, beginLoad); err != nil {
		return err
	}
	first, width := 1, 1
	for range levels {
		if _, err := conn.Exec(ctx, loadLevel, first, first+width-1); err != nil {
			return fmt.Errorf("load the tree: %w", err)
		}
		first, width = first+width, width*fanOut
		if err := execute(ctx, conn, "ANALYZE stratum.tenants"); err != nil {
			return err
		}
	}
	return execute(ctx, conn, endLoad, "VACUUM ANALYZE stratum.tenants", "CHECKPOINT")
}

// execute runs each text as a simple query, which may have several statements.
func execute(ctx context.Context, conn *pgx.Conn, texts ...string) error {
	for _, text := range texts {
		if _, err := conn.PgConn().Exec(ctx, text).ReadAll(); err != nil {
			return fmt.Errorf("load the tree: %w", err)
		}
	}
	return nil
}

// sizeOf returns how many tenants so many levels have.
func sizeOf(levels int) int {
	size, width := 0, 1
	for range levels {
		size, width = size+width, width*fanOut
	}
	return size
}

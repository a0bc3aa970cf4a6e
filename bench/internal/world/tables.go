package world

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// load fills the table that Stratum migrated. It stands for an import: the superuser is bound by no policy.
const load = `INSERT INTO tickets (tenant_id, id, number, title, body, created_at, updated_at)
	SELECT t.id, gen_random_uuid(), n, 'ticket ' || n, repeat('lorem ipsum ', 8), at, at
	FROM stratum.tenants t,
		generate_series(1, CASE WHEN t.slug = $2 THEN $3::int ELSE $1::int END) n,
		LATERAL (SELECT timestamptz '2026-01-01' + n * interval '1 minute') c(at)
	ORDER BY n, t.id`

// copies gives the other approaches the same rows with the same indexes. On plain_tickets no policy acts; on
// setting_tickets it is the usual one, which compares with a setting of the application's own.
const copies = `
	CREATE TABLE plain_tickets (LIKE tickets INCLUDING ALL);
	ALTER TABLE plain_tickets ALTER tenant_id DROP DEFAULT;
	INSERT INTO plain_tickets SELECT * FROM tickets;
	CREATE TABLE setting_tickets (LIKE plain_tickets INCLUDING ALL);
	INSERT INTO setting_tickets SELECT * FROM tickets;
	ALTER TABLE setting_tickets ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON setting_tickets
		USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
	GRANT SELECT, INSERT, UPDATE, DELETE ON plain_tickets, setting_tickets TO %[1]s`

// schemas gives some tenants a schema each, by the order of their ids: t0, t1 and so on. It stops every few hundred,
// because PostgreSQL keeps a lock for each new table until the transaction ends.
const schemas = `DO $$
	DECLARE
		tenant uuid;
		n int := 0;
	BEGIN
		FOR tenant IN SELECT id FROM stratum.tenants ORDER BY id LIMIT %[2]d LOOP
			EXECUTE format('CREATE SCHEMA t%%s', n);
			EXECUTE format('CREATE TABLE t%%s.schema_tickets (LIKE plain_tickets INCLUDING ALL)', n);
			EXECUTE format('INSERT INTO t%%s.schema_tickets SELECT * FROM plain_tickets WHERE tenant_id = %%L',
				n, tenant);
			EXECUTE format('GRANT USAGE ON SCHEMA t%%s TO %[1]s', n);
			EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON t%%s.schema_tickets TO %[1]s', n);
			n := n + 1;
			IF n %% 200 = 0 THEN
				COMMIT;
			END IF;
		END LOOP;
	END $$`

// fill loads the rows and makes the copies.
func (w *World) fill(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, w.Database.AdminDSN)
	if err != nil {
		return fmt.Errorf("connect to fill the tables: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }() // what counts was committed
	if _, err := conn.Exec(ctx, load, w.Size.Rows, bigSlug, w.Size.BigRows); err != nil {
		return fmt.Errorf("load rows: %w", err)
	}
	login := pgx.Identifier{w.Database.Name + "_app"}.Sanitize()
	texts := []string{fmt.Sprintf(copies, login), fmt.Sprintf(schemas, login, w.Size.Schemas), "VACUUM ANALYZE"}
	for _, text := range texts {
		if _, err := conn.PgConn().Exec(ctx, text).ReadAll(); err != nil {
			return fmt.Errorf("fill the tables: %w", err)
		}
	}
	return w.readIDs(ctx, conn)
}

// readIDs learns which rows there are to ask for. Their ids are the same in every table.
func (w *World) readIDs(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `SELECT t.id, t.slug = $1, array_agg(r.id)
		FROM stratum.tenants t JOIN plain_tickets r ON r.tenant_id = t.id GROUP BY t.id, t.slug ORDER BY t.id`, bigSlug)
	if err != nil {
		return err
	}
	w.Tenants, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (t Tenant, err error) {
		var big bool
		err = row.Scan(&t.ID, &big, &t.rows)
		if big {
			w.Big = w.count
		}
		w.count++
		return t, err
	})
	return err
}

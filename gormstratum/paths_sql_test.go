package gormstratum_test

import (
	"context"
	"database/sql"

	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/internal/conformance"
)

// sqlReadPaths read with SQL of the application's own.
func sqlReadPaths(db *gorm.DB) []conformance.Path {
	raw := func(text string, args func(x target) []any) read {
		return func(tx *gorm.DB, x target) (any, error) { return scanned(tx.Raw(text, args(x)...)) }
	}
	none := func(target) []any { return nil }
	ticket := func(x target) []any { return []any{x.Ticket} }
	return reading(db, map[string]read{
		"Raw, named": raw("SELECT title FROM tickets WHERE id = @id", func(x target) []any { return []any{sql.Named("id", x.Ticket)} }),
		"Raw, named in a map": raw("SELECT title FROM tickets WHERE id = @id", func(x target) []any {
			return []any{map[string]any{"id": x.Ticket}}
		}),
		"Raw, named in a struct": raw("SELECT title FROM tickets WHERE id = @Ticket", func(x target) []any { return []any{x} }),
		"Raw CTE":                raw("WITH t AS (SELECT * FROM tickets WHERE id = ?) SELECT t.title FROM t JOIN comments c ON c.ticket_id = t.id", ticket),
		"Raw recursive CTE": raw("WITH RECURSIVE r AS (SELECT id, title FROM remarks WHERE parent_id IS NULL UNION ALL "+
			"SELECT x.id, x.title FROM remarks x JOIN r ON x.parent_id = r.id) SELECT * FROM r", none),
		"Raw TABLE":                      raw("TABLE tickets", none),
		"Raw LATERAL":                    raw("SELECT c.body FROM tickets t, LATERAL (SELECT body FROM comments WHERE ticket_id = t.id) c WHERE t.id = ?", ticket),
		"Raw function":                   raw("SELECT query_to_xml('SELECT title FROM tickets', true, false, '')::text AS x", none),
		"Raw UPDATE, returning what was": raw("WITH u AS (SELECT title FROM tickets WHERE id = ? FOR UPDATE) SELECT * FROM u", ticket),
		"Rows of Raw": func(tx *gorm.DB, x target) (any, error) {
			return titles(tx.Raw("SELECT title FROM tickets WHERE id = ?", x.Ticket).Rows())
		},
		"OR that widens": raw("SELECT title FROM tickets WHERE id = ? OR true", ticket),
	})
}

// sqlWritePaths write with SQL of the application's own.
func sqlWritePaths(db *gorm.DB) []conformance.Path {
	exec := func(text string, args func(x target) []any) write {
		return func(tx *gorm.DB, x target) error { return tx.Exec(text, args(x)...).Error }
	}
	ticket := func(x target) []any { return []any{x.Ticket} }
	owned := func(x target) []any { return []any{x.Tenant, x.Ticket} }
	return writing(db, map[string]write{
		"Exec, named":       exec("UPDATE tickets SET title = 'taken' WHERE id = @id", func(x target) []any { return []any{sql.Named("id", x.Ticket)} }),
		"Exec UPDATE FROM":  exec("UPDATE comments SET body = t.number FROM tickets t WHERE t.id = comments.ticket_id AND t.id = ?", ticket),
		"Exec DELETE USING": exec("DELETE FROM comments USING tickets t WHERE t.id = comments.ticket_id AND t.id = ?", ticket),
		"Exec MERGE": exec("MERGE INTO tickets t USING (SELECT ?::uuid AS id) s ON t.id = s.id "+
			"WHEN MATCHED THEN UPDATE SET title = 'taken'", ticket),
		"Exec ON CONFLICT": exec("INSERT INTO tickets (tenant_id, id, number) VALUES (?, ?, 'T-1') "+
			"ON CONFLICT (tenant_id, number) DO UPDATE SET title = 'taken'", owned),
		"Exec of two writes in one": exec("WITH a AS (UPDATE tickets SET title = 'taken' WHERE id = ? RETURNING id) "+
			"DELETE FROM comments WHERE ticket_id IN (SELECT id FROM a)", ticket),
		"Raw UPDATE RETURNING": func(tx *gorm.DB, x target) error {
			return tx.Raw("UPDATE tickets SET title = 'taken' WHERE id = ? RETURNING id", x.Ticket).Scan(&[]map[string]any{}).Error
		},
		"Exec in a Connection": func(tx *gorm.DB, x target) error {
			return tx.Connection(func(tx *gorm.DB) error {
				return tx.Exec("UPDATE tickets SET title = 'taken' WHERE id = ?", x.Ticket).Error
			})
		},
	})
}

// plainPaths leave GORM out.
func plainPaths(db *gorm.DB) []conformance.Path {
	const selectSQL, updateSQL = "SELECT title FROM tickets WHERE id = $1 OR true", "UPDATE tickets SET title = 'taken' WHERE id = $1"
	return []conformance.Path{
		reads("plain database/sql, Conn", func(ctx context.Context, x target) (any, error) {
			return onConn(ctx, db, func(conn *sql.Conn) (any, error) { return titles(conn.QueryContext(ctx, selectSQL, x.Ticket)) })
		}),
		reads("plain database/sql, read-only transaction", func(ctx context.Context, x target) (any, error) {
			return onTx(ctx, db, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelSerializable}, func(tx *sql.Tx) (any, error) {
				return titles(tx.QueryContext(ctx, selectSQL, x.Ticket))
			})
		}),
		reads("plain database/sql, prepared in a transaction", func(ctx context.Context, x target) (any, error) {
			return onTx(ctx, db, nil, func(tx *sql.Tx) (any, error) {
				stmt, err := tx.PrepareContext(ctx, selectSQL)
				if err != nil {
					return nil, err
				}
				defer func() { _ = stmt.Close() }() // it ends with the transaction
				return titles(stmt.QueryContext(ctx, x.Ticket))
			})
		}),
		reads("plain database/sql, QueryRow", func(ctx context.Context, x target) (title any, err error) {
			pool, err := db.DB()
			if err != nil {
				return nil, err
			}
			return title, pool.QueryRowContext(ctx, "SELECT max(title) FROM tickets WHERE id = $1 OR true", x.Ticket).Scan(&title)
		}),
		writes("plain database/sql, Exec on a Conn", func(ctx context.Context, x target) error {
			_, err := onConn(ctx, db, func(conn *sql.Conn) (any, error) { return conn.ExecContext(ctx, updateSQL, x.Ticket) })
			return err
		}),
		writes("plain database/sql, savepoint", func(ctx context.Context, x target) error {
			_, err := onTx(ctx, db, nil, func(tx *sql.Tx) (any, error) {
				gone := "UPDATE tickets SET title = 'gone' WHERE id = '" + x.Ticket.String() + "'"
				for _, text := range []string{"SAVEPOINT s", gone, "ROLLBACK TO SAVEPOINT s"} {
					if _, err := tx.ExecContext(ctx, text); err != nil {
						return nil, err
					}
				}
				return tx.ExecContext(ctx, updateSQL, x.Ticket)
			})
			return err
		}),
	}
}

func onConn(ctx context.Context, db *gorm.DB, fn func(*sql.Conn) (any, error)) (any, error) {
	pool, err := db.DB()
	if err != nil {
		return nil, err
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // it goes back to its pool
	return fn(conn)
}

func onTx(ctx context.Context, db *gorm.DB, o *sql.TxOptions, fn func(*sql.Tx) (any, error)) (any, error) {
	pool, err := db.DB()
	if err != nil {
		return nil, err
	}
	tx, err := pool.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it has nothing to do
	seen, err := fn(tx)
	if err != nil {
		return nil, err
	}
	return seen, tx.Commit()
}

package variant

import (
	"context"
	"database/sql"
	"time"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/bench/internal/world"
)

// querier is what *sql.DB and *sql.Tx have in common.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// statements are the operations on a database/sql pool. The texts differ in the table alone: the predicate is in the
// guard's, too, so that what is compared is the guard and not another plan.
type statements struct {
	db    *sql.DB
	scope func(ctx context.Context, pick world.Pick) context.Context

	read, list, insert, update string
}

func newStatements(db *sql.DB, table string, scope func(context.Context, world.Pick) context.Context) *statements {
	const columns = "tenant_id, id, number, title, body, created_at, updated_at"
	from := "SELECT " + columns + " FROM " + table + " WHERE tenant_id = $1 "
	return &statements{
		db: db, scope: scope,
		read: from + "AND id = $2",
		list: from + "ORDER BY created_at DESC LIMIT $2",
		insert: "INSERT INTO " + table + " (tenant_id, number, title, body, created_at, updated_at) " +
			"VALUES ($1, $2, $3, $4, $5, $6)",
		update: "UPDATE " + table + " SET title = $3, updated_at = $4 WHERE tenant_id = $1 AND id = $2",
	}
}

func (s *statements) actions() map[Op]Action {
	one := func(do func(ctx context.Context, q querier, pick world.Pick) error) Action {
		return func(ctx context.Context, pick world.Pick) (Seen, error) {
			return Seen{Rows: 1}, do(s.scope(ctx, pick), s.db, pick)
		}
	}
	list := func(limit int) Action {
		return func(ctx context.Context, pick world.Pick) (Seen, error) {
			return s.doList(s.scope(ctx, pick), pick, limit)
		}
	}
	return map[Op]Action{
		PointRead: func(ctx context.Context, pick world.Pick) (Seen, error) {
			return s.doRead(s.scope(ctx, pick), s.db, pick)
		},
		List: list(listRows), ListOne: list(1), ListMany: list(manyRows),
		Insert: one(s.doInsert), Update: one(s.doUpdate),
		Transaction: func(ctx context.Context, pick world.Pick) (Seen, error) {
			return Seen{Rows: 1}, s.transaction(s.scope(ctx, pick), pick)
		},
	}
}

func scan(row interface{ Scan(dest ...any) error }, t *world.Plain) error {
	return row.Scan(&t.TenantID, &t.ID, &t.Number, &t.Title, &t.Body, &t.CreatedAt, &t.UpdatedAt)
}

func (s *statements) doRead(ctx context.Context, q querier, pick world.Pick) (seen Seen, err error) {
	var row world.Plain
	if err := scan(q.QueryRowContext(ctx, s.read, pick.Tenant, pick.Row), &row); err != nil {
		return seen, err
	}
	seen.add(row.TenantID, pick.Tenant)
	return seen, nil
}

func (s *statements) doList(ctx context.Context, pick world.Pick, limit int) (seen Seen, err error) {
	rows, err := s.db.QueryContext(ctx, s.list, pick.Tenant, limit)
	if err != nil {
		return seen, err
	}
	defer rows.Close() //nolint:errcheck // Err has it
	var row world.Plain
	for rows.Next() {
		if err := scan(rows, &row); err != nil {
			return seen, err
		}
		seen.add(row.TenantID, pick.Tenant)
	}
	return seen, rows.Err()
}

func (s *statements) doInsert(ctx context.Context, q querier, pick world.Pick) error {
	row := freshRow(pick.Tenant)
	_, err := q.ExecContext(ctx, s.insert, row.TenantID, row.Number, row.Title, row.Body, row.CreatedAt, row.UpdatedAt)
	return err
}

func (s *statements) doUpdate(ctx context.Context, q querier, pick world.Pick) error {
	result, err := q.ExecContext(ctx, s.update, pick.Tenant, pick.Row, newTitle, time.Now())
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return sql.ErrNoRows
	}
	return nil
}

func (s *statements) transaction(ctx context.Context, pick world.Pick) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // nothing is left to undo after Commit
	if _, err := s.doRead(ctx, tx, pick); err != nil {
		return err
	}
	if err := s.doUpdate(ctx, tx, pick); err != nil {
		return err
	}
	if err := s.doInsert(ctx, tx, pick); err != nil {
		return err
	}
	return tx.Commit()
}

// freshRow is a row to insert, of the usual size.
func freshRow(tenant uuid.UUID) world.Plain {
	now := time.Now()
	return world.Plain{
		TenantID: tenant, Number: 1, Title: "ticket", Body: body, CreatedAt: now, UpdatedAt: now,
	}
}

const body = "lorem ipsum lorem ipsum lorem ipsum lorem ipsum lorem ipsum lorem ipsum lorem ipsum lorem ipsum "

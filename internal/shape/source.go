package shape

import (
	"context"
	"database/sql"

	"github.com/jackc/pgx/v5"
)

// PgxQuerier is a transaction of pgx.
type PgxQuerier interface {
	Query(ctx context.Context, query string, args ...any) (pgx.Rows, error)
}

// source is either of the two.
type source interface {
	query(ctx context.Context, text string, args ...any) (cursor, error)
}

// cursor is what rows of both have in common.
type cursor interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
	close()
}

// standard is database/sql.
type standard struct{ q Querier }

func (s standard) query(ctx context.Context, text string, args ...any) (cursor, error) {
	rows, err := s.q.QueryContext(ctx, text, args...) //nolint:rowserrcheck // the reader does both
	if err != nil {
		return nil, err
	}
	return standardRows{rows}, nil
}

type standardRows struct{ *sql.Rows }

func (r standardRows) close() { _ = r.Close() } // Err tells

// native is pgx.
type native struct{ q PgxQuerier }

func (n native) query(ctx context.Context, text string, args ...any) (cursor, error) {
	rows, err := n.q.Query(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	return nativeRows{rows}, nil
}

type nativeRows struct{ pgx.Rows }

func (r nativeRows) close() { r.Close() }

// one reads the only value of a query.
func one(ctx context.Context, q source, dest any, text string, args ...any) error {
	rows, err := q.query(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.close()
	if rows.Next() {
		if err := rows.Scan(dest); err != nil {
			return err
		}
	}
	return rows.Err()
}

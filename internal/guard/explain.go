package guard

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// What the server says of a table depends on where the tenant lives: in a schema of its own a table that is missing
// there is found among the shared ones, and refused as those are; in another database it is not found at all.

// noteSchema is the reason that is likely in a schema of the tenant's own.
const noteSchema = "the tenant has a schema of its own, which may lack the table, or the statement names another " +
	"schema (name tables without one)"

// explain says more of a refusal that has to do with the place.
func (p *Place) explain(err error) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return err
	}
	switch {
	case pgErr.Code == codeUndefinedTable && p.Database.Name != "":
		return &StatementError{Code: pgErr.Code, sentinel: ErrTableMissing, note: pgErr.Message, cause: pgErr}
	case pgErr.Code == codePrivilege && p.Schema != "":
		if sentinel := sentinelFor(pgErr); errors.Is(sentinel, ErrPermission) {
			return &StatementError{Code: pgErr.Code, sentinel: sentinel, note: noteSchema, cause: pgErr}
		}
	}
	return err
}

// explain says more of a refusal. Outside of a transaction the server can still be asked whether the tenant's schema
// lacks a table.
func (c *conn) explain(ctx context.Context, where at, s *session, err error) error {
	err = where.place.explain(err)
	var refused *StatementError
	if errors.As(err, &refused) && refused.note == noteSchema && c.tx == nil && s.usable() &&
		s.lacksTable(ctx, where.place.Schema) {
		refused.note, refused.also = "", ErrSchemaTable
	}
	return err
}

// lacksTable asks the server whether a table of the model is missing in a schema.
func (s *session) lacksTable(ctx context.Context, schema string) bool {
	_, err := s.exchange(ctx, "SELECT stratum.enter_whole_schema("+quoteLiteral(schema)+")", nil)
	return sqlState(err) == codeNoSchemaTable
}

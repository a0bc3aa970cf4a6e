package guard

import (
	"database/sql/driver"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// DecodeRow decodes the values of one row, as texts, under a description of as many columns as given.
func DecodeRow(described int, values ...string) ([]driver.Value, error) {
	fields := make([]pgconn.FieldDescription, described)
	for i := range fields {
		fields[i] = pgconn.FieldDescription{DataTypeOID: pgtype.TextOID}
	}
	raw := make([][]byte, len(values))
	for i, v := range values {
		raw[i] = []byte(v)
	}
	row := make([]driver.Value, max(described, len(values)))
	err := newColumns(pgtype.NewMap(), fields).decode(raw, row)
	return row, err
}

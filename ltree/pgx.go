package ltree

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// pgtype.LtreeCodec asks for these, in the text and in the binary format alike.
var (
	_ pgtype.TextValuer  = Path{}
	_ pgtype.TextScanner = (*Path)(nil)
)

// findType goes by the extension's membership and not by the search_path: the extension may live in any schema, and a
// type of the user's own may be called ltree too.
const findType = `
SELECT t.oid, t.typarray
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
	AND d.refobjid = e.oid AND d.deptype = 'e'
JOIN pg_catalog.pg_type t ON d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = t.oid
WHERE e.extname = 'ltree' AND t.typname = 'ltree'`

// Register teaches conn the types ltree and ltree[], so that Path goes over the wire in the binary format too and
// []Path is an argument and a scan target. It finds the extension in whatever schema it is in, with one query. It
// returns ErrNotInstalled when the database lacks the extension. Its signature is that of pgxpool's AfterConnect.
func Register(ctx context.Context, conn *pgx.Conn) error {
	var scalar, array uint32
	err := conn.QueryRow(ctx, findType).Scan(&scalar, &array)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("register ltree: %w", ErrNotInstalled)
	}
	if err != nil {
		return fmt.Errorf("register ltree: look up its type: %w", err)
	}
	registerTypes(conn.TypeMap(), scalar, array)
	return nil
}

// registerTypes names the Go slices as well, because in pgx's simple protocol and exec mode the server does not say
// which type a parameter has. A Path alone needs no such name: it goes as text.
func registerTypes(types *pgtype.Map, scalar, array uint32) {
	element := &pgtype.Type{Name: "ltree", OID: scalar, Codec: pgtype.LtreeCodec{}}
	types.RegisterType(element)
	types.RegisterType(&pgtype.Type{Name: "_ltree", OID: array, Codec: &pgtype.ArrayCodec{ElementType: element}})
	types.RegisterDefaultPgType([]Path{}, "_ltree")
	types.RegisterDefaultPgType([]*Path{}, "_ltree")
}

// TextValue implements pgtype.TextValuer. It is Value in pgx's own terms.
func (p Path) TextValue() (pgtype.Text, error) { return pgtype.Text{String: p.text, Valid: true}, nil }

// ScanText implements pgtype.TextScanner. It is Scan in pgx's own terms, with the same errors.
func (p *Path) ScanText(text pgtype.Text) error {
	if !text.Valid {
		return p.Scan(nil)
	}
	return p.Scan(text.String)
}

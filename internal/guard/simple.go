package guard

import (
	"bytes"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

var errNul = errors.New("PostgreSQL has no text with a NUL byte in it")

// simpleProtocol reports whether the session sends statements as plain text.
func (s *session) simpleProtocol() bool { return s.mode == pgx.QueryExecModeSimpleProtocol }

// Plain text is for what cannot take PostgreSQL's extended protocol. Enter, the statement and its arguments are one
// text, so what is said of literals below is what keeps tenants apart.

// bindSimple puts the arguments into the text of one statement, as literals.
func (s *session) bindSimple(sql string, args []any) (string, error) {
	return sqltext.Bind(sql, len(args), func(i int) (string, error) {
		literal, err := s.literalOf(args[i])
		if err != nil {
			return "", newArgumentError(i, args[i], "", err)
		}
		return literal, nil
	})
}

// literalOf writes an argument as a literal without a type, so that the server infers one as it does for a
// placeholder.
func (s *session) literalOf(arg any) (string, error) {
	types := s.conn.TypeMap()
	var oid uint32
	if t, ok := types.TypeForValue(arg); ok {
		oid = t.OID
	}
	text, err := types.Encode(oid, pgtype.TextFormatCode, arg, []byte{}) // nil in, and an empty text would be null
	if err != nil {
		return "", err
	}
	if text == nil {
		return "null", nil
	}
	if bytes.IndexByte(text, 0) >= 0 {
		return "", errNul // it would end the message
	}
	return quoteLiteral(string(text)), nil
}

// forgetNames gives up named statements where the server knows them not, or knows them of somebody else: there is a
// pooler in between that hands out server connections per transaction.
func (s *session) forgetNames(err error) {
	code := sqlState(err)
	if s.mode != pgx.QueryExecModeCacheStatement || code != codeNoStatement && code != codeHasStatement {
		return
	}
	s.mode = pgx.QueryExecModeCacheDescribe
	s.enters = nil
	s.cache = newCache(s.cache.capacity)
}

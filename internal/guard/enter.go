package guard

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/stratum-hq/stratum-go/internal/scope"
)

// Roles are the roles that a statement runs as, one for each kind of scope.
type Roles struct {
	Tenant  string
	Subtree string
	System  string
}

func (r Roles) of(k scope.Kind) string {
	switch k {
	case scope.Tenant:
		return r.Tenant
	case scope.Subtree:
		return r.Subtree
	case scope.System:
		return r.System
	case scope.None:
	}
	return ""
}

// The settings are evaluated in this order: search_path first, so that it holds while the rest is looked up; the role
// last, because only the login may call stratum.enter and set the others. A failing enter aborts the transaction, and
// the statement behind it is skipped by the server.
const (
	enterTenantSQL = `SELECT pg_catalog.set_config('search_path', $1, true), stratum.enter($2), ` +
		`pg_catalog.set_config('stratum.context', $3, true), pg_catalog.set_config('role', $4, true)`
	enterSystemSQL = `SELECT pg_catalog.set_config('search_path', $1, true), ` +
		`pg_catalog.set_config('stratum.tenant', $2, true), ` +
		`pg_catalog.set_config('stratum.context', $3, true), pg_catalog.set_config('role', $4, true)`
)

// entry is enter's statement and arguments for one scope.
type entry struct {
	sql  string
	oids []uint32
	args [][]byte
}

// newEntry says how a transaction enters the scope s, under actor and with searchPath.
func newEntry(ctx context.Context, s scope.Scope, roles Roles, searchPath string) (entry, error) {
	note, err := describeContext(s, scope.ActorFrom(ctx))
	if err != nil {
		return entry{}, err
	}
	e := entry{
		sql:  enterTenantSQL,
		oids: []uint32{pgtype.TextOID, pgtype.UUIDOID, pgtype.TextOID, pgtype.TextOID},
		args: [][]byte{[]byte(searchPath), []byte(s.Tenant.String()), note, []byte(roles.of(s.Kind))},
	}
	if s.Kind == scope.System {
		e.sql = enterSystemSQL
		e.oids = []uint32{pgtype.TextOID, pgtype.TextOID, pgtype.TextOID, pgtype.TextOID}
		e.args[1] = []byte{}
	}
	return e, nil
}

// describeContext is what the database is told of who acts and why, for its triggers: JSON, or nothing at all.
func describeContext(s scope.Scope, a scope.Actor) ([]byte, error) {
	if a == (scope.Actor{}) && s.Reason == "" {
		return []byte{}, nil
	}
	note := struct {
		Actor  *scope.Actor `json:"actor,omitempty"`
		Reason string       `json:"reason,omitempty"`
	}{Reason: withoutNul(s.Reason)}
	if a != (scope.Actor{}) {
		note.Actor = &scope.Actor{ID: withoutNul(a.ID), Kind: withoutNul(a.Kind)}
	}
	return json.Marshal(note)
}

// withoutNul replaces what JSON can write and PostgreSQL's jsonb cannot hold: a trigger that reads the note would fail.
func withoutNul(s string) string { return strings.ReplaceAll(s, "\x00", "\ufffd") }

// literal writes enter with its arguments in place, for the simple protocol. The session has made sure that strings
// are standard-conforming, so doubling the quote is enough. One pass, so that an argument's own "$4" stays as it is.
func (e entry) literal() string {
	return strings.NewReplacer(
		"$1", quoteLiteral(string(e.args[0])),
		"$2", quoteLiteral(string(e.args[1])),
		"$3", quoteLiteral(string(e.args[2])),
		"$4", quoteLiteral(string(e.args[3])),
	).Replace(e.sql)
}

func quoteLiteral(s string) string {
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

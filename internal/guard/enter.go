package guard

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/google/uuid"
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

// form is enter for one kind of scope: what is the same for every statement.
type form struct {
	sql     string
	oids    []uint32
	formats []int16
	path    []byte
	role    []byte
}

func newForm(kind scope.Kind, roles Roles, searchPath string) form {
	f := form{
		sql:     enterTenantSQL,
		oids:    []uint32{pgtype.TextOID, pgtype.UUIDOID, pgtype.TextOID, pgtype.TextOID},
		formats: []int16{pgtype.TextFormatCode, pgtype.BinaryFormatCode, pgtype.TextFormatCode, pgtype.TextFormatCode},
		path:    []byte(searchPath),
		role:    []byte(roles.of(kind)),
	}
	if kind == scope.System {
		f.sql = enterSystemSQL
		f.oids[1], f.formats[1] = pgtype.TextOID, pgtype.TextFormatCode
	}
	return f
}

// entry is enter with its arguments: for one scope and one actor.
type entry struct {
	*form
	tenant uuid.UUID
	args   [4][]byte
}

// newEntry says how a transaction enters the scope s.
func newEntry(ctx context.Context, f *form, s scope.Scope) (*entry, error) {
	note, err := describeContext(s, scope.ActorFrom(ctx))
	if err != nil {
		return nil, err
	}
	e := &entry{form: f, tenant: s.Tenant}
	e.args = [4][]byte{f.path, e.tenant[:], note, f.role}
	if s.Kind == scope.System {
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
func (e *entry) literal() string {
	tenant := ""
	if len(e.args[1]) > 0 {
		tenant = e.tenant.String()
	}
	return strings.NewReplacer(
		"$1", quoteLiteral(string(e.args[0])),
		"$2", quoteLiteral(tenant),
		"$3", quoteLiteral(string(e.args[2])),
		"$4", quoteLiteral(string(e.args[3])),
	).Replace(e.sql)
}

func quoteLiteral(s string) string {
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

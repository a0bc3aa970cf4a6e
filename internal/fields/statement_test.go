package fields_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/internal/fields"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

var errRefused = errors.New("refused")

// people is a table with an encrypted column, beside pets, which has a column of the same name in the clear.
type people struct{ people, pets *fields.Table }

func newPeople() people {
	p := people{people: &fields.Table{Name: "people", Tenant: "tenant_id", PrimaryKey: []string{"id"}}}
	email := &fields.Column{Table: p.people, Name: "email", Searchable: true, Text: true, Opener: open}
	bound := &fields.Column{Table: p.people, Name: "bound", PrimaryKey: true, Opener: open}
	p.people.Columns = map[string]*fields.Column{
		"id": nil, "tenant_id": nil, "name": nil, "email": email, "email_bidx": nil, "bound": bound,
	}
	p.pets = &fields.Table{Name: "pets", Columns: map[string]*fields.Column{"id": nil, "email": nil}}
	return p
}

// Table knows people, and people in the schema app.
func (p people) Table(schema, name string) *fields.Table {
	switch {
	case name == "people" && (schema == "" || schema == "app"):
		return p.people
	case name == "pets":
		return p.pets
	}
	return nil
}

// opened is the opener of a tenant: it opens what begins with the tenant's id and the row's key.
type opened struct{ tenant uuid.UUID }

func open(_ context.Context, tenant uuid.UUID) (fields.Opener, error) { return opened{tenant}, nil }

// Open returns what is behind the header, the tenant and the key.
func (o opened) Open(_ context.Context, dst, sealed, key []byte) ([]byte, error) {
	prefix := slices.Concat(o.tenant[:], key)
	rest := sealed[headerLength:]
	if len(rest) < len(prefix) || string(rest[:len(prefix)]) != string(prefix) {
		return nil, fieldcrypt.ErrDecrypt
	}
	return append(dst, rest[len(prefix):]...), nil
}

const headerLength = 33

// seal is what opened opens.
func seal(t *testing.T, tenant uuid.UUID, key []byte, value any) []byte {
	t.Helper()
	header := make([]byte, headerLength)
	header[0], header[4] = 1, 1
	encoded, _, err := fieldcrypt.Encode(append(append(header, tenant[:]...), key...), value)
	require.NoError(t, err)
	return encoded
}

func watcherOf(ctx context.Context, p people, words []fields.Word, stored bool) *fields.Watcher {
	return fields.NewWatcher(ctx, fields.Adapter{
		ErrEncrypted: errRefused, Package: "adapter", Migrate: "adapter.Migrate",
		Cure: func(c *fields.Column) string { return "the cure of " + c.Name },
	}, fields.NamesOf(p, words), stored)
}

func check(ctx context.Context, t *testing.T, sql string) (*fields.Watcher, error) {
	t.Helper()
	words, ok := fields.Read(sql)
	require.True(t, ok, sql)
	w := watcherOf(ctx, newPeople(), words, false)
	return w, w.Check(words, nil)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, allowed := range []string{
		"SELECT email FROM people", "SELECT * FROM people", "SELECT p.email AS address, p.id FROM app.people AS p",
		"SELECT count(email) FROM people", "SELECT id FROM people WHERE email IS NULL OR email IS NOT NULL",
		"DELETE FROM people WHERE id = $1 RETURNING email", "SELECT email FROM pets ORDER BY email",
		`SELECT DISTINCT "people"."id", "people"."email" FROM "people"`, "SELECT DISTINCT p.email, p.id FROM people p",
		"SELECT id FROM people WHERE id IN (SELECT id FROM people)", "SELECT q.email FROM (SELECT email FROM people) q",
		"SELECT pets.email FROM pets, people WHERE pets.email = $1", "SELECT email FROM other.people ORDER BY email",
	} {
		_, err := check(t.Context(), t, allowed)
		require.NoError(t, err, allowed)
	}
	for _, refused := range []string{
		"SELECT upper(email) FROM people", "SELECT email || 'x' FROM people", "SELECT 'x' || email FROM people",
		"SELECT email::text FROM people", "SELECT id FROM people WHERE email = $1", "SELECT id FROM people ORDER BY email",
		"SELECT id FROM people GROUP BY email", "SELECT DISTINCT email FROM people", "SELECT DISTINCT (email), id FROM people",
		"SELECT DISTINCT ON (id) email FROM people", "SELECT DISTINCT p.email, q.id FROM people p, people q",
		"SELECT count(DISTINCT email) FROM people", "SELECT p FROM people p", "SELECT row_to_json(p) FROM people p",
		"SELECT json_agg(p.*) FROM people p", "INSERT INTO people (email) VALUES ($1)", "UPDATE people SET email = $1",
		"UPDATE people SET name = email", "SELECT id FROM pets WHERE email IN (SELECT email FROM people)",
		"SELECT id FROM pets WHERE email = ANY (SELECT email FROM people)", "SELECT people::text FROM people",
		"SELECT id FROM people WHERE NULL = email IS NULL", "SELECT email AT TIME ZONE 'x' FROM people",
		"SELECT coalesce(email, 'x') FROM people", "MERGE INTO people USING pets ON true WHEN MATCHED THEN UPDATE SET email = $1",
	} {
		_, err := check(t.Context(), t, refused)
		require.ErrorIs(t, err, errRefused, refused)
		require.ErrorContains(t, err, `column "people".`, refused)
		require.ErrorContains(t, err, "(the cure of ", refused)
	}
	words, _ := fields.Read("UPDATE people SET email = $1")
	require.NoError(t, watcherOf(t.Context(), newPeople(), words, false).Check(words, map[int]bool{3: true}))
	require.NoError(t, watcherOf(t.Context(), newPeople(), words, true).Check(words, nil), "as it is stored")
}

// OIDs of types.
const (
	text  = 25
	bytea = 17
)

func TestRows(t *testing.T) {
	t.Parallel()
	tenant, other, id := uuid.New(), uuid.New(), uuid.New()
	own := scope.With(t.Context(), scope.Scope{Kind: scope.Tenant, Tenant: tenant})
	system := scope.With(t.Context(), scope.Scope{Kind: scope.System, Reason: "x"})
	key, err := fieldcrypt.PrimaryKey(nil, id)
	require.NoError(t, err)
	value := seal(t, tenant, nil, "ann@example.org")
	for _, test := range []struct {
		name, sql    string
		ctx          context.Context //nolint:containedctx // a case of a test
		columns      []string
		types        []uint32
		row, want    []driver.Value
		begins, ends error
	}{
		{
			"own", "SELECT name, email FROM people", own,
			[]string{"name", "email"},
			[]uint32{text, bytea},
			[]driver.Value{"x", value},
			[]driver.Value{"x", "ann@example.org"},
			nil, nil,
		},
		{
			"under another name", "SELECT email AS a FROM people", own,
			[]string{"a"},
			[]uint32{bytea},
			[]driver.Value{value},
			[]driver.Value{"ann@example.org"},
			nil, nil,
		},
		{
			"NULL", "SELECT email FROM people", own,
			[]string{"email"},
			[]uint32{bytea},
			[]driver.Value{nil},
			[]driver.Value{nil},
			nil, nil,
		},
		{
			"of the row's tenant", "SELECT * FROM people", system,
			[]string{"email", "tenant_id"},
			[]uint32{bytea, text},
			[]driver.Value{seal(t, other, nil, "x"), other.String()},
			[]driver.Value{"x", other.String()},
			nil, nil,
		},
		{
			"of no tenant", "SELECT * FROM people", system,
			[]string{"email", "tenant_id"},
			[]uint32{bytea, text},
			[]driver.Value{value, nil},
			nil, nil, fieldcrypt.ErrDecrypt,
		},
		{
			"without the row's tenant", "SELECT email FROM people", system,
			[]string{"email"},
			[]uint32{bytea},
			nil, nil, errRefused, nil,
		},
		{
			"bound", "SELECT id, bound FROM people", own,
			[]string{"id", "bound"},
			[]uint32{text, bytea},
			[]driver.Value{id.String(), seal(t, tenant, key, int64(7))},
			[]driver.Value{id.String(), int64(7)},
			nil, nil,
		},
		{
			"bound to another row", "SELECT id, bound FROM people", own,
			[]string{"id", "bound"},
			[]uint32{text, bytea},
			[]driver.Value{other.String(), seal(t, tenant, key, int64(7))},
			nil, nil, fieldcrypt.ErrDecrypt,
		},
		{
			"bound, without the key", "SELECT bound FROM people", own,
			[]string{"bound"},
			[]uint32{bytea},
			nil, nil,
			errRefused, nil,
		},
		{
			"of another type", "SELECT email FROM people", own, []string{"email"}, []uint32{text}, nil, nil, errRefused, nil,
		},
		{
			"one of two", "SELECT email, bound AS email FROM people", own,
			[]string{"email", "email"},
			[]uint32{bytea, bytea},
			nil, nil, errRefused, nil,
		},
		{
			"not known", "SELECT x FROM a_view", own, []string{"x"}, []uint32{bytea}, []driver.Value{value}, nil, nil, errRefused,
		},
		{
			"not known, and nothing", "SELECT x FROM a_view", own,
			[]string{"x"},
			[]uint32{bytea},
			[]driver.Value{[]byte("short")},
			[]driver.Value{[]byte("short")},
			nil, nil,
		},
		{
			"of another tenant", "SELECT email FROM people", own,
			[]string{"email"},
			[]uint32{bytea},
			[]driver.Value{seal(t, other, nil, "x")},
			nil, nil, fieldcrypt.ErrDecrypt,
		},
	} {
		w, err := check(test.ctx, t, test.sql)
		require.NoError(t, err, test.name)
		look, err := w.Rows(test.columns, test.types)
		require.ErrorIs(t, err, test.begins, test.name)
		if test.begins != nil {
			continue
		}
		row := test.row
		if err = look(row); test.ends == nil {
			require.NoError(t, err, test.name)
			require.Equal(t, test.want, row, test.name)
		} else {
			require.ErrorIs(t, err, test.ends, test.name)
		}
	}
	w := watcherOf(own, newPeople(), nil, true)
	look, err := w.Rows([]string{"a", "b"}, []uint32{bytea, bytea})
	require.NoError(t, err)
	row := []driver.Value{value, []byte("short")}
	require.NoError(t, look(row))
	require.Equal(t, []driver.Value{fields.Stored(value), []byte("short")}, row)
	require.NoError(t, w.Statement("whatever"))
}

func TestAsUUID(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	for _, value := range []any{
		id, &id, [16]byte(id), id.String(), []byte(id.String()), id[:], uuid.NullUUID{UUID: id, Valid: true},
	} {
		got, err := fields.AsUUID(value)
		require.NoError(t, err)
		require.Equal(t, id, got, "%T", value)
	}
	for _, value := range []any{nil, 7, (*uuid.UUID)(nil), uuid.NullUUID{}} {
		got, err := fields.AsUUID(value)
		require.NoError(t, err)
		require.Equal(t, uuid.Nil, got, "%T", value)
	}
	_, err := fields.AsUUID("x")
	require.Error(t, err)
}

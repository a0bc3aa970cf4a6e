package core

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// EncryptedTable is a table with encrypted columns, for Reencrypt and Retire, which see to config by themselves.
type EncryptedTable struct {
	// Name is the table's, as it is in the database and without quotes. Required.
	Name string
	// Schema is the table's where the search_path does not lead to it. Defaults to the search_path, in which a tenant's
	// own schema comes first.
	Schema string
	// TenantColumn has the tenant. Defaults to "tenant_id".
	TenantColumn string
	// PrimaryKey are its columns, in the order in which they are given to fieldcrypt.PrimaryKey. Defaults to "id".
	PrimaryKey []string
	// Columns are the encrypted ones. Required.
	Columns []EncryptedColumn

	registry bool // it is one of the registry's
}

// EncryptedColumn is a column of an EncryptedTable.
type EncryptedColumn struct {
	// Name is the column's, of type bytea. Required.
	Name string
	// Sealed is its declaration. Required.
	Sealed *SealedColumn
	// Indexes are the columns of its blind indexes, of type bytea, by their names. Reencrypt fills those that are NULL.
	Indexes map[string]string
	// Plain is a column that has, or had, the values as they are. Where it is not NULL its value is the newer one:
	// Reencrypt seals it, and sets Plain to NULL in the same statement. So programs that only know Plain may go on to
	// write it, and those that know Name write that, and NULL into Plain. Defaults to none.
	Plain string
	// FromPlain makes the value that is encoded from what pgx reads. Defaults to that itself: string, int64 and so on.
	FromPlain func(value any) (any, error)
	// PlainJSON gives FromPlain a []byte, with a JSON array of two: the name of PostgreSQL's type, and the value as
	// to_json has it. Defaults to false.
	PlainJSON bool
}

// plainValue writes what FromPlain is given.
func (c EncryptedColumn) plainValue() string {
	if !c.PlainJSON {
		return ident(c.Plain)
	}
	return "pg_catalog.convert_to(pg_catalog.json_build_array(pg_catalog.pg_typeof(" + ident(c.Plain) + ")::text, " +
		ident(c.Plain) + ")::text, 'UTF8')"
}

func (t EncryptedTable) withDefaults() EncryptedTable {
	t.TenantColumn = cmp.Or(t.TenantColumn, "tenant_id")
	if len(t.PrimaryKey) == 0 {
		t.PrimaryKey = []string{"id"}
	}
	return t
}

// relation is the table as it is written in a statement.
func (t EncryptedTable) relation() string {
	if t.Schema == "" {
		return pgx.Identifier{t.Name}.Sanitize()
	}
	return pgx.Identifier{t.Schema, t.Name}.Sanitize()
}

func (t EncryptedTable) validate(k *Keys) error {
	if t.Name == "" || len(t.Columns) == 0 {
		return fmt.Errorf("%w: it needs a name and columns", ErrKeyJob)
	}
	for _, c := range t.Columns {
		if c.Name == "" || c.Sealed == nil || c.Sealed.keys != k {
			return fmt.Errorf("%w: column %q of %q needs a name, and a SealedColumn of the same handle",
				ErrKeyJob, c.Name, t.Name)
		}
		for name := range c.Indexes {
			if c.Sealed.column.Index(name) == nil {
				return fmt.Errorf("%w: column %q of %q has no index %q", ErrKeyJob, c.Name, t.Name, name)
			}
		}
	}
	return nil
}

// prepareTables returns tables with defaults, or why they cannot be worked on.
func (k *Keys) prepareTables(tables []EncryptedTable) ([]EncryptedTable, error) {
	if len(tables) == 0 && len(k.declared()) > 0 {
		return nil, fmt.Errorf("%w: there are none", ErrKeyJob)
	}
	prepared := make([]EncryptedTable, len(tables))
	seen := map[string]bool{}
	for i, t := range tables {
		prepared[i] = t.withDefaults()
		if err := prepared[i].validate(k); err != nil {
			return nil, err
		}
		if seen[prepared[i].relation()] {
			return nil, fmt.Errorf("%w: %q is there twice", ErrKeyJob, t.Name)
		}
		seen[prepared[i].relation()] = true
	}
	return prepared, nil
}

// keyTx is a transaction at a table's place.
type keyTx interface {
	Query(ctx context.Context, query string, args ...any) (pgx.Rows, error)
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
	Exec(ctx context.Context, query string, args ...any) (pgconn.CommandTag, error)
}

// keyTypes returns the types of the primary key's columns, as they are in the tenant's place.
func (t EncryptedTable) keyTypes(ctx context.Context, tx keyTx) ([]string, error) {
	const query = `SELECT pg_catalog.format_type(a.atttypid, a.atttypmod)
		FROM pg_catalog.unnest($2::text[]) WITH ORDINALITY AS k (name, n)
		JOIN pg_catalog.pg_attribute a ON a.attname = k.name AND a.attrelid = pg_catalog.to_regclass($1)
		ORDER BY k.n`
	rows, err := tx.Query(ctx, query, t.relation(), t.PrimaryKey)
	if err != nil {
		return nil, err
	}
	types, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err == nil && len(types) != len(t.PrimaryKey) {
		err = fmt.Errorf("%w: there is no table %q with these columns of a primary key", ErrKeyJob, t.Name)
	}
	return types, err
}

// sqlWriter writes a statement and its arguments.
type sqlWriter struct {
	text strings.Builder

	args []any
}

// WriteString adds to the text.
func (w *sqlWriter) WriteString(text string) { w.text.WriteString(text) }

func (w *sqlWriter) String() string { return w.text.String() }

// arg adds an argument and returns its place.
func (w *sqlWriter) arg(v any) string {
	w.args = append(w.args, v)
	return "$" + strconv.Itoa(len(w.args))
}

func ident(name string) string { return pgx.Identifier{name}.Sanitize() }

// key writes a primary key that is given as texts, as values of its types.
func (w *sqlWriter) key(texts, types []string) string {
	values := make([]string, len(texts))
	for i, text := range texts {
		values[i] = "CAST(" + w.arg(text) + "::text AS " + types[i] + ")"
	}
	return "(" + strings.Join(values, ", ") + ")"
}

func (t EncryptedTable) keyColumns() string {
	columns := make([]string, len(t.PrimaryKey))
	for i, c := range t.PrimaryKey {
		columns[i] = ident(c)
	}
	return "(" + strings.Join(columns, ", ") + ")"
}

// indexColumns are the columns of the blind indexes, in an order that is always the same.
func (c EncryptedColumn) indexNames() []string { return slices.Sorted(maps.Keys(c.Indexes)) }

// stale writes when a column of a row has something to be done.
func (c EncryptedColumn) stale(w *sqlWriter, header []byte) string {
	name := ident(c.Name)
	conditions := []string{"pg_catalog.substring(" + name + ", 1, 5) <> " + w.arg(header) + "::bytea"}
	for _, index := range c.indexNames() {
		conditions = append(conditions, name+" IS NOT NULL AND "+ident(c.Indexes[index])+" IS NULL")
	}
	if c.Plain != "" {
		conditions = append(conditions, ident(c.Plain)+" IS NOT NULL")
	}
	return strings.Join(conditions, " OR ")
}

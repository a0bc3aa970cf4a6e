package entstratum

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/internal/fields"
)

// Kind is what the values of an encrypted field are before they are sealed. Values that ent and database/sql write
// alike, such as an int and an int64, are of one kind, so that a blind index finds them.
type Kind string

// The kinds of fields.
const (
	KindText    Kind = "text" // enums too
	KindBytes   Kind = "bytes"
	KindTime    Kind = "time" // of which the instant is kept, in UTC
	KindBool    Kind = "bool"
	KindInteger Kind = "integer"
	KindFloat   Kind = "float"
	KindUUID    Kind = "uuid"
	KindJSON    Kind = "json"
	KindOther   Kind = "other" // whatever its driver.Valuer gives
)

// encryptedFields are those of a client's tables, with the keys of its handle.
type encryptedFields struct {
	registry *Registry
	tables   map[string]*encryptedTable
	err      error // why there are no keys
}

// encryptedTable is a table with encrypted columns.
type encryptedTable struct {
	fields.Table

	known   Table
	columns map[string]*encryptedColumn
}

// encryptedColumn is a column of which the database sees nothing but sealed values.
type encryptedColumn struct {
	fields.Column

	field  Field
	sealed *core.SealedColumn
}

// indexes are the blind indexes. Conditions on the column mean the first.
func (c *encryptedColumn) indexes() []*fieldcrypt.Index { return c.sealed.Column().Indexes() }

// indexSuffix is what the name of a blind index' column ends in.
const indexSuffix = "_bidx"

// IndexColumn is the column of the blind index of a name. That of an index without a name is <column>_bidx.
func (f Field) IndexColumn(name string) string {
	if name != "" {
		name = "_" + strings.ReplaceAll(name, "-", "_")
	}
	return f.Column + name + indexSuffix
}

// options declare the field.
func (f Field) options(t Table) fieldcrypt.ColumnOptions {
	o := fieldcrypt.ColumnOptions{
		Table: t.Name, Column: f.Column, Alg: f.Alg, PrimaryKey: f.PrimaryKey, Indexes: f.Indexes,
	}
	if f.Label == "" {
		return o
	}
	table, column, both := strings.Cut(f.Label, ".")
	if o.Column = table; both {
		o.Table, o.Column = table, column
	}
	return o
}

func (r *Registry) hasEncrypted() bool {
	return slices.ContainsFunc(r.Tables, func(t Table) bool { return len(t.encrypted()) > 0 })
}

// noEncryptedFields knows the columns, and has no keys.
func noEncryptedFields(r *Registry, err error) *encryptedFields {
	f := &encryptedFields{registry: r, tables: make(map[string]*encryptedTable), err: err}
	for _, known := range r.Tables {
		encrypted := known.encrypted()
		if len(encrypted) == 0 {
			continue
		}
		t := &encryptedTable{known: known, columns: make(map[string]*encryptedColumn)}
		t.Table = fields.Table{Name: known.Name, Tenant: known.Column, Columns: make(map[string]*fields.Column)}
		f.readColumns(t)
		for _, field := range encrypted {
			c := &encryptedColumn{field: field}
			c.Column = fields.Column{
				Table: &t.Table, Name: field.Column, Searchable: field.Searchable, PrimaryKey: field.PrimaryKey,
				Text: field.Kind == KindText || field.Kind == KindUUID,
			}
			t.columns[field.Column], t.Columns[field.Column] = c, &c.Column
		}
		f.tables[known.Name] = t
	}
	return f
}

// readColumns notes what columns the table has, those of blind indexes included.
func (f *encryptedFields) readColumns(t *encryptedTable) {
	for _, wanted := range f.registry.wanted {
		if wanted.Name != t.Name {
			continue
		}
		for _, c := range wanted.Columns {
			t.Columns[c.Name] = nil
		}
		t.PrimaryKey = columnNames(wanted.PrimaryKey)
	}
}

// newEncryptedFields declares the columns.
func newEncryptedFields(st *core.Stratum, r *Registry) *encryptedFields {
	f := noEncryptedFields(r, nil)
	for _, t := range f.tables {
		for _, c := range t.columns {
			sealed, err := st.Keys.Column(c.field.options(t.known))
			if err != nil {
				return noEncryptedFields(r, err)
			}
			c.sealed = sealed
			c.Opener = func(ctx context.Context, tenant uuid.UUID) (fields.Opener, error) {
				return sealed.Opener(ctx, tenant)
			}
		}
	}
	return f
}

// Table returns a table with encrypted columns: see fields.Tables.
func (f *encryptedFields) Table(schema, name string) *fields.Table {
	if t := f.find(schema, name); t != nil {
		return &t.Table
	}
	return nil
}

func (f *encryptedFields) find(schema, name string) *encryptedTable {
	t := f.tables[name]
	if t == nil || schema != "" && t.known.Schema != "" && schema != t.known.Schema {
		return nil
	}
	return t
}

// column returns what is known of a column that a statement names.
func (f *encryptedFields) column(c *fields.Column) *encryptedColumn {
	return f.tables[c.Table.Name].columns[c.Name]
}

// indexOf returns the column whose blind index a column is.
func (t *encryptedTable) indexOf(name string) *encryptedColumn {
	for _, c := range t.columns {
		for _, i := range c.field.Indexes {
			if c.field.IndexColumn(i.Name) == name {
				return c
			}
		}
	}
	return nil
}

// misfit says that a value is none of the field's. It never says what the value is.
func (c *encryptedColumn) misfit(value any) error {
	return fmt.Errorf("column %s: %w", c, &fieldcrypt.TypeError{
		Go: fmt.Sprintf("%T", value), Reason: "is no value of the field, which is " + string(c.field.Kind),
	})
}

// encode returns the bytes of a value that is to be sealed or looked up, or nil for NULL.
func (c *encryptedColumn) encode(value any) ([]byte, error) {
	if value == nil {
		return nil, nil
	}
	v, err := driver.DefaultParameterConverter.ConvertValue(value) // its error may quote the value
	if err != nil && c.field.Kind == KindJSON {
		v, err = json.Marshal(value) // in the Set of an upsert ent has not done so
	}
	if err != nil {
		return nil, c.misfit(value)
	}
	if v == nil {
		return nil, nil
	}
	v, ok := c.field.Kind.settle(v)
	if !ok {
		return nil, c.misfit(value)
	}
	encoded, null, err := fieldcrypt.Encode(nil, v)
	if err != nil {
		return nil, c.misfit(value)
	}
	if null {
		return nil, nil
	}
	return encoded, nil
}

// settle returns a value in the one form that values of the kind have.
func (k Kind) settle(v driver.Value) (any, bool) {
	switch k { //nolint:exhaustive // others are as they come
	case KindText:
		return asText(v)
	case KindUUID:
		text, ok := asText(v)
		if !ok {
			return nil, false
		}
		id, err := uuid.Parse(text)
		if err != nil {
			id, err = uuid.FromBytes([]byte(text))
		}
		return id.String(), err == nil
	case KindBytes:
		b, ok := asBytes(v)
		return b, ok
	case KindJSON:
		b, ok := asBytes(v)
		return json.RawMessage(b), ok && json.Valid(b)
	case KindTime:
		t, ok := v.(time.Time)
		return t.UTC(), ok
	case KindBool:
		_, ok := v.(bool)
		return v, ok
	case KindInteger:
		_, ok := v.(int64)
		return v, ok
	case KindFloat:
		if n, ok := v.(int64); ok {
			return float64(n), true
		}
		_, ok := v.(float64)
		return v, ok
	default:
		return v, true
	}
}

func asText(v driver.Value) (string, bool) {
	if b, ok := v.([]byte); ok {
		return string(b), true
	}
	s, ok := v.(string)
	return s, ok
}

func asBytes(v driver.Value) ([]byte, bool) {
	if s, ok := v.(string); ok {
		return []byte(s), true
	}
	b, ok := v.([]byte)
	return b, ok
}

// refusals are what this package says in refusals.
func refusals() fields.Adapter {
	return fields.Adapter{ErrEncrypted: ErrEncrypted, Package: "entstratum", Migrate: "ent.StratumMigrate", Cure: cure}
}

// cure says what can be done with a column.
func cure(c *fields.Column) string {
	if c.Searchable {
		return "values are written as parameters, and = and IN with parameters find it, as one tenant"
	}
	return "values are written as parameters; it is not searchable: annotate it with entstratum.Searchable() for = " +
		"and IN"
}

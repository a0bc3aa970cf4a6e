package entstratum

import (
	"fmt"
	"slices"

	"entgo.io/ent/dialect/sql/schema"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/internal/sqltext"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// Registry is what the generated code knows of its tables. The extension writes it; the generated StratumTables returns
// it, for whoever exports or erases personal data.
type Registry struct {
	// Tables are the tables of the schemas, and the join tables of edges, in ent's order.
	Tables []Table
	// External are tables that are not Stratum's business, with the rights of tenants on them: "river_job: SELECT".
	External []string

	wanted  []*schema.Table
	uniques map[string][][]string // by table: the sets of columns that became unique per tenant, each in order
}

// Table is a table in the registry.
type Table struct {
	// Schema is where the table is. Defaults to the first schema of the search_path that has it.
	Schema string
	// Name is the table's name.
	Name string
	// Entity is the name of the ent schema, or empty for a join table.
	Entity string
	// Class says whose the rows are.
	Class Class
	// Column is the tenant column, of a class that has one.
	Column string
	// Join says that ent makes the table for an edge.
	Join bool
	// GlobalUnique are the unique indexes that stay unique across tenants.
	GlobalUnique []UniqueIndex
	// Fields are those that hold personal data or are stored encrypted.
	Fields []Field
	// StorageKeys are the columns of fields whose column has another name than the field, by the field's name. The
	// tenant's is not among them.
	StorageKeys map[string]string
	// View is the query of a view that its schema defines, as by entsql.View. Migrate makes one that is not there.
	View string
}

// UniqueIndex is a unique index that stays unique across tenants.
type UniqueIndex struct {
	// Name is the index's name.
	Name string
	// Reason says why values must be unique across tenants.
	Reason string
}

// Field is a field that holds personal data or is stored encrypted.
type Field struct {
	// Name is the field's name in the schema, and Column the one in the table.
	Name, Column string
	// Personal, Encrypted and Searchable are as the schema declares them.
	Personal, Encrypted, Searchable bool
	// Kind is what an encrypted field's values are before they are sealed.
	Kind Kind
	// Label, Alg and PrimaryKey are EncryptedOptions.
	Label      string
	Alg        fieldcrypt.Alg
	PrimaryKey bool
	// Indexes are the blind indexes. The column of each is IndexColumn of its name.
	Indexes []fieldcrypt.IndexOptions
}

// Table returns the table of a name, without its schema.
func (r *Registry) Table(name string) (Table, bool) {
	if i := slices.IndexFunc(r.Tables, func(t Table) bool { return t.Name == name }); i >= 0 {
		return r.Tables[i], true
	}
	return Table{}, false
}

// kind is the class as package tables has it. A view is external to it.
func (t Table) kind() tables.Kind {
	switch t.Class {
	case ClassOwned:
		return tables.Owned
	case ClassMixed:
		return tables.Mixed
	case ClassGlobal:
		return tables.Global
	case ClassView:
	}
	return tables.External
}

// globallyUnique reports whether the index of a name stays unique across tenants.
func (t Table) globallyUnique(index string) bool {
	_, ok := t.globalUnique(index)
	return ok
}

func (t Table) globalUnique(index string) (UniqueIndex, bool) {
	for _, u := range t.GlobalUnique {
		if symbol(u.Name) == index {
			return u, true
		}
	}
	return UniqueIndex{}, false
}

// externals are the external tables and the views, with their rights.
func (r *Registry) externals() ([]tables.Table, error) {
	var list []tables.Table
	for _, declared := range r.External {
		t, err := tables.ParseExternal(declared)
		if err != nil {
			return nil, fmt.Errorf("entstratum: Registry.External %w", err)
		}
		list = append(list, t)
	}
	for _, t := range r.Tables {
		if t.Class == ClassView {
			list = append(list, tables.Table{
				Schema: t.Schema, Name: t.Name, Kind: tables.External, Rights: []string{"SELECT"},
			})
		}
	}
	return list, nil
}

// quoted is the table as SQL has it.
func (t Table) quoted() string {
	if t.Schema == "" {
		return sqltext.Quote(t.Name)
	}
	return sqltext.Quote(t.Schema, t.Name)
}

// encrypted are the fields that are stored encrypted.
func (t Table) encrypted() []Field {
	return slices.DeleteFunc(slices.Clone(t.Fields), func(f Field) bool { return !f.Encrypted })
}

// stored returns the columns that a unique key has in the database: the blind index stands for an encrypted one.
func (t Table) stored(columns []string) []string {
	columns = slices.Clone(columns)
	for i, name := range columns {
		for _, f := range t.encrypted() {
			if f.Column == name && len(f.Indexes) > 0 {
				columns[i] = f.IndexColumn(f.Indexes[0].Name)
			}
		}
	}
	return columns
}

// valued is the other way round: the encrypted column that a blind index stands for.
func (t Table) valued(column string) (of string, encrypted bool) {
	for _, f := range t.encrypted() {
		for _, index := range f.Indexes {
			if f.IndexColumn(index.Name) == column {
				return f.Column, true
			}
		}
	}
	return column, false
}

package tables

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// DefaultColumn is the tenant column where none is named.
const DefaultColumn = "tenant_id"

// Kind says whose the rows of a table are.
type Kind uint8

// The kinds. The zero value is Owned, so that what was left out is closed rather than open.
const (
	// Owned rows belong to one tenant each.
	Owned Kind = iota
	// Global rows are read by every tenant and written as system.
	Global
	// External tables are not Stratum's business, but for the rights declared for them.
	External
	// Mixed rows belong to one tenant each, or to everyone where the tenant column is NULL. A tenant reads its own and
	// everyone's, and writes its own; the system writes everyone's. Its unique keys take NULL for a value, so that
	// everyone's rows are unique among themselves: other columns of one had better be NOT NULL.
	Mixed
)

// HasTenant reports whether rows of the kind have a tenant column, and the policies that go with it.
func (k Kind) HasTenant() bool { return k == Owned || k == Mixed }

// Table is a table as it is wanted. Names longer than PostgreSQL's 63 bytes are cut off as the server does.
type Table struct {
	// Schema is where the table is. Defaults to the first schema of the search_path that has it.
	Schema string
	// Name is the table's name.
	Name string
	// Kind says whose the rows are. Defaults to Owned.
	Kind Kind
	// Join marks an owned table that an ORM makes for a many-to-many relation. Rows that belong to no tenant yet are
	// given to that of the row which the first foreign key to an owned table refers to.
	Join bool
	// Column is the tenant column of an owned or mixed table, a uuid. Defaults to DefaultColumn.
	Column string
	// PrimaryKey are the columns of the primary key as the ORM declares it. Defaults to those in the database.
	PrimaryKey []string
	// Uniques are unique constraints the ORM would declare. They become unique per tenant.
	Uniques []Unique
	// GlobalUniques are unique indexes and constraints of the ORM that stay unique across tenants.
	GlobalUniques []GlobalUnique
	// Indexes are the indexes that the ORM makes, led by the tenant column.
	Indexes []Index
	// ForeignKeys are made here instead of by the ORM.
	ForeignKeys []ForeignKey
	// Rights are granted on an external table to the tenant, subtree and system roles, of SELECT, INSERT, UPDATE and
	// DELETE, and others of these are revoked. Defaults to leaving all grants alone.
	Rights []string
}

// Unique is a constraint UNIQUE (tenant column, Columns...) on an owned table.
type Unique struct {
	// Name is the constraint's name.
	Name string
	// Columns are the columns without the tenant column.
	Columns []string
}

// GlobalUnique is a unique index, or the index of a unique constraint, that is not led by the tenant column on purpose:
// it tells a tenant that some other one has a value. The ORM makes it; Finish writes the reason into its comment.
type GlobalUnique struct {
	// Name is the index's name.
	Name string
	// Reason says why values must be unique across tenants. It is one line, and not empty.
	Reason string
}

// Index is an index of an owned table. Prepare drops one that is not led by the tenant column, for the ORM to make it
// anew.
type Index struct {
	// Name is the index's name.
	Name string
	// Unique are the columns of a unique index without the tenant column: Prepare drops others that are unique on just
	// these, which would still tell one tenant of another's values. Defaults to none, for an index that is not unique.
	Unique []string
}

// ForeignKey is a reference from an owned table.
type ForeignKey struct {
	// Name is the constraint's name.
	Name string
	// Columns are the referring columns, without the tenant column.
	Columns []string
	// RefSchema and RefTable are the table referred to. RefSchema defaults as Table.Schema does.
	RefSchema, RefTable string
	// RefColumns are the columns referred to, without the tenant column.
	RefColumns []string
	// OnDelete and OnUpdate are actions as in SQL. Default to NO ACTION.
	OnDelete, OnUpdate string
	// RefOwned says that the table referred to is owned, and among the tables: the tenant column is part of the key. A
	// table cannot refer to a mixed one: the tenant of the row referred to is this row's own or NULL, and a foreign key
	// compares with one of the two.
	RefOwned bool
}

// relationName is how a table is asked for: as declared, with an empty schema or not.
type relationName struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
}

func (n relationName) String() string {
	if n.Schema == "" {
		return quote(n.Name)
	}
	return quote(n.Schema, n.Name)
}

func (t Table) name() relationName { return relationName{t.Schema, t.Name} }

func (k ForeignKey) ref() relationName { return relationName{k.RefSchema, k.RefTable} }

// normalise returns a copy with defaults filled in, names cut off and keywords in upper case. The caller's slices stay
// as they are: the same declarations serve Prepare and Finish.
func (t Table) normalise() Table {
	t.Schema, t.Name, t.Column = clip(t.Schema), clip(t.Name), clip(t.Column)
	if t.Column == "" {
		t.Column = DefaultColumn
	}
	t.PrimaryKey = clipAll(t.PrimaryKey)
	t.Uniques = slices.Clone(t.Uniques)
	for i, u := range t.Uniques {
		t.Uniques[i] = Unique{Name: clip(u.Name), Columns: clipAll(u.Columns)}
	}
	t.GlobalUniques = slices.Clone(t.GlobalUniques)
	for i, u := range t.GlobalUniques {
		t.GlobalUniques[i] = GlobalUnique{Name: clip(u.Name), Reason: strings.TrimSpace(u.Reason)}
	}
	t.Indexes = slices.Clone(t.Indexes)
	for i, index := range t.Indexes {
		t.Indexes[i] = Index{Name: clip(index.Name), Unique: clipAll(index.Unique)}
	}
	t.ForeignKeys = slices.Clone(t.ForeignKeys)
	for i, key := range t.ForeignKeys {
		t.ForeignKeys[i] = key.normalise()
	}
	t.Rights = slices.Clone(t.Rights)
	for i, right := range t.Rights {
		t.Rights[i] = strings.ToUpper(right)
	}
	return t
}

// normalise does for a key what Table.normalise does for its table.
func (k ForeignKey) normalise() ForeignKey {
	k.Name, k.RefSchema, k.RefTable = clip(k.Name), clip(k.RefSchema), clip(k.RefTable)
	k.Columns, k.RefColumns = clipAll(k.Columns), clipAll(k.RefColumns)
	k.OnDelete, k.OnUpdate = action(k.OnDelete), action(k.OnUpdate)
	return k
}

// action brings an action of a foreign key into the one form there is a code for.
func action(text string) string {
	if text = strings.Join(strings.Fields(strings.ToUpper(text)), " "); text != "" {
		return text
	}
	return noAction
}

// refused is the error for a declaration.
func (t Table) refused(format string, args ...any) error {
	return &TableError{Table: t.name().String(), Finding: fmt.Sprintf(format, args...), kind: ErrDeclaration}
}

// check holds a normalised table against itself.
func (t Table) check() error {
	switch {
	case t.Name == "":
		return t.refused("it has no name")
	case t.Kind > Mixed:
		return t.refused("kind %d does not exist", t.Kind)
	case !t.Kind.HasTenant() && t.hasKeys():
		return t.refused("keys and indexes are declared for owned tables only (leave those of others to the ORM)")
	case t.Kind == Mixed && t.Join:
		return t.refused("a join table has a tenant for each row (declare it as owned)")
	case t.Kind != External && len(t.Rights) > 0:
		return t.refused("rights are declared for external tables only")
	}
	for _, right := range t.Rights {
		if !slices.Contains(dataRights(), right) {
			return t.refused("%q is no right (use SELECT, INSERT, UPDATE, DELETE)", right)
		}
	}
	return t.checkKeys()
}

// hasKeys reports whether anything is declared that only a table with a tenant column has.
func (t Table) hasKeys() bool {
	return len(t.ForeignKeys) > 0 || len(t.Uniques) > 0 || len(t.GlobalUniques) > 0 || len(t.Indexes) > 0 || t.Join
}

// checkKeys looks at what the database would accept, or refuse with an error that names no cure.
func (t Table) checkKeys() error {
	for _, u := range t.Uniques {
		if u.Name == "" || len(u.Columns) == 0 || slices.Contains(u.Columns, t.Column) {
			return t.refused("unique constraint %q needs a name, and columns other than the tenant column", u.Name)
		}
	}
	for _, u := range t.GlobalUniques {
		if err := t.checkGlobalUnique(u); err != nil {
			return err
		}
	}
	for _, key := range t.ForeignKeys {
		if err := t.checkForeignKey(key); err != nil {
			return err
		}
	}
	return nil
}

// checkGlobalUnique wants a reason that a reader of the catalog can use, and one meaning for a name.
func (t Table) checkGlobalUnique(u GlobalUnique) error {
	switch {
	case u.Name == "" || u.Reason == "":
		return t.refused("globally unique index %q needs a name and a reason", u.Name)
	case strings.ContainsFunc(u.Reason, unicode.IsControl):
		return t.refused("the reason of globally unique index %q is more than one line", u.Name)
	case slices.ContainsFunc(t.Indexes, func(other Index) bool { return other.Name == u.Name }),
		slices.ContainsFunc(t.Uniques, func(other Unique) bool { return other.Name == u.Name }):
		return t.refused("index %q is declared as unique per tenant and as globally unique", u.Name)
	}
	return nil
}

// checkForeignKey lets only known actions pass: they are the one part of a declaration that is not quoted in DDL.
func (t Table) checkForeignKey(k ForeignKey) error {
	_, knownDelete := actionCode(k.OnDelete)
	_, knownUpdate := actionCode(k.OnUpdate)
	switch {
	case k.Name == "" || k.RefTable == "":
		return t.refused("foreign key %q needs a name and a table to refer to", k.Name)
	case len(k.Columns) == 0 || len(k.Columns) != len(k.RefColumns):
		return t.refused("foreign key %q needs as many columns as it refers to", k.Name)
	case slices.Contains(k.Columns, t.Column):
		return t.refused("foreign key %q has the tenant column among its columns (leave it out: it is added)", k.Name)
	case !knownDelete || !knownUpdate:
		return t.refused("foreign key %q has an unknown action (use CASCADE, RESTRICT, SET NULL, SET DEFAULT or "+
			"NO ACTION)", k.Name)
	case k.RefOwned && strings.HasPrefix(k.OnUpdate, "SET "):
		return t.refused("foreign key %q would unset the tenant column ON UPDATE (use CASCADE or NO ACTION)", k.Name)
	}
	return nil
}

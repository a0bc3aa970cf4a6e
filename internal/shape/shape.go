package shape

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
)

// Shape is a set of tables, with their views, as they are, or as they are to be. Its texts are those that the server
// prints under SearchPath: every name outside of pg_catalog is qualified. Tables are in the order of schema and name.
type Shape struct {
	Tables []Table `json:"tables"`
	// Views are in an order in which they can be made.
	Views []View `json:"views,omitempty"`
}

// Table is a table. Lists are in the order of names, except for columns, which are in the table's.
type Table struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	// Owner is the role that owns the table. Diff does not compare it where the wanted one is empty.
	Owner string `json:"owner"`
	// Unlogged is set for tables that a crash empties.
	Unlogged bool `json:"unlogged,omitempty"`
	// Options are storage parameters, such as fillfactor=70.
	Options     []string     `json:"options,omitempty"`
	Columns     []Column     `json:"columns,omitempty"`
	Constraints []Constraint `json:"constraints,omitempty"`
	// Indexes are those that belong to no constraint.
	Indexes []Index `json:"indexes,omitempty"`
	// Sequences are those that columns own: identities and serials.
	Sequences []Sequence `json:"sequences,omitempty"`
	// Triggers are those that were made by CREATE TRIGGER, not those of foreign keys.
	Triggers []Trigger `json:"triggers,omitempty"`
	Policies []Policy  `json:"policies,omitempty"`
	Grants   []Grant   `json:"grants,omitempty"`
	// Secured and Forced are row-level security as it is enabled and forced upon the owner.
	Secured bool `json:"secured,omitempty"`
	Forced  bool `json:"forced,omitempty"`
	// Replica is the replica identity: DEFAULT, FULL, NOTHING or USING INDEX, which is ReplicaIndex.
	Replica      string `json:"replica"`
	ReplicaIndex string `json:"replica_index,omitempty"`
	// Peculiar is what this package cannot make, such as "is partitioned".
	Peculiar []string `json:"peculiar,omitempty"`
}

// Column is a column of a table.
type Column struct {
	Name string `json:"name"`
	// Quoted is the name as the server prints it in expressions.
	Quoted string `json:"quoted"`
	Type   string `json:"type"`
	// Collation is set where it is not that of the type.
	Collation string `json:"collation,omitempty"`
	NotNull   bool   `json:"not_null,omitempty"`
	// Default is the default, or the expression of a generated column.
	Default string `json:"default,omitempty"`
	// Identity is ALWAYS or BY DEFAULT for identity columns.
	Identity string `json:"identity,omitempty"`
	// Generated is STORED or VIRTUAL for generated columns.
	Generated string `json:"generated,omitempty"`
}

// Constraint is a constraint of a table.
type Constraint struct {
	Name string `json:"name"`
	// Type is one of p, u, c, f and x: primary key, unique, check, foreign key, exclusion.
	Type string `json:"type"`
	// Definition is what follows ADD CONSTRAINT and the name, without NOT VALID.
	Definition string `json:"definition"`
	Validated  bool   `json:"validated"`
	// RefSchema and RefTable are what a foreign key refers to.
	RefSchema string `json:"ref_schema,omitempty"`
	RefTable  string `json:"ref_table,omitempty"`
	// Comment is Stratum's own note on the constraint's index, if there is one.
	Comment string `json:"comment,omitempty"`
}

// Types of constraints.
const (
	foreignKey = "f"
	primaryKey = "p"
	uniqueKey  = "u"
)

// isKey reports whether foreign keys can stand on the constraint.
func (c Constraint) isKey() bool { return c.Type == primaryKey || c.Type == uniqueKey }

// Index is an index that belongs to no constraint.
type Index struct {
	Name string `json:"name"`
	// Definition is the statement that makes it.
	Definition string `json:"definition"`
	Unique     bool   `json:"unique,omitempty"`
	// Invalid is set for what a CREATE INDEX CONCURRENTLY left behind that did not succeed.
	Invalid bool `json:"invalid,omitempty"`
	// Comment is Stratum's own note on the index, if there is one.
	Comment string `json:"comment,omitempty"`
}

// Sequence is a sequence that a column owns. Its current value is no part of its shape.
type Sequence struct {
	Name   string `json:"name"`
	Column string `json:"column"`
	// Identity is set for the sequence of an identity column.
	Identity  bool    `json:"identity,omitempty"`
	Type      string  `json:"type"`
	Start     int64   `json:"start"`
	Increment int64   `json:"increment"`
	Min       int64   `json:"min"`
	Max       int64   `json:"max"`
	Cache     int64   `json:"cache"`
	Cycle     bool    `json:"cycle,omitempty"`
	Grants    []Grant `json:"grants,omitempty"`
}

// Trigger is a trigger of a table.
type Trigger struct {
	Name string `json:"name"`
	// Definition is the statement that makes it.
	Definition string `json:"definition"`
	// Enabled is O, D, R or A as in pg_trigger: origin, disabled, replica, always.
	Enabled string `json:"enabled"`
}

// Policy is a policy of row-level security.
type Policy struct {
	Name string `json:"name"`
	// Command is ALL, SELECT, INSERT, UPDATE or DELETE.
	Command    string `json:"command"`
	Permissive bool   `json:"permissive"`
	// Roles has an empty name for PUBLIC.
	Roles []string `json:"roles"`
	Using string   `json:"using,omitempty"`
	Check string   `json:"check,omitempty"`
}

// Grant is what a role other than the owner may do with a table, one of its columns, or a sequence.
type Grant struct {
	// Role is empty for PUBLIC.
	Role string `json:"role"`
	// Column is set for rights on one column.
	Column     string   `json:"column,omitempty"`
	Privileges []string `json:"privileges"`
}

// Hash tells shapes apart, and is the same for shapes between which Diff finds nothing. The order of columns does not
// count: one that was added later stands last. Owners do count.
func (s Shape) Hash() string {
	c := s.clone()
	slices.SortFunc(c.Views, func(a, b View) int { return a.key().compare(b.key()) })
	for i := range c.Tables {
		slices.SortFunc(c.Tables[i].Columns, func(a, b Column) int { return cmp.Compare(a.Name, b.Name) })
	}
	text, _ := json.Marshal(c) // structs of strings and numbers always marshal
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// clone is a copy that shares nothing that is changed here: lists are copied, what is in them is replaced as a whole.
func (s Shape) clone() Shape {
	tables := make([]Table, len(s.Tables))
	for i := range s.Tables {
		tables[i] = s.Tables[i].clone()
	}
	views := make([]View, len(s.Views))
	for i := range s.Views {
		views[i] = s.Views[i].clone()
	}
	return Shape{Tables: tables, Views: views}
}

func (t *Table) clone() Table {
	c := *t
	c.Columns = slices.Clone(t.Columns)
	c.Constraints = slices.Clone(t.Constraints)
	c.Indexes = slices.Clone(t.Indexes)
	c.Sequences = slices.Clone(t.Sequences)
	c.Triggers = slices.Clone(t.Triggers)
	c.Policies = slices.Clone(t.Policies)
	c.Grants = slices.Clone(t.Grants)
	return c
}

// key is a table's full name.
func (t *Table) key() name { return name{t.Schema, t.Name} }

// name is a qualified name.
type name struct{ schema, name string }

func (n name) compare(other name) int {
	return cmp.Or(cmp.Compare(n.schema, other.schema), cmp.Compare(n.name, other.name))
}

// sortTables puts tables in order.
func sortTables(tables []Table) {
	slices.SortFunc(tables, func(a, b Table) int { return a.key().compare(b.key()) })
}

// Table returns a table of the shape, or nil.
func (s Shape) Table(schema, table string) *Table {
	for i := range s.Tables {
		if s.Tables[i].Schema == schema && s.Tables[i].Name == table {
			return &s.Tables[i]
		}
	}
	return nil
}

// column returns a column by name, or nil.
func (t *Table) column(column string) *Column {
	if i := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == column }); i >= 0 {
		return &t.Columns[i]
	}
	return nil
}

// ColumnType is the type of a column, or empty where there is none of that name.
func (t *Table) ColumnType(column string) string {
	if c := t.column(column); c != nil {
		return c.Type
	}
	return ""
}

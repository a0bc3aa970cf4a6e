package tables

import (
	"slices"
)

// relation is what the catalog says of a table. Steps that were taken are noted in it, so that later ones see them.
type relation struct {
	OID    uint32 `json:"oid"`
	Schema string `json:"schema"`
	Name   string `json:"name"`
	Kind   string `json:"kind"` // as in pg_class.relkind
	Owner  string `json:"owner"`
	Mine   bool   `json:"mine"` // the migrating login may do as the owner may
	Own    bool   `json:"own"`  // the migrating login is the owner itself, and not a member of it

	Secured     bool         `json:"secured"`  // row-level security is enabled
	Forced      bool         `json:"forced"`   // for the owner too
	Adopting    bool         `json:"adopting"` // has the trigger of an adoption, which stays when it is sealed
	Columns     []column     `json:"columns"`
	Constraints []constraint `json:"constraints"`
	Indexes     []index      `json:"indexes"`
	Policies    []policy     `json:"policies"`
	Grants      []grant      `json:"grants"`
	Sequences   []sequence   `json:"sequences"`
	Users       []string     `json:"users"` // those of our roles that have USAGE on the schema
	Recorded    *record      `json:"recorded"`

	Placed *placed `json:"-"` // where Citus has it; nil for a table of the coordinator alone
}

// record is what stratum.tables has of a table; nil for one that is not in it.
type record struct {
	Class  string `json:"class"`
	Column string `json:"column"` // "" where the class has none
}

// column is one that was not dropped.
type column struct {
	Name    string `json:"name"`
	Quoted  string `json:"quoted"` // as the server quotes it, which is: where needed
	UUID    bool   `json:"uuid"`
	Type    string `json:"type"`
	NotNull bool   `json:"not_null"`
	Default string `json:"default"`
}

// constraint is a primary key, a unique key, a foreign key or a check. The fields from Ref to Validated are those of a
// foreign key.
type constraint struct {
	Name       string   `json:"name"`
	Type       string   `json:"type"` // as in pg_constraint.contype
	Columns    []string `json:"columns"`
	Ref        uint32   `json:"ref"`
	RefColumns []string `json:"ref_columns"`
	OnDelete   string   `json:"on_delete"`
	OnUpdate   string   `json:"on_update"`
	SetColumns []string `json:"set_columns"`
	Match      string   `json:"match"`
	Validated  bool     `json:"validated"`
	Check      string   `json:"check"` // the condition of a check, as the server prints it
	// Definition is a foreign key as the server prints it.
	Definition string `json:"definition"`
}

// dependent is a foreign key of another table, or of the same.
type dependent struct {
	Schema string `json:"schema"`
	Table  string `json:"table"`
	Name   string `json:"name"`
}

// index is one whether or not a constraint stands on it.
type index struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"` // "" stands for an expression
	Unique  bool     `json:"unique"`
	// Plain says that it is valid, checked at once, and has all rows in it: good enough for a foreign key to refer to.
	Plain bool `json:"plain"`
	// NullsEqual says that a unique index takes NULL for a value that can be there once.
	NullsEqual bool   `json:"nulls_equal"`
	Comment    string `json:"comment"`
	// Dependents are foreign keys that stand on it.
	Dependents []dependent `json:"dependents"`
}

// policy is one of row-level security. Expressions are as the server prints them under an empty search_path.
type policy struct {
	Name       string   `json:"name"`
	Command    string   `json:"command"` // as in pg_policy.polcmd
	Permissive bool     `json:"permissive"`
	Roles      []string `json:"roles"` // "" stands for PUBLIC
	Using      string   `json:"using"`
	Check      string   `json:"check"`
	Concerns   bool     `json:"concerns"` // it applies to one of our roles or to the owner
}

// grant is a right of one of our roles, or of PUBLIC.
type grant struct {
	Role    string `json:"role"` // "" stands for PUBLIC
	Right   string `json:"right"`
	Grantor string `json:"grantor"`
	Partial bool   `json:"partial"` // on some columns only
}

// sequence is one that a column owns.
type sequence struct {
	Schema string   `json:"schema"`
	Name   string   `json:"name"`
	Users  []string `json:"users"` // those of our roles that have USAGE on it
}

func (r *relation) String() string { return quote(r.Schema, r.Name) }

// refused is an error about the relation.
func (r *relation) refused(kind error, object, finding, cure string) error {
	return &TableError{Table: r.String(), Object: object, Finding: finding, Cure: cure, kind: kind}
}

func (r *relation) column(name string) *column {
	i := slices.IndexFunc(r.Columns, func(c column) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &r.Columns[i]
}

func (r *relation) constraint(name string) *constraint {
	i := slices.IndexFunc(r.Constraints, func(c constraint) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &r.Constraints[i]
}

func (r *relation) index(name string) *index {
	i := slices.IndexFunc(r.Indexes, func(x index) bool { return x.Name == name })
	if i < 0 {
		return nil
	}
	return &r.Indexes[i]
}

func (r *relation) policy(name string) *policy {
	i := slices.IndexFunc(r.Policies, func(p policy) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return &r.Policies[i]
}

// primaryKey returns the columns of the primary key, or nil.
func (r *relation) primaryKey() []string {
	for _, c := range r.Constraints {
		if c.Type == primaryKey {
			return c.Columns
		}
	}
	return nil
}

// forget notes that a constraint or an index is gone.
func (r *relation) forget(name string) {
	r.Constraints = slices.DeleteFunc(r.Constraints, func(c constraint) bool { return c.Name == name })
	r.Indexes = slices.DeleteFunc(r.Indexes, func(x index) bool { return x.Name == name })
}

// Types of constraints, as in pg_constraint.contype.
const (
	primaryKey = "p"
	uniqueKey  = "u"
	foreignKey = "f"
	checkRule  = "c"
)

// sameSet reports whether two lists have the same names in any order.
func sameSet(a, b []string) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(name string) bool { return !slices.Contains(b, name) })
}

// with puts the tenant column in front of others, and leaves it out there.
func with(tenant string, columns []string) []string {
	all := []string{tenant}
	for _, name := range columns {
		if name != tenant {
			all = append(all, name)
		}
	}
	return all
}

package tables

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/internal/install"
)

// Step is how far tables have come on the way from a plain application's to tenant-owned ones, while it runs.
type Step uint8

// The steps, in order. Each is complete when nothing of it is missing in the catalog.
const (
	// Plain tables know nothing of tenants.
	Plain Step = iota
	// Expanded tables have the tenant column and a trigger that keeps it in step with the key.
	Expanded
	// Filled tables have a tenant in each row.
	Filled
	// Validated tables have all keys, indexes and foreign keys with the tenant beside those without.
	Validated
	// Switched tables serve both versions of the application: policies hold for Stratum's roles alone.
	Switched
	// Sealed tables are as Migrate makes them: the plain version is refused.
	Sealed
)

// String is the step in lower case.
func (s Step) String() string {
	names := []string{"plain", "expanded", "filled", "validated", "switched", "sealed"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("step %d", uint8(s))
}

// Key says how the rows of a plain table tell whose they are.
type Key struct {
	// Column holds the key. The external id of its tenant is the column's text.
	Column string
	// Through names a foreign key of a table without a key: a row belongs to the tenant of the row it refers to.
	// Defaults to the first one that leads to a table with a key.
	Through string
	// LookupTable is a table of the application that translates the key: the row whose LookupColumn is the key has the
	// tenant's external id in LookupExternal. Defaults to none: the key is the external id.
	LookupTable, LookupColumn, LookupExternal string
}

// Online plans the way of tables from one step to another, in changes that do not stop their writers.
type Online struct {
	// Roles are the roles that rows are shown to.
	Roles install.Roles
	// Tables are the tables as wanted in the end.
	Tables []Table
	// Key is the key of tables that Keys does not name. Where a table lacks its column, a foreign key is followed.
	Key Key
	// Keys are the exceptions, by the table's name as declared.
	Keys map[string]Key
	// NullKeys is the tenant of rows without a key. Defaults to none: such rows are refused.
	NullKeys uuid.UUID
	// CreateTenants makes the tenant of a key that has none: for keys that are made up meanwhile. Parent is above them.
	CreateTenants bool
	Parent        uuid.UUID
	// PlainLogin is the login of the plain version where it does not own the tables.
	PlainLogin string
}

// ChangeKind says how a change is run.
type ChangeKind uint8

// The kinds of changes.
const (
	// Brief changes alter the catalog alone, in one transaction under strong locks that are held for milliseconds.
	Brief ChangeKind = iota
	// Lockless changes need no lock on a table.
	Lockless
	// Concurrent changes build or drop an index outside a transaction, beside writers.
	Concurrent
	// Validating changes read a table, beside writers.
	Validating
	// Filling changes write rows, in batches.
	Filling
)

// Change is one thing to do about one table.
type Change struct {
	// Step is the step it is a part of: what it completes on the way forth, what it takes back on the way back.
	Step Step
	// Kind says how it is run.
	Kind ChangeKind
	// Table is the table, quoted and with its schema; Object the constraint or index, or empty.
	Table, Object string
	// Locks are tables that are locked before a Brief change, all at once; Mode is how.
	Locks []string
	Mode  string
	// Statements make the change.
	Statements []string
	// Undo takes back what a failed statement leaves behind.
	Undo string
	// Violation is a query for the rows that make the change fail, where rows can.
	Violation string
	// Fill is set where Kind is Filling.
	Fill *Fill
}

// Lock modes of brief changes.
const (
	lockExclusive = "ACCESS EXCLUSIVE"
	lockWriters   = "SHARE ROW EXCLUSIVE"
)

// Plan is the way of tables as the catalog was found. It is used once: what has been planned is noted in it.
type Plan struct {
	online Online
	view   *view
	owned  []*onlineTable
	m      *Migration
	taken  []Change
}

// onlineTable is an owned table on its way.
type onlineTable struct {
	*target
	*onlineFacts

	key    Key
	parent *onlineTable // whose tenant its rows have, where it has no key
	via    ForeignKey   // how it refers to parent
}

// keyed reports whether rows have a key of their own.
func (t *onlineTable) keyed() bool { return t.key.Column != "" }

// rooted reports whether it is known whose the rows are. It is not on the way back where no key was declared.
func (t *onlineTable) rooted() bool { return t.keyed() || t.parent != nil }

// New reads the catalog in a transaction of the tables' owner, which may be rolled back afterwards: nothing is changed.
// Errors are *TableError and those of PostgreSQL.
func (o Online) New(ctx context.Context, tx *sql.Tx) (*Plan, error) {
	m := New(tx, Config{Roles: o.Roles})
	v, err := m.look(ctx, o.Tables)
	if err != nil {
		return nil, err
	}
	p := &Plan{online: o, view: v, m: m}
	for _, t := range v.targets {
		switch {
		case t.rel == nil:
			return nil, &TableError{
				Table: t.name().String(), Finding: "it does not exist", kind: ErrMissing,
				Cure: "let the plain version's AutoMigrate make it, or take it off the list",
			}
		case t.Kind == Owned:
			p.owned = append(p.owned, &onlineTable{target: t, key: o.keyOf(t.Table)})
		case t.Kind != Global && t.Kind != External:
			return nil, t.refused("it holds rows of tenants and rows of everyone, which is not adopted while it is " +
				"written to (leave it out, and make it with Migrate in a quiet hour)")
		}
	}
	if err := p.readFacts(ctx, tx); err != nil {
		return nil, err
	}
	return p, p.resolveKeys()
}

// keyOf returns the declared key of a table.
func (o Online) keyOf(t Table) Key {
	if key, ok := o.Keys[t.Name]; ok {
		return key
	}
	return o.Key
}

// resolveKeys finds the way from each table to a key.
func (p *Plan) resolveKeys() error {
	for _, t := range p.owned {
		_, named := p.online.Keys[t.Name]
		if t.key.Column != "" && t.rel.column(t.key.Column) == nil {
			if named {
				return t.rel.refused(ErrColumn, t.key.Column, "it has no column "+quote(t.key.Column),
					"name the column that says whose a row is, or a foreign key to follow")
			}
			t.key = Key{}
		}
	}
	// A table may follow one that follows another: as long as one is found, more may be.
	for found := true; found; {
		found = false
		for _, t := range p.owned {
			if !t.rooted() && p.follow(t) {
				found = true
			}
		}
	}
	return nil
}

// follow looks for a foreign key to a table whose rows are known. One whose columns cannot be NULL is preferred.
func (p *Plan) follow(t *onlineTable) bool {
	keys := slices.Clone(t.ForeignKeys)
	slices.SortStableFunc(keys, func(a, b ForeignKey) int { return t.nullable(a) - t.nullable(b) })
	for _, key := range keys {
		if !key.RefOwned || (t.key.Through != "" && t.key.Through != key.Name) {
			continue
		}
		ref := p.table(p.view.target(key.ref()))
		if ref != nil && ref != t && ref.rooted() {
			t.parent, t.via = ref, key
			return true
		}
	}
	return false
}

// byDepth are the tables in an order in which none comes before one that it reads to find its tenants: triggers read as
// the owner, which a sealed table refuses.
func (p *Plan) byDepth() []*onlineTable {
	all := slices.Clone(p.owned)
	slices.SortStableFunc(all, func(a, b *onlineTable) int { return p.depth(a) - p.depth(b) })
	return all
}

// depth is 0 for tables that others look keys up in, 1 for those with keys, and more for those that follow.
func (p *Plan) depth(t *onlineTable) (depth int) {
	if slices.ContainsFunc(p.owned, func(other *onlineTable) bool { return p.lookup(other) == t }) {
		return 0
	}
	for depth = 1; t.parent != nil; depth++ {
		t = t.parent
	}
	return depth
}

// lookup is the owned table that a table's keys are looked up in, or nil.
func (p *Plan) lookup(t *onlineTable) *onlineTable {
	if t.key.LookupTable == "" || !t.keyed() {
		return nil
	}
	i := slices.IndexFunc(p.owned, func(o *onlineTable) bool { return o != t && o.rel.String() == p.lookupTable(t) })
	if i < 0 {
		return nil
	}
	return p.owned[i]
}

// nullable counts the columns of a key that may be NULL.
func (t *onlineTable) nullable(key ForeignKey) (count int) {
	for _, name := range key.Columns {
		if c := t.rel.column(name); c != nil && !c.NotNull {
			count++
		}
	}
	return count
}

func (p *Plan) table(of *target) *onlineTable {
	i := slices.IndexFunc(p.owned, func(t *onlineTable) bool { return t.target == of })
	if i < 0 {
		return nil
	}
	return p.owned[i]
}

// add notes a change. Strong locks are on the table itself unless others are named.
func (p *Plan) add(c Change) {
	if c.Kind == Brief {
		if len(c.Locks) == 0 {
			c.Locks = []string{c.Table}
		}
		if c.Mode == "" {
			c.Mode = lockExclusive
		}
	}
	p.taken = append(p.taken, c)
}

// Rootless are the tables of which nothing says whose their rows are. They cannot be adopted.
func (p *Plan) Rootless() error {
	for _, t := range p.owned {
		if !t.rooted() && !t.sealed() {
			return t.rel.refused(ErrKey, "", "nothing says whose its rows are: it has no key column, and no foreign "+
				"key leads to a table that has one", "name its key column or its foreign key in AdoptOptions.Keys")
		}
	}
	return nil
}

// Names are the owned tables, quoted and with their schemas.
func (p *Plan) Names() []string {
	names := make([]string, len(p.owned))
	for i, t := range p.owned {
		names[i] = t.rel.String()
	}
	return names
}

package shape

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Class says whose the rows of a table are, as in stratum.tables.
type Class string

// The classes. Tables of any other, such as external ones, have no place in a model and are passed over.
const (
	// Owned rows belong to one tenant each.
	Owned Class = "owned"
	// Mixed rows belong to one tenant each, or to everyone where the tenant column is NULL.
	Mixed Class = "mixed"
	// Global rows belong to everyone.
	Global Class = "global"
)

// hasTenant reports whether rows have a tenant column.
func (c Class) hasTenant() bool { return c == Owned || c == Mixed }

// Spec is a table of the model.
type Spec struct {
	Schema, Name string
	Class        Class
	// TenantColumn is set for owned and mixed tables.
	TenantColumn string
}

// Model is what tenants' schemas and databases are made from and compared with: the shared tables, with their classes.
type Model struct { //nolint:recvcheck // it is built in place, and a value from then on
	Shape Shape
	Specs []Spec
}

// ReadModel reads the tables of the model with their views, and refuses tables that cannot be made elsewhere.
func ReadModel(ctx context.Context, q Querier, specs []Spec) (Model, error) {
	m := Model{Specs: slices.DeleteFunc(slices.Clone(specs), func(s Spec) bool {
		return !s.Class.hasTenant() && s.Class != Global
	})}
	schemas, names := []string{}, make([]string, 0, len(m.Specs))
	for _, s := range m.Specs {
		names = append(names, s.Name)
		if !slices.Contains(schemas, s.Schema) {
			schemas = append(schemas, s.Schema)
		}
	}
	shapes := shapesOf(schemas)
	var views []foundView
	err := inSettings(ctx, standard{q}, func() (err error) {
		if err = readTables(ctx, standard{q}, shapes, &Names{Tables: names}); err == nil {
			views, err = modelViews(ctx, standard{q}, m.Specs, schemas)
		}
		return err
	})
	if err != nil {
		return Model{}, err
	}
	for _, s := range m.Specs {
		t := shapes[s.Schema].Table(s.Schema, s.Name)
		if t == nil {
			t = &Table{Schema: s.Schema, Name: s.Name}
			return Model{}, t.refused(ErrMissing, "", "it does not exist", "migrate the shared tables first")
		}
		t.forgetWatch()
		m.Shape.Tables = append(m.Shape.Tables, *t)
	}
	sortTables(m.Shape.Tables)
	m.addViews(views)
	return m, m.check()
}

// forgetWatch leaves out the triggers that note changes for the copies: they are where rows of everyone are written and
// nowhere else, and come and go without the model being another.
func (t *Table) forgetWatch() {
	t.Triggers = slices.DeleteFunc(t.Triggers, func(g Trigger) bool {
		return strings.Contains(g.Definition, "EXECUTE FUNCTION stratum.note_change(")
	})
}

// check refuses what cannot be made elsewhere.
func (m Model) check() error {
	for i := range m.Shape.Tables {
		t := &m.Shape.Tables[i]
		if len(t.Peculiar) > 0 {
			return t.refused(ErrUnsupported, "", "it "+strings.Join(t.Peculiar, " and ")+", which cannot be made in a "+
				"tenant's schema or database", "make it a plain table, or declare it as external")
		}
		s := m.spec(t)
		if s.Class.hasTenant() && t.column(s.TenantColumn) == nil {
			return t.refused(ErrMissing, s.TenantColumn, "it has no tenant column "+quote(s.TenantColumn),
				"migrate the shared tables first")
		}
	}
	return nil
}

// spec returns the spec of a table. One of no spec is of no class.
func (m Model) spec(t *Table) Spec {
	i := slices.IndexFunc(m.Specs, func(s Spec) bool { return s.Schema == t.Schema && s.Name == t.Name })
	if i < 0 {
		return Spec{}
	}
	return m.Specs[i]
}

// Hash identifies the model: equal models have equal hashes.
func (m Model) Hash() string {
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%s %v", m.Shape.Hash(), m.Specs) // a hash never fails
	return hex.EncodeToString(sum.Sum(nil))[:32]
}

// settle is what the tables have in common wherever they are made: what was left half-done in the model is not copied.
func (t *Table) settle(owner string) {
	t.Owner = owner
	for i := range t.Constraints {
		t.Constraints[i].Validated = true
	}
	for i := range t.Indexes {
		t.Indexes[i].Invalid = false
	}
}

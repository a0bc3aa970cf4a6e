package tables

import (
	"context"
	"slices"
	"strings"
)

// noAction is what happens to a referring row where nothing else is said.
const noAction = "NO ACTION"

// actionCode returns an action as in pg_constraint, and whether there is such an action.
func actionCode(action string) (code string, ok bool) {
	switch action {
	case noAction:
		return "a", true
	case "RESTRICT":
		return "r", true
	case "CASCADE":
		return "c", true
	case "SET NULL":
		return "n", true
	case "SET DEFAULT":
		return "d", true
	default:
		return "", false
	}
}

// clearForeignKeys drops declared foreign keys that are not as declared. Those that are stay for good.
func (m *Migration) clearForeignKeys(ctx context.Context, v *view, t *target) error {
	for _, key := range t.ForeignKeys {
		c := t.rel.constraint(key.Name)
		if c == nil || c.Type != foreignKey || c.equal(wantedForeignKey(v, t, key)) {
			continue
		}
		if err := m.dropForeignKey(ctx, t.rel, key.Name); err != nil {
			return err
		}
	}
	return nil
}

// dropForeignKey drops a constraint that is made again before the transaction ends.
func (m *Migration) dropForeignKey(ctx context.Context, r *relation, name string) error {
	r.forget(name)
	return m.alter(ctx, r, "DROP CONSTRAINT "+quote(name))
}

// wantedForeignKey is the declared key as the catalog would have it.
func wantedForeignKey(v *view, t *target, key ForeignKey) constraint {
	c := constraint{
		Name: key.Name, Type: foreignKey, Columns: key.Columns, RefColumns: key.RefColumns, Match: "s", Validated: true,
	}
	if rel := v.byName[key.ref()]; rel != nil {
		c.Ref = rel.OID
	}
	c.OnDelete, _ = actionCode(key.OnDelete)
	c.OnUpdate, _ = actionCode(key.OnUpdate)
	if key.RefOwned {
		c.Columns = with(t.Column, key.Columns)
		c.RefColumns = append([]string{v.target(key.ref()).Column}, key.RefColumns...)
		if strings.HasPrefix(key.OnDelete, "SET ") {
			c.SetColumns = key.Columns
		}
	}
	return c
}

// equal compares foreign keys by all that decides what they do.
func (c constraint) equal(other constraint) bool {
	return c.Ref == other.Ref && c.OnDelete == other.OnDelete && c.OnUpdate == other.OnUpdate &&
		c.Match == other.Match && c.Validated == other.Validated && slices.Equal(c.Columns, other.Columns) &&
		slices.Equal(c.RefColumns, other.RefColumns) && slices.Equal(c.SetColumns, other.SetColumns)
}

// foreignKeys makes a table's foreign keys, and the indexes that keep deletes on the other side fast.
func (m *Migration) foreignKeys(ctx context.Context, v *view, t *target) error {
	if err := m.clearForeignKeys(ctx, v, t); err != nil {
		return err
	}
	for _, key := range t.ForeignKeys {
		if c := t.rel.constraint(key.Name); c == nil || c.Type != foreignKey {
			if err := m.addForeignKey(ctx, v, t, key); err != nil {
				return err
			}
		}
		if key.RefOwned {
			if err := m.completeReference(ctx, t, key); err != nil {
				return err
			}
		}
	}
	return nil
}

// completeReference adds what a key between tables with a tenant column needs beside itself.
func (m *Migration) completeReference(ctx context.Context, t *target, key ForeignKey) error {
	if t.Kind == Mixed {
		if err := m.checkEveryone(ctx, t, key); err != nil {
			return err
		}
	}
	return m.indexReference(ctx, t, key)
}

// checkEveryone keeps everyone's rows from referring to one tenant's. The key itself lets them: a foreign key with a
// NULL in it is not looked at.
func (m *Migration) checkEveryone(ctx context.Context, t *target, key ForeignKey) error {
	r, name := t.rel, hashedName(t.rel.Name, key.Columns, checkSuffix)
	written, printed := make([]string, 0, len(key.Columns)+1), make([]string, 0, len(key.Columns)+1)
	written = append(written, quote(t.Column)+" IS NOT NULL")
	printed = append(printed, r.column(t.Column).Quoted+" IS NOT NULL")
	for _, column := range key.Columns {
		written = append(written, quote(column)+" IS NULL")
		if c := r.column(column); c != nil {
			printed = append(printed, c.Quoted+" IS NULL")
		}
	}
	wanted := constraint{
		Name: name, Type: checkRule, Check: "((" + strings.Join(printed, ") OR (") + "))", Validated: true,
	}
	if c := r.constraint(name); c != nil {
		if c.Type == checkRule && c.Check == wanted.Check && c.Validated {
			return nil
		}
		if err := m.dropForeignKey(ctx, r, name); err != nil {
			return err
		}
	}
	err := m.alter(ctx, r, "ADD CONSTRAINT "+quote(name)+" CHECK ("+strings.Join(written, " OR ")+")")
	if hasCode(err, codeCheck) {
		return r.refused(ErrReference, key.Name, "rows of everyone refer to one tenant's by the foreign key "+
			quote(key.Name), "set its columns to NULL where "+quote(t.Column)+" is, and migrate again")
	}
	r.Constraints = append(r.Constraints, wanted)
	return err
}

// addForeignKey has the key validated at once: NOT VALID would leave references across tenants in place.
func (m *Migration) addForeignKey(ctx context.Context, v *view, t *target, key ForeignKey) error {
	ref := v.byName[key.ref()]
	if ref == nil {
		return t.rel.refused(ErrMissing, key.Name, "foreign key "+quote(key.Name)+" refers to "+key.ref().String()+
			", which does not exist", "let the ORM's migrator make it")
	}
	// What the owner does not see is not validated.
	for _, r := range []*relation{t.rel, ref} {
		if err := m.reveal(ctx, r); err != nil {
			return err
		}
	}
	c := wantedForeignKey(v, t, key)
	err := m.alter(ctx, t.rel, c.define(ref, key))
	if hasCode(err, codeForeignKey) {
		return t.rel.refused(ErrReference, key.Name, "rows violate the foreign key "+quote(key.Name)+
			": they refer to rows of "+ref.String()+" that do not exist or belong to another tenant",
			"correct them and migrate again")
	}
	t.rel.Constraints = append(t.rel.Constraints, c)
	return err
}

// define returns the subcommand that adds the constraint.
func (c constraint) define(ref *relation, key ForeignKey) string {
	var b strings.Builder
	b.WriteString("ADD CONSTRAINT " + quote(c.Name) + " FOREIGN KEY (" + quoteEach(c.Columns) + ") REFERENCES " +
		ref.String() + " (" + quoteEach(c.RefColumns) + ")")
	if key.OnDelete != noAction {
		b.WriteString(" ON DELETE " + key.OnDelete)
	}
	// Without the list the tenant column would be unset as well.
	if len(c.SetColumns) > 0 {
		b.WriteString(" (" + quoteEach(c.SetColumns) + ")")
	}
	if key.OnUpdate != noAction {
		b.WriteString(" ON UPDATE " + key.OnUpdate)
	}
	return b.String()
}

// indexReference makes an index on the referring columns where none begins with them: without one, each delete on the
// other side reads the whole table.
func (m *Migration) indexReference(ctx context.Context, t *target, key ForeignKey) error {
	columns := with(t.Column, key.Columns)
	for _, x := range t.rel.Indexes {
		if x.Plain && len(x.Columns) >= len(columns) && sameSet(x.Columns[:len(columns)], columns) {
			return nil
		}
	}
	name := hashedName(t.rel.Name, key.Columns, indexSuffix)
	t.rel.Indexes = append(t.rel.Indexes, index{Name: name, Columns: columns, Plain: true})
	return m.exec(ctx, t.rel, "CREATE INDEX "+quote(name)+" ON "+t.rel.String()+" ("+quoteEach(columns)+")")
}

package tables

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// clearKeys drops what enforces uniqueness across tenants where the ORM declares it, and indexes that the ORM is to
// make anew.
func (m *Migration) clearKeys(ctx context.Context, v *view, t *target) error {
	for _, name := range t.outdated() {
		if err := m.dropKey(ctx, v, t.rel, name); err != nil {
			return err
		}
	}
	return nil
}

// outdated are the names of declared indexes and unique keys that are not as they must be: led by the tenant column, in
// a mixed table with everyone's rows unique among themselves, or, declared as globally unique, without the column.
func (t *target) outdated() []string {
	var names []string
	primary := t.rel.primaryKey()
	for _, x := range t.rel.Indexes {
		led := len(x.Columns) > 0 && x.Columns[0] == t.Column
		wanted := t.declares(x)
		if t.globallyUnique(x.Name) {
			led, wanted = !led, true
		}
		if wanted && (!led || t.forgetsEveryone(x)) && !sameSet(x.Columns, primary) {
			names = append(names, x.Name)
		}
	}
	return names
}

// declares reports whether an index is among those that the tenant column leads. A declared unique key is also found
// under another name, such as PostgreSQL's own: it would still tell one tenant of another's values.
func (t *target) declares(x index) bool {
	has := func(name string, columns []string) bool {
		return name == x.Name || (len(columns) > 0 && x.Unique && x.Plain && sameSet(x.Columns, columns))
	}
	return slices.ContainsFunc(t.Indexes, func(i Index) bool { return has(i.Name, i.Unique) }) ||
		slices.ContainsFunc(t.Uniques, func(u Unique) bool { return has(u.Name, u.Columns) })
}

// globallyUnique reports whether the index of a name is declared to be unique across tenants.
func (t *target) globallyUnique(name string) bool {
	return slices.ContainsFunc(t.GlobalUniques, func(u GlobalUnique) bool { return u.Name == name })
}

// forgetsEveryone reports whether a unique index takes the NULLs of everyone's rows for different tenants: there could
// be several of one value.
func (t *target) forgetsEveryone(x index) bool {
	return t.Kind == Mixed && x.Unique && !x.NullsEqual && !t.globallyUnique(x.Name)
}

// dropKey drops a unique constraint or an index, and before it the foreign keys that stand on it.
func (m *Migration) dropKey(ctx context.Context, v *view, r *relation, name string) error {
	for _, d := range r.index(name).Dependents {
		if err := m.dropDependent(ctx, v, r, name, d); err != nil {
			return err
		}
	}
	isConstraint := r.constraint(name) != nil
	r.forget(name)
	if isConstraint {
		return m.alter(ctx, r, "DROP CONSTRAINT "+quote(name))
	}
	return m.exec(ctx, r, "DROP INDEX "+quote(r.Schema, name))
}

// dropDependent drops a foreign key that Finish will make again.
func (m *Migration) dropDependent(ctx context.Context, v *view, r *relation, name string, d dependent) error {
	for _, t := range v.owned() {
		if t.rel.Schema != d.Schema || t.rel.Name != d.Table {
			continue
		}
		if t.rel.constraint(d.Name) == nil {
			return nil // dropped already
		}
		if slices.ContainsFunc(t.ForeignKeys, func(k ForeignKey) bool { return k.Name == d.Name }) {
			return m.dropForeignKey(ctx, t.rel, d.Name)
		}
	}
	other := quote(d.Schema, d.Table)
	return r.refused(ErrDependent, d.Name, "the foreign key "+quote(d.Name)+" of "+other+" stands on "+quote(name)+
		", which must be replaced by a key per tenant",
		"declare the foreign key in the model, or ALTER TABLE "+other+" DROP CONSTRAINT "+quote(d.Name))
}

// keys makes the key beside the primary key, and the declared unique keys.
func (m *Migration) keys(ctx context.Context, v *view, t *target) error {
	primary := t.PrimaryKey
	if len(primary) == 0 {
		primary = t.rel.primaryKey()
	}
	// A primary key with the tenant in it is a key to refer to as it is.
	if len(primary) > 0 && !slices.Contains(t.rel.primaryKey(), t.Column) {
		if err := m.ensureKey(ctx, v, t, Unique{keyName(t.rel.Name), primary}); err != nil {
			return err
		}
	}
	for _, u := range t.Uniques {
		if err := m.ensureKey(ctx, v, t, u); err != nil {
			return err
		}
	}
	return nil
}

// referredKeys makes the keys that foreign keys refer to and that are not there yet. The one beside the primary key
// serves most of them.
func (m *Migration) referredKeys(ctx context.Context, v *view, t *target) error {
	for _, key := range t.ForeignKeys {
		if !key.RefOwned {
			continue
		}
		ref := v.target(key.ref())
		wanted := with(ref.Column, key.RefColumns)
		if slices.ContainsFunc(ref.rel.Indexes, func(x index) bool {
			return x.Unique && x.Plain && sameSet(x.Columns, wanted)
		}) {
			continue
		}
		name := hashedName(ref.rel.Name, key.RefColumns, keySuffix)
		if err := m.ensureKey(ctx, v, ref, Unique{name, key.RefColumns}); err != nil {
			return err
		}
	}
	return nil
}

// ensureKey makes a constraint UNIQUE (tenant column, columns...) where there is none of that name and kind. One that
// is right is left alone, whoever made it.
func (m *Migration) ensureKey(ctx context.Context, v *view, t *target, u Unique) error {
	r, columns := t.rel, with(t.Column, u.Columns)
	nullsEqual, unique := t.Kind == Mixed, "UNIQUE"
	if nullsEqual {
		unique += " NULLS NOT DISTINCT"
	}
	if slices.ContainsFunc(r.Constraints, func(c constraint) bool { return c.Name == u.Name && c.Type == primaryKey }) {
		return t.refused("unique constraint %q has the name of the primary key", u.Name)
	}
	if x := r.index(u.Name); x != nil {
		// Foreign keys can refer to an index as well: ent makes no constraints.
		isKey := r.constraint(u.Name) != nil || strings.HasSuffix(u.Name, keySuffix)
		if isKey && x.Unique && x.Plain && x.NullsEqual == nullsEqual &&
			slices.Equal(x.Columns, columns) {
			return nil
		}
		if err := m.dropKey(ctx, v, r, u.Name); err != nil {
			return err
		}
	}
	err := m.alter(ctx, r, "ADD CONSTRAINT "+quote(u.Name)+" "+unique+" ("+quoteEach(columns)+")")
	if hasCode(err, codeUnique) {
		return r.refused(ErrDuplicate, u.Name, "rows of one tenant have the same values in the columns of "+
			quote(u.Name), "find them by GROUP BY "+quoteEach(columns)+" HAVING count(*) > 1, and make them differ")
	}
	r.Constraints = append(r.Constraints, constraint{Name: u.Name, Type: uniqueKey, Columns: columns})
	r.Indexes = append(r.Indexes,
		index{Name: u.Name, Columns: columns, Unique: true, Plain: true, NullsEqual: nullsEqual})
	return err
}

// globallyUniqueComment begins the comment of an index that is unique across tenants on purpose. The reason follows.
const globallyUniqueComment = "stratum: globally unique: "

// globalUniques writes down, where Verify and the next administrator find it, that an index is unique across tenants
// and why.
func (m *Migration) globalUniques(ctx context.Context, _ *view, t *target) error {
	for _, u := range t.GlobalUniques {
		x := t.rel.index(u.Name)
		if x == nil || !x.Unique {
			return t.rel.refused(ErrMissing, u.Name, "it has no unique index "+quote(u.Name)+
				", which is declared as globally unique", "let the ORM's migrator make it, or take it off the list")
		}
		if comment := globallyUniqueComment + u.Reason; x.Comment != comment {
			err := m.exec(ctx, t.rel, "COMMENT ON INDEX "+quote(t.rel.Schema, u.Name)+" IS "+literal(comment))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// SQLSTATEs that mean that existing rows are in the way.
const (
	codeForeignKey = "23503"
	codeUnique     = "23505"
	codeCheck      = "23514"
)

// hasCode looks for a SQLSTATE. The server's error is not passed on with those above: its details quote rows.
func hasCode(err error, code string) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == code
}

package entstratum

import (
	"reflect"
	"slices"

	"entgo.io/ent/dialect/sql"
)

// Conflict returns the options of an ON CONFLICT clause for a table, with the tenant column where the columns that they
// name became unique per tenant, and with a WHERE that is kept off the rows of other tenants. It is called by the
// generated create builders.
func (r *Registry) Conflict(table string, options []sql.ConflictOption) []sql.ConflictOption {
	t, ok := r.Table(table)
	if !ok || !t.kind().HasTenant() || len(options) == 0 {
		return options
	}
	c, err := readConflict(options)
	if err != nil {
		return append(slices.Clip(options), refuseConflict(err))
	}
	if r.uniquePerTenant(table, c.columns) {
		options = append(slices.Clip(options), sql.ConflictColumns(append([]string{t.Column}, c.columns...)...))
	}
	if c.where != nil {
		if !qualify(c.where, t.Name) {
			return append(slices.Clip(options), refuseConflict(ErrConflict))
		}
		options = append(slices.Clip(options), sql.UpdateWhere(t.onOwnRow(c.where)))
	}
	return options
}

// uniquePerTenant reports whether a unique key of the table has just these columns besides the tenant's.
func (r *Registry) uniquePerTenant(table string, columns []string) bool {
	sorted := slices.Sorted(slices.Values(columns))
	return slices.ContainsFunc(r.uniques[table], func(key []string) bool { return slices.Equal(key, sorted) })
}

// onOwnRow is a condition that is evaluated for rows of the new row's tenant alone. PostgreSQL evaluates it before the
// policies look at the row that is there already: on another tenant's it would tell something of that row, and a row
// that it leaves out is no error. It is true for another tenant's row, so that the update goes on to where the policies
// refuse it; the system, which no policy stops, passes over it. CASE is what keeps PostgreSQL to the order.
func (t Table) onOwnRow(where *sql.Predicate) *sql.Predicate {
	return sql.P(func(b *sql.Builder) {
		b.WriteString("CASE WHEN ").Ident(t.Name).WriteByte('.').Ident(t.Column)
		b.WriteString(" IS NOT DISTINCT FROM ").Ident("excluded").WriteByte('.').Ident(t.Column).WriteString(" THEN ")
		b.Wrap(func(b *sql.Builder) { b.Join(where) })
		b.WriteString(" ELSE pg_catalog.current_setting('stratum.tenant', true) <> '' END")
	})
}

// refuseConflict makes the statement fail with err before it is sent.
func refuseConflict(err error) sql.ConflictOption {
	return sql.ResolveWith(func(u *sql.UpdateSet) { u.AddError(err) })
}

// conflict is what Conflict has to know of the options of a clause.
type conflict struct {
	columns []string
	where   *sql.Predicate
}

// readConflict finds out what the options set. Each is a function that changes a value of a type that ent keeps to
// itself, so one is made by reflection and read by the names of its fields. Where they are not found the clause is
// refused.
func readConflict(options []sql.ConflictOption) (conflict, error) {
	argument := reflect.TypeFor[sql.ConflictOption]().In(0)
	if argument.Kind() != reflect.Pointer || argument.Elem().Kind() != reflect.Struct {
		return conflict{}, ErrConflict
	}
	value := reflect.New(argument.Elem())
	for _, option := range options {
		reflect.ValueOf(option).Call([]reflect.Value{value})
	}
	target, action := value.Elem().FieldByName("target"), value.Elem().FieldByName("action")
	if target.Kind() != reflect.Struct || action.Kind() != reflect.Struct {
		return conflict{}, ErrConflict
	}
	columns, where := target.FieldByName("columns"), action.FieldByName("where")
	if !columns.IsValid() || columns.Type() != reflect.TypeFor[[]string]() ||
		!where.IsValid() || where.Type() != reflect.TypeFor[*sql.Predicate]() {
		return conflict{}, ErrConflict
	}
	var c conflict
	for i := range columns.Len() {
		c.columns = append(c.columns, columns.Index(i).String())
	}
	c.where = (*sql.Predicate)(where.UnsafePointer())
	return c, nil
}

// qualify has the columns of a condition written with their table, as ent does for one that it is given as it is: in an
// ON CONFLICT a bare column could be that of the new row. It reports whether it could.
func qualify(p *sql.Predicate, table string) bool {
	field := reflect.ValueOf(p).Elem().FieldByName("qualifier")
	if !field.IsValid() || field.Kind() != reflect.String || !field.CanAddr() {
		return false
	}
	reflect.NewAt(field.Type(), field.Addr().UnsafePointer()).Elem().SetString(table)
	return true
}

package entstratum

import (
	"context"
	"reflect"
	"slices"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"entgo.io/ent/dialect/sql/sqlgraph"

	"github.com/stratum-hq/stratum-go/internal/scope"
	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// Upsert adapts the ON CONFLICT of one new row. It puts the tenant column in front of columns that became unique per
// tenant, keeps the clause's WHERE off the rows of other tenants, and has the system pass over them. It returns the
// driver to insert with. The generated create builders call it.
func (r *Registry) Upsert(m *Mutation, driver dialect.Driver, spec *sqlgraph.CreateSpec) dialect.Driver {
	u, ok := r.newUpsert(m, driver, spec.Table, spec.OnConflict)
	if !ok {
		return driver
	}
	rows := func() []values { return []values{valuesOf(spec)} } // the row is not complete yet
	if spec.OnConflict, ok = u.adapt(); ok && u.maySkip() {
		m.check = u.explain(rows, spec.ID != nil)
	}
	return u.driver
}

// UpsertBulk does the same for several rows.
func (r *Registry) UpsertBulk(m *Mutation, driver dialect.Driver, spec *sqlgraph.BatchCreateSpec) dialect.Driver {
	u, ok := r.newUpsert(m, driver, spec.Nodes[0].Table, spec.OnConflict)
	if !ok {
		return driver
	}
	if spec.OnConflict, ok = u.adapt(); ok && u.maySkip() {
		all := make([]values, len(spec.Nodes))
		for i, node := range spec.Nodes {
			all[i] = valuesOf(node) // ent writes to its ids
		}
		m.check = u.explain(func() []values { return all }, false)
	}
	return u.driver
}

// upsert is an INSERT with an ON CONFLICT.
type upsert struct {
	registry *Registry
	table    Table
	scope    scope.Scope
	driver   dialect.Driver
	options  []sql.ConflictOption
	conflict conflict
}

// newUpsert reports false where the table is none of a tenant's.
func (r *Registry) newUpsert(m *Mutation, d dialect.Driver, table string, o []sql.ConflictOption) (*upsert, bool) {
	t, ok := r.Table(table)
	if !ok || !t.kind().HasTenant() || len(o) == 0 {
		return nil, false
	}
	return &upsert{registry: r, table: t, scope: m.scope, driver: d, options: o}, true
}

// adapt returns the options to use. It reports false where the statement is refused.
func (u *upsert) adapt() ([]sql.ConflictOption, bool) {
	var err error
	u.conflict, err = readConflict(u.options)
	if err == nil && u.conflict.where != nil && !qualify(u.conflict.where, u.table.Name) {
		err = ErrConflict
	}
	if err != nil {
		u.driver = refusal{Driver: u.driver, err: err}
		return u.options, false
	}
	options := slices.Clip(u.options)
	if u.registry.uniquePerTenant(u.table.Name, u.table.stored(u.conflict.columns)) {
		options = append(options, sql.ConflictColumns(append([]string{u.table.Column}, u.conflict.columns...)...))
	}
	switch where := u.conflict.where; {
	case where != nil:
		options = append(options, sql.UpdateWhere(u.table.onOwnRow(where)))
	case u.scope.Kind == scope.System:
		options = append(options, sql.UpdateWhere(sql.ExprP(u.table.sameTenant())))
	}
	return options, true
}

// maySkip reports whether a row may have been left out without an error because of another tenant's: by DO NOTHING, for
// any key but one per tenant, and by the condition that keeps the system off.
func (u *upsert) maySkip() bool {
	if u.scope.Kind == scope.System {
		return true
	}
	columns := u.conflict.columns
	return u.conflict.nothing && !slices.Contains(columns, u.table.Column) &&
		!u.registry.uniquePerTenant(u.table.Name, u.table.stored(columns))
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
		b.WriteString("CASE WHEN " + t.sameTenant() + " THEN ")
		b.Wrap(func(b *sql.Builder) { b.Join(where) })
		b.WriteString(" ELSE pg_catalog.current_setting('stratum.tenant', true) <> '' END")
	})
}

// sameTenant is the condition that the row that is there is of the new row's tenant, or both are everyone's. It is a
// text, because ent puts a table in front of the names in this place.
func (t Table) sameTenant() string {
	column := sqltext.Quote(t.Column)
	return sqltext.Quote(t.Name) + "." + column + " IS NOT DISTINCT FROM excluded." + column
}

// refusal is a driver that sends nothing. An error that an option of the clause adds would be lost.
type refusal struct {
	dialect.Driver

	err error
}

// Exec returns the error.
func (r refusal) Exec(context.Context, string, any, any) error { return r.err }

// Query returns the error.
func (r refusal) Query(context.Context, string, any, any) error { return r.err }

// Tx returns the error.
func (r refusal) Tx(context.Context) (dialect.Tx, error) { return nil, r.err }

// conflict is what there is to know of the options of a clause.
type conflict struct {
	columns []string
	nothing bool
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
	columns, nothing, where := target.FieldByName("columns"), action.FieldByName("nothing"), action.FieldByName("where")
	if !isA[[]string](columns) || !isA[bool](nothing) || !isA[*sql.Predicate](where) {
		return conflict{}, ErrConflict
	}
	c := conflict{nothing: nothing.Bool(), where: (*sql.Predicate)(where.UnsafePointer())}
	for i := range columns.Len() {
		c.columns = append(c.columns, columns.Index(i).String())
	}
	return c, nil
}

func isA[T any](v reflect.Value) bool { return v.IsValid() && v.Type() == reflect.TypeFor[T]() }

// qualify has the columns of a condition written with their table, as ent does for one that it is given as it is: in an
// ON CONFLICT a bare column could be that of the new row. It reports whether it could.
func qualify(p *sql.Predicate, table string) bool {
	field := reflect.ValueOf(p).Elem().FieldByName("qualifier")
	if !isA[string](field) || !field.CanAddr() {
		return false
	}
	reflect.NewAt(field.Type(), field.Addr().UnsafePointer()).Elem().SetString(table)
	return true
}

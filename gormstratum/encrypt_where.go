package gormstratum

import (
	"context"
	"database/sql/driver"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/internal/fields"
)

// looker rewrites conditions on searchable columns to their blind indexes. What it does not know it leaves alone: the
// watcher refuses that, when the statement is complete.
type looker struct {
	plugin *Plugin
	stmt   *gorm.Statement
	names  names
	main   *table
	tenant uuid.UUID
	err    error
}

// lookUp rewrites the conditions of a statement.
func (p *Plugin) lookUp(stmt *gorm.Statement, conditions clause.Expression) clause.Expression {
	if !p.registry.encrypted || conditions == nil || stmt.Context == nil || wantsStored(stmt.Context) {
		return conditions
	}
	tenant, ok := tenantOf(stmt)
	if !ok {
		return conditions
	}
	l := &looker{plugin: p, stmt: stmt, tenant: tenant, names: newNames(p.registry)}
	l.readNames()
	if !l.names.hasEncrypted() {
		return conditions
	}
	conditions = l.expression(conditions)
	if l.err != nil {
		_ = stmt.AddError(l.err) // AddError keeps it and returns it
	}
	return conditions
}

// readNames finds out what the tables of the statement are called in its conditions.
func (l *looker) readNames() {
	if name, ok := targetTable(l.stmt); ok {
		l.main = l.plugin.registry.find(name)
		l.names.add(lastPart(name), l.main)
		l.names.add(l.stmt.Table, l.main)
	}
	if l.stmt.TableExpr != nil {
		l.addText(l.stmt.TableExpr.SQL)
	}
	from, _ := l.stmt.Clauses[fromClause].Expression.(clause.From)
	for _, join := range from.Joins {
		if named, ok := join.Expression.(clause.NamedExpr); ok {
			l.addText(named.SQL)
			continue
		}
		t := l.plugin.registry.find(join.Table.Name)
		l.names.add(lastPart(join.Table.Name), t)
		if join.Table.Alias != "" {
			l.names.add(join.Table.Alias, t)
		}
	}
}

func (l *looker) addText(sql string) {
	if words, ok := fields.Read(sql); ok {
		l.names.addText(words)
	}
}

// expression returns a copy of a condition where there is something to rewrite.
func (l *looker) expression(e clause.Expression) clause.Expression {
	switch e := e.(type) {
	case clause.Where:
		e.Exprs = l.all(e.Exprs)
		return e
	case clause.AndConditions:
		e.Exprs = l.all(e.Exprs)
		return e
	case clause.OrConditions:
		e.Exprs = l.all(e.Exprs)
		return e
	case clause.NotConditions:
		e.Exprs = l.all(e.Exprs)
		return e
	case clause.Eq:
		return l.comparison(e, e.Column, e.Value, false)
	case clause.Neq:
		return l.comparison(e, e.Column, e.Value, true)
	case clause.IN:
		if columns, ok := e.Column.([]clause.Column); ok {
			return l.tuples(e, columns)
		}
		return l.comparison(e, e.Column, e.Values, false)
	case clause.Expr:
		return l.text(e)
	case clause.NamedExpr:
		return l.named(e)
	}
	return e
}

func (l *looker) all(exprs []clause.Expression) []clause.Expression {
	exprs = slices.Clone(exprs)
	for i, e := range exprs {
		exprs[i] = l.expression(e)
	}
	return exprs
}

// lookup is a condition's column, and the blind index that answers for it: a column's own, or the one that is named.
type lookup struct {
	*encryptedField

	by *blindIndex
}

// searchable returns how a column of one of some tables is looked up, or nothing.
func searchable(all []*table, name string) (found lookup) {
	n := 0
	for _, t := range all {
		for _, e := range t.encrypted {
			by := e.indexIn(name)
			if e.field.DBName == name {
				by = e.index
			} else if by == nil {
				continue
			}
			if n++; by != nil {
				found = lookup{e, by}
			}
		}
	}
	if n != 1 {
		return lookup{}
	}
	return found
}

// column returns the encrypted column that a condition of GORM's is on, and what its table is called.
func (l *looker) column(column any) (found lookup, qualifier string) {
	c, ok := column.(clause.Column)
	if text, isText := column.(string); isText {
		c, ok = clause.Column{Name: text}, true
	}
	if !ok || c.Raw {
		return lookup{}, ""
	}
	qualifier, name := c.Table, strings.ReplaceAll(c.Name, `"`, "")
	if i := strings.LastIndexByte(name, '.'); i >= 0 && qualifier == "" {
		qualifier, name = lastPart(name[:i]), name[i+1:]
	}
	if qualifier == clause.CurrentTable || qualifier != "" && qualifier == l.stmt.Table {
		if l.main == nil {
			return lookup{}, ""
		}
		return searchable([]*table{l.main}, name), qualifier
	}
	return searchable(l.names.called(qualifier), name), qualifier
}

// comparison rewrites a condition that a column is, or is not, one of some values. NULL is stored as such.
func (l *looker) comparison(e clause.Expression, column, value any, negated bool) clause.Expression {
	field, qualifier := l.column(column)
	if field.by == nil || value == nil || isNil(value) {
		return e
	}
	values, _ := listOf(value)
	m := l.match(field, values)
	if m == nil {
		return e
	}
	expr := clause.Expr{}
	if negated {
		expr.SQL = "NOT "
	}
	sql, vars := m.write(func(name string) (string, []any) {
		return "?", []any{clause.Column{Table: qualifier, Name: name}}
	})
	expr.SQL, expr.Vars = expr.SQL+sql, vars
	return expr
}

// tuples rewrites a list of rows, as GORM has it for keys of several columns.
func (l *looker) tuples(e clause.IN, columns []clause.Column) clause.Expression {
	rewritten, values := slices.Clone(columns), slices.Clone(e.Values)
	for at, c := range columns {
		field, qualifier := l.column(c)
		if field.by == nil || field.by.Bits() < fullBits || field.plain != "" {
			continue
		}
		rewritten[at] = clause.Column{Table: qualifier, Name: field.by.column}
		for i, value := range values {
			row, ok := value.([]any)
			if !ok || at >= len(row) {
				return e
			}
			m := l.match(field, row[at:at+1])
			if m == nil {
				return e
			}
			row = slices.Clone(row)
			row[at], values[i] = m.indexes[0], row
		}
	}
	return clause.IN{Column: rewritten, Values: values}
}

// listOf returns the values of a list, or the one that it is.
func listOf(value any) (values []any, isList bool) {
	v := reflect.ValueOf(value)
	if _, ok := value.(driver.Valuer); ok || v.Kind() != reflect.Slice && v.Kind() != reflect.Array {
		return []any{value}, false
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		return []any{value}, false
	}
	for i := range v.Len() {
		values = append(values, v.Index(i).Interface())
	}
	return values, true
}

func isNil(value any) bool {
	v := reflect.ValueOf(value)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// fullBits is the length from which on a blind index is found by the value alone.
const fullBits = 128

// match is what a condition becomes: blind indexes, and, where they are truncated, the keys of the rows that have the
// values in truth.
type match struct {
	field   lookup
	indexes []any
	keys    []any // nil where there is nothing to check
}

// match computes the blind indexes of values, or notes why there are none.
func (l *looker) match(field lookup, values []any) *match {
	m := &match{field: field, indexes: make([]any, 0, len(values))}
	encoded := make([][]byte, 0, len(values))
	for _, value := range values {
		if value == nil || isNil(value) {
			m.indexes = append(m.indexes, nil)
			continue
		}
		one, err := field.encode(l.stmt.Context, value)
		if err == nil && one != nil {
			var index []byte
			index, err = field.sealed.Index(l.stmt.Context, l.tenant, field.by.Index, nil, one)
			m.indexes, encoded = append(m.indexes, index), append(encoded, one)
		}
		if err != nil {
			l.fail(fmt.Errorf("condition on column %s: %w", field, err))
			return nil
		}
	}
	if field.by.Bits() < fullBits || field.plain != "" {
		if err := l.check(m, encoded); err != nil {
			l.fail(err)
			return nil
		}
	}
	return m
}

func (l *looker) fail(err error) {
	if l.err == nil {
		l.err = err
	}
}

// write writes the condition. Rows without a value stay unknown, as they are in SQL, also where it is negated.
func (m *match) write(column func(name string) (sql string, vars []any)) (string, []any) {
	sql, vars := column(m.field.by.column)
	condition, all := sql+" IN ?", append(slices.Clone(vars), m.indexes)
	if m.field.by.Bits() < fullBits {
		keySQL, keyVars := m.writeKeys(column)
		all = append(append(all, keyVars...), vars...)
		condition += " AND (" + keySQL + " OR " + sql + " IS NULL)"
	}
	if m.field.plain != "" {
		plain, plainVars := column(m.field.plain)
		keySQL, keyVars := m.writeKeys(column)
		all = slices.Concat(plainVars, all, plainVars, keyVars)
		condition = plain + " IS NULL AND " + condition + " OR " + plain + " IS NOT NULL AND " + keySQL
	}
	return "(" + condition + ")", all
}

// writeKeys writes that a row is one of those that were found. Where there are none it is false, and not unknown, so
// that what is not one of them is found.
func (m *match) writeKeys(column func(name string) (sql string, vars []any)) (string, []any) {
	if len(m.keys) == 0 {
		return "FALSE", nil
	}
	columns := m.field.table.PrimaryFieldDBNames
	keySQL, all := make([]string, len(columns)), []any(nil)
	for i, name := range columns {
		var vars []any
		keySQL[i], vars = column(name)
		all = append(all, vars...)
	}
	return "(" + strings.Join(keySQL, ", ") + ") IN ?", append(all, m.keys)
}

// check finds the rows that have the indexes and, once they are opened, the values. It reads before the statement, in
// its transaction where it is in one, so that whatever the statement does with the condition, it does to those.
func (l *looker) check(m *match, encoded [][]byte) error {
	s := m.field.table
	rows := reflect.New(reflect.SliceOf(s.ModelType))
	tx := l.stmt.Session(&gorm.Session{NewDB: true, SkipHooks: true, Context: l.stmt.Context})
	tx.DryRun = false // of a sub-query that is being written
	tx.Error = nil
	// In a group they are not looked at again, as conditions on a blind index are.
	var candidates clause.Expression = clause.IN{Column: currentColumn(m.field.by.column), Values: m.indexes}
	if m.field.plain != "" {
		candidates = clause.Or(candidates, clause.Neq{Column: currentColumn(m.field.plain)})
	}
	err := tx.Table(s.Table).Unscoped().Select(append(slices.Clone(s.PrimaryFieldDBNames), m.field.field.DBName)).
		Where(group{candidates}).Find(rows.Interface()).Error
	if err != nil {
		return err
	}
	m.keys = []any{}
	for _, row := range structsOf(rows.Elem()) {
		same, err := m.isIn(l.stmt.Context, row, encoded)
		if err != nil {
			return err
		}
		if !same {
			continue
		}
		key := make([]any, len(s.PrimaryFields))
		for i, f := range s.PrimaryFields {
			key[i], _ = f.ValueOf(l.stmt.Context, row)
		}
		if len(key) == 1 {
			m.keys = append(m.keys, key[0])
		} else {
			m.keys = append(m.keys, key)
		}
	}
	return nil
}

func currentColumn(name string) clause.Column {
	return clause.Column{Table: clause.CurrentTable, Name: name}
}

// isIn reports whether a row has one of the values.
func (m *match) isIn(ctx context.Context, row reflect.Value, encoded [][]byte) (bool, error) {
	value, _ := m.field.field.ValueOf(ctx, row)
	have, err := m.field.encode(ctx, value)
	if err != nil || have == nil {
		return false, err
	}
	for _, want := range encoded {
		if same, err := m.field.by.Same(have, want); same || err != nil {
			return same, err
		}
	}
	return false, nil
}

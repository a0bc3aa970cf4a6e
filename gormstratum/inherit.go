package gormstratum

import (
	"database/sql"
	"maps"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// inheritJoins replaces the sub-queries in what GORM writes before there is a clause to look at.
func inheritJoins(stmt *gorm.Statement) {
	if stmt.TableExpr != nil {
		if vars, ok := inheritAll(stmt.TableExpr.Vars); ok {
			expr := *stmt.TableExpr
			expr.Vars = vars
			stmt.TableExpr = &expr
		}
	}
	for i := range stmt.Joins {
		if on := stmt.Joins[i].On; on != nil {
			if exprs, ok := inheritAll(on.Exprs); ok {
				stmt.Joins[i].On = &clause.Where{Exprs: exprs}
			}
		}
	}
}

// inheritClause returns a clause with its sub-queries replaced. The clause of the statement stays as it is.
func inheritClause(c clause.Clause) clause.Clause {
	for _, part := range []*clause.Expression{
		&c.BeforeExpression, &c.AfterNameExpression, &c.AfterExpression, &c.Expression,
	} {
		if *part != nil {
			*part, _ = inherit(*part)
		}
	}
	return c
}

// inherit returns a copy of v with the sub-queries in it replaced, or v itself where there is none: what the caller
// has passed in is never written to. Expressions of other packages cannot be looked into.
func inherit[T any](v T) (T, bool) {
	if changed, ok := inheritAny(v); ok {
		if same, ok := changed.(T); ok {
			return same, true
		}
	}
	return v, false
}

func inheritAll[T any](list []T) ([]T, bool) {
	var changed []T
	for i, v := range list {
		replaced, ok := inherit(v)
		if !ok {
			continue
		}
		if changed == nil {
			changed = slices.Clone(list)
		}
		changed[i] = replaced
	}
	return changed, changed != nil
}

// inheritAny knows GORM's own values, expressions and clauses.
func inheritAny(v any) (any, bool) {
	if changed, ok := inheritValue(v); ok {
		return changed, true
	}
	if changed, ok := inheritComparison(v); ok {
		return changed, true
	}
	if changed, ok := inheritInequality(v); ok {
		return changed, true
	}
	if changed, ok := inheritConditions(v); ok {
		return changed, true
	}
	return inheritInClause(v)
}

// inheritValue knows the arguments of expressions.
func inheritValue(v any) (any, bool) {
	switch v := v.(type) {
	case *gorm.DB:
		return subquery{v}, v != nil
	case []*gorm.DB:
		list := make([]any, len(v))
		for i, db := range v {
			list[i] = subquery{db}
		}
		return list, len(v) > 0
	case []any:
		return inheritAll(v)
	case map[string]any:
		return inheritMap(v)
	case sql.NamedArg:
		if changed, ok := inherit(v.Value); ok {
			v.Value = changed
			return v, true
		}
	case clause.Expr:
		if changed, ok := inheritAll(v.Vars); ok {
			v.Vars = changed
			return v, true
		}
	case clause.NamedExpr:
		if changed, ok := inheritAll(v.Vars); ok {
			v.Vars = changed
			return v, true
		}
	}
	return nil, false
}

func inheritMap(m map[string]any) (any, bool) {
	changed, found := m, false
	for key, value := range m {
		if replaced, ok := inherit(value); ok {
			if !found {
				changed, found = maps.Clone(m), true
			}
			changed[key] = replaced
		}
	}
	return changed, found
}

func inheritComparison(v any) (any, bool) {
	switch v := v.(type) {
	case clause.Eq:
		if changed, ok := inherit(v.Value); ok {
			v.Value = changed
			return v, true
		}
	case clause.Neq:
		if changed, ok := inherit(v.Value); ok {
			v.Value = changed
			return v, true
		}
	case clause.Like:
		if changed, ok := inherit(v.Value); ok {
			v.Value = changed
			return v, true
		}
	case clause.IN:
		if changed, ok := inheritAll(v.Values); ok {
			v.Values = changed
			return v, true
		}
	}
	return nil, false
}

func inheritInequality(v any) (any, bool) {
	switch v := v.(type) {
	case clause.Gt:
		if changed, ok := inherit(v.Value); ok {
			v.Value = changed
			return v, true
		}
	case clause.Gte:
		if changed, ok := inherit(v.Value); ok {
			v.Value = changed
			return v, true
		}
	case clause.Lt:
		if changed, ok := inherit(v.Value); ok {
			v.Value = changed
			return v, true
		}
	case clause.Lte:
		if changed, ok := inherit(v.Value); ok {
			v.Value = changed
			return v, true
		}
	}
	return nil, false
}

func inheritConditions(v any) (any, bool) {
	switch v := v.(type) {
	case clause.Where:
		if changed, ok := inheritAll(v.Exprs); ok {
			v.Exprs = changed
			return v, true
		}
	case clause.AndConditions:
		if changed, ok := inheritAll(v.Exprs); ok {
			v.Exprs = changed
			return v, true
		}
	case clause.OrConditions:
		if changed, ok := inheritAll(v.Exprs); ok {
			v.Exprs = changed
			return v, true
		}
	case clause.NotConditions:
		if changed, ok := inheritAll(v.Exprs); ok {
			v.Exprs = changed
			return v, true
		}
	case clause.CommaExpression:
		if changed, ok := inheritAll(v.Exprs); ok {
			v.Exprs = changed
			return v, true
		}
	}
	return nil, false
}

// inheritInClause knows what a clause is made of.
func inheritInClause(v any) (any, bool) {
	switch v := v.(type) {
	case clause.Select:
		if changed, ok := inherit(v.Expression); ok {
			v.Expression = changed
			return v, true
		}
	case clause.From:
		if joins, ok := inheritInJoins(v.Joins); ok {
			v.Joins = joins
			return v, true
		}
	case clause.GroupBy:
		if changed, ok := inheritAll(v.Having); ok {
			v.Having = changed
			return v, true
		}
	case clause.OrderBy:
		if changed, ok := inherit(v.Expression); ok {
			v.Expression = changed
			return v, true
		}
	case clause.Values:
		if rows, ok := inheritInRows(v.Values); ok {
			v.Values = rows
			return v, true
		}
	case clause.Set:
		if set, ok := inheritInSet(v); ok {
			return set, true
		}
	case clause.OnConflict:
		return inheritInConflict(v)
	}
	return nil, false
}

func inheritInConflict(v clause.OnConflict) (any, bool) {
	set, inSet := inheritInSet(v.DoUpdates)
	where, inWhere := inheritAll(v.Where.Exprs)
	if inSet {
		v.DoUpdates = set
	}
	if inWhere {
		v.Where.Exprs = where
	}
	return v, inSet || inWhere
}

// These lists are walked by index: nothing is allocated for each element of a statement without sub-queries.

func inheritInJoins(joins []clause.Join) ([]clause.Join, bool) {
	found := false
	for i := range joins {
		on, inOn := inheritAll(joins[i].ON.Exprs)
		expression, inExpression := inherit(joins[i].Expression)
		if !inOn && !inExpression {
			continue
		}
		if !found {
			joins, found = slices.Clone(joins), true
		}
		joins[i].Expression = expression
		if inOn {
			joins[i].ON.Exprs = on
		}
	}
	return joins, found
}

func inheritInRows(rows [][]any) ([][]any, bool) {
	found := false
	for i := range rows {
		row, ok := inheritAll(rows[i])
		if !ok {
			continue
		}
		if !found {
			rows, found = slices.Clone(rows), true
		}
		rows[i] = row
	}
	return rows, found
}

func inheritInSet(set clause.Set) (clause.Set, bool) {
	found := false
	for i := range set {
		value, ok := inherit(set[i].Value)
		if !ok {
			continue
		}
		if !found {
			set, found = slices.Clone(set), true
		}
		set[i].Value = value
	}
	return set, found
}

package entstratum

import (
	"strings"

	atlas "ariga.io/atlas/sql/schema"
)

// keepDefaults makes wanted defaults equal to those that are there where just parentheses tell them apart. Atlas would
// have the server evaluate both and compare the values, which for gen_random_uuid() are never the same: each run would
// set the default again, under a lock that waits for all who use the table.
func keepDefaults(current, desired *atlas.Schema) {
	for _, wanted := range desired.Tables {
		there, ok := current.Table(wanted.Name)
		if !ok {
			continue
		}
		for _, column := range wanted.Columns {
			if found, ok := there.Column(column.Name); ok && sameExpression(found.Default, column.Default) {
				column.Default = found.Default
			}
		}
	}
}

func sameExpression(a, b atlas.Expr) bool {
	x, ok := a.(*atlas.RawExpr)
	y, both := b.(*atlas.RawExpr)
	return ok && both && bare(x.X) == bare(y.X)
}

// bare is an expression without the parentheses around it. Where those are of two expressions, as in (a) + (b), it is
// only compared with another of which the same is left.
func bare(expression string) string {
	expression = strings.TrimSpace(expression)
	if strings.HasPrefix(expression, "(") && strings.HasSuffix(expression, ")") {
		return strings.TrimSpace(expression[1 : len(expression)-1])
	}
	return expression
}

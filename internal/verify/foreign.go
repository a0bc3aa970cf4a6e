package verify

import (
	"slices"
	"strings"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

func (k foreignKey) label(r *relation) string {
	return "constraint " + quote(k.Name) + " on " + r.String()
}

// pairs says whether the tenant columns are compared with each other.
func (k foreignKey) pairs(from, to *table) bool {
	i := slices.Index(k.Columns, from.column)
	return i >= 0 && k.RefColumns[i] == to.column
}

// checkForeignKey looks at a reference between owned tables.
func (l *look) checkForeignKey(k foreignKey, from, to *table) {
	r := l.byOID[k.Table]
	if !k.pairs(from, to) {
		f := Finding{
			Severity: Breaks, Code: CodeForeignKey, Object: k.label(r),
			Finding: "it leaves out the tenant: a row can refer to another tenant's in " + to.String() +
				", and tells whether that exists",
			Cure: "declare the relation in the models and run gormstratum.Migrate",
		}
		if to.class == mixed {
			// The tenant of the row referred to is this row's own or NULL: no foreign key compares with both.
			f.Cure, f.RunAs = "ALTER TABLE "+r.String()+" DROP CONSTRAINT "+quote(k.Name)+";", Owner
		} else if cure := l.compositeKey(k, from, to); cure != nil && r == from.relation {
			f.Cure, f.RunAs = atomic(cure...), Owner
		}
		l.addOf(r.Owner, f)
		return
	}
	if !k.Validated {
		l.addOf(r.Owner, Finding{
			Severity: Weakens, Code: CodeForeignKeyNot, Object: k.label(r), RunAs: Owner,
			Finding: "it was never validated: rows from before may refer to another tenant's",
			Cure:    atomic("ALTER TABLE " + r.String() + " VALIDATE CONSTRAINT " + quote(k.Name)),
		})
	}
	if !l.hasIndex(k.Table, k.Columns) {
		l.addOf(r.Owner, Finding{
			Severity: Slows, Code: CodeForeignKeyIndex, Object: k.label(r), RunAs: Owner,
			Finding: "no index begins with its columns, so that each delete in " + to.String() + " reads the whole " +
				"table",
			Cure: indexSQL(r, k.Columns, from.column) + ";",
		})
	}
}

// indexSQL makes the index that Migrate would make.
func indexSQL(r *relation, columns []string, tenant string) string {
	others := filter(columns, func(name string) bool { return name != tenant })
	return "CREATE INDEX " + quote(tables.ReferenceIndexName(r.Name, others)) + " ON " + r.String() + " (" +
		quoteEach(append([]string{tenant}, others...)) + ")"
}

// hasIndex says whether an index of all rows begins with the columns, in any order.
func (l *look) hasIndex(oid uint32, columns []string) bool {
	return slices.ContainsFunc(l.indexed[oid], func(x *index) bool {
		return x.Valid && !x.Partial && x.Method == "btree" && len(x.Columns) >= len(columns) &&
			sameSet(x.Columns[:len(columns)], columns)
	})
}

// hasKey says whether a foreign key can refer to the columns.
func (l *look) hasKey(oid uint32, columns []string) bool {
	return slices.ContainsFunc(l.indexed[oid], func(x *index) bool {
		return x.Unique && x.Valid && !x.Partial && sameSet(x.Columns, columns)
	})
}

// compositeKey makes a foreign key anew with the tenant in it, and what it needs on both sides, under the names that
// Migrate would give. It returns nil where the key has something that does not go with that.
func (l *look) compositeKey(k foreignKey, from, to *table) []string {
	columns, refColumns := k.others(from, to)
	if len(columns) == 0 || k.Match != "s" || k.OnUpdate == "n" || k.OnUpdate == "d" || to.tenantColumn() == nil {
		return nil
	}
	var statements []string
	refKey := append([]string{to.column}, refColumns...)
	if !l.hasKey(to.OID, refKey) {
		name := tables.ReferredKeyName(to.Name, refColumns, l.primaryKey(to.OID))
		statements = append(statements, "ALTER TABLE "+to.String()+" ADD CONSTRAINT "+quote(name)+" UNIQUE ("+
			quoteEach(refKey)+")")
	}
	key := append([]string{from.column}, columns...)
	statements = append(statements, "ALTER TABLE "+from.String()+" DROP CONSTRAINT "+quote(k.Name)+", ADD CONSTRAINT "+
		quote(k.Name)+" FOREIGN KEY ("+quoteEach(key)+") REFERENCES "+to.String()+" ("+quoteEach(refKey)+")"+
		k.actions(columns))
	if !l.hasIndex(from.OID, key) {
		statements = append(statements, indexSQL(from.relation, key, from.column))
	}
	return statements
}

// others are the columns of both sides without the tenants'.
func (k foreignKey) others(from, to *table) (columns, refColumns []string) {
	for i, name := range k.Columns {
		if name != from.column && k.RefColumns[i] != to.column {
			columns, refColumns = append(columns, name), append(refColumns, k.RefColumns[i])
		}
	}
	return columns, refColumns
}

// actions are what follows the columns. SET NULL names them: it would unset the tenant as well.
func (k foreignKey) actions(columns []string) string {
	if len(k.SetColumns) > 0 {
		columns = k.SetColumns
	}
	words := map[string]string{"r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
	var b strings.Builder
	if word := words[k.OnDelete]; word != "" {
		b.WriteString(" ON DELETE " + word)
		if strings.HasPrefix(word, "SET ") {
			b.WriteString(" (" + quoteEach(columns) + ")")
		}
	}
	if word := words[k.OnUpdate]; word != "" {
		b.WriteString(" ON UPDATE " + word)
	}
	if k.Deferrable {
		b.WriteString(" DEFERRABLE")
	}
	if k.Deferred {
		b.WriteString(" INITIALLY DEFERRED")
	}
	return b.String()
}

// checkForeignKeyInto looks at a reference to owned rows from a table that has no tenants.
func (l *look) checkForeignKeyInto(k foreignKey, to *table) {
	r := l.byOID[k.Table]
	f := Finding{
		Code: CodeForeignKeyInto, Object: k.label(r), RunAs: Owner,
		Cure: "ALTER TABLE " + r.String() + " DROP CONSTRAINT " + quote(k.Name) + ";",
	}
	t := l.classed[k.Table]
	writers := filter(l.reach(r), func(g grant) bool { return g.Right == "INSERT" || g.Right == "UPDATE" })
	switch {
	case t != nil && t.class == global:
		f.Severity = Breaks
		f.Finding = "the table is everybody's and refers to rows of one tenant in " + to.String()
	case len(writers) > 0 && (t != nil || len(l.joins(r)) < 2):
		f.Severity = Weakens
		f.Finding = "tenants write this table, and learn by the reference which rows others have in " + to.String()
	default:
		return
	}
	l.addOf(r.Owner, f)
}

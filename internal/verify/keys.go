package verify

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// checkKeys looks at indexes and foreign keys of owned tables, and at foreign keys into them.
func (l *look) checkKeys() {
	for _, x := range l.indexes {
		if t := l.root(x.Table); t != nil && t.tenantColumn() != nil && !l.isAdopting(t) {
			l.checkIndex(t, x)
		}
	}
	for _, k := range l.keys {
		to := l.root(k.Ref)
		if to == nil || l.byOID[k.Table] == nil {
			continue
		}
		if l.isAdopting(to) {
			continue
		}
		if from := l.root(k.Table); from != nil {
			if l.isAdopting(from) {
				continue
			}
			l.checkForeignKey(k, from, to)
			continue
		}
		l.checkForeignKeyInto(k, to)
	}
}

// checkIndex leaves the primary key as the ORM declares it: a duplicate in it is one opaque error, and a single row is
// found by it as fast. A method other than btree cannot be led by the tenant column and is no finding.
func (l *look) checkIndex(t *table, x *index) {
	has := slices.Contains(x.Columns, t.column)
	switch {
	case x.Primary || x.Unique && !x.Partial && sameSet(x.Columns, l.primaryKey(x.Table)):
	case (x.Unique || x.Exclusion) && !has:
		l.reportUnique(t, x)
	case x.Method != "btree":
	case !x.Valid:
		l.addOf(t.Owner, Finding{
			Severity: Slows, Code: CodeIndexInvalid, Object: x.label(t), RunAs: Owner,
			Finding: "it is not valid, as after a CREATE INDEX CONCURRENTLY that failed: it is kept up and never used",
			Cure:    "DROP INDEX " + x.String() + ";",
		})
	case x.Columns[0] != t.column && !l.servesReference(x):
		cure, runAs := lead(t, x)
		l.addOf(t.Owner, Finding{
			Severity: Slows, Code: CodeIndexNotLed, Object: x.label(t), Cure: cure, RunAs: runAs,
			Finding: "it is not led by " + quote(t.column) + ", so that a small tenant's query reads the others' " +
				"entries",
		})
	case x.Unique && len(x.Columns) > 1 && !strings.HasSuffix(x.Name, tables.KeySuffix):
		l.noteConflict(t, x)
	}
}

func (x *index) label(t *table) string { return "index " + x.String() + " on " + t.String() }

// reportUnique reports a key over all tenants, unless its comment says that it is meant.
func (l *look) reportUnique(t *table, x *index) {
	if strings.HasPrefix(x.Comment, globallyUniquePrefix) {
		l.addOf(t.Owner, Finding{
			Severity: Note, Code: CodeGloballyUnique, Object: x.label(t),
			Finding: "it is unique across tenants by choice: " + reason(x.Comment, globallyUniquePrefix),
		})
		return
	}
	f := Finding{
		Severity: Breaks, Code: CodeUniqueAcross, Object: x.label(t),
		Finding: "it is unique across tenants: whoever inserts a value learns whether another tenant has it (where " +
			"that is meant, let its comment begin with '" + globallyUniquePrefix + "')",
	}
	switch {
	case x.Exclusion:
		f.Cure = "make it anew with " + quote(t.column) + " WITH = as its first part (the extension btree_gist has " +
			"the operator)"
	case len(x.Dependents) > 0:
		f.Cure = "cure first the foreign keys that stand on it: " + strings.Join(x.Dependents, ", ")
	default:
		f.Cure, f.RunAs = lead(t, x)
	}
	l.addOf(t.Owner, f)
}

// reason is what a comment says after its prefix.
func reason(comment, prefix string) string {
	text := strings.TrimLeft(strings.TrimPrefix(comment, prefix), ":;,. ")
	if text == "" {
		return "its comment gives no reason"
	}
	return text
}

// lead makes an index anew with the tenant column in front. All else in its definition stays.
func lead(t *table, x *index) (cure string, runAs Login) {
	column := t.tenantColumn().Quoted
	if strings.HasPrefix(x.Constraint, "UNIQUE") {
		before, rest, _ := strings.Cut(x.Constraint, "(")
		if t.class == mixed {
			before = "UNIQUE NULLS NOT DISTINCT "
		}
		alter := "ALTER TABLE " + t.String() + " DROP CONSTRAINT " + quote(x.Name) + ", ADD CONSTRAINT " + quote(x.Name)
		return alter + " " + before + "(" + column + ", " + without(rest, column) + ";", Owner
	}
	before, rest, ok := strings.Cut(x.Definition, " USING btree (")
	if !ok || x.Unique && t.class == mixed || strings.Contains(x.Name+t.Name+t.Schema, " USING btree (") {
		return "make it anew with " + quote(t.column) + " as its first column", ""
	}
	definition := before + " USING btree (" + column + ", " + without(rest, column)
	return "BEGIN;\nDROP INDEX " + x.String() + ";\n" + definition + ";\nCOMMIT;", Owner
}

// without takes a column out of the rest of a list, as the server prints it.
func without(list, column string) string {
	pattern := regexp.MustCompile(`, ` + regexp.QuoteMeta(column) + `( ASC| DESC| NULLS FIRST| NULLS LAST)*([,)])`)
	return pattern.ReplaceAllString(list, "$2")
}

// servesReference says whether an index is there for a foreign key to a table that has no tenants: who deletes there
// looks for the column alone.
func (l *look) servesReference(x *index) bool {
	return slices.ContainsFunc(l.refers[x.Table], func(k foreignKey) bool {
		return l.root(k.Ref) == nil && len(x.Columns) >= len(k.Columns) &&
			sameSet(x.Columns[:len(k.Columns)], k.Columns)
	})
}

// noteConflict says what a raw ON CONFLICT has to name. Stratum cannot tell which keys it has made out of shorter ones,
// so every unique key of a tenant is listed.
func (l *look) noteConflict(t *table, x *index) {
	if slices.Contains(x.Columns, "") {
		return
	}
	l.addOf(t.Owner, Finding{
		Severity: Note, Code: CodeConflictTarget, Object: x.label(t),
		Finding: fmt.Sprintf("a raw ON CONFLICT (%s) must name (%s)", quoteEach(x.Columns[1:]), quoteEach(x.Columns)),
	})
}

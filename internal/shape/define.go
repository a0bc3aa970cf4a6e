package shape

import (
	"fmt"
	"slices"
	"strings"
)

// String is the table's name in a statement.
func (t *Table) String() string { return quote(t.Schema, t.Name) }

func (t *Table) alter(subcommands ...string) string {
	return "ALTER TABLE " + t.String() + " " + strings.Join(subcommands, ", ")
}

// define returns the column as in CREATE TABLE and ADD COLUMN.
func (t *Table) define(c Column) string {
	var b strings.Builder
	b.WriteString(quote(c.Name) + " " + c.typed())
	switch {
	case c.Generated != "":
		b.WriteString(" GENERATED ALWAYS AS (" + c.Default + ") " + c.Generated)
	case c.Identity != "":
		b.WriteString(" " + t.identity(c))
	case c.Default != "":
		b.WriteString(" DEFAULT " + c.Default)
	}
	if c.NotNull {
		b.WriteString(" NOT NULL")
	}
	return b.String()
}

// typed is the type with its collation.
func (c Column) typed() string {
	if c.Collation == "" {
		return c.Type
	}
	return c.Type + " COLLATE " + c.Collation
}

// identity returns GENERATED ... AS IDENTITY with the sequence of the column.
func (t *Table) identity(c Column) string {
	generated := "GENERATED " + c.Identity + " AS IDENTITY"
	i := slices.IndexFunc(t.Sequences, func(s Sequence) bool { return s.Identity && s.Column == c.Name })
	if i < 0 {
		return generated
	}
	s := t.Sequences[i]
	return generated + " (SEQUENCE NAME " + quote(t.Schema, s.Name) + " " + s.options() + ")"
}

// options of a sequence are spelled out: defaults depend on others of them.
func (s Sequence) options() string {
	cycle := "NO CYCLE"
	if s.Cycle {
		cycle = "CYCLE"
	}
	return fmt.Sprintf("INCREMENT BY %d MINVALUE %d MAXVALUE %d START WITH %d CACHE %d %s",
		s.Increment, s.Min, s.Max, s.Start, s.Cache, cycle)
}

// createSequence makes a serial's sequence, before the table whose default it is.
func (t *Table) createSequence(s Sequence) string {
	return "CREATE SEQUENCE " + quote(t.Schema, s.Name) + " AS " + s.Type + " " + s.options()
}

// ownSequence ties it to the column, after the table.
func (t *Table) ownSequence(s Sequence) string {
	return "ALTER SEQUENCE " + quote(t.Schema, s.Name) + " OWNED BY " + quote(t.Schema, t.Name, s.Column)
}

// createTable makes the table with the constraints that it can have from the start.
func (t *Table) createTable(constraints []Constraint) string {
	parts := make([]string, 0, len(t.Columns)+len(constraints))
	for _, c := range t.Columns {
		parts = append(parts, t.define(c))
	}
	for _, c := range constraints {
		parts = append(parts, c.define())
	}
	kind := "TABLE "
	if t.Unlogged {
		kind = "UNLOGGED TABLE "
	}
	statement := "CREATE " + kind + t.String() + " (" + strings.Join(parts, ", ") + ")"
	if len(t.Options) > 0 {
		statement += " WITH (" + options(t.Options) + ")"
	}
	return statement
}

// options are storage parameters as in a statement.
func options(list []string) string {
	parts := make([]string, len(list))
	for i, option := range list {
		key, value, _ := strings.Cut(option, "=")
		parts[i] = key + " = " + literal(value)
	}
	return strings.Join(parts, ", ")
}

// define returns the constraint as in CREATE TABLE and ADD.
func (c Constraint) define() string { return "CONSTRAINT " + quote(c.Name) + " " + c.Definition }

// comment returns the statement that notes something on the index of a name.
func (t *Table) comment(index, text string) string {
	if text == "" {
		return "COMMENT ON INDEX " + quote(t.Schema, index) + " IS NULL"
	}
	return "COMMENT ON INDEX " + quote(t.Schema, index) + " IS " + literal(text)
}

// createPolicy makes a policy.
func (t *Table) createPolicy(p Policy) string {
	statement := "CREATE POLICY " + quote(p.Name) + " ON " + t.String()
	if !p.Permissive {
		statement += " AS RESTRICTIVE"
	}
	statement += " FOR " + p.Command + " TO " + grantees(p.Roles)
	if p.Using != "" {
		statement += " USING (" + p.Using + ")"
	}
	if p.Check != "" {
		statement += " WITH CHECK (" + p.Check + ")"
	}
	return statement
}

// grantees are roles, of which one without a name is PUBLIC.
func grantees(roles []string) string {
	parts := make([]string, len(roles))
	for i, role := range roles {
		if parts[i] = "PUBLIC"; role != "" {
			parts[i] = quote(role)
		}
	}
	return strings.Join(parts, ", ")
}

// rights are privileges as in a statement, on one column where one is named.
func rights(privileges []string, column string) string {
	if column == "" {
		return strings.Join(privileges, ", ")
	}
	parts := make([]string, len(privileges))
	for i, p := range privileges {
		parts[i] = p + " (" + quote(column) + ")"
	}
	return strings.Join(parts, ", ")
}

// enable returns the subcommand that makes a trigger fire as it is to. A new one fires as most do.
func (g Trigger) enable() string {
	verb := map[string]string{"D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}[g.Enabled]
	if verb == "" {
		verb = "ENABLE"
	}
	return verb + " TRIGGER " + quote(g.Name)
}

// isUsual reports whether the trigger fires as a new one does.
func (g Trigger) isUsual() bool { return g.Enabled == "O" }

// replica returns the subcommand for the replica identity.
func (t *Table) replica() string {
	if t.Replica == usingIndex {
		return "REPLICA IDENTITY USING INDEX " + quote(t.ReplicaIndex)
	}
	return "REPLICA IDENTITY " + t.Replica
}

// Replica identities.
const (
	replicaDefault = "DEFAULT"
	usingIndex     = "USING INDEX"
)

// security returns the subcommands for row-level security.
func (t *Table) security() []string {
	secured, forced := "DISABLE ROW LEVEL SECURITY", "NO FORCE ROW LEVEL SECURITY"
	if t.Secured {
		secured = "ENABLE ROW LEVEL SECURITY"
	}
	if t.Forced {
		forced = "FORCE ROW LEVEL SECURITY"
	}
	return []string{secured, forced}
}

package shape

import (
	"cmp"
	"fmt"
	"slices"
)

// Kind is the kind of thing that differs.
type Kind string

// The kinds.
const (
	KindTable      Kind = "table"
	KindView       Kind = "view"
	KindColumn     Kind = "column"
	KindConstraint Kind = "constraint"
	KindIndex      Kind = "index"
	KindSequence   Kind = "sequence"
	KindTrigger    Kind = "trigger"
	KindPolicy     Kind = "policy"
	KindGrant      Kind = "grant"
	// KindSecurity is row-level security, enabled and forced.
	KindSecurity Kind = "row-level security"
	// KindReplica is the replica identity.
	KindReplica Kind = "replica identity"
	// KindOption is what is said of a table with WITH, its owner, and whether it is logged.
	KindOption Kind = "option"
)

// Change is one way in which what there is differs from what is wanted, and what cures it.
type Change struct { //nolint:recvcheck // it is built in place, and a value from then on
	Kind Kind
	// Schema and Table are the table or view concerned.
	Schema, Table string
	// Object is the part of the table, or empty where it is the table itself.
	Object string
	// Have and Want describe both. One of them is empty for what is missing or not wanted.
	Have, Want string
	// Destructive is set where the cure loses data, or may.
	Destructive bool
	// Reason says why it does, or why there is no cure.
	Reason string

	steps []step
}

// step is a statement with its place in the order of all.
type step struct {
	phase phase
	sql   string
}

// phase is a place in the order of statements: first goes what is in the way, from what depends on most to what most
// depends on, then comes what is new in the opposite order.
type phase int

const (
	dropView phase = iota
	dropForeign
	dropTable
	dropDependent // policies and triggers
	dropKey       // constraints and indexes
	dropColumn    // and defaults
	dropSequence
	makeSequence
	makeTable
	alterColumn
	addGenerated // columns that are computed from others
	ownSequence
	makeKey
	makeForeign
	makeTrigger
	makePolicy
	makeView // and the rights on it
	revokeRight
	grantRight
)

// String names the object and how it differs.
func (c Change) String() string {
	object := c.Object
	switch c.Kind {
	case KindTable, KindView:
		object = c.Table
	case KindSecurity, KindReplica:
		return fmt.Sprintf("%s of table %q: want %s, have %s", c.Kind, c.Table, c.Want, c.Have)
	case KindGrant, KindOption:
		return fmt.Sprintf("%s of table %q: want %s, have %s", c.Object, c.Table, orNone(c.Want), orNone(c.Have))
	case KindColumn, KindConstraint, KindTrigger, KindPolicy:
		object = c.Table + "." + c.Object
	case KindIndex, KindSequence:
	}
	switch {
	case c.Have == "":
		return fmt.Sprintf("%s %q is missing", c.Kind, object)
	case c.Want == "":
		return fmt.Sprintf("%s %q is not in the model", c.Kind, object)
	default:
		return fmt.Sprintf("%s %q: want %s, have %s", c.Kind, object, c.Want, c.Have)
	}
}

func orNone(text string) string {
	if text == "" {
		return "nothing"
	}
	return text
}

// Curable reports whether there are statements that cure the change.
func (c Change) Curable() bool { return len(c.steps) > 0 }

// Statements returns what cures the changes, in an order that can be executed, each statement once. It takes all that
// Diff has found, or some of it: those that are not destructive, for instance. They are for the login that owns the
// tables, with the search_path at SearchPath, and for one transaction: what depends on a changed column is made anew,
// policies among them. The owner must be let see rows (stratum.owner set to migrate), for foreign keys to be validated.
func Statements(changes []Change) []string {
	var steps []step
	seen := map[step]bool{}
	for _, c := range changes {
		for _, s := range c.steps {
			if !seen[s] {
				seen[s] = true
				steps = append(steps, s)
			}
		}
	}
	slices.SortStableFunc(steps, func(a, b step) int { return cmp.Compare(a.phase, b.phase) })
	statements := make([]string, len(steps))
	for i, s := range steps {
		statements[i] = s.sql
	}
	return statements
}

// do adds a statement to the cure.
func (c *Change) do(p phase, sql string) { c.steps = append(c.steps, step{p, sql}) }

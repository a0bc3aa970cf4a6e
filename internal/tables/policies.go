package tables

import (
	"context"
	"slices"
)

// Names of the policies. One of these names on an owned table is Stratum's, and is made anew if it differs.
const (
	policyTenant        = "stratum_tenant"
	policySubtreeRead   = "stratum_subtree_read"
	policySubtreeInsert = "stratum_subtree_insert"
	policySubtreeUpdate = "stratum_subtree_update"
	policySubtreeDelete = "stratum_subtree_delete"
	policySystem        = "stratum_system"
	policyOwner         = "stratum_owner"
	policyEveryone      = "stratum_everyone"
)

// rule is a policy as it is written. The catalog's form of it, in policy, is what the server prints.
type rule struct {
	policy
	// forCommand is the keyword for policy.Command; using and check are as written in the statement.
	forCommand, using, check string
}

// rules are the policies that a table must have, and no others for our roles. There is one policy to a role and
// command: a second one would be ORed with the first, and the index on the tenant column be of no use. The exception is
// the one that shows everyone's rows of a mixed table: both sides of that OR are conditions on the tenant column, for
// which the server reads the index twice. Being for SELECT alone it leaves writes to the first.
func (m *Migration) rules(t *target) []rule {
	// Writes of the subtree role are for the tenant itself: a descendant's rows can be read and not touched.
	own, read := ownRows(t), visibleRows(t)
	all := condition{"true", "true"}
	writes := livesHere(t)
	if m.citus {
		// Workers have no list of tenants to look at, and nobody's rows are elsewhere: core refuses that.
		read, writes = carriedRows(t), all
	}
	admit := condition{"stratum.admit_owner()", "stratum.admit_owner()"}
	tenant, subtree := m.roles.Tenant, m.roles.Subtree
	rules := []rule{
		newRule(policyTenant, "ALL", tenant, own, own),
		newRule(policySubtreeRead, "SELECT", subtree, read, condition{}),
		newRule(policySubtreeInsert, "INSERT", subtree, condition{}, own),
		newRule(policySubtreeUpdate, "UPDATE", subtree, own, own),
		newRule(policySubtreeDelete, "DELETE", subtree, own, condition{}),
		newRule(policySystem, "ALL", m.roles.System, all, writes),
		ownerRule(t.rel, admit),
	}
	if t.Kind == Mixed {
		everyone := newRule(policyEveryone, "SELECT", tenant, everyonesRows(t), condition{})
		everyone.Roles = slices.Sorted(slices.Values([]string{tenant, subtree}))
		rules = append(rules, everyone)
	}
	return rules
}

// ownerRule admits the owner while tables are migrated. At other times its condition raises, so that the owner is told
// why there is nothing to see instead of seeing nothing.
func ownerRule(r *relation, admit condition) rule {
	return newRule(policyOwner, "ALL", r.Owner, admit, admit)
}

// condition is an expression as it is written and as the server prints it under an empty search_path.
type condition struct{ written, printed string }

// ownRows are those of the tenant itself. The operator is qualified: the statement runs under the caller's search_path.
func ownRows(t *target) condition {
	return condition{
		written: quote(t.Column) + " OPERATOR(pg_catalog.=) stratum.tenant_id()",
		printed: "(" + t.rel.column(t.Column).Quoted + " = stratum.tenant_id())",
	}
}

// livesHere are rows of tenants that share these tables. Those of others would be out of their reach.
func livesHere(t *target) condition {
	return condition{
		written: "stratum.lives_here(" + quote(t.Column) + ")",
		printed: "stratum.lives_here(" + t.rel.column(t.Column).Quoted + ")",
	}
}

// everyonesRows are those of no tenant.
func everyonesRows(t *target) condition {
	return condition{
		written: quote(t.Column) + " IS NULL",
		printed: "(" + t.rel.column(t.Column).Quoted + " IS NULL)",
	}
}

// visibleRows are those of the tenant and its descendants, looked up once a statement by the sub-select.
func visibleRows(t *target) condition {
	return condition{
		written: quote(t.Column) +
			" OPERATOR(pg_catalog.=) ANY ((SELECT stratum.visible_tenants())::pg_catalog.uuid[])",
		// Seen so with versions 15 and 18. A server that prints it otherwise has it made anew on each run, no worse.
		printed: "(" + t.rel.column(t.Column).Quoted +
			" = ANY (( SELECT stratum.visible_tenants() AS visible_tenants)::uuid[]))",
	}
}

// carriedRows are the same on Citus, which has no sub-select in a policy. Where no index serves them the list is read
// for each row.
func carriedRows(t *target) condition {
	return condition{
		written: quote(t.Column) + " OPERATOR(pg_catalog.=) ANY (stratum.carried_tenants())",
		printed: "(" + t.rel.column(t.Column).Quoted + " = ANY (stratum.carried_tenants()))",
	}
}

// newRule takes an empty condition where the command has none: INSERT reads no row, SELECT and DELETE write none.
func newRule(name, command, role string, using, check condition) rule {
	return rule{
		policy: policy{
			Name: name, Command: commandCode(command), Permissive: true, Roles: []string{role},
			Using: using.printed, Check: check.printed,
		},
		forCommand: command, using: using.written, check: check.written,
	}
}

// commandCode is a command as in pg_policy.
func commandCode(command string) string {
	switch command {
	case "SELECT":
		return "r"
	case "INSERT":
		return "a"
	case "UPDATE":
		return "w"
	case "DELETE":
		return "d"
	default:
		return "*"
	}
}

// equal compares policies by all that decides what they do.
func (p policy) equal(other policy) bool {
	return p.Command == other.Command && p.Permissive == other.Permissive && slices.Equal(p.Roles, other.Roles) &&
		p.Using == other.Using && p.Check == other.Check
}

// define returns the statement that makes the policy.
func (w rule) define(r *relation) string {
	// A file with the statement may run in another database, whose tables another login owns.
	to := quoteEach(w.Roles)
	if r.Own && w.Name == policyOwner {
		to = "CURRENT_USER"
	}
	statement := "CREATE POLICY " + quote(w.Name) + " ON " + r.String() + " FOR " + w.forCommand + " TO " + to
	if w.using != "" {
		statement += " USING (" + w.using + ")"
	}
	if w.check != "" {
		statement += " WITH CHECK (" + w.check + ")"
	}
	return statement
}

// protect makes the policies, and then row-level security binding for everybody, the owner included.
func (m *Migration) protect(ctx context.Context, _ *view, t *target) error {
	r, rules := t.rel, m.rules(t)
	if err := m.dropPolicies(ctx, r, rules); err != nil {
		return err
	}
	for _, wanted := range rules {
		if p := r.policy(wanted.Name); p != nil {
			if p.equal(wanted.policy) {
				continue
			}
			if err := m.exec(ctx, r, "DROP POLICY "+quote(wanted.Name)+" ON "+r.String()); err != nil {
				return err
			}
		}
		if err := m.exec(ctx, r, wanted.define(r)); err != nil {
			return err
		}
	}
	if r.Secured && r.Forced {
		return nil
	}
	if !m.citus {
		return m.alter(ctx, r, "ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
	}
	// Citus sends a command on to the shards as a whole, and knows these two one by one.
	if err := m.alter(ctx, r, "ENABLE ROW LEVEL SECURITY"); err != nil {
		return err
	}
	return m.alter(ctx, r, "FORCE ROW LEVEL SECURITY")
}

// dropPolicies drops those of Stratum's that the table had when it was declared as something else.
func (m *Migration) dropPolicies(ctx context.Context, r *relation, wanted []rule) error {
	for _, p := range r.Policies {
		if !isOurs(p.Name) || slices.ContainsFunc(wanted, func(w rule) bool { return w.Name == p.Name }) {
			continue
		}
		if err := m.exec(ctx, r, "DROP POLICY "+quote(p.Name)+" ON "+r.String()); err != nil {
			return err
		}
	}
	return nil
}

// ownerSeesAll reports whether the owner sees all rows of a forced table while it is migrated.
func (r *relation) ownerSeesAll() bool {
	p := r.policy(policyOwner)
	if p == nil || !p.equal(ownerRule(r, condition{printed: "stratum.admit_owner()"}).policy) {
		return false
	}
	return !slices.ContainsFunc(r.Policies, func(p policy) bool { return !p.Permissive && p.Concerns })
}

// isOurs reports whether a policy's name is one of Stratum's.
func isOurs(name string) bool {
	return slices.Contains([]string{
		policyTenant, policySubtreeRead, policySubtreeInsert, policySubtreeUpdate, policySubtreeDelete, policySystem,
		policyOwner, policyEveryone,
	}, name)
}

// checkPolicies refuses policies that show our roles, or the owner, more rows than Stratum's do. Restrictive ones can
// only show fewer.
func (m *Migration) checkPolicies(r *relation) error {
	for _, p := range r.Policies {
		if p.Permissive && p.Concerns && !isOurs(p.Name) {
			return r.refused(ErrPolicy, p.Name, "its policy "+quote(p.Name)+" widens what tenants or the owner see",
				"DROP POLICY "+quote(p.Name)+" ON "+r.String()+", or make it for a role of its own or AS RESTRICTIVE")
		}
	}
	return nil
}

// checkGlobal refuses to open what is protected: a changed declaration would show every tenant's rows to all.
func (m *Migration) checkGlobal(r *relation) error {
	for _, p := range r.Policies {
		if isOurs(p.Name) {
			return r.refused(ErrKind, p.Name, "its rows belong to tenants, and it is declared global",
				"declare it as it was, or ALTER TABLE "+r.String()+" DISABLE ROW LEVEL SECURITY and drop its policies")
		}
	}
	return nil
}

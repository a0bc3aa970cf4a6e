package verify

import (
	"fmt"
	"maps"
)

// checkViews looks at views, materialized views and rules that lead to rows of tenants.
func (l *look) checkViews() {
	reaching := l.reaching()
	for _, w := range l.rules {
		r := l.byOID[w.Relation]
		if r == nil || r.Schema == "stratum" {
			continue
		}
		switch {
		case !w.View && (l.root(w.Relation) != nil || l.uses(w, reaching)):
			l.addOf(r.Owner, Finding{
				Severity: Breaks, Code: CodeRule, Object: "rule " + quote(w.Name) + " on " + r.String(), RunAs: Owner,
				Finding: "its statements run with the rights of the table's owner on rows of tenants",
				Cure:    "DROP RULE " + quote(w.Name) + " ON " + r.String() + ";",
			})
		case w.View && reaching[w.Relation] && r.Kind == "m":
			l.reportMaterialized(r)
		case w.View && reaching[w.Relation]:
			l.reportView(r)
		}
	}
}

// reaching are the views that read rows of tenants with other rights than those of who asks. PostgreSQL checks what
// stands in a view with security_invoker against who asks, also where another view leads to it, so such a view ends the
// way. It does not for a materialized view: who fills it asks.
func (l *look) reaching() map[uint32]bool {
	filled := l.closure(make(map[uint32]bool), func(*relation) bool { return true })
	maps.DeleteFunc(filled, func(oid uint32, _ bool) bool { return l.byOID[oid].Kind != "m" })
	return l.closure(filled, func(r *relation) bool { return !r.Invoker })
}

// closure adds the views that keep says yes to and that name a table with rows of tenants, or another one of found.
func (l *look) closure(found map[uint32]bool, keep func(*relation) bool) map[uint32]bool {
	for more := true; more; {
		more = false
		for _, w := range l.rules {
			r := l.byOID[w.Relation]
			if w.View && r != nil && !found[w.Relation] && keep(r) && l.uses(w, found) {
				found[w.Relation], more = true, true
			}
		}
	}
	return found
}

// uses says whether a rule names a table with rows of tenants, or a view that reaches one.
func (l *look) uses(w rewrite, reaching map[uint32]bool) bool {
	for _, oid := range w.Uses {
		if reaching[oid] || l.root(oid) != nil {
			return true
		}
	}
	return false
}

// reportView reports a view that reads with the rights of its owner.
func (l *look) reportView(r *relation) {
	grants := l.reach(r)
	f := Finding{
		Severity: Weakens, Code: CodeViewDefiner, Object: r.label(), RunAs: Owner,
		Finding: "it reads rows of tenants with the rights of its owner " + quote(r.Owner) + ", not of who asks; " +
			"it is granted to no tenant yet",
		Cure: "ALTER VIEW " + r.String() + " SET (security_invoker = true);",
	}
	if len(grants) > 0 {
		f.Severity = l.worst(grants)
		f.Finding = fmt.Sprintf("it reads rows of tenants with the rights of its owner %s, not of who asks, and is "+
			"granted to %s", quote(r.Owner), grantees(grants))
	}
	l.addOf(r.Owner, f)
}

// reportMaterialized reports a copy of rows, which has no policies, where tenants read it. Reports for the system alone
// are what such views are for.
func (l *look) reportMaterialized(r *relation) {
	grants := l.reach(r)
	if len(grants) == 0 {
		return
	}
	cure, runAs := revoke("TABLE "+r.String(), r.Owner, "ALL", grants)
	l.addOf(r.Owner, Finding{
		Severity: l.worst(grants), Code: CodeMaterialized, Object: r.label(), Cure: cure, RunAs: runAs,
		Finding: "it holds a copy of rows of tenants, has no policies, and is granted to " + grantees(grants),
	})
}

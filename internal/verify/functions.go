package verify

import (
	"slices"
	"strings"
)

// checkFunctions looks at functions that tenants can call and that do more than a tenant may.
func (l *look) checkFunctions() {
	l.checkTenant()
	for _, f := range l.functions {
		callers := filter(f.Callers, func(name string) bool { return l.isTenants(name) || l.isLogin(name) })
		if len(callers) == 0 {
			continue
		}
		if f.Definer {
			l.reportDefiner(f, callers)
		}
		if f.Leakproof && f.Extension == "" {
			l.add(Finding{
				Severity: Weakens, Code: CodeLeakproof, Object: f.label(), RunAs: Superuser,
				Finding: "it is declared leakproof, and so runs on rows before policies hide them: what it tells " +
					"of its arguments, it tells of other tenants'",
				Cure: "ALTER " + f.keyword() + " " + f.Signature + " NOT LEAKPROOF;",
			})
		}
	}
}

// The two forms of stratum.tenant_id(), as written and as the server prints them.
const (
	plainTenant = "coalesce(nullif(pg_catalog.current_setting('stratum.tenant', true), ''), " +
		"stratum.no_tenant())::pg_catalog.uuid"
	plainPrinted = "RETURN (COALESCE(NULLIF(current_setting('stratum.tenant'::text, true), ''::text), " +
		"stratum.no_tenant()))::uuid"
	signedTenant  = "stratum.signed_tenant_id()"
	signedPrinted = "RETURN " + signedTenant
)

// checkTenant looks at the function that every policy asks for the tenant.
func (l *look) checkTenant() {
	written, printed, parallel := plainTenant, plainPrinted, "SAFE"
	if l.server.Signed {
		written, printed, parallel = signedTenant, signedPrinted, "RESTRICTED"
	}
	if bare(l.server.Tenant) == bare(printed) {
		return
	}
	l.add(Finding{
		Severity: Breaks, Code: CodeTenantFunction, Object: "function stratum.tenant_id()", RunAs: Owner,
		Finding: "every policy asks it for the tenant, and it is not as Stratum makes it",
		Cure: "CREATE OR REPLACE FUNCTION stratum.tenant_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL " + parallel +
			" RETURN " + written + ";",
	})
}

// bare is an expression without what versions of the server print differently: casts of literals, and parentheses that
// the order of operators makes needless.
func bare(expression string) string {
	return strings.NewReplacer("::text", "", "(", "", ")", "", " ", "").Replace(expression)
}

func (f function) keyword() string {
	if f.Kind == "p" {
		return "PROCEDURE"
	}
	return "FUNCTION"
}

func (f function) label() string { return strings.ToLower(f.keyword()) + " " + f.Signature }

// reportDefiner reports a function that runs with its owner's rights, unless its comment says that it is meant. That of
// an extension is the extension's author's word.
func (l *look) reportDefiner(f function, callers []string) {
	if strings.HasPrefix(f.Comment, acceptedPrefix) {
		l.addOf(f.Owner, Finding{
			Severity: Note, Code: CodeDefinerAccepted, Object: f.label(),
			Finding: "tenants call it with the rights of " + quote(f.Owner) + " by choice: " +
				reason(f.Comment, acceptedPrefix),
		})
		return
	}
	grants := make([]grant, 0, len(callers))
	for _, name := range callers {
		grants = append(grants, grant{Grantee: name, Grantor: f.Owner})
	}
	found := Finding{
		Severity: l.definerSeverity(f), Code: CodeDefiner, Object: f.label(),
		Finding: "it runs with the rights of its owner " + quote(f.Owner) + l.ownerText(f) + ", and " +
			grantees(grants) + " may call it (where that is meant, let its comment begin with '" +
			acceptedPrefix + "')",
	}
	found.Cure, found.RunAs = revoke("ROUTINE "+f.Signature, f.Owner, "EXECUTE", grants)
	foreign := func(name string) bool { return name != f.Owner }
	if f.Owner != l.server.StratumOwner || slices.ContainsFunc(f.Grantors, foreign) {
		found.RunAs = Superuser
	}
	if f.Extension != "" {
		found.Finding += "; it belongs to the extension " + quote(f.Extension)
	}
	l.addOf(f.Owner, found)
}

// definerSeverity is worst where the owner's rights reach rows of all tenants.
func (l *look) definerSeverity(f function) Severity {
	switch {
	case f.Extension != "":
		return Note
	case f.Powerful || l.ownsRows(f.Owner):
		return Breaks
	default:
		return Weakens
	}
}

func (l *look) ownerText(f function) string {
	switch {
	case f.Powerful:
		return ", whom policies do not bind"
	case l.ownsRows(f.Owner):
		return ", who owns tables of tenants"
	default:
		return ""
	}
}

// ownsRows says whether a role owns a table with rows of tenants.
func (l *look) ownsRows(role string) bool {
	for _, t := range l.classed {
		if t.isOwned() && t.Owner == role {
			return true
		}
	}
	return false
}

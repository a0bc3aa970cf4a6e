package verify

import "fmt"

// checkPosture says which threat model holds. It runs last, for it looks at what was found.
func (l *look) checkPosture() {
	if !l.server.Signed && l.config.Hardened {
		l.add(Finding{
			Severity: Breaks, Code: CodeNotSigned, Object: "database " + quote(l.server.Database),
			Finding: "hardened mode was asked for, and the database checks no signature of the setting that names " +
				"the tenant",
			Cure: "call st.Migrate(ctx) with core.Options.Hardened, or run its script",
		})
	}
	switch l.report.NotHardened = l.reasons(); {
	case !l.report.OK():
		l.report.ThreatModel = NoBoundary
	case len(l.report.NotHardened) > 0:
		l.report.ThreatModel = AgainstMistakes
	default:
		l.report.ThreatModel = AgainstHostileSQL
	}
}

// reasons say why hostile SQL is not withstood.
func (l *look) reasons() []string {
	var reasons []string
	if l.config.DataLogin == l.config.SystemLogin {
		reasons = append(reasons, "DSN and SystemDSN are the same login, "+quote(l.config.DataLogin))
	}
	if l.config.DataLogin == l.config.OwnerLogin {
		reasons = append(reasons, "DSN and OwnerDSN are the same login, "+quote(l.config.DataLogin))
	}
	if !l.server.Signed {
		reasons = append(reasons, "the database checks no signature of the setting that names the tenant")
	}
	// What weakens the boundary is what hostile SQL uses.
	if n := len(l.report.AtLeast(Weakens)); n > 0 {
		reasons = append(reasons, fmt.Sprintf("%d findings break or weaken the boundary", n))
	}
	return reasons
}

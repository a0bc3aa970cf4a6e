package verify

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrBoundary is returned by Report.Err where something breaks the boundary.
var ErrBoundary = errors.New("stratum: the boundary between tenants does not hold")

// Severity says what a finding does to the boundary.
type Severity string

// The severities, worst first.
const (
	// Breaks is for what lets a statement of a tenant read, change, link or learn of another tenant's rows, or leaves
	// a table without what Stratum promises of it.
	Breaks Severity = "breaks"
	// Weakens is for what harms only together with something else, such as hostile SQL or a later grant.
	Weakens Severity = "weakens"
	// Slows is for what costs speed and shows nobody anything.
	Slows Severity = "slows"
	// Note is for what is as it should be, and worth to know.
	Note Severity = "note"
)

// severities are in order, worst first.
func severities() []Severity { return []Severity{Breaks, Weakens, Slows, Note} }

// rank is 0 for the worst.
func (s Severity) rank() int { return slices.Index(severities(), s) }

// phrase is how the report says it.
func (s Severity) phrase() string {
	switch s {
	case Breaks:
		return "BREAKS THE BOUNDARY"
	case Weakens:
		return "weakens the boundary"
	case Slows:
		return "costs speed"
	case Note:
	}
	return "note"
}

// Login says who can run a cure.
type Login string

// The logins for cures.
const (
	// Owner is the login of OwnerDSN, which owns the tables.
	Owner Login = "owner"
	// Superuser is an administrator of the server: a cure that changes roles, or what somebody else has granted.
	Superuser Login = "superuser"
)

// Finding is one thing that is not as it should be, or is worth to know.
type Finding struct {
	// Severity says what it does to the boundary.
	Severity Severity `json:"severity"`
	// Code is the kind of finding, for programs: it stays as it is from release to release.
	Code Code `json:"code"`
	// Object is what it is about, quoted and with its schema, such as: policy "p" on "public"."invoices".
	Object string `json:"object"`
	// Finding says what is wrong.
	Finding string `json:"finding"`
	// Cure is what to do: SQL where RunAs is not empty, else a sentence. Empty for a note that asks for nothing.
	Cure string `json:"cure,omitempty"`
	// RunAs says which login can run the cure as it stands. Empty where the cure is no SQL.
	RunAs Login `json:"run_as,omitempty"`
}

// String is the finding in a few lines.
func (f Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s [%s] %s: %s", f.Severity.phrase(), f.Code, f.Object, f.Finding)
	switch {
	case f.Cure == "":
	case f.RunAs == "":
		b.WriteString("\n    cure: " + f.Cure)
	default:
		fmt.Fprintf(&b, "\n    cure, as the %s:\n        %s", f.RunAs, strings.ReplaceAll(f.Cure, "\n", "\n        "))
	}
	return b.String()
}

// ThreatModel is what the database withstands.
type ThreatModel string

// The threat models.
const (
	// NoBoundary holds where a finding breaks the boundary.
	NoBoundary ThreatModel = "none"
	// AgainstMistakes protects from forgotten scopes, bugs of the ORM and wrong code. One DSN gives that.
	AgainstMistakes ThreatModel = "against mistakes"
	// AgainstHostileSQL protects, beyond mistakes, from SQL of an attacker's choosing. Hardened mode gives that.
	AgainstHostileSQL ThreatModel = "against hostile SQL"
)

// Report is what Verify found. It marshals to JSON.
type Report struct {
	// Database is the name of the database.
	Database string `json:"database"`
	// ThreatModel is what the database withstands as it is.
	ThreatModel ThreatModel `json:"threat_model"`
	// NotHardened are the reasons why it does not withstand hostile SQL. Empty where it does.
	NotHardened []string `json:"not_hardened,omitempty"`
	// Tables is the number of tenant-owned tables, partitions left out.
	Tables int `json:"tables"`
	// Findings are sorted, the worst first.
	Findings []Finding `json:"findings"`
}

// OK reports whether nothing breaks the boundary. What weakens it or costs speed is OK: see AtLeast.
func (r *Report) OK() bool { return len(r.AtLeast(Breaks)) == 0 }

// AtLeast returns the findings of a severity and of those that are worse.
func (r *Report) AtLeast(s Severity) []Finding {
	var found []Finding
	for _, f := range r.Findings {
		if f.Severity.rank() <= s.rank() {
			found = append(found, f)
		}
	}
	return found
}

// Err returns nil where OK is true, else an error that is ErrBoundary and lists what breaks the boundary, with cures.
func (r *Report) Err() error {
	broken := r.AtLeast(Breaks)
	if len(broken) == 0 {
		return nil
	}
	lines := make([]string, len(broken))
	for i, f := range broken {
		lines[i] = f.String()
	}
	return fmt.Errorf("%w:\n%s", ErrBoundary, strings.Join(lines, "\n"))
}

// Summary says in one line which threat model holds, and why not the stronger one.
func (r *Report) Summary() string {
	switch r.ThreatModel {
	case AgainstHostileSQL:
		return "threat model: against hostile SQL (hardened)"
	case AgainstMistakes:
		return "threat model: against mistakes, not against hostile SQL: " + strings.Join(r.NotHardened, "; ")
	case NoBoundary:
	}
	return fmt.Sprintf("threat model: none holds until what breaks the boundary is cured (%d found)",
		len(r.AtLeast(Breaks)))
}

// String is the whole report: the summary, then the findings, then how many there are of each severity.
func (r *Report) String() string {
	var b strings.Builder
	b.WriteString(r.Summary() + "\n")
	counts := make(map[Severity]int)
	for _, f := range r.Findings {
		counts[f.Severity]++
		b.WriteString(f.String() + "\n")
	}
	fmt.Fprintf(&b, "%d tenant-owned tables: %d findings break the boundary, %d weaken it, %d cost speed, %d notes\n",
		r.Tables, counts[Breaks], counts[Weakens], counts[Slows], counts[Note])
	return b.String()
}

// sort puts the worst first, and makes the order the same each time.
func (r *Report) sort() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity.rank(), b.Severity.rank()), cmp.Compare(a.Code, b.Code),
			cmp.Compare(a.Object, b.Object))
	})
}

// Refuse adds that a login is refused by the checks of each start. Where a finding has the same cause already, it adds
// nothing.
func (r *Report) Refuse(login, finding, cure string) {
	causes := []Code{CodeRoleAttribute, CodeRoleMember, CodeLoginInherits, CodeTemp, CodeSchemaCreate}
	for _, f := range r.AtLeast(Breaks) {
		if slices.Contains(causes, f.Code) {
			return
		}
	}
	r.Findings = append(r.Findings, Finding{
		Severity: Breaks, Code: CodeLoginRefused, Object: "login " + quote(login),
		Finding: "the next start refuses it: " + finding, Cure: cure,
	})
	r.ThreatModel = NoBoundary
	r.sort()
}

package install

import (
	"errors"
	"strings"
)

// Refusals that concern the installed schema. Package core gives them to users under the same names.
var (
	// ErrNotInstalled is returned for a database that has no schema "stratum".
	ErrNotInstalled = errors.New(`stratum: the schema "stratum" is not installed in this database ` +
		"(call st.Migrate(ctx), or run its script)")

	// ErrOutdated is returned for a schema older than this binary needs.
	ErrOutdated = errors.New("stratum: the schema is older than this binary needs " +
		"(call st.Migrate(ctx), or run its script)")

	// ErrIncompatible is returned for a schema so new that this binary would misread it.
	ErrIncompatible = errors.New("stratum: the schema is too new for this binary (upgrade the binary)")

	// ErrPrefix is returned where the schema was installed with another prefix of roles than the one configured.
	ErrPrefix = errors.New("stratum: the schema was installed with another prefix of roles")

	errDidNotSettle = errors.New("stratum: what Migrate has done did not have its effect (run this as a superuser)")
)

// LoginError refuses a login, or a role that Stratum stands on, that cannot be made safe as it is.
type LoginError struct {
	// Login is the login that was looked at.
	Login string
	// Finding says what is wrong.
	Finding string
	// Cure is the exact SQL that puts it right. Where the cause is not in the database, it says in words what to do.
	Cure string
}

// Error gives the finding and its cure.
func (e *LoginError) Error() string {
	return "stratum: login " + quote(e.Login) + " is refused: " + e.Finding + " (cure: " + e.Cure + ")"
}

// Missing is one thing that Migrate has to do and may not.
type Missing struct {
	// Privilege says what is missing.
	Privilege string
	// Cure is the exact SQL for somebody who may.
	Cure string
}

// PrivilegeError lists everything that Migrate has to do and may not. It comes before anything is changed.
type PrivilegeError struct {
	// Login is the login that Migrate ran as.
	Login string
	// Missing is never empty.
	Missing []Missing
}

// Error gives every missing privilege with its cure, a line each.
func (e *PrivilegeError) Error() string {
	var b strings.Builder
	b.WriteString("stratum: login " + quote(e.Login) + " lacks privileges to migrate " +
		"(let a DBA run these lines in this database, or the whole script instead):")
	for _, m := range e.Missing {
		b.WriteString("\n\t-- " + m.Privilege + "\n\t" + strings.ReplaceAll(m.Cure, "\n", "\n\t"))
	}
	return b.String()
}

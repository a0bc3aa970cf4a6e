package pgserver

import (
	"errors"
	"fmt"
	"strings"
)

// ErrUnavailable is matched by every error of Start that means: no PostgreSQL can be had here.
var ErrUnavailable = errors.New("pgserver: no PostgreSQL to be had")

// The cures. Package names are those of the distributions, which ship ltree apart from the server.
const (
	installCure = "install PostgreSQL 15 or newer with its contrib modules: " +
		"`apt-get install postgresql postgresql-contrib`, " +
		"`dnf install postgresql-server postgresql-contrib` or `brew install postgresql@17`; " +
		"or set " + DatabaseURLVariable + " to the DSN of a superuser"
	contribCure     = "install its contrib modules, such as the package postgresql-contrib"
	environmentCure = "correct " + DatabaseURLVariable + ", or unset it to have a server started from the PostgreSQL " +
		"binaries of this machine"
)

// Attempt is one source of a server that was tried, and why it did not serve.
type Attempt struct {
	// Source names what was tried.
	Source string
	// Err says why it did not serve. It carries neither a password nor a DSN.
	Err error
}

// UnavailableError tells everything that was tried before Start gave up, and the cure. It matches ErrUnavailable.
type UnavailableError struct {
	// Attempts are in the order in which they were made.
	Attempts []Attempt
	// Cure is what to install or to set.
	Cure string
}

// Error lists the attempts, one a line with longer reasons indented below it, and ends with the cure.
func (e *UnavailableError) Error() string {
	var text strings.Builder
	text.WriteString(ErrUnavailable.Error())
	for i, attempt := range e.Attempts {
		reason := strings.ReplaceAll(attempt.Err.Error(), "\n", "\n     ")
		fmt.Fprintf(&text, "\n  %d. %s: %s", i+1, attempt.Source, reason)
	}
	fmt.Fprintf(&text, "\n(%s)", e.Cure)
	return text.String()
}

// Unwrap gives ErrUnavailable and the reason of each attempt.
func (e *UnavailableError) Unwrap() []error {
	causes := make([]error, 0, 1+len(e.Attempts))
	causes = append(causes, ErrUnavailable)
	for _, attempt := range e.Attempts {
		causes = append(causes, attempt.Err)
	}
	return causes
}

package citus

import (
	"errors"
	"fmt"
)

// ErrRole is returned where a role could not be made fit for the workers.
var ErrRole = errors.New("stratum: Citus connects to its workers as the role that a statement runs as, and the role " +
	"cannot log in")

// roleError has the statement that could not be run.
func roleError(statement string, err error) error {
	return fmt.Errorf("%w (as a superuser: %s; and let pg_hba.conf of the workers admit it from the coordinator, "+
		"and that of the coordinator reject it): %w", ErrRole, statement, err)
}

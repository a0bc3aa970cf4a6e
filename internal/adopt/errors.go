package adopt

import (
	"errors"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
)

// Refusals, for errors.Is. Those about a table are in package tables.
var (
	// ErrRunning is returned while another process adopts or ejects tables of the same database.
	ErrRunning = errors.New("stratum: another process is adopting tables of this database (wait until it has ended)")
	// ErrUnsettled is returned where something is missing again after all has been done.
	ErrUnsettled = errors.New("stratum: tables are changed by somebody else meanwhile (find out who migrates them)")
)

// SQLSTATEs of what passes by itself: a lock that was not to be had in time, a statement that took too long for the
// lock that it held, a deadlock.
const (
	codeLockTimeout = "55P03"
	codeCancelled   = "57014"
	codeDeadlock    = "40P01"
	codeSerialize   = "40001"
)

// passes reports whether a change is worth trying again.
func passes(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) &&
		slices.Contains([]string{codeLockTimeout, codeCancelled, codeDeadlock, codeSerialize}, pgErr.Code)
}

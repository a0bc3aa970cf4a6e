package fleet

import (
	"context"
	"errors"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	codeUndefinedTable = "42P01"
	codeLockTimeout    = "55P03"
	// codeDivision is how statements fail that find a ledger not as it was seen.
	codeDivision = "22012"
)

// passes reports whether an error is gone by itself after a while: a lock that was not to be had in time, a deadlock,
// a server that is restarted or has no connection to spare. What a lost connection had committed is in the ledger.
func passes(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, ErrInterrupted) {
		return false
	}
	if errors.Is(err, errBusy) {
		return true
	}
	if code := sqlState(err); code != "" {
		return slices.Contains([]string{codeLockTimeout, "40P01", "40001", "53300", "57P01", "57P02", "57P03"}, code) ||
			strings.HasPrefix(code, "08")
	}
	var network net.Error
	return errors.Is(err, errNotReached) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.As(err, &network) || pgconn.SafeToRetry(err)
}

// sqlState is the server's code, or "" where the error is not the server's.
func sqlState(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}

// quotedValue is what the server quotes in its messages.
const quotedValue = `"[^"]*"`

// message is the text of an error without values of rows and without whom it connects to. The server puts values into
// the details of its errors, which are left out, and into messages about data that it cannot read.
func message(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		text := pgErr.Message
		if strings.HasPrefix(pgErr.Code, "22") {
			text = regexp.MustCompile(quotedValue).ReplaceAllString(text, `"..."`)
		}
		return sentinel(err) + text + " (SQLSTATE " + pgErr.Code + ")"
	}
	var connect *pgconn.ConnectError // of a function's own
	if errors.As(err, &connect) || errors.Is(err, errNotReached) {
		return errNotReached.Error()
	}
	var parse *pgconn.ParseConfigError
	if errors.As(err, &parse) {
		return "the address of its database cannot be read"
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return "no rows"
	}
	return err.Error()
}

// sentinel is the text of a refusal that comes with a server's error.
func sentinel(err error) string {
	var left *leftError
	if errors.As(err, &left) {
		return left.Error() + ": "
	}
	if errors.Is(err, ErrInterrupted) {
		return ErrInterrupted.Error() + ": "
	}
	return ""
}

package guard

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Errors of pgx tell more than belongs into a log: where the server is and as whom one connects, the value that could
// not be sent, the value that the server could not read. The types here keep the cause for errors.Is and errors.As,
// and say the rest in their own words.

// quietError has a text of its own and a cause that is not part of it.
type quietError struct {
	text  string
	cause error
}

// Error returns the text.
func (e *quietError) Error() string { return e.text }

// Unwrap returns the cause.
func (e *quietError) Unwrap() error { return e.cause }

// RedactConnect returns err, of a failed connection, without host, user, database and password. The cause that stays
// behind it is the error of a context, the server's *pgconn.PgError or a syscall.Errno: pgx's own error has the whole
// configuration in it, and that with its password.
func RedactConnect(err error) error {
	if err == nil || isOurs(err) {
		return err
	}
	var (
		pgErr *pgconn.PgError
		errno syscall.Errno
	)
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("stratum: no connection: %w", context.Canceled)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("stratum: no connection: %w", context.DeadlineExceeded)
	case errors.As(err, &pgErr):
		return fmt.Errorf("stratum: no connection: %w", pgErr)
	case errors.As(err, &errno):
		return fmt.Errorf("stratum: no connection: %w", errno)
	}
	return fmt.Errorf("%w: %s", errUnreachable, networkReason(err))
}

// errUnreachable begins the error of a network.
var errUnreachable = errors.New("stratum: no connection")

// isOurs reports an error that this module has made: its text is fit to be seen. It is none of pgx's or of the
// network's.
func isOurs(err error) bool {
	return strings.HasPrefix(err.Error(), "stratum: ")
}

// networkReason names the kind of a network error without its addresses.
func networkReason(err error) string {
	var (
		dns       *net.DNSError
		timeout   net.Error
		record    tls.RecordHeaderError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &dns):
		return "the host's name is not known"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "the server did not answer in time"
	case errors.As(err, &authority), errors.As(err, &host), errors.As(err, &invalid):
		return "the server's certificate is not trusted"
	case errors.As(err, &record), strings.Contains(err.Error(), "tls"), strings.Contains(err.Error(), "TLS"):
		return "no TLS connection came about"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the server closed it"
	}
	return "the server did not answer"
}

var errLost = errors.New("stratum: the connection broke during the statement, and what became of it is unknown " +
	"(look, before you repeat a statement that writes)")

// redactLost takes the addresses out of the error of a connection that broke while it was in use.
func redactLost(err error) error {
	var network net.Error
	switch {
	case err == nil || isContextError(err) || isOurs(err):
		return err
	case errors.As(err, &network), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return &quietError{text: errLost.Error(), cause: lostCause(err)}
	}
	return err
}

// lostCause is what errors.Is may find in a broken connection: the number of a system call's error, or an early end.
func lostCause(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return io.ErrUnexpectedEOF
}

// redactValue takes out of a data exception what stands in quotes, for the server quotes the value there. Servers that
// speak another language may use other quotes, so of their message only the code is left.
func redactValue(err error, pgErr *pgconn.PgError) error {
	if !strings.HasPrefix(pgErr.Code, classData) {
		return err
	}
	text := "the server cannot use a value"
	if pgErr.SeverityUnlocalized == pgErr.Severity {
		text = pgErr.Message
		if i, j := strings.IndexByte(text, '"'), strings.LastIndexByte(text, '"'); i < j {
			text = text[:i] + "(value)" + text[j+1:]
		}
	}
	return &quietError{text: "stratum: " + text + " (SQLSTATE " + pgErr.Code + ")", cause: err}
}

// argumentError finds out which argument was the one that pgx could not encode.
func (s *session) argumentError(oids []uint32, args []any, err error) error {
	if len(oids) != len(args) {
		return fmt.Errorf("stratum: the statement has %d parameters, %d arguments were given", len(oids), len(args))
	}
	types := s.conn.TypeMap()
	for i, arg := range args {
		var one pgx.ExtendedQueryBuilder
		if one.Build(types, &pgconn.StatementDescription{ParamOIDs: oids[i : i+1]}, args[i:i+1]) == nil {
			continue
		}
		name := ""
		if t, ok := types.TypeForOID(oids[i]); ok {
			name = t.Name
		}
		return newArgumentError(i, arg, name, err)
	}
	return &quietError{text: "stratum: the arguments cannot be sent", cause: err}
}

// newArgumentError says which argument does not fit, and not its value, which pgx would print.
func newArgumentError(i int, arg any, want string, err error) error {
	text := fmt.Sprintf("stratum: argument %d of type %T cannot be sent", i+1, arg)
	if want != "" {
		text += " as " + want
	}
	// What a type's own Value method says is for that type to decide.
	if own := valuerError(arg); own != nil {
		text += ": " + own.Error()
	} else if errors.Is(err, errNul) {
		text += ": " + errNul.Error()
	}
	return &quietError{text: text, cause: err}
}

func valuerError(arg any) error {
	v, ok := arg.(driver.Valuer)
	if !ok || reflect.ValueOf(arg).Kind() == reflect.Pointer && reflect.ValueOf(arg).IsNil() {
		return nil
	}
	_, err := v.Value()
	return err
}

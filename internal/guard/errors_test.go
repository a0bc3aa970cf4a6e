package guard_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/guard"
)

func TestTranslate(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		server pgconn.PgError
		want   error
	}{
		{pgconn.PgError{Code: "ST001"}, core.ErrNoTenant},
		{pgconn.PgError{Code: "ST002"}, core.ErrTenantUnknown},
		{pgconn.PgError{Code: "ST003", Detail: "suspended"}, core.ErrTenantNotActive},
		{pgconn.PgError{Code: "ST004"}, core.ErrOwner},
		{pgconn.PgError{Code: "ST010", Detail: "schema home secret"}, core.ErrElsewhere},
		{pgconn.PgError{Code: "ST011"}, core.ErrSchemaMissing},
		{pgconn.PgError{Code: "ST012"}, core.ErrCrossTenant},
		{pgconn.PgError{Code: "ST013"}, core.ErrSubtreeElsewhere},
		{pgconn.PgError{Code: "ST014"}, core.ErrSchemaTable},
		{pgconn.PgError{Code: "ST015"}, core.ErrLookupElsewhere},
		{pgconn.PgError{Code: "23505", ConstraintName: "k", Detail: "secret"}, core.ErrDuplicateKey},
		{pgconn.PgError{Code: "23503", ConstraintName: "k", Detail: "secret"}, core.ErrForeignKey},
		{pgconn.PgError{Code: "42P10", Routine: "infer_arbiter_indexes"}, core.ErrConflictTarget},
		{pgconn.PgError{Code: "42501", Routine: "aclcheck_error"}, core.ErrPermission},
		{pgconn.PgError{Code: "42501", Routine: "ExecWithCheckOptions"}, core.ErrCrossTenant},
		{pgconn.PgError{Code: "42501", Message: "new row violates row-level security policy"}, core.ErrCrossTenant},
	} {
		for _, err := range []error{&test.server, fmt.Errorf("wrapped: %w", &test.server), errors.Join(&test.server, io.EOF)} {
			err = guard.Translate(err)
			require.ErrorIs(t, err, test.want)
			var refusal *guard.StatementError
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, test.server.Code, refusal.Code)
			require.Equal(t, test.server.ConstraintName, refusal.Constraint)
			var server *pgconn.PgError
			require.ErrorAs(t, err, &server)
			require.Same(t, &test.server, server)
			require.NotContains(t, err.Error(), "secret")
		}
	}
	for _, err := range []error{
		nil, io.EOF, context.Canceled, &pgconn.PgError{Code: "42P01"},
		&pgconn.PgError{Code: "42P10", Message: "ORDER BY position 9 is not in select list"}, core.ErrProtocol,
	} {
		require.Equal(t, err, guard.Translate(err))
	}
}

// databaseRefusals come from the server in every mode.
func databaseRefusals(t *testing.T, h *handle, _ setup) {
	t.Helper()
	ctx := h.as(h.acme)
	h.exec(ctx, "INSERT INTO notes (id, code) VALUES (DEFAULT, 1)")
	for sql, want := range map[string]error{
		"INSERT INTO notes (tenant_id) VALUES ('" + h.globex.String() + "')": core.ErrCrossTenant,
		"UPDATE notes SET tenant_id = '" + h.globex.String() + "'":           core.ErrCrossTenant,
		"INSERT INTO notes (code) VALUES (1)":                                core.ErrDuplicateKey,
		"INSERT INTO countries VALUES ('BE')":                                core.ErrPermission,
		"SELECT * FROM stratum.tenants":                                      core.ErrPermission,
		"TRUNCATE notes":                                                     core.ErrPermission,
		"SELECT stratum.no_tenant()":                                         core.ErrNoTenant,
	} {
		_, err := h.db.ExecContext(ctx, sql)
		require.ErrorIs(t, err, want, sql)
		require.NotContains(t, err.Error(), h.globex.String(), sql)
		var server *pgconn.PgError
		require.ErrorAs(t, err, &server, sql)
	}
	require.Equal(t, "NL", h.text(ctx, "SELECT code FROM countries"))
}

// valuesStayOutOfErrors whether client or server cannot use them.
func valuesStayOutOfErrors(t *testing.T, h *handle, _ setup) {
	t.Helper()
	ctx := h.as(h.acme)
	const secret = "s3cret\"value"
	for _, test := range []struct {
		query string
		args  []any
	}{
		{"SELECT $1::int", []any{secret}},
		{"SELECT $1::uuid", []any{secret}},
		{"SELECT $1::timestamptz", []any{secret}},
		{"SELECT $1::jsonb", []any{secret}},
		{"SELECT $1::int, $2::text", []any{1, struct{ Password chan string }{}}},
		{"SELECT $1::int", []any{struct{ Secret string }{secret}}},
		{"SELECT $1::text::int", []any{secret}},
		{"SELECT $1::text::inet", []any{secret}},
		{"SELECT $1::mood", []any{secret}},
		{"SELECT $1::text", []any{secret + "\x00"}},
		{"SELECT $1::int, $2::int", []any{1, secret}},
	} {
		_, err := h.db.ExecContext(ctx, test.query, test.args...)
		if err == nil {
			continue // a mode in which the server makes something of it
		}
		require.NotContains(t, err.Error(), "s3cret", test.query)
		require.NotContains(t, err.Error(), "value\"", test.query)
	}
	_, err := h.db.ExecContext(ctx, "SELECT $1::text::uuid", secret)
	require.ErrorContains(t, err, "invalid input syntax for type uuid")
	require.ErrorContains(t, err, "22P02")
	var server *pgconn.PgError
	require.ErrorAs(t, err, &server)
}

// TestArgumentErrors say which argument it was and what it should have been.
func TestArgumentErrors(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{})
	for _, test := range []struct {
		query string
		args  []any
		want  string
	}{
		{"SELECT $1::text, $2::int2", []any{"a", struct{}{}}, "argument 2 of type struct {} cannot be sent as int2"},
		{"SELECT $1::int", []any{1, 2}, "has 1 parameters, 2 arguments were given"},
		{"SELECT $1::text", []any{upper("")}, "argument 1 of type guard_test.upper cannot be sent as text: upper is empty"},
	} {
		_, err := h.db.ExecContext(h.as(h.acme), test.query, test.args...)
		require.ErrorContains(t, err, test.want)
	}
	_, err := h.db.ExecContext(h.as(h.acme), "SELECT $1::text", upper(""))
	require.ErrorIs(t, err, errEmpty)
}

// TestTooManyArguments are more than a message has room for, as of an INSERT of many rows: nothing is sent, so that a
// transaction goes on.
func TestTooManyArguments(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{})
	ctx := h.as(h.acme)
	tx, err := h.db.BeginTx(ctx, nil)
	require.NoError(t, err)
	const most = 65535
	for _, n := range []int{most, most + 1, 2*most + 2} {
		var placeholders strings.Builder
		for i := range n {
			fmt.Fprintf(&placeholders, ",$%d", i+1)
		}
		query := "SELECT 1 WHERE 1 IN (" + placeholders.String()[1:] + ")"
		_, err = tx.ExecContext(ctx, query, slices.Repeat([]any{1}, n)...)
		if n == most {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, fmt.Sprintf("at most 65535 arguments, %d were given", n))
	}
	_, err = tx.ExecContext(ctx, "SELECT $1::int", 1)
	require.NoError(t, err)
	require.NoError(t, tx.Commit())
}

func TestRedactConnect(t *testing.T) {
	t.Parallel()
	refused := &net.OpError{
		Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 5432},
		Err: os.NewSyscallError("connect", syscall.ECONNREFUSED),
	}
	denied := &pgconn.PgError{Severity: "FATAL", Code: "28P01", Message: "password authentication failed"}
	for _, test := range []struct {
		err  error
		want string
		is   error
	}{
		{refused, "connection refused", syscall.ECONNREFUSED},
		{errors.Join(fmt.Errorf("10.1.2.3: %w", refused), io.EOF), "connection refused", syscall.ECONNREFUSED},
		{fmt.Errorf("user=app: %w", denied), "28P01", denied},
		{fmt.Errorf("10.1.2.3: %w", context.DeadlineExceeded), "deadline", context.DeadlineExceeded},
		{fmt.Errorf("10.1.2.3: %w", context.Canceled), "canceled", context.Canceled},
		{&net.DNSError{Name: "10.1.2.3"}, "name is not known", nil},
		{fmt.Errorf("10.1.2.3: %w", os.ErrDeadlineExceeded), "in time", nil},
		{x509.HostnameError{Certificate: &x509.Certificate{}, Host: "10.1.2.3"}, "not trusted", nil},
		{tls.RecordHeaderError{Msg: "10.1.2.3"}, "TLS", nil},
		{fmt.Errorf("10.1.2.3: %w", io.ErrUnexpectedEOF), "closed it", nil},
		{errors.New("10.1.2.3"), "did not answer", nil},
		{core.ErrNotInstalled, "", core.ErrNotInstalled},
	} {
		err := guard.RedactConnect(test.err)
		require.ErrorContains(t, err, test.want)
		require.NotContains(t, err.Error(), "10.1.2.3")
		require.NotContains(t, err.Error(), "user=")
		if test.is != nil {
			require.ErrorIs(t, err, test.is)
		}
	}
	require.NoError(t, guard.RedactConnect(nil))
}

// TestConnectErrorsOfOpen say which DSN it was, and no more of it.
func TestConnectErrorsOfOpen(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	for _, dsn := range []string{
		"postgres://s3cret-user:s3cret-word@127.0.0.1:1/s3cret-name?sslmode=prefer",
		"postgres://s3cret-user:s3cret-word@127.0.0.1:1,127.0.0.1:2/s3cret-name",
		"postgres://s3cret-user:s3cret-word@/s3cret-name?host=/s3cret/socket",
		"postgres://s3cret-user:s3cret-word@s3cret.invalid/s3cret-name",
		"postgres://s3cret-user:s3cret-word@127.0.0.1:port/s3cret-name",
		"user=s3cret-user password=s3cret-word sslmode=s3cret",
	} {
		for name, options := range map[string]core.Options{
			"DSN": {DSN: dsn}, "SystemDSN": {DSN: d.DSN, SystemDSN: dsn},
		} {
			_, err := core.Open(t.Context(), options)
			require.ErrorContains(t, err, "Options."+name)
			require.NotContains(t, err.Error(), "s3cret", dsn)
			require.NotContains(t, err.Error(), "127.0.0.1", dsn)
			var config *pgconn.ConnectError
			require.NotErrorAs(t, err, &config)
			var parse *pgconn.ParseConfigError
			require.NotErrorAs(t, err, &parse)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := core.Open(ctx, core.Options{DSN: d.DSN})
	require.ErrorIs(t, err, context.Canceled)
}

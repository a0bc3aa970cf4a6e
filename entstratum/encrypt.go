package entstratum

import (
	"context"
	stdsql "database/sql"
	"errors"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
)

// Encrypt returns drv with encrypted fields above it: what the client writes to one is sealed before anything beneath
// sees it, a logger of statements included, and what comes back is opened. It is called by the generated client, for
// each driver that one is made of; a registry without encrypted fields leaves drv as it is. A driver that is not on a
// core.Stratum, or on one without Options.KEK, serves statements that have nothing to do with encrypted columns.
func Encrypt(drv dialect.Driver, r *Registry) dialect.Driver {
	if drv == nil || !r.hasEncrypted() {
		return drv
	}
	switch d := drv.(type) {
	case *sealer:
		return d
	case *dialect.DebugDriver:
		above := *d // with the logger
		switch inner := d.Driver.(type) {
		case *sealer:
			above.Driver = inner.Driver
			return &sealer{Driver: &above, fields: inner.fields}
		case hasTx:
			if tx, ok := inner.StratumTx().(*sealedTx); ok {
				above.Driver = txDriver{tx.Tx}
				return &sealer{Driver: &above, fields: tx.fields}
			}
		}
	}
	st, err := Stratum(drv)
	if err != nil {
		return &sealer{Driver: drv, fields: noEncryptedFields(r, err)}
	}
	return &sealer{Driver: drv, fields: newEncryptedFields(st, r)}
}

// hasTx is implemented by the driver of a generated client's transaction.
type hasTx interface{ StratumTx() dialect.Tx }

// txDriver is a transaction as the driver of a client that is made within it: whoever began it ends it.
type txDriver struct{ dialect.ExecQuerier }

// Tx returns the transaction itself.
func (d txDriver) Tx(context.Context) (dialect.Tx, error) { return dialect.NopTx(d), nil }

// Close does nothing.
func (txDriver) Close() error { return nil }

// Dialect is PostgreSQL's.
func (txDriver) Dialect() string { return dialect.Postgres }

// ExecContext passes raw SQL on.
func (d txDriver) ExecContext(ctx context.Context, query string, args ...any) (stdsql.Result, error) {
	raw, ok := d.ExecQuerier.(sql.ExecQuerier)
	if !ok {
		return nil, errRaw
	}
	return raw.ExecContext(ctx, query, args...)
}

// QueryContext passes raw SQL on.
func (d txDriver) QueryContext(ctx context.Context, query string, args ...any) (*stdsql.Rows, error) {
	raw, ok := d.ExecQuerier.(sql.ExecQuerier)
	if !ok {
		return nil, errRaw
	}
	return raw.QueryContext(ctx, query, args...)
}

// errRaw is what ent's generated client returns, where a driver has no such method.
var errRaw = errors.New("entstratum: the driver has no ExecContext or QueryContext (make it with entstratum.Driver)")

// sealer is a driver for a client with encrypted fields.
type sealer struct {
	dialect.Driver

	fields *encryptedFields
}

// Exec sends a statement in which nothing encrypted is in the clear.
func (s *sealer) Exec(ctx context.Context, query string, args, v any) error {
	return s.fields.exec(ctx, s.Driver, query, args, v)
}

// Query does the same, and its rows are opened.
func (s *sealer) Query(ctx context.Context, query string, args, v any) error {
	return s.fields.query(ctx, s.Driver, query, args, v)
}

// ExecContext does the same for raw SQL.
func (s *sealer) ExecContext(ctx context.Context, query string, args ...any) (stdsql.Result, error) {
	return s.fields.execRaw(ctx, s.Driver, query, args)
}

// QueryContext does the same for raw SQL.
func (s *sealer) QueryContext(ctx context.Context, query string, args ...any) (*stdsql.Rows, error) {
	return s.fields.queryRaw(ctx, s.Driver, query, args)
}

// Tx begins a transaction for which the same holds.
func (s *sealer) Tx(ctx context.Context) (dialect.Tx, error) {
	tx, err := s.Driver.Tx(ctx)
	if err != nil {
		return nil, err
	}
	return &sealedTx{Tx: tx, fields: s.fields}, nil
}

// BeginTx is Tx with options.
func (s *sealer) BeginTx(ctx context.Context, options *sql.TxOptions) (dialect.Tx, error) {
	d, ok := s.Driver.(interface {
		BeginTx(ctx context.Context, options *sql.TxOptions) (dialect.Tx, error)
	})
	if !ok {
		return nil, errRaw
	}
	tx, err := d.BeginTx(ctx, options)
	if err != nil {
		return nil, err
	}
	return &sealedTx{Tx: tx, fields: s.fields}, nil
}

// sealedTx is sealer in a transaction.
type sealedTx struct {
	dialect.Tx

	fields *encryptedFields
}

// Exec is sealer.Exec.
func (s *sealedTx) Exec(ctx context.Context, query string, args, v any) error {
	return s.fields.exec(ctx, s.Tx, query, args, v)
}

// Query is sealer.Query.
func (s *sealedTx) Query(ctx context.Context, query string, args, v any) error {
	return s.fields.query(ctx, s.Tx, query, args, v)
}

// ExecContext is sealer.ExecContext.
func (s *sealedTx) ExecContext(ctx context.Context, query string, args ...any) (stdsql.Result, error) {
	return s.fields.execRaw(ctx, s.Tx, query, args)
}

// QueryContext is sealer.QueryContext.
func (s *sealedTx) QueryContext(ctx context.Context, query string, args ...any) (*stdsql.Rows, error) {
	return s.fields.queryRaw(ctx, s.Tx, query, args)
}

func (f *encryptedFields) exec(ctx context.Context, conn dialect.ExecQuerier, query string, args, v any) error {
	if list, ok := args.([]any); ok {
		sent, err := f.rewrite(ctx, conn, query, list)
		if err != nil {
			return err
		}
		return conn.Exec(sent.ctx, sent.sql, sent.args, v) //nolint:contextcheck // ctx is in it
	}
	return conn.Exec(ctx, query, args, v) // ent refuses it
}

func (f *encryptedFields) query(ctx context.Context, conn dialect.ExecQuerier, query string, args, v any) error {
	if list, ok := args.([]any); ok {
		sent, err := f.rewrite(ctx, conn, query, list)
		if err != nil {
			return err
		}
		return conn.Query(sent.ctx, sent.sql, sent.args, v) //nolint:contextcheck // ctx is in it
	}
	return conn.Query(ctx, query, args, v) // ent refuses it
}

func (f *encryptedFields) execRaw(
	ctx context.Context, conn dialect.ExecQuerier, query string, args []any,
) (stdsql.Result, error) {
	raw, ok := conn.(sql.ExecQuerier)
	if !ok {
		return nil, errRaw
	}
	sent, err := f.rewrite(ctx, conn, query, args)
	if err != nil {
		return nil, err
	}
	return raw.ExecContext(sent.ctx, sent.sql, sent.args...) //nolint:contextcheck // ctx is in it
}

func (f *encryptedFields) queryRaw(
	ctx context.Context, conn dialect.ExecQuerier, query string, args []any,
) (*stdsql.Rows, error) {
	raw, ok := conn.(sql.ExecQuerier)
	if !ok {
		return nil, errRaw
	}
	sent, err := f.rewrite(ctx, conn, query, args)
	if err != nil {
		return nil, err
	}
	return raw.QueryContext(sent.ctx, sent.sql, sent.args...) //nolint:contextcheck // ctx is in it
}

// asStoredKey is the place of AsStored in a context.
type asStoredKey struct{}

// AsStored returns ctx for statements that see encrypted columns as they are stored: conditions, orders and expressions
// on them are not looked at, and what is read of them is bytea and ciphertext. It is the way out for statements such as
// a count of values that are there, or a copy to another database: they are read into a []byte, and no text. What is
// written is sealed all the same.
func AsStored(ctx context.Context) context.Context {
	return context.WithValue(ctx, asStoredKey{}, true)
}

func wantsStored(ctx context.Context) bool { return ctx.Value(asStoredKey{}) == true }

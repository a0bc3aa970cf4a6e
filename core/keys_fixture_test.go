package core_test

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// safe is a database with keys in it, and the KEK of its programs.
type safe struct {
	*testing.T

	db    *stratumtest.Database
	ctx   context.Context //nolint:containedctx // that of the test
	admin *pgxpool.Pool
	st    *core.Stratum
	kek   *countingKEK
	email *core.SealedColumn
}

// countingKEK counts calls, and fails when it is told to.
type countingKEK struct {
	fieldcrypt.KEK

	calls atomic.Int64
	mu    sync.Mutex
	err   error
}

func (k *countingKEK) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = err
}

func (k *countingKEK) called() error {
	k.calls.Add(1)
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

func (k *countingKEK) Wrap(ctx context.Context, key, binding []byte) ([]byte, error) {
	if err := k.called(); err != nil {
		return nil, err
	}
	return k.KEK.Wrap(ctx, key, binding)
}

func (k *countingKEK) Unwrap(ctx context.Context, id string, wrapped, binding []byte) ([]byte, error) {
	if err := k.called(); err != nil {
		return nil, err
	}
	return k.KEK.Unwrap(ctx, id, wrapped, binding)
}

func newLocalKEK(tb testing.TB) fieldcrypt.KEK {
	tb.Helper()
	kek, err := fieldcrypt.LocalKEK(fieldcrypt.NewKey())
	require.NoError(tb, err)
	return kek
}

func newSafe(t *testing.T) *safe {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	s := &safe{T: t, db: stratumtest.EmptyDatabase(t), ctx: ctx, kek: &countingKEK{KEK: newLocalKEK(t)}}
	s.st = s.open(core.Options{KEK: s.kek})
	require.NoError(t, s.st.Migrate(ctx))
	var err error
	s.admin, err = pgxpool.New(ctx, s.db.AdminDSN)
	require.NoError(t, err)
	t.Cleanup(s.admin.Close)
	s.email = s.column(s.st)
	return s
}

// open is a handle on the database, as another program of the same application would have it.
func (s *safe) open(o core.Options) *core.Stratum {
	s.Helper()
	st, err := core.Open(s.ctx, s.options(o))
	require.NoError(s, err)
	s.Cleanup(func() { require.NoError(s, st.Close()) })
	return st
}

// options are those of a program on the database.
func (s *safe) options(o core.Options) core.Options {
	o.DSN, o.OwnerDSN, o.SystemDSN, o.RolePrefix = s.db.DSN, s.db.OwnerDSN, s.db.SystemDSN, s.db.Name+"_role"
	o.SystemMaxConns, o.Logger = 8, slog.New(slog.DiscardHandler)
	return o
}

// emails is the declaration of the column that most tests are about.
func emails() fieldcrypt.ColumnOptions {
	return fieldcrypt.ColumnOptions{
		Table: "people", Column: "email",
		Indexes: []fieldcrypt.IndexOptions{{Normalize: []fieldcrypt.Normalizer{fieldcrypt.Trim, fieldcrypt.Casefold}}},
	}
}

func (s *safe) column(st *core.Stratum) *core.SealedColumn {
	s.Helper()
	c, err := st.Keys.Column(emails())
	require.NoError(s, err)
	return c
}

func (s *safe) tenant() uuid.UUID {
	s.Helper()
	id := uuid.New()
	t, err := s.st.Tenants.Create(s.ctx, core.NewTenant{Name: "T", Slug: "t-" + id.String()})
	require.NoError(s, err)
	return t.ID
}

func (s *safe) seal(c *core.SealedColumn, tenant uuid.UUID, text string) []byte {
	s.Helper()
	encoded, _, err := fieldcrypt.Encode(nil, text)
	require.NoError(s, err)
	sealed, err := c.Seal(core.WithTenant(s.ctx, tenant), tenant, nil, encoded, nil)
	require.NoError(s, err)
	return sealed
}

func (s *safe) tryOpen(c *core.SealedColumn, tenant uuid.UUID, sealed []byte) (text string, err error) {
	s.Helper()
	opened, err := c.Open(core.WithTenant(s.ctx, tenant), tenant, nil, sealed, nil)
	if err != nil {
		return "", err
	}
	require.NoError(s, fieldcrypt.Decode(opened, &text))
	return text, nil
}

func (s *safe) wantOpen(c *core.SealedColumn, tenant uuid.UUID, sealed []byte, text string) {
	s.Helper()
	got, err := s.tryOpen(c, tenant, sealed)
	require.NoError(s, err)
	require.Equal(s, text, got)
}

func (s *safe) exec(statement string, args ...any) {
	s.Helper()
	_, err := s.admin.Exec(s.ctx, statement, args...)
	require.NoError(s, err)
}

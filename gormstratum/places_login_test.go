package gormstratum_test

import (
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/sqltext"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// elsewhere is a placement on another server, which asks for passwords, and the files that lead there.
type elsewhere struct {
	*stratumtest.Database

	dsnFile, systemFile, ownerFile string
}

func newElsewhere(t *testing.T, d desk) elsewhere {
	t.Helper()
	server, err := stratumtest.Start(t.Context(), stratumtest.Options{TCP: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close(t.Context())) })
	e := elsewhere{}
	e.Database, err = server.CreateDatabase(t.Context(), "")
	require.NoError(t, err)
	for _, file := range []struct {
		path *string
		dsn  string
	}{{&e.dsnFile, e.DSN}, {&e.systemFile, e.SystemDSN}, {&e.ownerFile, e.OwnerDSN}} {
		*file.path = filepath.Join(t.TempDir(), "dsn")
		require.NoError(t, os.WriteFile(*file.path, []byte(file.dsn), 0o600))
	}
	_, err = d.st.Placements.Register(t.Context(), core.Placement{
		Name: "elsewhere", DSN: "file:" + e.dsnFile, SystemDSN: "file:" + e.systemFile, OwnerDSN: "file:" + e.ownerFile,
	})
	require.NoError(t, err)
	return e
}

// rotate changes the password of a login, and cuts its connections.
func (e elsewhere) rotate(t *testing.T, d desk, dsn, password string) (rotated string) {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	d.exec(t, e.AdminDSN, "ALTER ROLE "+sqltext.Quote(u.User.Username())+" PASSWORD "+sqltext.Literal(password)+
		"; SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = "+sqltext.Literal(u.User.Username()))
	u.User = url.UserPassword(u.User.Username(), password)
	return u.String()
}

// A rotated password is an error that says so until the reference has the new one, and then needs no restart.
func TestRotatedLogin(t *testing.T) {
	t.Parallel()
	d := newPlaces(t)
	e := newElsewhere(t, d)
	neighbour := d.lodge(t, "neighbour", core.SchemaIsolation)
	var residents []resident
	for _, isolation := range []core.Isolation{core.SharedIsolation, core.SchemaIsolation} {
		tenant, err := d.st.Tenants.Create(t.Context(), core.NewTenant{
			Name: "r", Slug: "r-" + string(isolation), Isolation: isolation, Placement: "elsewhere",
		})
		require.NoError(t, err)
		r := resident{Tenant: tenant, ctx: core.WithTenant(t.Context(), tenant.ID)}
		require.NoError(t, d.db.WithContext(r.ctx).Create(&Ticket{Number: "T-1"}).Error)
		residents = append(residents, r)
	}
	before, there := d.truth(t), e.rows(t)
	rotated := e.rotate(t, d, e.DSN, "a-new-one")
	rotatedSystem := e.rotate(t, d, e.SystemDSN, "another-new-one")
	for _, st := range []*core.Stratum{d.st, d.openStratum(t, d.Options())} {
		asked := desk{Database: d.Database, st: st, db: d.db}
		for _, r := range residents {
			for name, way := range asked.ticketWays() {
				for _, err := range []error{way(r.ctx), way(core.AsSystemAt(t.Context(), "a test", r.ID))} {
					require.ErrorIs(t, err, core.ErrLogin, name)
					require.ErrorContains(t, err, `(placement "elsewhere")`, name)
					for _, secret := range []string{e.DSN, "a-new-one", "@", "127.0.0.1", e.Name} {
						require.NotContains(t, err.Error(), secret, name)
					}
				}
			}
		}
		require.Equal(t, int64(1), found(t, desk{db: d.db}, neighbour))
	}
	require.Equal(t, before, d.truth(t), "nothing is written elsewhere")
	require.Equal(t, there, e.rows(t))
	require.NoError(t, os.WriteFile(e.dsnFile, []byte(rotated+"\n"), 0o600))
	require.NoError(t, os.WriteFile(e.systemFile, []byte(rotatedSystem), 0o600))
	for _, r := range residents {
		require.Equal(t, int64(1), found(t, d, r))
		require.NoError(t, d.plain(core.AsSystemAt(t.Context(), "a test", r.ID), "TABLE tickets"))
	}
}

// rows are those of the tickets at the placement.
func (e elsewhere) rows(t *testing.T) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), e.AdminDSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	rows, err := conn.Query(t.Context(), truthSQL)
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return all
}

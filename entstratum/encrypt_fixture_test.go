package entstratum_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum/internal/clinic/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/clinic/ent/patient"
	_ "github.com/stratum-hq/stratum-go/entstratum/internal/clinic/ent/runtime"
	"github.com/stratum-hq/stratum-go/entstratum/internal/clinic/schema"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// secret is in each value that must not be stored or logged.
const secret = "canary"

// clinic is a database with encrypted fields.
type clinic struct {
	*stratumtest.Database

	st     *core.Stratum
	client *ent.Client
	ctx    context.Context //nolint:containedctx // the tenant's
	tenant uuid.UUID
	log    *quietLog
}

// quietLog keeps what ent logs.
type quietLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *quietLog) print(v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(&l.text, v...)
}

// newClinic makes a database with the clinic's tables. Its client logs all that it sends.
func newClinic(tb testing.TB) *clinic {
	tb.Helper()
	c := &clinic{Database: stratumtest.EmptyDatabase(tb), log: &quietLog{}}
	options := c.Options()
	var err error
	options.KEK, err = fieldcrypt.LocalKEK(fieldcrypt.NewKey())
	require.NoError(tb, err)
	c.st, err = core.Open(tb.Context(), options)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, c.st.Close()) })
	require.NoError(tb, c.st.Migrate(tb.Context()))
	c.client = ent.OpenStratum(c.st, ent.Debug(), ent.Log(c.log.print))
	require.NoError(tb, ent.StratumMigrate(tb.Context(), c.client))
	c.ctx = c.newTenant(tb, "acme")
	c.tenant, _ = core.TenantFrom(c.ctx)
	return c
}

func (c *clinic) newTenant(tb testing.TB, slug string) context.Context {
	tb.Helper()
	tenant, err := c.st.Tenants.Create(tb.Context(), core.NewTenant{Name: slug, Slug: slug})
	require.NoError(tb, err)
	return core.WithTenant(tb.Context(), tenant.ID)
}

// aTime is when patients were born.
func aTime() time.Time { return time.Date(1970, 1, 2, 3, 4, 5, 6000, time.FixedZone("", 7200)) }

// patientOf sets a secret in each field of a new patient.
func patientOf(create *ent.PatientCreate, name string) *ent.PatientCreate {
	return create.SetName(name).SetEmail(name + "@" + secret).SetPhone(secret + " phone " + name).
		SetBlood(secret + " " + name).SetNotes(secret + " notes").SetCard(secret + " 1234 4242").
		SetSsn(secret + " ssn " + name).SetScan([]byte(secret + " scan")).SetBorn(aTime()).SetWeight(70.5).
		SetVisits(3).SetInsured(true).SetState(patient.StateWell).SetToken(uuid.NewSHA1(uuid.Nil, []byte(secret))).
		SetHome(schema.Lodging{Street: secret + " street", City: secret}).
		SetReadings(map[string]float64{secret: 1.5}).SetAllergies([]string{secret})
}

func (c *clinic) add(tb testing.TB, name string) *ent.Patient {
	tb.Helper()
	p, err := patientOf(c.client.Patient.Create(), name).Save(c.ctx)
	require.NoError(tb, err)
	return p
}

// stored are all rows of a table as a role sees them that has no keys.
func (c *clinic) stored(tb testing.TB, table, order string) (rows []map[string]any) {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), c.AdminDSN)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, conn.Close(tb.Context())) }()
	found, err := conn.Query(tb.Context(), "SELECT * FROM "+pgx.Identifier{table}.Sanitize()+" ORDER BY "+order)
	require.NoError(tb, err)
	rows, err = pgx.CollectRows(found, pgx.RowToMap)
	require.NoError(tb, err)
	return rows
}

// admin runs a statement as somebody who has the database and no keys.
func (c *clinic) admin(tb testing.TB, statement string, args ...any) error {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), c.AdminDSN)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, conn.Close(tb.Context())) }()
	_, err = conn.Exec(tb.Context(), statement, args...)
	return err
}

// sealedColumns are those of each table.
func sealedColumns() map[string][]string {
	return map[string][]string{
		"patients": {
			"email", "phone", "blood", "notes", "card", "social", "scan", "born", "weight", "visits", "insured", "state",
			"token", "home", "readings", "allergies", "seen",
		},
		"doctors": {"email"}, "letters": {"body"}, "cares": {"reason"},
	}
}

// requireSealed requires that nothing of any table is in the clear, and that nothing was logged.
func (c *clinic) requireSealed(tb testing.TB) {
	tb.Helper()
	for table, columns := range sealedColumns() {
		for _, row := range c.stored(tb, table, "1") {
			for _, column := range columns {
				require.Contains(tb, row, column)
				if row[column] == nil {
					continue
				}
				_, err := fieldcrypt.ParseHeader(row[column].([]byte)) //nolint:forcetypeassert // or it panics
				require.NoError(tb, err, "%s.%s", table, column)
			}
			require.NotContains(tb, fmt.Sprintf("%s", row), secret)
		}
	}
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	require.NotEmpty(tb, c.log.text.String())
	require.NotContains(tb, c.log.text.String(), secret)
}

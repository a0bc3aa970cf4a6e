package gormstratum_test

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
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// The models of a clinic, with fields of all types that can be encrypted.
type (
	Lodging struct{ Street, City string }

	Patient struct {
		ID                 uint
		Name               string
		Email              string             `gorm:"serializer:encrypted;uniqueIndex" stratum:"searchable,normalize=casefold;trim"`
		Phone              *string            `gorm:"serializer:encrypted"             stratum:"searchable,label=persons.telephone"`
		Blood              string             `gorm:"serializer:encrypted"             stratum:"searchable,bits=1"`
		Notes              string             `gorm:"serializer:encrypted"`
		Scan               []byte             `gorm:"serializer:encrypted"`
		Born               time.Time          `gorm:"serializer:encrypted"`
		Weight             float64            `gorm:"serializer:encrypted"`
		Visits             int                `gorm:"serializer:encrypted"`
		Insured            bool               `gorm:"serializer:encrypted"`
		Home               Lodging            `gorm:"serializer:encrypted"`
		Values             map[string]float64 `gorm:"serializer:encrypted"`
		DoctorID           *uint
		Doctor             *Doctor
		Letters            []Letter
		gormstratum.Tenant // behind, so that its column comes last
	}
	Doctor struct {
		gormstratum.Tenant
		ID    uint
		Email string `gorm:"serializer:encrypted;unique" stratum:"searchable"`
		Title string
		Boss  *uint
	}
	Letter struct {
		gormstratum.Tenant
		ID        uint
		PatientID uint
		Body      string `gorm:"serializer:encrypted"`
		Email     string // in the clear
	}
)

func clinicModels() []any { return []any{&Patient{}, &Doctor{}, &Letter{}} }

// secret is in each value that must not be stored or logged.
const secret = "canary"

// clinic is a database with encrypted fields.
type clinic struct {
	desk

	ctx    context.Context //nolint:containedctx // the tenant's
	tenant uuid.UUID
	log    *quietLog
}

// quietLog keeps what GORM logs.
type quietLog struct {
	logger.Interface

	mu   sync.Mutex
	text bytes.Buffer
}

func (l *quietLog) Printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(&l.text, format+"\n", args...)
}

func newClinic(t *testing.T) *clinic {
	t.Helper()
	c := &clinic{desk: newEmpty(t), log: &quietLog{}}
	options := c.Options()
	var err error
	options.KEK, err = fieldcrypt.LocalKEK(fieldcrypt.NewKey())
	require.NoError(t, err)
	c.st = c.openStratum(t, options)
	require.NoError(t, c.st.Migrate(t.Context()))
	c.db = c.open(t)
	require.NoError(t, gormstratum.Migrate(t.Context(), c.db, gormstratum.MigrateOptions{}))
	c.ctx = c.desk.tenant(t, "acme")
	c.tenant, _ = core.TenantFrom(c.ctx)
	return c
}

func (c *clinic) open(t *testing.T) *gorm.DB {
	t.Helper()
	db, err := gorm.Open(gormstratum.Open(c.st), &gorm.Config{
		Logger: logger.New(c.log, logger.Config{LogLevel: logger.Info}),
	})
	require.NoError(t, err)
	require.NoError(t, db.Use(gormstratum.New(c.st, gormstratum.Options{Models: clinicModels()})))
	return db
}

func (c *clinic) as() *gorm.DB { return c.db.WithContext(c.ctx) }

// patient is one with a secret in each field.
func patient(name string) Patient {
	phone := secret + " phone " + name
	return Patient{
		Name: name, Email: name + "@" + secret, Phone: &phone, Blood: secret + " " + name, Notes: secret + " notes",
		Scan: []byte(secret + " scan"), Born: time.Date(1970, 1, 2, 3, 4, 5, 6000, time.UTC), Weight: 70.5, Visits: 3,
		Insured: true, Home: Lodging{secret + " street", secret}, Values: map[string]float64{secret: 1.5},
	}
}

func (c *clinic) add(t *testing.T, name string) Patient {
	t.Helper()
	p := patient(name)
	require.NoError(t, c.as().Create(&p).Error)
	return p
}

// stored are all rows of a table as a role sees them that has no keys, as text.
func (c *clinic) stored(t *testing.T, table string) (rows []map[string]any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.AdminDSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	found, err := conn.Query(t.Context(), "SELECT * FROM "+pgx.Identifier{table}.Sanitize()+" ORDER BY id")
	require.NoError(t, err)
	rows, err = pgx.CollectRows(found, pgx.RowToMap)
	require.NoError(t, err)
	return rows
}

// admin runs a statement as somebody who has the database and no keys.
func (c *clinic) admin(t *testing.T, statement string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.AdminDSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	_, err = conn.Exec(t.Context(), statement, args...)
	require.NoError(t, err)
}

// sealedColumns are those of each table.
func sealedColumns(table string) []string {
	switch table {
	case "patients":
		return []string{
			"email", "phone", "blood", "notes", "scan", "born", "weight", "visits", "insured", "home", "values",
		}
	case "doctors":
		return []string{"email"}
	default:
		return []string{"body"}
	}
}

// requireSealed requires that nothing of any table is in the clear, and that nothing was logged.
func (c *clinic) requireSealed(t *testing.T) {
	t.Helper()
	for _, table := range []string{"patients", "doctors", "letters"} {
		for _, row := range c.stored(t, table) {
			for _, column := range sealedColumns(table) {
				if row[column] == nil {
					continue
				}
				_, err := fieldcrypt.ParseHeader(row[column].([]byte)) //nolint:forcetypeassert // or it panics
				require.NoError(t, err, "%s.%s", table, column)
			}
			require.NotContains(t, fmt.Sprintf("%s", row), secret)
		}
	}
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	require.NotContains(t, c.log.text.String(), secret)
}

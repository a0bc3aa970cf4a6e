package gormstratum_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/internal/pgproxy"
)

// The tenant travels with the statement: nothing costs more round trips than with plain GORM.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	proxy, err := pgproxy.Start(t.Context(), o.DSN)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, proxy.Close()) })
	options := o.Options()
	options.DSN = proxy.DSN()
	stratum := desk{Database: o.Database, st: o.openStratum(t, options)}
	// Plain GORM sees the same rows: it is the superuser.
	admin, err := proxy.Rewrite(o.AdminDSN)
	require.NoError(t, err)
	plain := o.open(t, postgres.Open(admin))

	for name, test := range map[string]struct {
		trips   int
		session gorm.Session
		run     func(db *gorm.DB) error
	}{
		"First without a transaction": {1, gorm.Session{SkipDefaultTransaction: true}, func(db *gorm.DB) error {
			return db.First(&Ticket{}, "id = ?", o.ticket).Error
		}},
		"Find": {1, gorm.Session{}, func(db *gorm.DB) error { return db.Find(&[]Ticket{}).Error }},
		"Preload": {2, gorm.Session{}, func(db *gorm.DB) error {
			return db.Preload("Comments").Find(&[]Ticket{}).Error
		}},
		"Joins":  {1, gorm.Session{}, func(db *gorm.DB) error { return db.Joins("Ticket").Find(&[]Comment{}).Error }},
		"Create": {3, gorm.Session{}, func(db *gorm.DB) error { return db.Create(o.newTicket()).Error }},
		"Create without a transaction": {1, gorm.Session{SkipDefaultTransaction: true}, func(db *gorm.DB) error {
			return db.Create(o.newTicket()).Error
		}},
		"Update": {3, gorm.Session{}, func(db *gorm.DB) error {
			return db.Model(&Ticket{ID: o.ticket}).Update("title", "x").Error
		}},
		"Save": {3, gorm.Session{}, func(db *gorm.DB) error {
			ticket := o.newTicket()
			ticket.ID, ticket.Number = o.ticket, "T-1"
			return db.Save(ticket).Error
		}},
		"Delete": {3, gorm.Session{}, func(db *gorm.DB) error { return db.Delete(&Comment{ID: o.ticket}).Error }},
		"Transaction": {4, gorm.Session{}, func(db *gorm.DB) error {
			return db.Transaction(func(tx *gorm.DB) error {
				if err := tx.First(&Ticket{}, "id = ?", o.ticket).Error; err != nil {
					return err
				}
				return tx.Model(&Ticket{ID: o.ticket}).Update("title", "y").Error
			})
		}},
		"Raw":  {1, gorm.Session{}, func(db *gorm.DB) error { return db.Raw("SELECT 1").Scan(new(int)).Error }},
		"Exec": {1, gorm.Session{}, func(db *gorm.DB) error { return db.Exec("UPDATE tickets SET title = 'z'").Error }},
	} {
		cost := func(db *gorm.DB) int {
			session := test.session
			session.Context = o.ctx
			for range 2 { // the first has the statement described
				proxy.Reset()
				require.NoError(t, test.run(db.Session(&session)), name)
			}
			return proxy.Counts().RoundTrips
		}
		guarded := cost(stratum.used(t, deskModels()))
		require.Equal(t, test.trips, guarded, name)
		require.GreaterOrEqual(t, cost(plain), guarded, name+": plain GORM needs no fewer")
	}
}

// newTicket is a ticket of the office's tenant that is not there yet.
func (o office) newTicket() *Ticket {
	ticket := Ticket{ID: uuid.New(), Number: uuid.NewString(), Title: "new"}
	ticket.TenantID = o.id
	return &ticket
}

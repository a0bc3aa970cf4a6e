package gormstratum_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// Device has two keys that are unique across tenants and one that is not.
type Device struct {
	gormstratum.Tenant
	ID     uuid.UUID `gorm:"type:uuid;primaryKey;default:gen_random_uuid()"`
	Serial string    `gorm:"uniqueIndex"`
	IMEI   string    `gorm:"unique;column:imei"`
	Name   string    `gorm:"uniqueIndex"`
	Note   string
}

func devices() gormstratum.Options {
	return gormstratum.Options{
		Models: []any{&Device{}},
		GlobalUnique: []gormstratum.GlobalUnique{
			{Model: &Device{}, Index: "idx_devices_serial", Reason: "the maker's serial numbers are worldwide"},
			{Model: Device{}, Index: "uni_devices_imei", Reason: "it's the law"},
		},
	}
}

func TestGlobalUniqueStaysAsDeclared(t *testing.T) {
	t.Parallel()
	d := newDeskWith(t, devices())
	found := d.constraints(t, "devices")
	require.Contains(t, found["idx_devices_serial"], "btree (serial)")
	require.Equal(t, "UNIQUE (imei)", found["uni_devices_imei"])
	require.Contains(t, found["idx_devices_name"], "(tenant_id, name)")
	require.Equal(t, []string{
		"stratum: globally unique: it's the law", "stratum: globally unique: the maker's serial numbers are worldwide",
	}, d.texts(t, "SELECT obj_description(indexrelid, 'pg_class') c FROM pg_index WHERE indrelid = 'devices'::regclass "+
		"AND obj_description(indexrelid, 'pg_class') IS NOT NULL ORDER BY 1"))
	d.logDDL(t)
	d.settled(t, func() error { return migrate(t.Context(), d.db, uuid.Nil) })
	changed := devices()
	changed.GlobalUnique[1].Reason = "another"
	db := d.usedWith(t, changed)
	require.NoError(t, migrate(t.Context(), db, uuid.Nil))
	d.settled(t, func() error { return migrate(t.Context(), db, uuid.Nil) })
}

// A declaration that comes or goes turns the index around, and its comment goes with it.
func TestGlobalUniqueComesAndGoes(t *testing.T) {
	t.Parallel()
	d := newDeskWith(t, gormstratum.Options{Models: []any{&Device{}}})
	for range 2 {
		require.Contains(t, d.constraints(t, "devices")["idx_devices_serial"], "(tenant_id, serial)")
		require.Equal(t, "UNIQUE (tenant_id, imei)", d.constraints(t, "devices")["uni_devices_imei"])
		require.NoError(t, migrate(t.Context(), d.usedWith(t, devices()), uuid.Nil))
		require.Contains(t, d.constraints(t, "devices")["idx_devices_serial"], "btree (serial)")
		require.Equal(t, "UNIQUE (imei)", d.constraints(t, "devices")["uni_devices_imei"])
		require.NoError(t, migrate(t.Context(), d.db, uuid.Nil))
	}
	require.Zero(t, d.value(t, "SELECT count(*) FROM pg_description WHERE description LIKE 'stratum: globally unique%'"))
}

// Two tenants cannot have the same value, and the second one learns no more than that.
func TestGlobalUniqueConflicts(t *testing.T) {
	t.Parallel()
	d := newDeskWith(t, devices())
	acme, bolt := d.db.WithContext(d.tenant(t, "acme")), d.db.WithContext(d.tenant(t, "bolt"))
	theirs := Device{Serial: "secret-1", IMEI: "i1", Name: "n", Note: "acme's"}
	require.NoError(t, acme.Create(&theirs).Error)
	require.NoError(t, bolt.Create(&Device{Serial: "s2", IMEI: "i2", Name: "n"}).Error)

	for _, db := range []*gorm.DB{bolt, d.db.WithContext(asSystemContext(t))} {
		row := Device{Serial: "secret-1", IMEI: "i3", Name: "m"}
		if db != bolt {
			row.TenantID, _ = core.TenantFrom(bolt.Statement.Context)
		}
		tenant, _ := core.TenantFrom(acme.Statement.Context)
		err := db.Create(&row).Error
		require.ErrorIs(t, err, core.ErrDuplicateKey)
		require.NotContains(t, err.Error(), "secret-1")
		require.NotContains(t, err.Error(), tenant.String())
		target := []clause.Column{{Name: "serial"}}
		// A change of another tenant's row is refused by the database, and without a target the key of any index counts.
		for _, update := range []clause.OnConflict{
			{Columns: target, DoUpdates: clause.AssignmentColumns([]string{"note"})},
			{Columns: target, UpdateAll: true},
			{Columns: target, DoUpdates: clause.Assignments(map[string]any{"note": "x"}), Where: clause.Where{
				Exprs: []clause.Expression{clause.Expr{SQL: "devices.note <> 'x'"}},
			}},
		} {
			row.ID = uuid.Nil
			if db != bolt && len(update.Where.Exprs) > 0 {
				continue // the system sees the row that its own condition leaves out
			}
			tx := db.Clauses(update).Create(&row)
			require.Error(t, tx.Error, "neither a silent nothing nor a change")
			if db == bolt {
				require.ErrorIs(t, tx.Error, core.ErrCrossTenant)
				require.NotContains(t, tx.Error.Error(), "secret-1")
			}
		}
	}
	for _, target := range [][]clause.Column{nil, {{Name: "serial"}}} {
		err := bolt.Clauses(clause.OnConflict{Columns: target, DoNothing: true}).
			Create(&Device{Serial: "secret-1", IMEI: "i4", Name: "o"}).Error
		require.ErrorIs(t, err, core.ErrDuplicateKey, "a DO NOTHING for the sake of another tenant's row is no success")
	}
	require.Equal(t, int64(1), d.value(t, "SELECT count(*) FROM devices WHERE note = 'acme''s' AND serial = 'secret-1'"))
	require.Equal(t, int64(2), d.value(t, "SELECT count(*) FROM devices"))
}

// Within a tenant a conflict on such a key is one as everywhere.
func TestGlobalUniqueWithinATenant(t *testing.T) {
	t.Parallel()
	d := newDeskWith(t, devices())
	ctx := d.tenant(t, "acme")
	db := d.db.WithContext(ctx)
	require.NoError(t, db.Create(&Device{Serial: "s", IMEI: "i", Name: "n"}).Error)
	for _, column := range []string{"serial", "imei"} {
		target := []clause.Column{{Name: column}}
		row := Device{Serial: "s", IMEI: "i2", Name: "m", Note: column}
		if column == "imei" {
			row.Serial, row.IMEI = "s2", "i"
		}
		require.NoError(t, db.Clauses(clause.OnConflict{Columns: target, DoNothing: true}).Create(&row).Error)
		row.ID = uuid.Nil
		require.NoError(t, db.Clauses(clause.OnConflict{
			Columns: target, DoUpdates: clause.AssignmentColumns([]string{"note"}),
		}).Create(&row).Error)
		require.Equal(t, int64(1), d.value(t, "SELECT count(*) FROM devices WHERE note = $1", column))
	}
	require.Contains(t, sqlOf(ctx, d.db, func(db *gorm.DB) *gorm.DB {
		return db.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "serial"}}, DoNothing: true}).Create(&Device{})
	}), `ON CONFLICT ("serial") DO NOTHING`, "the target is not rewritten")
}

// A name that no unique index has, or a declaration without a reason, is no way to an index per tenant.
func TestGlobalUniqueRefusals(t *testing.T) {
	t.Parallel()
	type Indexed struct {
		gormstratum.Tenant
		ID   uint
		Own  string    `gorm:"index"`
		Both uuid.UUID `gorm:"uniqueIndex:idx_both"`
	}
	type Led struct {
		TenantID uuid.UUID `gorm:"uniqueIndex:idx_led,priority:1"`
		ID       uint
		Code     string `gorm:"uniqueIndex:idx_led,priority:2"`
	}
	d := newStratum(t)
	for want, u := range map[string]gormstratum.GlobalUnique{
		`names index "idx_devices_seriall", and those that are unique are ["idx_devices_name" "idx_devices_serial" "uni_devices_imei"]`: {
			Model: &Device{}, Index: "idx_devices_seriall", Reason: "r",
		},
		`names index ""`: {Model: &Device{}, Reason: "r"},
		`index "idx_devices_name" needs a reason`:   {Model: &Device{}, Index: "idx_devices_name", Reason: " "},
		`"uni_devices_imei" needs a reason, of one`: {Model: &Device{}, Index: "uni_devices_imei", Reason: "a\nb"},
		`names index "idx_devices_serial" twice`:    {Model: &Device{}, Index: "idx_devices_serial", Reason: "r"},
		`names index "idx_indexeds_own"`:            {Model: &Indexed{}, Index: "idx_indexeds_own", Reason: "r"},
		`names index "idx_led"`:                     {Model: &Led{}, Index: "idx_led", Reason: "r"},
		`Country is global, and so are its unique`:  {Model: &Country{}, Index: "x", Reason: "r"},
		`is in Options.GlobalUnique and not in`:     {Model: &Ticket{}, Index: "idx_tickets_number", Reason: "r"},
	} {
		options := devices()
		options.Models = append(options.Models, &Country{}, &Indexed{}, &Led{})
		options.GlobalUnique = append(options.GlobalUnique[:1:1], u)
		err := (office{desk: d}).open(t, gormstratum.Open(d.st)).Use(gormstratum.New(d.st, options))
		require.ErrorIs(t, err, gormstratum.ErrModel, want)
		require.ErrorContains(t, err, want)
	}
}

package gormstratum_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// half seals about half of the rows of the tenant, and stops.
func (i *inn) half(t *testing.T, n int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := gormstratum.EncryptInPlace(ctx, i.moving, gormstratum.EncryptOptions{
		Batch: n / 4, Tenants: []uuid.UUID{i.tenant}, Progress: func(r core.ReencryptReport) {
			if r.Rows >= int64(n/2) {
				cancel()
			}
		},
	})
	require.Error(t, err, "%+v", r)
	sealed := i.requireGuests(t, n)
	require.Positive(t, sealed)
	require.Less(t, sealed, n)
}

// TestEncryptInPlace from a column with values in the clear to one that refuses them.
func TestEncryptInPlace(t *testing.T) {
	t.Parallel()
	const n = 20
	i := newInn(t, n)
	after := i.used(t, []any{&guestAfter{}})
	err := gormstratum.Migrate(t.Context(), after, gormstratum.MigrateOptions{})
	require.ErrorIs(t, err, gormstratum.ErrPlain)
	require.ErrorContains(t, err, `"guests"."age" has values that are not sealed (tag it stratum:"plain"`)
	require.ErrorContains(t, err, "gormstratum.EncryptInPlace")
	var g guestBefore
	require.NoError(t, i.plain.WithContext(i.ctx).First(&g).Error, "nothing has changed")

	i.move(t)
	require.Zero(t, i.requireGuests(t, n))
	before := i.rows(t)
	report, err := gormstratum.EncryptInPlace(t.Context(), i.moving, gormstratum.EncryptOptions{DryRun: true, Batch: 7})
	require.NoError(t, err)
	require.Equal(t, core.ReencryptReport{Rows: 2 * n, Done: 2}, report)
	require.Equal(t, before, i.rows(t))
	require.Zero(t, i.value(t, "SELECT count(*) FROM stratum.tenant_keys"))

	i.half(t, n)
	require.ErrorContains(t, gormstratum.Migrate(t.Context(), after, gormstratum.MigrateOptions{}), "has values in the clear in")
	report, err = gormstratum.EncryptInPlace(t.Context(), i.moving, gormstratum.EncryptOptions{})
	require.NoError(t, err)
	require.Empty(t, report.Failures)
	require.Equal(t, n, i.requireGuests(t, n))
	require.NotContains(t, i.rows(t), secret)
	require.NotContains(t, i.rows(t), guestNumber(3).Token.String())
	require.NoError(t, gormstratum.Migrate(t.Context(), i.moving, gormstratum.MigrateOptions{}), "it is there already")
	i.requireGuests(t, n)

	require.NoError(t, gormstratum.Migrate(t.Context(), after, gormstratum.MigrateOptions{}))
	i.requireEncryptedTable(t)
	files, err := gormstratum.MigrateScript(t.Context(), after, gormstratum.MigrateOptions{}, gormstratum.ScriptOptions{})
	require.NoError(t, err)
	require.Empty(t, files, "nothing is left to do")
	var all []guestAfter
	require.NoError(t, after.WithContext(i.ctx).Order("id").Find(&all).Error)
	for k, g := range all {
		requireGuest(t, k, guestMeanwhile(g))
	}
	var found guestAfter
	require.NoError(t, after.WithContext(i.ctx).Where("email = ?", " g003@"+secret).First(&found).Error)
	require.Equal(t, "g003", found.Name)
	require.ErrorIs(t, after.WithContext(i.ctx).Create(&guestAfter{Email: found.Email}).Error, core.ErrDuplicateKey)
}

// requireEncryptedTable requires what Migrate makes of the columns in the end.
func (i *inn) requireEncryptedTable(t *testing.T) {
	t.Helper()
	for _, column := range guestColumns() {
		require.Equal(t, int64(1), i.value(t, `SELECT count(*) FROM information_schema.columns
			WHERE table_name = 'guests' AND column_name = $1 AND data_type = 'bytea'`, column), column)
		require.Contains(t, i.constraints(t, "guests")["chk_guests_"+column+"_sealed"], "octet_length")
	}
	require.Zero(t, i.value(t, `SELECT count(*) FROM information_schema.columns
		WHERE table_name = 'guests' AND (column_name LIKE '%\_plain' OR column_name = 'phone_number')`))
	require.Equal(t, int64(1), i.value(t, `SELECT count(*) FROM information_schema.columns
		WHERE table_name = 'guests' AND column_name = 'email' AND is_nullable = 'NO'`))
	keys := i.constraints(t, "guests")
	require.Contains(t, keys["idx_guests_email_blind_index"], "UNIQUE INDEX")
	require.Contains(t, keys["idx_guests_email_blind_index"], "(tenant_id, email_bidx)")
	require.NotContains(t, fmt.Sprint(keys), "_plain")
	require.Zero(t, i.value(t, "SELECT count(*) FROM guests WHERE email_bidx IS NULL OR blood_bidx IS NULL OR age_bidx IS NULL"))
}

// TestReadBothForms on each way, while half of the rows are sealed.
func TestReadBothForms(t *testing.T) {
	t.Parallel()
	const n = 20
	i := newInn(t, n)
	i.move(t)
	i.half(t, n)
	db := i.moving.WithContext(i.ctx)
	for k := range n {
		want := guestNumber(k)
		var emails []string
		require.NoError(t, db.Model(&guestMeanwhile{}).Where("name = ?", want.Name).Pluck("email", &emails).Error)
		require.Equal(t, []string{want.Email}, emails)
		var row struct {
			Address string
			Age     int
		}
		require.NoError(t, db.Raw(`SELECT g.email AS address, g.age FROM guests g WHERE g.name = ?`, want.Name).Scan(&row).Error)
		require.Equal(t, want.Email, row.Address)
		require.Equal(t, want.Age, row.Age)
		require.NoError(t, db.Raw(`SELECT x.address, x.age FROM (SELECT email AS address, age, name FROM guests) x
			WHERE x.name = ?`, want.Name).Scan(&row).Error)
		require.Equal(t, want.Age, row.Age)
		found := map[string]any{}
		require.NoError(t, db.Model(&guestMeanwhile{}).Select("email", "born").Where("name = ?", want.Name).Take(&found).Error)
		require.Equal(t, want.Email, found["email"])
		var all []guestMeanwhile
		require.NoError(t, db.Raw("SELECT * FROM (SELECT * FROM guests) x WHERE name = ?", want.Name).Find(&all).Error)
		requireGuest(t, k, all[0])
		deleted := []guestMeanwhile{}
		require.ErrorIs(t, db.Transaction(func(tx *gorm.DB) error {
			require.NoError(t, tx.Clauses(clause.Returning{}).Where("name = ?", want.Name).Delete(&deleted).Error)
			requireGuest(t, k, deleted[0])
			return errStop
		}), errStop)
	}
	var count int64
	require.NoError(t, db.Model(&guestMeanwhile{}).Select("email").Count(&count).Error)
	require.EqualValues(t, n, count)
	require.NoError(t, db.Raw("SELECT count(phone) FROM guests").Scan(&count).Error)
	require.EqualValues(t, n-1, count)
	require.ErrorIs(t, db.Raw("WITH x AS (SELECT email FROM guests) SELECT email FROM x").Scan(&[]string{}).Error,
		gormstratum.ErrEncrypted)
	var emails []string
	require.NoError(t, db.Raw("WITH x AS (SELECT email FROM guests) SELECT x.email FROM x ORDER BY 1").Scan(&emails).Error)
}

// TestFindBothForms: conditions find rows in both forms, and leave out the same.
func TestFindBothForms(t *testing.T) {
	t.Parallel()
	const n = 20
	i := newInn(t, n)
	i.move(t)
	i.half(t, n)
	names := func(db *gorm.DB) (names []string) {
		require.NoError(t, db.Model(&guestMeanwhile{}).Order("name").Pluck("name", &names).Error)
		return names
	}
	db := i.moving.WithContext(i.ctx)
	for k := range n {
		g := guestNumber(k)
		other := guestNumber((k + n/2) % n)
		one, two := []string{g.Name}, []string{min(g.Name, other.Name), max(g.Name, other.Name)}
		email := " g" + g.Email[1:] // as it was not written
		require.Equal(t, one, names(db.Where("email = ?", email)))
		require.Equal(t, two, names(db.Where("email IN ?", []string{email, other.Email})))
		require.Equal(t, one, names(db.Where(&guestMeanwhile{Email: email})))
		require.Equal(t, one, names(db.Where(map[string]any{"email": email})))
		require.Equal(t, two, names(db.Where("email = ?", email).Or("guests.email = ?", other.Email)))
		require.Equal(t, one, names(db.Where("blood = ?", g.Blood)))
		require.Equal(t, two, names(db.Where("blood IN (?, ?)", g.Blood, other.Blood)))
		require.Equal(t, one, names(db.Where("age = ? AND name IN ?", k, two)))
		require.Equal(t, one, names(db.Where("name IN ? AND email <> ?", two, other.Email)))
		require.Equal(t, one, names(db.Where("name IN ?", two).Not("blood = ?", other.Blood)))
		require.Equal(t, two, names(db.Where("name IN ? AND blood <> ?", two, "nobody's")))
	}
	require.Equal(t, []string{"g004"}, names(db.Where("phone IS NULL")))
	require.Equal(t, []string{"g004"}, names(db.Where(map[string]any{"phone": nil})))
	require.Len(t, names(db.Where("phone IS NOT NULL")), n-1)
	require.Len(t, names(db.Where("phone <> ?", "nobody's")), n-1, "NULL is no value")
}

// TestWriteBothForms: whatever is written is sealed, and what was in the clear of it is gone.
func TestWriteBothForms(t *testing.T) {
	t.Parallel()
	const n = 8
	i := newInn(t, n)
	i.move(t)
	db := i.moving.WithContext(i.ctx)
	require.NoError(t, db.Model(&guestMeanwhile{}).Where("email = ?", guestNumber(0).Email).Update("email", newEmail).Error)
	require.NoError(t, db.Model(&guestMeanwhile{}).Where("age = ?", 1).Update("phone", nil).Error)
	var g guestMeanwhile
	require.NoError(t, db.Where("name = ?", "g002").First(&g).Error)
	require.NoError(t, db.Save(&g).Error)
	g.Age = 99
	require.NoError(t, db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&g).Error)
	require.NoError(t, db.Create(&guestMeanwhile{Name: "new", Email: "new guest@" + secret, Age: 7}).Error)
	require.Zero(t, i.value(t, `SELECT count(*) FROM guests WHERE tenant_id = $1 AND (name = 'new' OR name = 'g002')
		AND (email_plain IS NOT NULL OR age_plain IS NOT NULL OR blood_plain IS NOT NULL)`, i.tenant))
	for range 2 {
		var names []string
		require.NoError(t, db.Model(&guestMeanwhile{}).Where("email IN ?", []string{newEmail, "new guest@" + secret}).
			Or("phone IS NULL").Or("age = ?", 99).Order("id").Pluck("name", &names).Error)
		require.Equal(t, []string{"g000", "g001", "g002", "g004", "new"}, names)
		_, err := gormstratum.EncryptInPlace(t.Context(), i.moving, gormstratum.EncryptOptions{})
		require.NoError(t, err)
	}
	require.NotContains(t, i.rows(t), secret)
}

// guestOdd does not fit the values.
type guestOdd struct {
	gormstratum.Tenant
	ID    uint
	Email int       `gorm:"serializer:encrypted"             stratum:"plain"`
	Name  time.Time `gorm:"serializer:encrypted"             stratum:"plain"`
	Phone string    `gorm:"serializer:encrypted;uniqueIndex" stratum:"searchable,normalize=first-char,plain"`
}

func (guestOdd) TableName() string { return "guests" }

// TestEncryptInPlaceFails for single values, which stay as they are.
func TestEncryptInPlaceFails(t *testing.T) {
	t.Parallel()
	i := newInn(t, 3)
	i.moving = i.used(t, []any{&guestOdd{}})
	require.NoError(t, gormstratum.Migrate(t.Context(), i.moving, gormstratum.MigrateOptions{}))
	options := gormstratum.EncryptOptions{DryRun: true, Tenants: []uuid.UUID{i.tenant}}
	report, err := gormstratum.EncryptInPlace(t.Context(), i.moving, options)
	require.NoError(t, err)
	require.EqualValues(t, 6, report.Failed)
	for _, f := range report.Failures {
		require.ErrorIs(t, f.Err, fieldcrypt.ErrType)
		require.NotContains(t, f.Err.Error(), secret)
	}
	options.DryRun = false
	report, err = gormstratum.EncryptInPlace(t.Context(), i.moving, options)
	require.NoError(t, err)
	require.EqualValues(t, 1, report.Rows, "the other two have the same index")
	require.EqualValues(t, 8, report.Failed)
	duplicates := 0
	for _, f := range report.Failures {
		if errors.Is(f.Err, core.ErrDuplicateKey) {
			duplicates++
			require.Equal(t, "phone", f.Column)
		}
	}
	require.Equal(t, 2, duplicates)
	err = i.moving.WithContext(i.ctx).Select("id", "email").First(&guestOdd{}).Error
	require.ErrorIs(t, err, fieldcrypt.ErrType)
	require.NotContains(t, err.Error(), secret)
	var phones []string
	require.NoError(t, i.moving.WithContext(i.ctx).Model(&guestOdd{}).Order("id").Pluck("phone", &phones).Error)
	require.Equal(t, []string{*guestNumber(0).Phone, *guestNumber(1).Phone, *guestNumber(2).Phone}, phones)
	_, err = gormstratum.EncryptInPlace(t.Context(), i.plain, gormstratum.EncryptOptions{})
	require.ErrorIs(t, err, gormstratum.ErrPlain)
	_, err = gormstratum.EncryptInPlace(i.ctx, i.moving, gormstratum.EncryptOptions{})
	require.ErrorIs(t, err, core.ErrKeyScope)
}

// TestRefusedPlainColumns: what Migrate cannot put out of the way it leaves as it is.
func TestRefusedPlainColumns(t *testing.T) {
	t.Parallel()
	i := newInn(t, 1)
	i.exec(t, i.OwnerDSN, "ALTER TABLE guests ADD COLUMN email_plain text")
	err := gormstratum.Migrate(t.Context(), i.used(t, []any{&guestMeanwhile{}}), gormstratum.MigrateOptions{})
	require.ErrorIs(t, err, gormstratum.ErrPlain)
	require.ErrorContains(t, err, `stratum:"plain=name"`)
	i.exec(t, i.OwnerDSN, `ALTER TABLE guests DROP COLUMN email_plain, DROP COLUMN blood,
		ADD COLUMN blood text GENERATED ALWAYS AS (name) STORED`)
	err = gormstratum.Migrate(t.Context(), i.used(t, []any{&guestMeanwhile{}}), gormstratum.MigrateOptions{})
	require.ErrorIs(t, err, gormstratum.ErrPlain)
	require.ErrorContains(t, err, "computed by the database")
	var g guestBefore
	require.NoError(t, i.plain.WithContext(i.ctx).First(&g).Error, "nothing has changed")

	// Bytes that are not sealed are values in the clear, too; and a column without any is made anew.
	i.exec(t, i.OwnerDSN, "ALTER TABLE guests DROP COLUMN blood, ADD COLUMN blood bytea")
	i.exec(t, i.AdminDSN, `UPDATE guests SET blood = 'x'`)
	after := i.used(t, []any{&guestAfter{}})
	i.exec(t, i.AdminDSN, `UPDATE guests SET age = NULL, bills = NULL`)
	for _, column := range []string{"blood", "born"} {
		err := gormstratum.Migrate(t.Context(), after, gormstratum.MigrateOptions{})
		require.ErrorContains(t, err, `"guests"."`+column+`" has values that are not sealed`)
		i.exec(t, i.AdminDSN, `UPDATE guests SET `+column+` = NULL`)
	}
	i.exec(t, i.AdminDSN, "DELETE FROM guests")
	require.NoError(t, gormstratum.Migrate(t.Context(), after, gormstratum.MigrateOptions{}))
	i.requireEncryptedTable(t)
	require.NoError(t, after.WithContext(i.ctx).Create(&guestAfter{Email: "x"}).Error)
}

package gormstratum_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// vault has a value that is bound to its row, under XAES-256-GCM, and one that is not.
type vault struct {
	gormstratum.Tenant
	Branch  int       `gorm:"primaryKey;autoIncrement:false"`
	ID      uuid.UUID `gorm:"type:uuid;primaryKey"`
	Name    string    `gorm:"uniqueIndex"`
	Secret  string    `gorm:"serializer:encrypted" stratum:"searchable,bits=1,bound,xaes"`
	Loose   string    `gorm:"serializer:encrypted" stratum:"searchable"`
	InnerID *uuid.UUID
	InnerNo *int
	Inner   *vault `gorm:"foreignKey:InnerNo,InnerID;references:Branch,ID"`
}

// BeforeCreate assigns the key.
func (v *vault) BeforeCreate(*gorm.DB) error {
	if v.ID == uuid.Nil {
		v.ID = uuid.New()
	}
	return nil
}

func newVaults(t *testing.T) (c *clinic, a, b vault) {
	t.Helper()
	c = newClinic(t)
	c.db = c.used(t, []any{&vault{}})
	require.NoError(t, gormstratum.Migrate(t.Context(), c.db, gormstratum.MigrateOptions{}))
	a, b = vault{Branch: 1, Name: "a", Secret: secret + "a"}, vault{Branch: 1, Name: "b", Secret: secret + "b"}
	require.NoError(t, c.as().Create(&a).Error)
	b.InnerNo, b.InnerID = &a.Branch, &a.ID
	require.NoError(t, c.as().Create([]*vault{&b}).Error)
	return c, a, b
}

// TestBoundToTheRow: a value that is copied to another row is refused there, whoever copies it.
func TestBoundToTheRow(t *testing.T) {
	t.Parallel()
	c, a, b := newVaults(t)
	db := c.as()
	var got vault
	require.NoError(t, db.Joins("Inner").First(&got, "vaults.name = ?", "b").Error)
	require.Equal(t, []string{b.Secret, a.Secret}, []string{got.Secret, got.Inner.Secret})
	for _, text := range []string{a.Secret, b.Secret} {
		require.NoError(t, db.Where("secret = ?", text).First(&vault{}).Error, "rows with the same index are opened, too")
	}
	for name, ctx := range map[string]context.Context{"subtree": core.WithSubtree(t.Context(), c.tenant), "system": asSystemContext(t)} {
		var all []vault
		require.NoError(t, c.db.WithContext(ctx).Order("name").Find(&all).Error, name)
		require.Equal(t, b.Secret, all[1].Secret, name)
	}
	err := db.Model(&vault{}).Pluck("secret", &[]string{}).Error
	require.ErrorIs(t, err, gormstratum.ErrEncrypted)
	require.ErrorContains(t, err, `select "branch" too`)

	h, err := fieldcrypt.ParseHeader(c.sealedIn(t, "secret", "a"))
	require.NoError(t, err)
	require.Equal(t, fieldcrypt.XAES256GCM, h.Alg)
	for name, copies := range map[string]bool{"secret": false, "loose": true} {
		c.admin(t, `UPDATE vaults SET `+name+` = (SELECT `+name+` FROM vaults WHERE name = 'a') WHERE name = 'b'`)
		err := db.Select("branch", "id", name).First(&vault{}, "name = ?", "b").Error
		require.Equal(t, copies, err == nil, name)
		if !copies {
			require.ErrorIs(t, err, core.ErrDecrypt)
		}
	}
	require.NoError(t, db.Omit("secret").First(&vault{}, "name = ?", "b").Error, "other columns can be read")
}

// sealedIn is what is stored of a vault.
func (c *clinic) sealedIn(t *testing.T, column, name string) (sealed []byte) {
	t.Helper()
	ctx := gormstratum.AsStored(c.ctx)
	require.NoError(t, c.db.WithContext(ctx).Table("vaults").Where("name = ?", name).Select(column).Row().Scan(&sealed))
	return sealed
}

// TestBoundWrites: a value is only written where the row's key is known, and a key that values are bound to stays.
func TestBoundWrites(t *testing.T) {
	t.Parallel()
	c, a, b := newVaults(t)
	db := c.as()
	again := vault{Branch: b.Branch, ID: b.ID, Name: "b", Secret: secret + " upsert"}
	byName := clause.OnConflict{Columns: []clause.Column{{Name: "name"}}, DoUpdates: clause.AssignmentColumns([]string{"secret"})}
	onKey := []clause.Column{{Name: "branch"}, {Name: "id"}}
	for name, write := range map[string]func(text string) error{
		"Update":  func(text string) error { return db.Model(&vault{Branch: 1, ID: a.ID}).Update("secret", text).Error },
		"Updates": func(text string) error { return db.Model(&a).Updates(map[string]any{"secret": text}).Error },
		"Save":    func(text string) error { return db.Save(&vault{Branch: 1, ID: a.ID, Name: "a", Secret: text}).Error },
		"selected": func(text string) error {
			return db.Model(&vault{Branch: 1, ID: a.ID}).Select("secret").Updates(vault{Secret: text}).Error
		},
		"Assign": func(text string) error {
			return db.Where("name = ?", "a").Assign(map[string]any{"secret": text}).FirstOrCreate(&vault{}).Error
		},
	} {
		require.NoError(t, write(secret+name), name)
		var got vault
		require.NoError(t, db.First(&got, "name = ?", "a").Error, name)
		require.Equal(t, secret+name, got.Secret)
	}
	for _, conflict := range []clause.OnConflict{
		{UpdateAll: true}, {Columns: onKey, DoUpdates: clause.AssignmentColumns([]string{"secret"})},
	} {
		require.NoError(t, db.Clauses(conflict).Create(&again).Error)
		var got vault
		require.NoError(t, db.First(&got, "name = ?", "b").Error)
		require.Equal(t, again.Secret, got.Secret)
	}
	var all, others []vault
	require.NoError(t, db.Order("name").Find(&all).Error)
	require.NoError(t, db.Find(&others).Error)
	for name, err := range map[string]error{
		"several rows": db.Model(&vault{}).Where("branch = ?", 1).Update("secret", secret).Error,
		"half a key":   db.Model(&vault{Branch: 1}).Update("secret", secret).Error,
		"a slice":      db.Model(&others).Update("secret", secret).Error,
		"the key":      db.Model(&a).Update("branch", 2).Error,
		"keys":         db.Model(&vault{}).Where("name = ?", "a").Updates(map[string]any{"id": uuid.New()}).Error,
		"a map":        db.Model(&vault{}).Create(map[string]any{"branch": 3, "secret": secret}).Error,
		"no key":       db.Table("vaults").Create(map[string]any{"branch": 3, "id": uuid.Nil, "secret": secret}).Error,
		"upsert":       db.Clauses(byName).Create(&vault{Branch: 1, Name: "a", Secret: secret}).Error,
		"upsert value": db.Clauses(clause.OnConflict{
			Columns: onKey, DoUpdates: clause.Assignments(map[string]any{"secret": secret}),
		}).Create(&again).Error,
		"upsert key": db.Clauses(clause.OnConflict{
			Columns: onKey, DoUpdates: clause.AssignmentColumns([]string{"branch"}),
		}).Create(&again).Error,
		"raw":       db.Exec("UPDATE vaults SET branch = 2").Error,
		"raw tuple": db.Exec("UPDATE vaults AS v SET (branch, name) = (2, 'x')").Error,
		"raw upsert": db.Exec("INSERT INTO vaults (branch, id, name) VALUES (1, ?, 'a') ON CONFLICT (tenant_id, name) "+
			"DO UPDATE SET id = excluded.id", uuid.New()).Error,
	} {
		require.ErrorIs(t, err, gormstratum.ErrEncrypted, name)
		require.NotContains(t, err.Error(), secret, name)
	}
	err := db.Table("vaults").Where("name = ?", "a").Updates(map[string]any{"secret": secret}).Error
	require.ErrorContains(t, err, "bound to the primary key")
	var after []vault
	require.NoError(t, db.Order("name").Find(&after).Error)
	require.Equal(t, all, after)
}

// TestBoundRotates: Reencrypt binds a value to the same key.
func TestBoundRotates(t *testing.T) {
	t.Parallel()
	c, a, _ := newVaults(t)
	_, err := c.st.Keys.Rotate(t.Context(), c.tenant)
	require.NoError(t, err)
	encrypted, err := gormstratum.EncryptedTables(c.db)
	require.NoError(t, err)
	report, err := c.st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{Tables: encrypted})
	require.NoError(t, err)
	require.Empty(t, report.Failures)
	require.EqualValues(t, 2, report.Rows)
	var got vault
	require.NoError(t, c.as().First(&got, "name = ?", "a").Error)
	require.Equal(t, a.Secret, got.Secret)
	h, err := fieldcrypt.ParseHeader(c.sealedIn(t, "secret", "a"))
	require.NoError(t, err)
	require.Equal(t, fieldcrypt.Header{Alg: fieldcrypt.XAES256GCM, Version: 2}, h)
}

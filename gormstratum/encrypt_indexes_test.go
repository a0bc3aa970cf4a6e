package gormstratum_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// account has a number that is looked up in three ways, and a code for which no index answers by itself.
type account struct {
	gormstratum.Tenant
	ID     uint
	Name   string
	Number string `gorm:"serializer:encrypted;uniqueIndex" stratum:"searchable,normalize=digits,searchable=last4,normalize=digits;last4,bits=20,searchable=first,normalize=first-char,bits=1"`
	Code   string `gorm:"serializer:encrypted"             stratum:"searchable=a,searchable=b,bits=8"`
}

// rotatedAccount has the key of its first index rotated.
type rotatedAccount struct {
	gormstratum.Tenant
	ID     uint
	Name   string
	Number string `gorm:"serializer:encrypted;uniqueIndex" stratum:"normalize=digits,searchable=next,epoch=2"`
	Code   string `gorm:"serializer:encrypted"             stratum:"searchable=a,searchable=b,bits=8"`
}

func (rotatedAccount) TableName() string { return "accounts" }

func newBank(t *testing.T) *clinic {
	t.Helper()
	c := newClinic(t)
	c.db = c.used(t, []any{&account{}})
	require.NoError(t, gormstratum.Migrate(t.Context(), c.db, gormstratum.MigrateOptions{}))
	for name, number := range map[string]string{
		"ann": "4000 0000 0000 1234", "bob": "4000-0000-0000-9999", "eve": "5100 0000 0000 1234",
	} {
		require.NoError(t, c.as().Create(&account{Name: name, Number: number, Code: secret + name}).Error)
	}
	return c
}

// TestSeveralIndexes of a column: a condition is on the one that it names.
func TestSeveralIndexes(t *testing.T) {
	t.Parallel()
	c := newBank(t)
	names := func(db *gorm.DB) (names []string) {
		t.Helper()
		require.NoError(t, db.Model(&account{}).Order("name").Pluck("name", &names).Error)
		return names
	}
	db := c.as()
	require.Equal(t, []string{"ann"}, names(db.Where("number = ?", "4000000000001234")))
	require.Equal(t, []string{"ann"}, names(db.Where(&account{Number: "4000000000001234"})))
	require.Equal(t, []string{"ann", "eve"}, names(db.Where("number_last4_bidx = ?", "1234")))
	require.Equal(t, []string{"ann", "eve"}, names(db.Where("accounts.number_last4_bidx IN ?", []string{"1234", "0001"})))
	require.Equal(t, []string{"bob"}, names(db.Where("number_last4_bidx <> ?", "1234")))
	require.Equal(t, []string{"ann", "bob"}, names(db.Where(map[string]any{"number_first_bidx": "4"})))
	require.Equal(t, []string{"eve"}, names(db.Where(clause.Eq{Column: "number_first_bidx", Value: "5"})))
	require.Equal(t, []string{"ann"}, names(db.Where("number_first_bidx = ? AND number_last4_bidx = ?", "4", "1234")))
	require.Equal(t, []string{"bob"}, names(db.Where("code_b_bidx = ?", secret+"bob")))
	require.Equal(t, []string{"bob"}, names(db.Where("number_bidx = ?", "4000000000009999")))
	err := db.Where("code = ?", secret).Find(&[]account{}).Error
	require.ErrorIs(t, err, gormstratum.ErrEncrypted)
	require.ErrorContains(t, err, `name the blind index that is to find it, as in Where("code_a_bidx = ?", v)`)
	keys := c.constraints(t, "accounts")
	require.Contains(t, keys["idx_accounts_number_blind_index"], "UNIQUE INDEX")
	require.Contains(t, keys["idx_accounts_numberlast4_blind_index"], "(tenant_id, number_last4_bidx)")
	require.ErrorIs(t, db.Create(&account{Number: "4000000000001234"}).Error, core.ErrDuplicateKey)
	require.ErrorIs(t, db.Model(&account{}).Where("name = ?", "ann").UpdateColumn("number_last4_bidx", []byte("x")).Error,
		gormstratum.ErrEncrypted)

	require.NoError(t, db.Model(&account{}).Where("name = ?", "ann").Update("number", "7000 0000 0000 8888").Error)
	require.Equal(t, []string{"ann"}, names(db.Where("number_last4_bidx = ?", "8888")))
	require.Equal(t, []string{"eve"}, names(db.Where("number_last4_bidx = ?", "1234")))
	require.NoError(t, db.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, UpdateAll: true}).
		Create(&account{ID: 1, Name: "zoe", Number: "1 2222"}).Error)
	require.Equal(t, []string{"zoe"}, names(db.Where("number_last4_bidx = ? AND number_first_bidx = ?", "2222", "1")))
}

// TestIndexKeyRotatesByTag: a second index under the next key, filled, takes the place of the first.
func TestIndexKeyRotatesByTag(t *testing.T) {
	t.Parallel()
	c := newBank(t)
	next := c.used(t, []any{&rotatedAccount{}})
	require.NoError(t, gormstratum.Migrate(t.Context(), next, gormstratum.MigrateOptions{}))
	encrypted, err := gormstratum.EncryptedTables(next)
	require.NoError(t, err)
	report, err := c.st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{Tables: encrypted})
	require.NoError(t, err)
	require.EqualValues(t, 3, report.Rows)
	var found rotatedAccount
	require.NoError(t, next.WithContext(c.ctx).Where("number = ?", "4000000000009999").First(&found).Error)
	require.Equal(t, "bob", found.Name)
	require.Contains(t, c.constraints(t, "accounts")["idx_accounts_number_blind_index"], "(tenant_id, number_bidx)")
}

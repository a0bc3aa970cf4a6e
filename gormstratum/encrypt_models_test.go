package gormstratum_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

func TestRefusedEncryptedModels(t *testing.T) {
	t.Parallel()
	d := newStratum(t)
	options := d.Options()
	options.KEK, _ = fieldcrypt.LocalKEK(fieldcrypt.NewKey())
	st := d.openStratum(t, options)
	for name, test := range map[string]struct{ err, text string }{
		"primary key":  {useOne(t, st, &refusedKey{}), "primary key"},
		"default":      {useOne(t, st, &refusedDefault{}), "default"},
		"check":        {useOne(t, st, &refusedCheck{}), "check"},
		"index":        {useOne(t, st, &refusedIndex{}), `stratum:"searchable"`},
		"unique bits":  {useOne(t, st, &refusedUnique{}), "64 bits"},
		"word":         {useOne(t, st, &refusedWord{}), `"serchable"`},
		"bits":         {useOne(t, st, &refusedBits{}), `"bits=many"`},
		"no bits":      {useOne(t, st, &refusedNoBits{}), `"bits=0"`},
		"join table":   {useOne(t, st, &refusedJoin{}), "not in Options.Models"},
		"normalizer":   {useOne(t, st, &refusedNormalizer{}), "casefold"},
		"options":      {useOne(t, st, &refusedOptions{}), "not searchable"},
		"column":       {useOne(t, st, &refusedColumn{}), `"secret_bidx"`},
		"named column": {useOne(t, st, &refusedNamedColumn{}), `"secret_short_bidx"`},
		"index name":   {useOne(t, st, &refusedIndexName{}), "up to 20 of a-z"},
		"index twice":  {useOne(t, st, &refusedIndexTwice{}), "two indexes"},
		"epoch":        {useOne(t, st, &refusedEpoch{}), `"epoch=0"`},
		"bound":        {useOne(t, st, &refusedBound{}), "the database assigns to ID"},
		"bound uuid":   {useOne(t, st, &refusedBoundDefault{}), "the database assigns to ID"},
		"plain column": {useOne(t, st, &refusedPlain{}), "the model has a field of that column"},
		"hash index":   {useOne(t, st, &refusedHash{}), "not one per tenant"},
		"everyone's":   {useOne(t, st, &refusedMixed{}), "needs a tenant"},
		"global":       {useOne(t, st, &refusedGlobal{}), "needs a tenant"},
		"without keys": {useOne(t, d.st, &plainSecret{}), "Options.KEK"},
	} {
		require.Contains(t, test.err, test.text, name)
		require.Contains(t, test.err, "gormstratum: model", name)
	}
	d.st = st
	d.usedWith(t, gormstratum.Options{Models: []any{&plainSecret{}}})
}

func useOne(t *testing.T, st *core.Stratum, model any) string {
	t.Helper()
	db, err := gorm.Open(gormstratum.Open(st), &gorm.Config{Logger: logger.Discard})
	require.NoError(t, err)
	if _, ok := model.(*refusedJoin); ok {
		require.NoError(t, db.SetupJoinTable(model, "Others", &refusedJoinRow{}))
	}
	err = db.Use(gormstratum.New(st, gormstratum.Options{Models: []any{model}}))
	require.ErrorIs(t, err, gormstratum.ErrModel)
	return err.Error()
}

type (
	refusedMixed struct {
		gormstratum.OwnOrGlobal
		ID     uint
		Secret string `gorm:"serializer:encrypted"`
	}
	refusedGlobal struct {
		gormstratum.Global
		ID     uint
		Secret string `gorm:"serializer:encrypted"`
	}
	refusedKey struct {
		gormstratum.Tenant
		Secret string `gorm:"primaryKey;serializer:encrypted"`
	}
	refusedDefault struct {
		gormstratum.Tenant
		ID     uint
		Secret string `gorm:"serializer:encrypted;default:x"`
	}
	refusedCheck struct {
		gormstratum.Tenant
		ID     uint
		Secret string `gorm:"serializer:encrypted;check:secret <> ''"`
	}
	refusedIndex struct {
		gormstratum.Tenant
		ID     uint
		Secret string `gorm:"serializer:encrypted;index"`
	}
	refusedUnique struct {
		gormstratum.Tenant
		ID     uint
		Secret string `gorm:"serializer:encrypted;uniqueIndex" stratum:"searchable,bits=64"`
	}
	refusedWord struct {
		gormstratum.Tenant
		ID     uint
		Secret string `gorm:"serializer:encrypted" stratum:"serchable"`
	}
	refusedBits struct {
		gormstratum.Tenant
		ID     uint
		Secret string `gorm:"serializer:encrypted" stratum:"searchable,bits=many"`
	}
	refusedNoBits struct {
		gormstratum.Tenant
		ID     uint
		Secret string `gorm:"serializer:encrypted" stratum:"searchable,bits=0"`
	}
	refusedJoin struct {
		gormstratum.Tenant
		ID     uint
		Others []refusedJoin `gorm:"many2many:refused_joins_others;joinForeignKey:a;joinReferences:b"`
	}
	refusedJoinRow struct {
		A      uint   `gorm:"primaryKey"`
		B      uint   `gorm:"primaryKey"`
		Secret string `gorm:"serializer:encrypted"`
	}
	refusedNormalizer struct {
		gormstratum.Tenant
		ID     uint
		Secret string `gorm:"serializer:encrypted" stratum:"searchable,normalize=upper"`
	}
	refusedOptions struct {
		gormstratum.Tenant
		ID     uint
		Secret string `gorm:"serializer:encrypted" stratum:"normalize=trim"`
	}
	refusedColumn struct {
		gormstratum.Tenant
		ID         uint
		Secret     string `gorm:"serializer:encrypted" stratum:"searchable"`
		SecretBidx []byte
	}
	refusedNamedColumn struct {
		gormstratum.Tenant
		ID              uint
		Secret          string `gorm:"serializer:encrypted" stratum:"searchable,searchable=short,bits=8"`
		SecretShortBidx []byte
	}
	refusedIndexName struct {
		gormstratum.Tenant
		ID     uint
		Secret string `gorm:"serializer:encrypted" stratum:"searchable=Short one"`
	}
	refusedIndexTwice struct {
		gormstratum.Tenant
		ID     uint
		Secret string `gorm:"serializer:encrypted" stratum:"searchable=a,searchable=a"`
	}
	refusedEpoch struct {
		gormstratum.Tenant
		ID     uint
		Secret string `gorm:"serializer:encrypted" stratum:"searchable,epoch=0"`
	}
	refusedPlain struct {
		gormstratum.Tenant
		ID          uint
		Secret      string `gorm:"serializer:encrypted" stratum:"plain"`
		SecretPlain string
	}
	refusedBound struct {
		gormstratum.Tenant
		ID     uint
		Secret string `gorm:"serializer:encrypted" stratum:"bound"`
	}
	refusedBoundDefault struct {
		gormstratum.Tenant
		ID     uuid.UUID `gorm:"type:uuid;default:gen_random_uuid()"`
		Secret string    `gorm:"serializer:encrypted" stratum:"bound"`
	}
	refusedHash struct {
		gormstratum.Tenant
		ID     uint
		Secret string `gorm:"serializer:encrypted;index:,type:hash" stratum:"searchable"`
	}
	plainSecret struct {
		gormstratum.Tenant
		ID     uint
		Secret string `gorm:"serializer:encrypted"`
	}
)

// A model that a db without the plugin uses stores nothing, and says what is wrong.
func TestEncryptedModelWithoutUse(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	ann := c.add(t, "ann")
	email := ann.Email // GORM sets the model to what it fails to write
	db, err := gorm.Open(gormstratum.Open(c.st), &gorm.Config{Logger: logger.Discard})
	require.NoError(t, err)
	db = db.WithContext(c.ctx)
	p := patient("bob")
	for name, err := range map[string]error{
		"Create": db.Create(&p).Error,
		"Update": db.Model(&ann).Updates(Patient{Email: newEmail}).Error,
		"Find":   db.First(&Patient{}).Error,
		"Where":  db.Where(&Patient{Email: ann.Email}).First(&Patient{}).Error,
	} {
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), secret, name)
	}
	require.ErrorContains(t, db.First(&Patient{}).Error, "db.Use")
	require.Error(t, db.Model(&ann).Update("email", newEmail).Error, "the check")
	c.requireSealed(t)

	// Used before Use, and used properly after it.
	late, err := gorm.Open(gormstratum.Open(c.st), &gorm.Config{Logger: logger.Discard})
	require.NoError(t, err)
	require.ErrorContains(t, late.WithContext(c.ctx).First(&Patient{}).Error, "db.Use")
	require.NoError(t, late.Use(gormstratum.New(c.st, gormstratum.Options{Models: clinicModels()})))
	var got Patient
	require.NoError(t, late.WithContext(c.ctx).Where("email = ?", email).First(&got).Error)
	require.Equal(t, email, got.Email)
}

// GORM has one serializer for the process: each statement finds the keys of its own handle.
func TestEncryptedWithTwoHandles(t *testing.T) {
	t.Parallel()
	a, b := newClinic(t), newClinic(t)
	ann, bob := a.add(t, "ann"), b.add(t, "bob")
	for range 3 {
		var p Patient
		require.NoError(t, a.as().Where("email = ?", ann.Email).First(&p).Error)
		require.Equal(t, ann.Email, p.Email)
		p = Patient{}
		require.NoError(t, b.as().Where("email = ?", bob.Email).First(&p).Error)
		require.Equal(t, bob.Email, p.Email)
	}
	// Two plugins on one handle have the same keys.
	var p Patient
	require.NoError(t, a.open(t).WithContext(a.ctx).Where("email = ?", ann.Email).First(&p).Error)
	require.Equal(t, ann.Email, p.Email)
	a.requireSealed(t)
	b.requireSealed(t)
}

func TestMigrateEncrypted(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	c.add(t, "ann")
	before := c.constraints(t, "patients")
	require.Contains(t, before["chk_patients_email_sealed"], "octet_length(email) >= 33")
	require.Contains(t, before["idx_patients_email_blind_index"], "UNIQUE INDEX")
	require.Contains(t, before["idx_patients_email_blind_index"], "(tenant_id, email_bidx)")
	require.Contains(t, before["idx_patients_phone_blind_index"], "(tenant_id, phone_bidx)")
	require.Contains(t, c.constraints(t, "doctors")["uni_doctors_email_bidx"], "(tenant_id, email_bidx)")
	files, err := gormstratum.MigrateScript(t.Context(), c.db, gormstratum.MigrateOptions{}, gormstratum.ScriptOptions{})
	require.NoError(t, err)
	require.Empty(t, files, "nothing is left to do")
	require.NoError(t, gormstratum.Migrate(t.Context(), c.open(t), gormstratum.MigrateOptions{}))
	require.Equal(t, before, c.constraints(t, "patients"))
}

// A tenant whose keys were destroyed has nothing left to read.
func TestEncryptedAndShredded(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	ann := c.add(t, "ann")
	_, err := c.st.Keys.Shred(t.Context(), c.tenant, core.ShredOptions{})
	require.NoError(t, err)
	require.ErrorIs(t, c.as().First(&Patient{}).Error, core.ErrShredded)
	require.ErrorIs(t, c.as().Create(&Patient{Email: "x"}).Error, core.ErrShredded)
	require.ErrorIs(t, c.as().Where("email = ?", ann.Email).First(&Patient{}).Error, core.ErrShredded)
	var names []string
	require.NoError(t, c.as().Model(&Patient{}).Pluck("name", &names).Error)
	require.Equal(t, []string{"ann"}, names)
}

// The rows of the models are brought under a new key, and found and read as before.
func TestEncryptedTables(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	ann := c.add(t, "ann")
	before := c.stored(t, "patients")[0]
	_, err := c.st.Keys.Rotate(t.Context(), c.tenant)
	require.NoError(t, err)
	encrypted, err := gormstratum.EncryptedTables(c.db)
	require.NoError(t, err)
	report, err := c.st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{Tables: encrypted})
	require.NoError(t, err)
	require.Equal(t, int64(1), report.Rows)
	require.Empty(t, report.Failures)
	after := c.stored(t, "patients")[0]
	for _, column := range sealedColumns("patients") {
		h, err := fieldcrypt.ParseHeader(after[column].([]byte)) //nolint:forcetypeassert // or it panics
		require.NoError(t, err)
		require.Equal(t, uint32(2), h.Version, column)
		require.NotEqual(t, before[column], after[column], column)
	}
	var got Patient
	require.NoError(t, c.as().Where("email = ?", ann.Email).First(&got).Error)
	require.Equal(t, ann, got)
	_, err = gormstratum.EncryptedTables(&gorm.DB{Config: &gorm.Config{}})
	require.ErrorIs(t, err, gormstratum.ErrNotUsed)
}

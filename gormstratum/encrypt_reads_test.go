package gormstratum_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// newWard is a clinic with a doctor and her patient.
func newWard(t *testing.T) (c *clinic, ann Patient) {
	t.Helper()
	c = newClinic(t)
	ann = patient("ann")
	ann.Doctor = &Doctor{Email: "dr@" + secret, Title: "Dr"}
	ann.Letters = []Letter{{Body: secret + " letter"}}
	require.NoError(t, c.as().Create(&ann).Error)
	return c, ann
}

func rowsOf(db *gorm.DB, scan func(rows *sql.Rows) error) error {
	rows, err := db.Rows()
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Every way to read hands out the value.
func TestEncryptedReads(t *testing.T) {
	t.Parallel()
	c, ann := newWard(t)
	want := ann.Email
	type view struct {
		ID    uint
		Email string
		Home  []byte
	}
	type total struct {
		Patient
		Total int
	}
	for way, read := range map[string]func(db *gorm.DB) (string, error){
		"First": func(db *gorm.DB) (string, error) { var p Patient; err := db.First(&p).Error; return p.Email, err },
		"Take": func(db *gorm.DB) (string, error) {
			var p Patient
			err := db.Take(&p, ann.ID).Error
			return p.Email, err
		},
		"Find": func(db *gorm.DB) (string, error) { var p []Patient; err := db.Find(&p).Error; return p[0].Email, err },
		"Scan": func(db *gorm.DB) (string, error) {
			var p Patient
			err := db.Model(&p).Scan(&p).Error
			return p.Email, err
		},
		"DTO": func(db *gorm.DB) (string, error) {
			var v view
			err := db.Model(&Patient{}).Find(&v).Error
			return v.Email, err
		},
		"DTOs": func(db *gorm.DB) (string, error) {
			var v []view
			err := db.Table("patients").Find(&v).Error
			return v[0].Email, err
		},
		"Select": func(db *gorm.DB) (string, error) {
			var p Patient
			err := db.Select("id", "email").First(&p).Error
			return p.Email, err
		},
		"embedded": func(db *gorm.DB) (string, error) {
			var v total
			err := db.Model(&Patient{}).Select("patients.*, 1 AS total").Scan(&v).Error
			return v.Email, err
		},
		"alias": func(db *gorm.DB) (string, error) {
			var v struct{ Address string }
			err := db.Model(&Patient{}).Select("email AS address").Scan(&v).Error
			return v.Address, err
		},
		"Pluck": func(db *gorm.DB) (string, error) {
			var emails []string
			err := db.Model(&Patient{}).Pluck("email", &emails).Error
			return emails[0], err
		},
		"Pluck of a table": func(db *gorm.DB) (string, error) {
			var emails []string
			err := db.Table("patients").Pluck("email", &emails).Error
			return emails[0], err
		},
		"map": func(db *gorm.DB) (string, error) {
			m := map[string]any{}
			err := db.Model(&Patient{}).Select("email").Take(&m).Error
			return m["email"].(string), err //nolint:forcetypeassert // or it panics
		},
		"maps": func(db *gorm.DB) (string, error) {
			var m []map[string]any
			err := db.Table("patients").Select("email").Find(&m).Error
			return m[0]["email"].(string), err //nolint:forcetypeassert // or it panics
		},
		"Row": func(db *gorm.DB) (email string, err error) {
			err = db.Model(&Patient{}).Select("email").Row().Scan(&email)
			return email, err
		},
		"Rows": func(db *gorm.DB) (email string, err error) {
			err = rowsOf(db.Model(&Patient{}).Select("email"), func(rows *sql.Rows) error { return rows.Scan(&email) })
			return email, err
		},
		"ScanRows": func(db *gorm.DB) (string, error) {
			var p Patient
			err := rowsOf(db.Model(&Patient{}), func(rows *sql.Rows) error { return db.ScanRows(rows, &p) })
			return p.Email, err
		},
		"raw": func(db *gorm.DB) (string, error) {
			var p Patient
			err := db.Raw("SELECT * FROM patients").Scan(&p).Error
			return p.Email, err
		},
		"raw string": func(db *gorm.DB) (s string, err error) {
			err = db.Raw("SELECT email FROM patients").Scan(&s).Error
			return s, err
		},
		"raw row": func(db *gorm.DB) (s string, err error) {
			err = db.Raw("SELECT p.email FROM patients AS p").Row().Scan(&s)
			return s, err
		},
		"raw join": func(db *gorm.DB) (string, error) {
			var v struct {
				Email string `gorm:"column:p__email"`
				Dr    string
			}
			err := db.Raw(`SELECT p.email AS p__email, d.email AS dr FROM patients p JOIN doctors d ON d.id = p.doctor_id`).Scan(&v).Error
			if v.Dr != "dr@"+secret {
				return v.Dr, err
			}
			return v.Email, err
		},
		"raw sub-query": func(db *gorm.DB) (s string, err error) {
			err = db.Raw("SELECT q.email FROM (SELECT id, email FROM patients) q").Scan(&s).Error
			return s, err
		},
		"Joins": func(db *gorm.DB) (string, error) {
			var p Patient
			err := db.Joins("Doctor").First(&p).Error
			if p.Doctor == nil || p.Doctor.Email != "dr@"+secret {
				return "no doctor", err
			}
			return p.Email, err
		},
		"InnerJoins": func(db *gorm.DB) (string, error) {
			var p []Patient
			err := db.InnerJoins("Doctor").Find(&p).Error
			if p[0].Doctor == nil || p[0].Doctor.Email != "dr@"+secret {
				return "no doctor", err
			}
			return p[0].Email, err
		},
		"Preload": func(db *gorm.DB) (string, error) {
			var p Patient
			err := db.Preload("Doctor").Preload("Letters").First(&p).Error
			if p.Doctor.Email != "dr@"+secret || p.Letters[0].Body != secret+" letter" {
				return "not loaded", err
			}
			return p.Email, err
		},
		"Association": func(db *gorm.DB) (string, error) {
			var letters []Letter
			err := db.Model(&ann).Association("Letters").Find(&letters)
			if letters[0].Body != secret+" letter" {
				return "no letter", err
			}
			return want, err
		},
		"FindInBatches": func(db *gorm.DB) (email string, err error) {
			var p []Patient
			err = db.FindInBatches(&p, 1, func(*gorm.DB, int) error { email = p[0].Email; return nil }).Error
			return email, err
		},
		"Returning": func(db *gorm.DB) (string, error) {
			var p Patient
			err := db.Model(&p).Clauses(clause.Returning{}).Where("id = ?", ann.ID).Update("name", "ann").Error
			return p.Email, err
		},
		"generics": func(db *gorm.DB) (string, error) {
			p, err := gorm.G[Patient](db).First(db.Statement.Context)
			return p.Email, err
		},
		"prepared": func(db *gorm.DB) (string, error) {
			var p Patient
			err := db.Session(&gorm.Session{PrepareStmt: true}).First(&p).Error
			return p.Email, err
		},
		"from a sub-query": func(db *gorm.DB) (string, error) {
			var p Patient
			err := db.Table("(?) AS q", c.db.Model(&Patient{}).Select("id", "email")).Scan(&p).Error
			return p.Email, err
		},
	} {
		got, err := read(c.as())
		require.NoError(t, err, way)
		require.Equal(t, want, got, way)
	}
	c.requireSealed(t)
}

// Rows of several tenants are opened with the keys of each.
func TestEncryptedReadsOfSeveralTenants(t *testing.T) {
	t.Parallel()
	c, ann := newWard(t)
	child, err := c.st.Tenants.Create(t.Context(), core.NewTenant{Name: "Child", Slug: "child", Parent: c.tenant})
	require.NoError(t, err)
	carl := patient("carl")
	carl.Doctor = &Doctor{Email: "carls@" + secret}
	require.NoError(t, c.db.WithContext(core.WithTenant(t.Context(), child.ID)).Create(&carl).Error)
	for name, ctx := range map[string]context.Context{
		"subtree": core.WithSubtree(t.Context(), c.tenant), "system": asSystemContext(t),
	} {
		db := c.db.WithContext(ctx)
		var all []Patient
		require.NoError(t, db.Joins("Doctor").Preload("Letters").Order("patients.id").Find(&all).Error, name)
		require.Len(t, all, 2, name)
		require.Equal(t, []string{ann.Email, carl.Email}, []string{all[0].Email, all[1].Email}, name)
		require.Equal(t, "carls@"+secret, all[1].Doctor.Email, name)
		require.Equal(t, secret+" letter", all[0].Letters[0].Body, name)
		// A blind index is computed with one tenant's key.
		err := db.Where("email = ?", ann.Email).Find(&all).Error
		require.ErrorIs(t, err, gormstratum.ErrEncrypted, name)
		require.ErrorContains(t, err, "gormstratum.ForEachTenant", name)
		require.ErrorIs(t, db.Model(&Patient{}).Pluck("email", &[]string{}).Error, gormstratum.ErrEncrypted, name)
	}
}

// A LEFT JOIN that finds nothing leaves no relation, as without encryption.
func TestEncryptedRelationThatIsMissing(t *testing.T) {
	t.Parallel()
	c, _ := newWard(t)
	c.add(t, "bob")
	var all []Patient
	require.NoError(t, c.as().Joins("Doctor").Order("patients.id").Find(&all).Error)
	require.NotNil(t, all[0].Doctor)
	require.Nil(t, all[1].Doctor)
	var bob Patient
	require.NoError(t, c.as().Joins("Doctor").Where("patients.name = ?", "bob").First(&bob).Error)
	require.Nil(t, bob.Doctor)
}

func TestRefusedReads(t *testing.T) {
	t.Parallel()
	c, ann := newWard(t)
	db, system := c.as(), c.db.WithContext(asSystemContext(t))
	var (
		text   string
		number int64
		v      struct{ Email string }
		b      []byte
	)
	for name, err := range map[string]error{
		"expression":      db.Model(&Patient{}).Select("upper(email::text) AS email").Scan(&v).Error,
		"max":             db.Model(&Patient{}).Select("max(email)").Scan(&text).Error,
		"cast":            db.Raw("SELECT email::text FROM patients").Scan(&text).Error,
		"encode":          db.Raw("SELECT encode(email, 'hex') FROM patients").Row().Scan(&text),
		"coalesce":        db.Raw("SELECT coalesce(email, '') FROM patients").Scan(&b).Error,
		"case":            db.Raw("SELECT CASE WHEN true THEN email END FROM patients").Scan(&b).Error,
		"row":             db.Raw("SELECT (SELECT email FROM patients) || 'x'").Scan(&b).Error,
		"whole row":       db.Raw("SELECT row_to_json(p) FROM patients p").Scan(&text).Error,
		"whole row alone": db.Raw("SELECT p FROM patients p").Scan(&text).Error,
		"all in a call":   db.Raw("SELECT json_agg(patients.*) FROM patients").Scan(&text).Error,
		"cast of a row":   db.Model(&Patient{}).Select("patients::text").Scan(&text).Error,
		"shadowed alias":  db.Raw("SELECT d.id FROM doctors d WHERE d.email = 'x' AND EXISTS (SELECT FROM letters d)").Scan(&v).Error,
		"distinct":        db.Model(&Patient{}).Distinct("email").Scan(&[]string{}).Error,
		"count distinct":  db.Model(&Patient{}).Distinct("email").Count(&number).Error,
		"two of the name": db.Raw("SELECT p.email, d.email FROM patients p, doctors d").Scan(&v).Error,
		"another name":    db.Raw("SELECT q.x FROM (SELECT p.* FROM patients p) q (id, name, x)").Scan(&b).Error,
		"no tenant":       system.Model(&Patient{}).Pluck("email", &[]string{}).Error,
	} {
		require.ErrorIs(t, err, gormstratum.ErrEncrypted, name)
		require.Empty(t, text+v.Email+string(b), name)
	}
	require.ErrorIs(t, system.Raw("SELECT email, 'x' AS tenant_id FROM patients").Scan(&v).Error, core.ErrDecrypt)
	// What the plugin does not see is not opened, and not handed out either.
	rows, err := c.st.DB().QueryContext(c.ctx, "SELECT * FROM patients")
	require.NoError(t, err)
	defer func() { _ = rows.Close() }()
	require.True(t, rows.Next())
	require.ErrorIs(t, db.ScanRows(rows, &Patient{}), gormstratum.ErrEncrypted)
	require.NoError(t, rows.Err())

	stored := c.db.WithContext(gormstratum.AsStored(c.ctx))
	require.NoError(t, stored.Model(&Patient{}).Select("email").Row().Scan(&b))
	require.Equal(t, c.stored(t, "patients")[0]["email"], b)
	require.NoError(t, stored.Model(&Patient{}).Where("length(email) > ?", 10).Count(&number).Error)
	require.Equal(t, int64(1), number)
	require.ErrorIs(t, stored.First(&Patient{}).Error, gormstratum.ErrEncrypted)
	require.NoError(t, stored.Model(&ann).Update("email", "stored@"+secret).Error)
	require.NoError(t, db.Where("email = ?", "stored@"+secret).First(&Patient{}).Error)
	c.requireSealed(t)
}

// A column that is not as Migrate leaves it is not taken for an encrypted one.
func TestEncryptedColumnOfAnotherType(t *testing.T) {
	t.Parallel()
	c, _ := newWard(t)
	c.admin(t, "ALTER TABLE patients DROP CONSTRAINT chk_patients_notes_sealed, ALTER notes TYPE text USING 'x'")
	require.ErrorIs(t, c.as().First(&Patient{}).Error, gormstratum.ErrEncrypted)
	require.ErrorIs(t, c.as().Model(&Patient{}).Pluck("notes", &[]string{}).Error, gormstratum.ErrEncrypted)
}

// A value that was moved, copied or changed is not opened.
func TestEncryptedAttacks(t *testing.T) {
	t.Parallel()
	c, ann := newWard(t)
	bob := c.add(t, "bob")
	bolt := c.desk.tenant(t, "bolt")
	carl := patient("carl")
	require.NoError(t, c.db.WithContext(bolt).Create(&carl).Error)
	before := c.stored(t, "patients")
	for name, attack := range map[string]string{
		"another column": "notes = email",
		"another tenant": "notes = (SELECT notes FROM patients WHERE name = 'carl')",
		"another table":  "notes = (SELECT body FROM letters LIMIT 1)",
		"truncated":      "notes = substring(notes, 1, length(notes) - 1)",
		"flipped":        "notes = set_byte(notes, 30, get_byte(notes, 30) # 1)",
		"version":        "notes = set_byte(notes, 4, 2)",
		"longer":         `notes = notes || '\x00'`,
	} {
		c.admin(t, "UPDATE patients SET "+attack+" WHERE name = 'ann'")
		require.ErrorIs(t, c.as().First(&Patient{}, ann.ID).Error, core.ErrDecrypt, name)
		require.ErrorIs(t, c.as().Model(&Patient{}).Where("id = ?", ann.ID).Pluck("notes", &[]string{}).Error,
			core.ErrDecrypt, name)
		var rest Patient
		require.NoError(t, c.as().Omit("Notes").First(&rest, ann.ID).Error, "the other columns stay readable")
		require.Equal(t, ann.Email, rest.Email)
		c.admin(t, "UPDATE patients SET notes = $1 WHERE name = 'ann'", before[0]["notes"])
	}
	c.admin(t, "UPDATE patients SET blood = notes WHERE name = 'bob'")
	require.ErrorIs(t, c.as().Model(&Patient{}).Where("blood = ?", bob.Blood).Update("name", "x").Error, core.ErrDecrypt)
	c.admin(t, "UPDATE patients SET blood = $1 WHERE name = 'bob'", before[1]["blood"])
	require.NoError(t, c.as().First(&Patient{}, bob.ID).Error)
	require.NoError(t, c.as().First(&Patient{}, ann.ID).Error)
}

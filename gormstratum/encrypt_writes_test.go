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

// sealedWrite is a way to write the address new@canary to the row of ann, or to a new one.
type sealedWrite func(db *gorm.DB, ann Patient) error

const newEmail = "new@" + secret

func assign(column string, value any) clause.Assignment {
	return clause.Assignment{Column: clause.Column{Name: column}, Value: value}
}

func creations() map[string]sealedWrite {
	return map[string]sealedWrite{
		"Create":          func(db *gorm.DB, _ Patient) error { p := patient("new"); return db.Create(&p).Error },
		"Create by value": func(db *gorm.DB, _ Patient) error { return db.Create(&Patient{Email: newEmail}).Error },
		"Create slice":    func(db *gorm.DB, _ Patient) error { return db.Create([]Patient{patient("new"), patient("x")}).Error },
		"Create pointers": func(db *gorm.DB, _ Patient) error { p := patient("new"); return db.Create([]*Patient{&p}).Error },
		"CreateInBatches": func(db *gorm.DB, _ Patient) error { return db.CreateInBatches([]Patient{patient("new")}, 1).Error },
		"Create selected": func(db *gorm.DB, _ Patient) error { p := patient("new"); return db.Select("Email").Create(&p).Error },
		"Save of a new":   func(db *gorm.DB, _ Patient) error { p := patient("new"); return db.Save(&p).Error },
		"Create returning": func(db *gorm.DB, _ Patient) error {
			p := patient("new")
			return db.Clauses(clause.Returning{}).Create(&p).Error
		},
		"Create map": func(db *gorm.DB, _ Patient) error {
			return db.Model(&Patient{}).Create(map[string]any{"email": newEmail, "Phone": secret, "visits": 5}).Error
		},
		"Create maps": func(db *gorm.DB, _ Patient) error {
			return db.Table("patients").Create([]map[string]any{{"email": newEmail}, {"email": "y@" + secret}}).Error
		},
		"Create map into a table": func(db *gorm.DB, _ Patient) error {
			return db.Table("patients").Create(map[string]any{"email": newEmail}).Error
		},
		"Create of another type": func(db *gorm.DB, _ Patient) error {
			return db.Table("patients").Create(&struct{ Email, Notes string }{newEmail, secret}).Error
		},
		"FirstOrCreate": func(db *gorm.DB, _ Patient) error {
			return db.FirstOrCreate(&Patient{}, Patient{Email: newEmail}).Error
		},
		"FirstOrCreate with text": func(db *gorm.DB, _ Patient) error {
			return db.Where("email = ?", newEmail).Attrs("email", newEmail).FirstOrCreate(&Patient{}).Error
		},
		"FirstOrCreate with Attrs": func(db *gorm.DB, _ Patient) error {
			return db.Where(Patient{Name: "new"}).Attrs(Patient{Email: newEmail}).FirstOrCreate(&Patient{}).Error
		},
		"FirstOrCreate with Attrs map": func(db *gorm.DB, _ Patient) error {
			return db.Where(Patient{Name: "new"}).Attrs(map[string]any{"email": newEmail}).FirstOrCreate(&Patient{}).Error
		},
		"generics Create": func(db *gorm.DB, _ Patient) error {
			p := patient("new")
			return gorm.G[Patient](db).Create(db.Statement.Context, &p)
		},
		"generics Set Create": func(db *gorm.DB, _ Patient) error {
			return gorm.G[Patient](db).Set(assign("email", newEmail)).Create(db.Statement.Context)
		},
		"association": func(db *gorm.DB, ann Patient) error {
			if err := db.Model(&ann).Association("Letters").Append(&Letter{Body: secret}); err != nil {
				return err
			}
			p := patient("new")
			p.Letters, p.Doctor = []Letter{{Body: secret}}, &Doctor{Email: "dr@" + secret}
			return db.Create(&p).Error
		},
		"OnConflict DoUpdates with a new row": func(db *gorm.DB, _ Patient) error {
			p := patient("new")
			return db.Clauses(clause.OnConflict{
				Columns: []clause.Column{{Name: "email"}}, DoUpdates: clause.AssignmentColumns([]string{"email", "notes"}),
			}).Create(&p).Error
		},
	}
}

func updates() map[string]sealedWrite {
	conflict := func(p Patient, set clause.Set) (clause.OnConflict, *Patient) {
		p.Name = "again"
		return clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, DoUpdates: set}, &p
	}
	return map[string]sealedWrite{
		"Save":           func(db *gorm.DB, p Patient) error { p.Email = newEmail; return db.Save(&p).Error },
		"Updates struct": func(db *gorm.DB, p Patient) error { return db.Model(&p).Updates(Patient{Email: newEmail}).Error },
		"Updates map": func(db *gorm.DB, p Patient) error {
			return db.Model(&p).Updates(map[string]any{"email": newEmail}).Error
		},
		"Updates by field": func(db *gorm.DB, p Patient) error {
			return db.Model(&p).Updates(map[string]any{"Email": newEmail}).Error
		},
		"Updates selected": func(db *gorm.DB, p Patient) error {
			return db.Model(&p).Select("Email").Updates(Patient{Email: newEmail, Name: "x"}).Error
		},
		"Updates of another type": func(db *gorm.DB, p Patient) error {
			return db.Model(&p).Updates(struct{ Email string }{newEmail}).Error
		},
		"Updates of a table": func(db *gorm.DB, p Patient) error {
			return db.Table("patients").Where("id = ?", p.ID).Updates(map[string]any{"email": newEmail}).Error
		},
		"Update": func(db *gorm.DB, p Patient) error { return db.Model(&p).Update("email", newEmail).Error },
		"Update pointer": func(db *gorm.DB, p Patient) error {
			email := newEmail
			return db.Model(&p).Update("email", &email).Error
		},
		"UpdateColumn":  func(db *gorm.DB, p Patient) error { return db.Model(&p).UpdateColumn("email", newEmail).Error },
		"UpdateColumns": func(db *gorm.DB, p Patient) error { return db.Model(&p).UpdateColumns(Patient{Email: newEmail}).Error },
		"Update where": func(db *gorm.DB, p Patient) error {
			return db.Model(&Patient{}).Where("email = ?", p.Email).Update("email", newEmail).Error
		},
		"Update returning": func(db *gorm.DB, p Patient) error {
			return db.Model(&p).Clauses(clause.Returning{}).Update("email", newEmail).Error
		},
		"Assign map": func(db *gorm.DB, p Patient) error {
			return db.Where("id = ?", p.ID).Assign(map[string]any{"email": newEmail}).FirstOrCreate(&Patient{}).Error
		},
		"Assign struct": func(db *gorm.DB, p Patient) error {
			return db.Where("id = ?", p.ID).Assign(Patient{Email: newEmail}).FirstOrCreate(&Patient{}).Error
		},
		"generics Update": func(db *gorm.DB, p Patient) error {
			_, err := gorm.G[Patient](db).Where("id = ?", p.ID).Update(db.Statement.Context, "email", newEmail)
			return err
		},
		"generics Updates": func(db *gorm.DB, p Patient) error {
			_, err := gorm.G[Patient](db).Where("id = ?", p.ID).Updates(db.Statement.Context, Patient{Email: newEmail})
			return err
		},
		"generics Set": func(db *gorm.DB, p Patient) error {
			_, err := gorm.G[Patient](db).Where("id = ?", p.ID).Set(assign("email", newEmail)).Update(db.Statement.Context)
			return err
		},
		"OnConflict UpdateAll": func(db *gorm.DB, p Patient) error {
			p.Email = newEmail
			return db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&p).Error
		},
		"OnConflict AssignmentColumns": func(db *gorm.DB, p Patient) error {
			p.Email = newEmail
			c, row := conflict(p, clause.AssignmentColumns([]string{"email"}))
			return db.Clauses(c).Create(row).Error
		},
		"OnConflict Assignments": func(db *gorm.DB, p Patient) error {
			c, row := conflict(p, clause.Assignments(map[string]any{"email": newEmail}))
			return db.Clauses(c).Create(row).Error
		},
		"OnConflict on the encrypted column": func(db *gorm.DB, p Patient) error {
			row := patient("other")
			row.Email = p.Email
			return db.Clauses(clause.OnConflict{
				Columns: []clause.Column{{Name: "email"}}, DoUpdates: clause.Assignments(map[string]any{"email": newEmail}),
			}).Create(&row).Error
		},
		"in a transaction": func(db *gorm.DB, p Patient) error {
			return db.Transaction(func(tx *gorm.DB) error { return tx.Model(&p).Update("email", newEmail).Error })
		},
		"prepared": func(db *gorm.DB, p Patient) error {
			return db.Session(&gorm.Session{PrepareStmt: true}).Model(&p).Update("email", newEmail).Error
		},
	}
}

// Every way to write ends in sealed bytes, with the blind index that finds them.
func TestEncryptedWrites(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	for name, creates := range map[string]map[string]sealedWrite{"creates": creations(), "updates": updates()} {
		for way, write := range creates {
			require.NoError(t, c.as().Where("1 = 1").Delete(&Letter{}).Error)
			require.NoError(t, c.as().Where("1 = 1").Delete(&Patient{}).Error)
			require.NoError(t, c.as().Where("1 = 1").Delete(&Doctor{}).Error)
			ann := c.add(t, "ann")
			require.NoError(t, write(c.as(), ann), way)
			c.requireSealed(t)
			var found []Patient
			require.NoError(t, c.as().Where("email = ?", "NEW@"+secret+" ").Find(&found).Error, way)
			require.Len(t, found, 1, way)
			require.Equal(t, newEmail, found[0].Email, way)
			require.Equal(t, name == "creates", found[0].ID != ann.ID, way)
		}
	}
}

// What the database would compute cannot be sealed.
func TestRefusedWrites(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	ann := c.add(t, "ann")
	before := c.stored(t, "patients")
	db, system := c.as(), c.db.WithContext(asSystemContext(t))
	sub := c.db.Model(&Patient{}).Select("name").Limit(1)
	onID := []clause.Column{{Name: "id"}}
	for name, err := range map[string]error{
		"Expr":          db.Model(&ann).Update("email", gorm.Expr("upper(name)")).Error,
		"Expr of a map": db.Model(&ann).Updates(map[string]any{"notes": gorm.Expr("?", secret)}).Error,
		"UpdateColumn":  db.Model(&ann).UpdateColumn("email", gorm.Expr("email || 'x'")).Error,
		"sub-query":     db.Model(&ann).Update("email", sub).Error,
		"Create":        db.Model(&Patient{}).Create(map[string]any{"email": gorm.Expr("'x'")}).Error,
		"column":        db.Model(&ann).Update("email", clause.Column{Name: "name"}).Error,
		"OnConflict": db.Clauses(clause.OnConflict{
			Columns: onID, DoUpdates: clause.Assignments(map[string]any{"email": gorm.Expr("excluded.name")}),
		}).Create(&Patient{ID: ann.ID}).Error,
		"blind index": db.Model(&ann).UpdateColumn("email_bidx", []byte("x")).Error,
		"new index":   db.Model(&Patient{}).Create(map[string]any{"email_bidx": []byte("x")}).Error,
		"raw UPDATE":  db.Exec("UPDATE patients SET email = ?", secret).Error,
		"raw INSERT":  db.Exec("INSERT INTO patients (name, email) VALUES ('x', ?)", secret).Error,
		"raw upsert": db.Exec("INSERT INTO patients (id, name) VALUES (?, 'x') ON CONFLICT (id) DO UPDATE SET notes = ?",
			ann.ID, secret).Error,
		"system UPDATE": system.Model(&ann).Update("email", secret).Error,
	} {
		require.ErrorIs(t, err, gormstratum.ErrEncrypted, name)
		require.NotContains(t, err.Error(), secret, name)
	}
	require.ErrorContains(t, db.Model(&ann).Update("email", gorm.Expr("upper(name)")).Error, `"patients"."email"`)
	err := db.Model(&ann).Update("visits", "many "+secret).Error
	require.ErrorContains(t, err, `"patients"."visits"`)
	require.NotContains(t, err.Error(), secret)
	require.ErrorIs(t, system.Create(&Patient{Name: "x"}).Error, gormstratum.ErrTenantID)
	require.ErrorIs(t, system.Omit("TenantID").Create(&Patient{Tenant: gormstratum.Tenant{TenantID: c.tenant}}).Error,
		gormstratum.ErrTenantID)
	require.Equal(t, before, c.stored(t, "patients"))
	c.requireSealed(t)

	p := patient("by the system")
	p.TenantID = c.tenant
	require.NoError(t, system.Create(&p).Error)
	require.NoError(t, db.Where("email = ?", p.Email).First(&Patient{}).Error)
	require.ErrorIs(t, db.Create(&Patient{Email: "ANN@" + secret}).Error, core.ErrDuplicateKey)
	require.NoError(t, c.db.WithContext(c.desk.tenant(t, "bolt")).Create(&Patient{Email: ann.Email}).Error,
		"unique per tenant")
	c.requireSealed(t)
}

// The database refuses what is not sealed, whoever writes it.
func TestPlaintextIsRefusedByTheDatabase(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	ann := c.add(t, "ann")
	for _, value := range [][]byte{
		{},
		[]byte("x"), []byte(secret), []byte(secret + " that is longer than a sealed value must be"),
		append([]byte{1, 0, 0, 0, 0}, make([]byte, 40)...), append([]byte{3, 0, 0, 0, 1}, make([]byte, 40)...),
		append([]byte{1, 0, 0, 0, 1}, make([]byte, 27)...),
	} {
		_, err := c.st.DB().ExecContext(c.ctx, "UPDATE patients SET notes = $2 WHERE id = $1", ann.ID, value)
		require.ErrorContains(t, err, "chk_patients_notes_sealed")
	}
	_, err := c.st.DB().ExecContext(core.WithTenant(t.Context(), uuid.New()), "UPDATE patients SET notes = NULL")
	require.Error(t, err, "no such tenant")
}

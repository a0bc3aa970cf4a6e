package entstratum_test

import (
	"context"
	"maps"
	"testing"
	"time"

	entgo "entgo.io/ent"
	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/entstratum/internal/clinic/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/clinic/ent/care"
	"github.com/stratum-hq/stratum-go/entstratum/internal/clinic/ent/doctor"
	"github.com/stratum-hq/stratum-go/entstratum/internal/clinic/ent/patient"
	"github.com/stratum-hq/stratum-go/entstratum/internal/clinic/schema"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// sealedWrite is a way to write the address new@canary to the row of ann, or to a new one.
type sealedWrite func(ctx context.Context, c *ent.Client, ann *ent.Patient) error

const newEmail = "new@" + secret

func creations() map[string]sealedWrite {
	return map[string]sealedWrite{
		"Create": func(ctx context.Context, c *ent.Client, _ *ent.Patient) error {
			return patientOf(c.Patient.Create(), "new").Exec(ctx)
		},
		"Create with as little as can be": func(ctx context.Context, c *ent.Client, _ *ent.Patient) error {
			return c.Patient.Create().SetEmail(newEmail).Exec(ctx)
		},
		"Create with nil": func(ctx context.Context, c *ent.Client, _ *ent.Patient) error {
			return c.Patient.Create().SetEmail(newEmail).SetNillablePhone(nil).SetNillableToken(nil).Exec(ctx)
		},
		"CreateBulk": func(ctx context.Context, c *ent.Client, _ *ent.Patient) error {
			return c.Patient.CreateBulk(
				patientOf(c.Patient.Create(), "new"), c.Patient.Create().SetEmail("x@"+secret).SetCard(secret),
				patientOf(c.Patient.Create(), "y"),
			).Exec(ctx)
		},
		"MapCreateBulk": func(ctx context.Context, c *ent.Client, _ *ent.Patient) error {
			return c.Patient.MapCreateBulk([]string{"new", "x"}, func(p *ent.PatientCreate, i int) {
				patientOf(p, []string{"new", "x"}[i])
			}).Exec(ctx)
		},
		"with edges": func(ctx context.Context, c *ent.Client, ann *ent.Patient) error {
			letter := c.Letter.Create().SetBody(secret).SaveX(ctx)
			dr := c.Doctor.Create().SetEmail("dr@" + secret).SaveX(ctx)
			return patientOf(c.Patient.Create(), "new").AddLetters(letter).SetDoctor(dr).AddFriends(ann).AddHelpers(dr).
				Exec(ctx)
		},
		"upsert of a new row": func(ctx context.Context, c *ent.Client, _ *ent.Patient) error {
			return patientOf(c.Patient.Create(), "new").OnConflictColumns(patient.FieldTenantID, patient.FieldEmail).
				Update(func(u *ent.PatientUpsert) { u.UpdateName().UpdateNotes() }).Exec(ctx)
		},
		"upsert of new rows": func(ctx context.Context, c *ent.Client, _ *ent.Patient) error {
			return c.Patient.CreateBulk(patientOf(c.Patient.Create(), "new"), patientOf(c.Patient.Create(), "x")).
				OnConflictColumns(patient.FieldID).UpdateNewValues().Exec(ctx)
		},
		"DoNothing": func(ctx context.Context, c *ent.Client, _ *ent.Patient) error {
			return patientOf(c.Patient.Create(), "new").OnConflict(sql.DoNothing()).Exec(ctx)
		},
		"raw": func(ctx context.Context, c *ent.Client, _ *ent.Patient) error {
			_, err := c.ExecContext(ctx, `INSERT INTO patients AS p (id, name, email, blood, notes, weight, visits, insured,
				state, seen, token, card) VALUES (gen_random_uuid(), 'new', $2, $1, $4, $6, $7, $8, $3, $5, DEFAULT, NULL)`, "a", newEmail, "ill",
				secret, time.Now(), 5, 6, true)
			return err
		},
	}
}

func updates() map[string]sealedWrite {
	return map[string]sealedWrite{
		"Update": func(ctx context.Context, c *ent.Client, ann *ent.Patient) error {
			return c.Patient.Update().Where(patient.ID(ann.ID)).SetEmail(newEmail).Exec(ctx)
		},
		"Update where": func(ctx context.Context, c *ent.Client, ann *ent.Patient) error {
			return c.Patient.Update().Where(patient.Email(ann.Email), patient.Blood(ann.Blood)).SetEmail(newEmail).Exec(ctx)
		},
		"UpdateOne": func(ctx context.Context, c *ent.Client, ann *ent.Patient) error {
			return c.Patient.UpdateOne(ann).SetEmail(newEmail).SetSsn(secret).Exec(ctx)
		},
		"UpdateOneID": func(ctx context.Context, c *ent.Client, ann *ent.Patient) error {
			p, err := c.Patient.UpdateOneID(ann.ID).SetEmail(newEmail).SetHome(schema.Lodging{City: secret}).
				SetScan([]byte(secret)).SetBorn(time.Now()).SetWeight(1).SetInsured(false).SetToken(uuid.New()).Save(ctx)
			if err == nil && (p.Email != newEmail || p.Home.City != secret || p.Notes != ann.Notes || p.Ssn != ann.Ssn) {
				return context.Canceled // it came back as something else
			}
			return err
		},
		"UpdateOneID where": func(ctx context.Context, c *ent.Client, ann *ent.Patient) error {
			return c.Patient.UpdateOneID(ann.ID).Where(patient.Or(patient.Name("x"), patient.Email(ann.Email))).
				SetEmail(newEmail).SetSsn(secret).Exec(ctx)
		},
		"cleared": func(ctx context.Context, c *ent.Client, ann *ent.Patient) error {
			return c.Patient.UpdateOneID(ann.ID).SetEmail(newEmail).ClearPhone().ClearSsn().ClearHome().ClearToken().
				ClearCard().Exec(ctx)
		},
		"Select": func(ctx context.Context, c *ent.Client, ann *ent.Patient) error {
			return c.Patient.UpdateOneID(ann.ID).SetEmail(newEmail).Select(patient.FieldEmail).Exec(ctx)
		},
		"UpdateNewValues": func(ctx context.Context, c *ent.Client, ann *ent.Patient) error {
			return patientOf(c.Patient.Create(), "new").SetID(ann.ID).OnConflictColumns(patient.FieldID).UpdateNewValues().
				Exec(ctx)
		},
		"UpdateNewValues in bulk": func(ctx context.Context, c *ent.Client, ann *ent.Patient) error {
			return c.Patient.CreateBulk(patientOf(c.Patient.Create(), "new").SetID(ann.ID)).
				OnConflictColumns(patient.FieldID).UpdateNewValues().Exec(ctx)
		},
		"upsert by the address": func(ctx context.Context, c *ent.Client, ann *ent.Patient) error {
			return patientOf(c.Patient.Create(), "ann").OnConflictColumns(patient.FieldEmail).
				Update(func(u *ent.PatientUpsert) {
					u.SetEmail(newEmail).UpdateCard().ClearPhone().SetVisits(7).SetHome(schema.Lodging{City: secret})
				}).Exec(ctx)
		},
		"upsert with a condition": func(ctx context.Context, c *ent.Client, ann *ent.Patient) error {
			return patientOf(c.Patient.Create(), "new").SetID(ann.ID).OnConflict(
				sql.ConflictColumns(patient.FieldID), sql.ResolveWithNewValues(),
				sql.UpdateWhere(sql.EQ(patient.FieldEmail, ann.Email)),
			).Exec(ctx)
		},
		"Modify": func(ctx context.Context, c *ent.Client, ann *ent.Patient) error {
			return c.Patient.Update().Where(patient.ID(ann.ID)).Modify(func(u *sql.UpdateBuilder) {
				u.Set(patient.FieldEmail, newEmail).SetNull(patient.FieldPhone)
			}).Exec(ctx)
		},
		"hook": func(ctx context.Context, c *ent.Client, ann *ent.Patient) error {
			c.Patient.Use(func(next entgo.Mutator) entgo.Mutator {
				return entgo.MutateFunc(func(ctx context.Context, m entgo.Mutation) (entgo.Value, error) {
					if err := m.SetField(patient.FieldEmail, newEmail); err != nil {
						return nil, err
					}
					return next.Mutate(ctx, m)
				})
			})
			return c.Patient.UpdateOneID(ann.ID).SetName("ann").Exec(ctx)
		},
		"raw": func(ctx context.Context, c *ent.Client, ann *ent.Patient) error {
			_, err := c.ExecContext(ctx, `UPDATE patients AS p SET email = $1, phone = NULL, name = 'ann'
				WHERE p.email = $2 AND p.id = $3`, newEmail, ann.Email, ann.ID)
			return err
		},
	}
}

// Every way to write ends in a sealed value that is found, or in an error: with the client, in a transaction, and with
// a client that logs. None is stored or logged in the clear.
func TestEncryptedWrites(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	ways := creations()
	for way, write := range updates() {
		ways["to a row: "+way] = write
	}
	for way, write := range ways {
		for who, run := range map[string]func(write func(*ent.Client) error) error{
			"client": func(write func(*ent.Client) error) error { return write(ent.OpenStratum(c.st, ent.Log(c.log.print))) },
			"debug": func(write func(*ent.Client) error) error {
				return write(ent.OpenStratum(c.st, ent.Log(c.log.print)).Debug())
			},
			"driver": func(write func(*ent.Client) error) error {
				return write(ent.NewClient(ent.Driver(entstratum.Driver(c.st)), ent.Debug(), ent.Log(c.log.print)))
			},
			"transaction": func(write func(*ent.Client) error) error {
				tx, err := ent.OpenStratum(c.st, ent.Log(c.log.print)).Debug().BeginTx(c.ctx, nil)
				if err != nil {
					return err
				}
				if err := write(tx.Client()); err != nil {
					_ = tx.Rollback()
					return err
				}
				return tx.Commit()
			},
		} {
			require.NoError(t, c.admin(t, "TRUNCATE patients, letters, doctors CASCADE"))
			ann := c.add(t, "ann")
			require.NoError(t, run(func(client *ent.Client) error { return write(c.ctx, client, ann) }), "%s: %s", who, way)
			found, err := c.client.Patient.Query().Where(patient.Email(newEmail)).Only(c.ctx)
			require.NoError(t, err, "%s: %s", who, way)
			require.Equal(t, newEmail, found.Email, "%s: %s", who, way)
			c.requireSealed(t)
		}
	}
}

// The blind indexes follow what is written.
func TestBlindIndexesAreWritten(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	ann := c.add(t, "ann")
	before := c.stored(t, "patients", "id")[0]
	for _, column := range []string{
		"email_bidx", "phone_bidx", "blood_bidx", "card_bidx", "card_last4_bidx", "social_bidx", "born_bidx", "visits_bidx",
		"state_bidx", "token_bidx",
	} {
		require.NotEmpty(t, before[column], column)
	}
	require.NoError(t, c.client.Patient.UpdateOne(ann).SetCard("5555").ClearPhone().Exec(c.ctx))
	after := c.stored(t, "patients", "id")[0]
	require.NotEqual(t, before["card_bidx"], after["card_bidx"])
	require.NotEqual(t, before["card_last4_bidx"], after["card_last4_bidx"])
	require.Nil(t, after["phone"])
	require.Nil(t, after["phone_bidx"])
	require.Equal(t, before["email_bidx"], after["email_bidx"])
	require.Equal(t, before["email"], after["email"], "what was not written is as it was")
	_, err := c.client.Patient.Create().SetEmail(" ANN@" + secret).Save(c.ctx)
	require.True(t, ent.IsConstraintError(err), "it is unique in the tenant, however it is written: %v", err)
	require.NoError(t, c.client.Patient.Create().SetEmail("ann@"+secret).Exec(c.newTenant(t, "bolt")))
	err = patientOf(c.client.Patient.Create(), "ann").OnConflictColumns(patient.FieldEmail).Ignore().Exec(c.ctx)
	require.NoError(t, err)
	require.Equal(t, after, c.stored(t, "patients", "name DESC")[0], "Ignore leaves all as it was")
	c.requireSealed(t)
}

// The rows of an edge schema are sealed, also those that ent makes for an edge.
func TestEncryptedEdgeSchemas(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	dr := c.client.Doctor.Create().SetEmail("dr@" + secret).SaveX(c.ctx)
	ann := patientOf(c.client.Patient.Create(), "ann").AddHelpers(dr).SaveX(c.ctx)
	bob := c.add(t, "bob")
	require.NoError(t, c.client.Care.Create().SetPatient(bob).SetDoctor(dr).SetReason(secret+" other").Exec(c.ctx))
	c.requireSealed(t)
	made, err := c.client.Care.Query().Where(care.Reason("canary reason")).Only(c.ctx)
	require.NoError(t, err)
	require.Equal(t, ann.ID, made.PatientID)
	require.NoError(t, c.client.Care.Update().Where(care.Reason(secret+" other")).SetReason(newEmail).Exec(c.ctx))
	require.NoError(t, c.client.Care.UpdateOne(made).SetReason(secret).Exec(c.ctx))
	other, err := c.client.Patient.Query().Where(patient.HasCaresWith(care.Reason(newEmail))).Only(c.ctx)
	require.NoError(t, err)
	require.Equal(t, bob.ID, other.ID)
	require.NoError(t, c.client.Care.Create().SetPatient(ann).SetDoctor(dr).SetReason(secret+" 3").
		OnConflictColumns(care.FieldPatientID, care.FieldDoctorID).UpdateNewValues().Exec(c.ctx))
	require.Equal(t, secret+" 3", c.client.Care.Query().Where(care.PatientID(ann.ID)).OnlyX(c.ctx).Reason)
	require.NoError(t, ann.Update().RemoveHelpers(dr).Exec(c.ctx))
	require.Equal(t, 1, c.client.Care.Query().CountX(c.ctx))
	c.requireSealed(t)
}

// As the system a row is sealed with the keys of its tenant.
func TestEncryptedWritesAsSystem(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	bolt := c.newTenant(t, "bolt")
	other, _ := core.TenantFrom(bolt)
	system := asSystem(t)
	made, err := c.client.Patient.CreateBulk(
		patientOf(c.client.Patient.Create(), "ann").SetTenantID(c.tenant),
		patientOf(c.client.Patient.Create(), "ann").SetTenantID(other),
	).Save(system)
	require.NoError(t, err)
	require.Equal(t, made[0].ID, c.client.Patient.Query().Where(patient.Email("ann@"+secret)).OnlyIDX(c.ctx))
	require.Equal(t, made[1].ID, c.client.Patient.Query().Where(patient.Email("ann@"+secret)).OnlyIDX(bolt))
	require.ErrorIs(t, patientOf(c.client.Patient.Create(), "x").Exec(system), entstratum.ErrTenantID)
	_, err = c.client.ExecContext(system, "INSERT INTO doctors (id, email) VALUES ($1, $2)", uuid.New(), "x")
	require.ErrorIs(t, err, entstratum.ErrTenantID)
	require.ErrorIs(t, c.client.Patient.UpdateOne(made[0]).SetEmail("x").Exec(system), entstratum.ErrEncrypted)
	require.NoError(t, c.client.Doctor.Update().SetTitle("x").Exec(system))
	// What ON CONFLICT has skipped is looked for with the keys of the row's tenant.
	doctorOf := func(id uuid.UUID) *ent.DoctorCreate {
		return c.client.Doctor.Create().SetTenantID(id).SetEmail("dr@" + secret)
	}
	require.NoError(t, doctorOf(other).Exec(system))
	require.NoError(t, c.client.Doctor.CreateBulk(doctorOf(other)).OnConflict(sql.DoNothing()).Exec(system))
	require.Equal(t, 1, c.client.Doctor.Query().CountX(system))
	require.ErrorIs(t, c.client.Doctor.CreateBulk(
		doctorOf(c.tenant).SetID(c.client.Doctor.Query().OnlyIDX(system)),
	).OnConflictColumns(doctor.FieldID).UpdateNewValues().Exec(system), core.ErrCrossTenant)
	subtree := core.WithSubtree(t.Context(), c.tenant)
	require.NoError(t, patientOf(c.client.Patient.Create(), "sub").Exec(subtree))
	require.Equal(t, 1, c.client.Patient.Query().Where(patient.Email("sub@"+secret)).CountX(c.ctx))
	c.requireSealed(t)
}

func TestRefusedEncryptedWrites(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	ann := c.add(t, "ann")
	before := c.stored(t, "patients", "id")
	all := map[string]error{
		"AddVisits": c.client.Patient.UpdateOne(ann).AddVisits(1).Exec(c.ctx),
		"Append":    c.client.Patient.UpdateOne(ann).AppendAllergies([]string{secret}).Exec(c.ctx),
		"expression": c.client.Patient.Update().Modify(func(u *sql.UpdateBuilder) {
			u.Set(patient.FieldEmail, sql.Expr("upper($1)", secret))
		}).Exec(c.ctx),
		"another column": c.client.Patient.Update().Modify(func(u *sql.UpdateBuilder) {
			u.Set(patient.FieldEmail, sql.Expr("phone"))
		}).Exec(c.ctx),
		"a copy in the clear": c.client.Patient.Update().Modify(func(u *sql.UpdateBuilder) {
			u.Set(patient.FieldName, sql.Expr("email"))
		}).Exec(c.ctx),
		"upsert adds": patientOf(c.client.Patient.Create(), "ann").OnConflictColumns(patient.FieldEmail).
			Update(func(u *ent.PatientUpsert) { u.AddVisits(1) }).Exec(c.ctx),
		"upsert with an expression": patientOf(c.client.Patient.Create(), "ann").OnConflict(
			sql.ConflictColumns(patient.FieldEmail),
			sql.ResolveWith(func(u *sql.UpdateSet) { u.Set(patient.FieldNotes, sql.Expr("excluded.name")) }),
		).Exec(c.ctx),
		"bound upsert by another key": patientOf(c.client.Patient.Create(), "ann").
			OnConflictColumns(patient.FieldEmail).UpdateNewValues().Exec(c.ctx),
		"bound upsert of a value": patientOf(c.client.Patient.Create(), "ann").SetID(ann.ID).
			OnConflictColumns(patient.FieldID).Update(func(u *ent.PatientUpsert) { u.SetSsn("x") }).Exec(c.ctx),
		"bound, of several rows": c.client.Patient.Update().SetSsn(secret).Exec(c.ctx),
		"bound, with an OR": c.client.Patient.Update().Modify(func(u *sql.UpdateBuilder) {
			u.Set(patient.FieldSsn, secret)
			u.Where(sql.ExprP("id = $1 OR true", ann.ID))
		}).Exec(c.ctx),
		"blind index": c.client.Patient.Update().Modify(func(u *sql.UpdateBuilder) {
			u.Set("email_bidx", []byte("x"))
		}).Exec(c.ctx),
		"conflict of sealed values": patientOf(c.client.Patient.Create(), "ann").OnConflictColumns(patient.FieldNotes).
			Ignore().Exec(c.ctx),
		"wrong value": c.client.Patient.Update().Modify(func(u *sql.UpdateBuilder) {
			u.Set(patient.FieldBorn, secret)
		}).Exec(c.ctx),
	}
	maps.Copy(all, c.refusedRawWrites(t, ann))
	for way, err := range all {
		if way == "wrong value" {
			require.ErrorIs(t, err, fieldcrypt.ErrType, way)
		} else {
			require.ErrorIs(t, err, entstratum.ErrEncrypted, way)
		}
		require.NotContains(t, err.Error(), secret, way)
	}
	require.Equal(t, before, c.stored(t, "patients", "id"), "nothing was written")
	c.requireSealed(t)
}

// refusedRawWrites are statements that are not rewritten.
func (c *clinic) refusedRawWrites(t *testing.T, ann *ent.Patient) map[string]error {
	t.Helper()
	errs := make(map[string]error)
	for text, args := range map[string][]any{
		"INSERT INTO doctors (id, email) VALUES (gen_random_uuid(), 'dr@canary')":                     nil,
		"INSERT INTO doctors (id, email) VALUES (gen_random_uuid(), $1::text::bytea)":                 {secret},
		"INSERT INTO doctors (id, email) SELECT gen_random_uuid(), $1":                                {[]byte(secret)},
		"INSERT INTO doctors VALUES (gen_random_uuid(), stratum.tenant_id(), $1)":                     {[]byte(secret)},
		"INSERT INTO doctors (id, title, email) VALUES (gen_random_uuid(), $1, $1)":                   {secret},
		"INSERT INTO doctors (id, email, email_bidx) VALUES (gen_random_uuid(), $1, $1)":              {[]byte(secret)},
		"UPDATE patients SET email = 'x'":                                                             nil,
		"UPDATE patients SET email = notes":                                                           nil,
		"UPDATE patients SET (email, notes) = ($1, $2)":                                               {secret, secret},
		"UPDATE patients SET name = $1, email = $1":                                                   {secret},
		"UPDATE patients SET name = encode(email, 'hex')":                                             nil,
		"WITH x AS (UPDATE patients SET email = $1 RETURNING id) SELECT * FROM x":                     {[]byte(secret)},
		"MERGE INTO patients USING doctors ON false WHEN NOT MATCHED THEN INSERT (email) VALUES ($1)": {[]byte(secret)},
		"UPDATE patients SET email = $9":                                                              {secret},
		"INSERT INTO patients (id, email, social) VALUES (gen_random_uuid(), $1, $2)":                 {"q", secret},
		"UPDATE patients SET social = $1 WHERE name = 'x' AND id = $2":                                {secret, ann.ID},
		"UPDATE patients SET email = (SELECT $1::bytea)":                                              {[]byte(secret)},
		"INSERT INTO letters (id, email) SELECT id, email FROM doctors":                               nil,
		"INSERT INTO letters (id, body, email) SELECT id, email, email FROM patients RETURNING email": nil,
	} {
		_, err := c.client.ExecContext(c.ctx, text, args...)
		errs[text] = err
	}
	return errs
}

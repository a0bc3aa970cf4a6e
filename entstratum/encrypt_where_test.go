package entstratum_test

import (
	"fmt"
	"testing"
	"time"

	"entgo.io/ent/dialect/sql"
	"entgo.io/ent/entql"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/entstratum/internal/clinic/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/clinic/ent/doctor"
	"github.com/stratum-hq/stratum-go/entstratum/internal/clinic/ent/patient"
	"github.com/stratum-hq/stratum-go/entstratum/internal/clinic/ent/predicate"
)

// newCrowd has twelve patients, p00 to p11, and one without optional fields.
func newCrowd(t *testing.T) *clinic {
	t.Helper()
	c := newClinic(t)
	for i := range 12 {
		name := fmt.Sprintf("p%02d", i)
		dr := c.client.Doctor.Create().SetEmail("dr@" + name + secret).SaveX(c.ctx)
		patientOf(c.client.Patient.Create(), name).SetVisits(i).SetBorn(aTime().AddDate(i, 0, 0)).SetDoctor(dr).
			SetToken(uuid.NewSHA1(uuid.Nil, []byte(name))).SetCard(fmt.Sprintf("%s 1111-%04d", secret, i)).SaveX(c.ctx)
	}
	c.client.Patient.Create().SetName("none").SetEmail("none@" + secret).SaveX(c.ctx)
	return c
}

// Conditions find by the blind index what was written, in all the forms that ent has for them.
func TestEncryptedConditions(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	email := func(i int) string { return fmt.Sprintf("p%02d@%s", i, secret) }
	phone := func(i int) string { return fmt.Sprintf("%s phone p%02d", secret, i) }
	blood := func(i int) string { return fmt.Sprintf("%s p%02d", secret, i) }
	few := patient.NameIn("none", "p03", "p05")
	const three, both = "[p03]", "[p03 p05]"
	for way, test := range map[string]struct {
		want  string
		where []predicate.Patient
	}{
		"EQ":                          {three, []predicate.Patient{patient.EmailEQ(email(3))}},
		"normalized":                  {three, []predicate.Patient{patient.Email("  P03@CANARY ")}},
		"In":                          {both, []predicate.Patient{patient.EmailIn(email(3), email(5), "nobody")}},
		"In none":                     {"[]", []predicate.Patient{patient.EmailIn()}},
		"NEQ":                         {"[none p05]", []predicate.Patient{few, patient.EmailNEQ(email(3))}},
		"NotIn":                       {"[none]", []predicate.Patient{few, patient.EmailNotIn(email(3), email(5))}},
		"NEQ, no NULL":                {"[p05]", []predicate.Patient{few, patient.PhoneNEQ(phone(3))}},
		"IsNil":                       {"[none]", []predicate.Patient{patient.PhoneIsNil()}},
		"NotNil":                      {both, []predicate.Patient{few, patient.PhoneNotNil()}},
		"And":                         {three, []predicate.Patient{patient.And(patient.Email(email(3)), patient.Phone(phone(3)))}},
		"Or":                          {both, []predicate.Patient{patient.Or(patient.Email(email(3)), patient.Name("p05"))}},
		"Not":                         {"[p05]", []predicate.Patient{few, patient.Not(patient.Phone(phone(3)))}},
		"label":                       {three, []predicate.Patient{patient.PhoneEQ(phone(3))}},
		"time":                        {three, []predicate.Patient{patient.Born(aTime().AddDate(3, 0, 0).In(time.UTC))}},
		"integer":                     {three, []predicate.Patient{patient.Visits(3), patient.NameNEQ("none")}},
		"uuid":                        {three, []predicate.Patient{patient.Token(uuid.NewSHA1(uuid.Nil, []byte("p03")))}},
		"enum":                        {"[none]", []predicate.Patient{patient.StateEQ(patient.StateIll)}},
		"card":                        {three, []predicate.Patient{patient.Card(secret + " 1111-0003")}},
		"another index":               {three, []predicate.Patient{sql.FieldEQ(patient.FieldCard, entstratum.ByIndex("last4", "1111 0003"))}},
		"another, in":                 {both, []predicate.Patient{sql.FieldIn(patient.FieldCard, entstratum.ByIndex("last4", "0003"), entstratum.ByIndex("last4", "5-0005"))}},
		"truncated":                   {three, []predicate.Patient{patient.Blood(blood(3))}},
		"truncated In":                {both, []predicate.Patient{patient.BloodIn(blood(3), blood(5))}},
		"truncated none":              {"[]", []predicate.Patient{patient.Blood("nobody's")}},
		"truncated NEQ":               {"[none p05]", []predicate.Patient{few, patient.BloodNEQ(blood(3))}},
		"truncated Or":                {both, []predicate.Patient{patient.Or(patient.Blood(blood(3)), patient.Email(email(5)))}},
		"truncated Not":               {"[none p05]", []predicate.Patient{few, patient.Not(patient.Blood(blood(3)))}},
		"truncated, of a bound field": {three, []predicate.Patient{patient.Ssn(secret + " ssn p03")}},
		"truncated, bound, not":       {"[p05]", []predicate.Patient{few, patient.SsnNEQ(secret + " ssn p03")}},
		"edge":                        {three, []predicate.Patient{patient.HasDoctorWith(doctor.Email("dr@p03" + secret))}},
		"there and back": {three, []predicate.Patient{
			patient.HasDoctorWith(doctor.HasPatientsWith(patient.Email(email(3)), patient.Blood(blood(3)))),
		}},
		"by hand":  {three, []predicate.Patient{func(s *sql.Selector) { s.Where(sql.EQ(s.C("email"), email(3))) }}},
		"as text":  {three, []predicate.Patient{func(s *sql.Selector) { s.Where(sql.ExprP("email = $1", email(3))) }}},
		"with OR":  {both, []predicate.Patient{func(s *sql.Selector) { s.Where(sql.ExprP("email = $1 OR name = $2", email(3), "p05")) }}},
		"pointers": {three, []predicate.Patient{sql.FieldEQ(patient.FieldEmail, pointerTo(email(3)))}},
		"sub-query": {three, []predicate.Patient{func(s *sql.Selector) {
			t := sql.Table(patient.Table).As("q")
			s.Where(sql.In(s.C(patient.FieldID), sql.Select(t.C(patient.FieldID)).From(t).
				Where(sql.EQ(t.C(patient.FieldEmail), email(3)))))
		}}},
	} {
		names := c.client.Patient.Query().Where(test.where...).Order(patient.ByName()).Select(patient.FieldName)
		got, err := names.Strings(c.ctx)
		require.NoError(t, err, way)
		require.Equal(t, test.want, fmt.Sprint(got), way)
		n, err := c.client.Patient.Query().Where(test.where...).Count(c.ctx)
		require.NoError(t, err, way)
		require.Equal(t, len(got), n, way)
	}
	q := c.client.Patient.Query()
	q.Filter().WhereEmail(entql.StringEQ(email(3)))
	require.Equal(t, "p03", q.OnlyX(c.ctx).Name)
	q = c.client.Patient.Query()
	q.Filter().WhereEmail(entql.StringGT("p03"))
	_, err := q.All(c.ctx)
	require.ErrorIs(t, err, entstratum.ErrEncrypted)
	c.requireSealed(t)
}

func pointerTo(s string) *string { return &s }

// A truncated index finds more rows than those with the value: none of them is counted, changed or deleted.
func TestTruncatedIndexIsRechecked(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	blood := secret + " p03"
	sharing := 0
	for _, row := range c.stored(t, "patients", "id") {
		if bidx, _ := row["blood_bidx"].([]byte); string(bidx) == string(c.blindIndexOf(t, "p03")) {
			sharing++
		}
	}
	require.Greater(t, sharing, 1)
	n, err := c.client.Patient.Query().Where(patient.Blood(blood)).Count(c.ctx)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	n, err = c.client.Patient.Update().Where(patient.Blood(blood)).SetName("changed").Save(c.ctx)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	tx, err := c.client.Tx(c.ctx)
	require.NoError(t, err)
	n, err = tx.Patient.Delete().Where(patient.Blood(blood)).Exec(c.ctx)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Zero(t, tx.Patient.Query().Where(patient.Blood(blood)).CountX(c.ctx), "it is read in the transaction")
	require.NoError(t, tx.Commit())
	require.Equal(t, 12, c.client.Patient.Query().CountX(c.ctx))
	require.Equal(t, 0, c.client.Patient.Query().Where(patient.Name("changed")).CountX(c.ctx))
}

func (c *clinic) blindIndexOf(t *testing.T, name string) []byte {
	t.Helper()
	for _, row := range c.stored(t, "patients", "id") {
		if row["name"] == name {
			bidx, ok := row["blood_bidx"].([]byte)
			require.True(t, ok)
			return bidx
		}
	}
	require.Fail(t, "there is no "+name)
	return nil
}

// What is stored is brought under a new key, and found as before.
func TestEncryptedTables(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	version, err := c.st.Keys.Rotate(asSystem(t), c.tenant)
	require.NoError(t, err)
	for _, client := range []*ent.Client{c.client, ent.OpenStratum(c.st).Debug()} {
		tables := ent.StratumEncryptedTables(client)
		require.Len(t, tables, 5)
		report, err := c.st.Keys.Reencrypt(asSystem(t), core.ReencryptOptions{Tables: tables})
		require.NoError(t, err)
		require.Empty(t, report.Failures)
	}
	for _, row := range c.stored(t, "patients", "id") {
		for _, column := range sealedColumns()["patients"] {
			if sealed, ok := row[column].([]byte); ok {
				require.Equal(t, byte(version), sealed[4], column)
			}
		}
	}
	found, err := c.client.Patient.Query().Where(patient.Email("p03@"+secret), patient.Ssn(secret+" ssn p03")).Only(c.ctx)
	require.NoError(t, err)
	require.Equal(t, secret+" ssn p03", found.Ssn)
	_, err = c.st.Keys.Shred(asSystem(t), c.tenant, core.ShredOptions{})
	require.NoError(t, err)
	_, err = c.client.Patient.Query().All(c.ctx)
	require.ErrorIs(t, err, core.ErrShredded)
	require.ErrorIs(t, c.client.Doctor.Create().SetEmail("x").Exec(c.ctx), core.ErrShredded)
	require.Len(t, c.client.Patient.Query().Select(patient.FieldName).StringsX(c.ctx), 13)
}

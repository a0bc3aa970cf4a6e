package entstratum_test

import (
	"context"
	stdsql "database/sql"
	"testing"

	entgo "entgo.io/ent"
	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/entstratum/internal/clinic/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/clinic/ent/doctor"
	"github.com/stratum-hq/stratum-go/entstratum/internal/clinic/ent/letter"
	"github.com/stratum-hq/stratum-go/entstratum/internal/clinic/ent/patient"
)

// newWard has ann, with a doctor, a letter and a friend.
func newWard(t *testing.T) (*clinic, *ent.Patient) {
	t.Helper()
	c := newClinic(t)
	dr := c.client.Doctor.Create().SetEmail("dr@" + secret).SetTitle("Dr").SaveX(c.ctx)
	note := c.client.Letter.Create().SetBody(secret + " letter").SetEmail("clear").SaveX(c.ctx)
	ann := patientOf(c.client.Patient.Create(), "ann").SetDoctor(dr).AddLetters(note).AddHelpers(dr).SaveX(c.ctx)
	return c, ann
}

// sealedRead is a way to read the address of ann.
type sealedRead func(ctx context.Context, c *ent.Client) (string, error)

// rawText reads the one text of a raw query.
func rawText(rows *stdsql.Rows, err error) (text string, _ error) {
	if err != nil {
		return "", err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells more
	for rows.Next() {
		if err := rows.Scan(&text); err != nil {
			return "", err
		}
	}
	return text, rows.Err()
}

func reads() map[string]sealedRead { //nolint:gocyclo // a list of ways
	email := func(p *ent.Patient, err error) (string, error) {
		if err != nil {
			return "", err
		}
		return p.Email, nil
	}
	return map[string]sealedRead{
		"Only":  func(ctx context.Context, c *ent.Client) (string, error) { return email(c.Patient.Query().Only(ctx)) },
		"First": func(ctx context.Context, c *ent.Client) (string, error) { return email(c.Patient.Query().First(ctx)) },
		"All": func(ctx context.Context, c *ent.Client) (string, error) {
			all, err := c.Patient.Query().Order(patient.ByName()).Limit(1).ForShare().All(ctx)
			if err != nil {
				return "", err
			}
			return all[0].Email, nil
		},
		"Get": func(ctx context.Context, c *ent.Client) (string, error) {
			return email(c.Patient.Get(ctx, c.Patient.Query().OnlyIDX(ctx)))
		},
		"Unique": func(ctx context.Context, c *ent.Client) (string, error) {
			return email(c.Patient.Query().Unique(true).Only(ctx))
		},
		"fields": func(ctx context.Context, c *ent.Client) (string, error) {
			return email(c.Patient.Query().Select(patient.FieldEmail, patient.FieldTenantID).Only(ctx))
		},
		"Strings": func(ctx context.Context, c *ent.Client) (string, error) {
			return c.Patient.Query().Select(patient.FieldEmail).String(ctx)
		},
		"Scan into structs": func(ctx context.Context, c *ent.Client) (string, error) {
			var found []struct{ Email, Notes string }
			err := c.Patient.Query().Select(patient.FieldNotes, patient.FieldEmail).Scan(ctx, &found)
			if err != nil || found[0].Notes != secret+" notes" {
				return "", err
			}
			return found[0].Email, nil
		},
		"Scan under another name": func(ctx context.Context, c *ent.Client) (string, error) {
			var found []struct {
				Address string `sql:"address"`
			}
			err := c.Patient.Query().Modify(func(s *sql.Selector) { s.Select(sql.As(s.C("email"), "address")) }).
				Scan(ctx, &found)
			if err != nil {
				return "", err
			}
			return found[0].Address, nil
		},
		"edge": func(ctx context.Context, c *ent.Client) (string, error) {
			return email(c.Doctor.Query().QueryPatients().Only(ctx))
		},
		"edges there and back": func(ctx context.Context, c *ent.Client) (string, error) {
			return email(c.Patient.Query().QueryDoctor().QueryHelped().QueryLetters().QueryPatient().Only(ctx))
		},
		"edge of an entity": func(ctx context.Context, c *ent.Client) (string, error) {
			return email(c.Doctor.Query().OnlyX(ctx).QueryHelped().Only(ctx))
		},
		"WithX": func(ctx context.Context, c *ent.Client) (string, error) {
			p, err := c.Patient.Query().WithDoctor().WithLetters().WithHelpers().WithCares().Only(ctx)
			if err != nil {
				return "", err
			}
			if p.Edges.Doctor.Email != "dr@"+secret || p.Edges.Letters[0].Body != secret+" letter" ||
				p.Edges.Helpers[0].Email != "dr@"+secret || p.Edges.Cares[0].Reason != "canary reason" {
				return "not loaded", nil
			}
			return p.Email, nil
		},
		"WithX there and back": func(ctx context.Context, c *ent.Client) (string, error) {
			d, err := c.Doctor.Query().WithPatients(func(q *ent.PatientQuery) { q.Select(patient.FieldEmail) }).Only(ctx)
			if err != nil {
				return "", err
			}
			return email(d.Edges.Patients[0], nil)
		},
		"GroupBy of others": func(ctx context.Context, c *ent.Client) (string, error) {
			var found []struct {
				Name  string
				Count int
			}
			err := c.Patient.Query().Where(patient.Email("ann@"+secret)).GroupBy(patient.FieldName).
				Aggregate(ent.Count()).Scan(ctx, &found)
			if err != nil || len(found) != 1 || found[0].Count != 1 {
				return "", err
			}
			return found[0].Name + "@" + secret, nil
		},
		"interceptor": func(ctx context.Context, c *ent.Client) (text string, err error) {
			c.Intercept(entgo.InterceptFunc(func(next entgo.Querier) entgo.Querier {
				return entgo.QuerierFunc(func(ctx context.Context, q entgo.Query) (entgo.Value, error) {
					v, err := next.Query(ctx, q)
					if all, ok := v.([]*ent.Patient); ok && err == nil {
						text = all[0].Email
					}
					return v, err
				})
			}))
			_, err = c.Patient.Query().All(ctx)
			return text, err
		},
		"raw": func(ctx context.Context, c *ent.Client) (string, error) {
			return rawText(c.QueryContext(ctx, "SELECT email FROM patients WHERE id IS NOT NULL"))
		},
		"raw with an alias": func(ctx context.Context, c *ent.Client) (string, error) {
			return rawText(c.QueryContext(ctx, "SELECT p.email AS address FROM patients p, doctors d WHERE p.email = $1",
				"ann@"+secret))
		},
		"raw from a sub-query": func(ctx context.Context, c *ent.Client) (string, error) {
			return rawText(c.QueryContext(ctx, "SELECT q.email FROM (SELECT * FROM patients) q"))
		},
		"returning": func(ctx context.Context, c *ent.Client) (string, error) {
			return rawText(c.QueryContext(ctx, "UPDATE patients SET name = $1 RETURNING email", "ann"))
		},
		"after UpdateOne": func(ctx context.Context, c *ent.Client) (string, error) {
			return email(c.Patient.UpdateOneID(c.Patient.Query().OnlyIDX(ctx)).SetName("ann").Save(ctx))
		},
	}
}

// Every way to read gives what was written: with the client, in a transaction, with a client that logs.
func TestEncryptedReads(t *testing.T) {
	t.Parallel()
	c, ann := newWard(t)
	for way, read := range reads() {
		got, err := read(c.ctx, ent.OpenStratum(c.st))
		require.NoError(t, err, way)
		require.Equal(t, ann.Email, got, way)
		got, err = read(c.ctx, ent.OpenStratum(c.st, ent.Log(c.log.print)).Debug())
		require.NoError(t, err, way)
		require.Equal(t, ann.Email, got, way)
		tx, err := c.client.Tx(c.ctx)
		require.NoError(t, err)
		got, err = read(c.ctx, tx.Client())
		require.NoError(t, err, way)
		require.Equal(t, ann.Email, got, way)
		require.NoError(t, tx.Rollback())
	}
	c.requireSealed(t)
}

// Rows of several tenants are opened with the keys of each.
func TestEncryptedReadsOfSeveralTenants(t *testing.T) {
	t.Parallel()
	c, ann := newWard(t)
	child, err := c.st.Tenants.Create(t.Context(), core.NewTenant{Name: "Child", Slug: "child", Parent: c.tenant})
	require.NoError(t, err)
	below := core.WithTenant(t.Context(), child.ID)
	carls := c.client.Doctor.Create().SetEmail("carls@" + secret).SaveX(below)
	patientOf(c.client.Patient.Create(), "carl").SetDoctor(carls).SaveX(below)
	for name, ctx := range map[string]context.Context{
		"subtree": core.WithSubtree(t.Context(), c.tenant), "system": asSystem(t),
	} {
		all, err := c.client.Patient.Query().WithDoctor().WithLetters().Order(patient.ByName()).All(ctx)
		require.NoError(t, err, name)
		require.Len(t, all, 2, name)
		require.Equal(t, []string{ann.Email, "carl@" + secret}, []string{all[0].Email, all[1].Email}, name)
		require.Equal(t, "carls@"+secret, all[1].Edges.Doctor.Email, name)
		require.Equal(t, secret+" letter", all[0].Edges.Letters[0].Body, name)
		// A blind index is computed with one tenant's key.
		_, err = c.client.Patient.Query().Where(patient.Email(ann.Email)).All(ctx)
		require.ErrorIs(t, err, entstratum.ErrEncrypted, name)
		_, err = c.client.Patient.Query().Select(patient.FieldEmail).Strings(ctx)
		require.ErrorIs(t, err, entstratum.ErrEncrypted, name)
		require.ErrorContains(t, err, "tenant_id", name)
	}
	rows, err := c.client.QueryContext(asSystem(t), "SELECT email, 'x' AS tenant_id FROM doctors")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	require.False(t, rows.Next())
	require.ErrorIs(t, rows.Err(), core.ErrDecrypt)
}

// orderBy orders and groups by a column of any name.
func orderBy(column string) func(*sql.Selector) {
	return func(s *sql.Selector) { s.OrderBy(s.C(column)) }
}

func TestRefusedReads(t *testing.T) {
	t.Parallel()
	c, ann := newWard(t)
	q := func() *ent.PatientQuery { return c.client.Patient.Query() }
	selected := func(text string) error {
		var v []struct{ Email string }
		err := q().Modify(func(s *sql.Selector) { s.SelectExpr(sql.Expr(text)) }).Scan(c.ctx, &v)
		require.Empty(t, v, text)
		return err
	}
	where := func(p func(*sql.Selector)) error {
		n, err := q().Where(p).Count(c.ctx)
		require.Zero(t, n)
		return err
	}
	_, grouped := q().GroupBy(patient.FieldEmail).Aggregate(ent.Count()).Strings(c.ctx)
	_, aggregated := q().Aggregate(ent.Max(patient.FieldEmail)).String(c.ctx)
	_, summed := q().Aggregate(ent.Sum(patient.FieldVisits)).Int(c.ctx)
	_, ordered := q().Order(ent.Asc(patient.FieldEmail)).All(c.ctx)
	_, orderedBy := q().Order(orderBy(patient.FieldEmail)).All(c.ctx)
	_, orderedByField := q().Order(sql.OrderByField(patient.FieldEmail).ToFunc()).All(c.ctx)
	_, neighbours := q().Order(patient.ByDoctorField(doctor.FieldEmail)).All(c.ctx)
	_, distinct := q().Unique(true).Select(patient.FieldEmail).Strings(c.ctx)
	_, sub := c.client.Letter.Query().Where(func(s *sql.Selector) {
		t := sql.Table(patient.Table)
		s.Where(sql.In(s.C(letter.FieldEmail), sql.Select(t.C(patient.FieldEmail)).From(t)))
	}).All(c.ctx)
	for name, err := range map[string]error{
		"GroupBy": grouped, "Max": aggregated, "Sum": summed, "Asc": ordered, "OrderBy": orderedBy,
		"OrderByField": orderedByField, "of neighbours": neighbours, "distinct": distinct, "compared": sub,
		"GT":            where(sql.FieldGT(patient.FieldEmail, secret)),
		"LTE":           where(sql.FieldLTE(patient.FieldBorn, aTime())),
		"Contains":      where(sql.FieldContains(patient.FieldEmail, secret)),
		"EqualFold":     where(sql.FieldEqualFold(patient.FieldEmail, secret)),
		"HasPrefix":     where(sql.FieldHasPrefix(patient.FieldEmail, secret)),
		"not searched":  where(sql.FieldEQ(patient.FieldNotes, secret)),
		"of two fields": where(sql.FieldsEQ(patient.FieldEmail, patient.FieldNotes)),
		"bool":          where(sql.FieldEQ(patient.FieldInsured, true)),
		"text":          where(func(s *sql.Selector) { s.Where(sql.ExprP("email = 'x'")) }),
		"function":      where(func(s *sql.Selector) { s.Where(sql.ExprP("lower(email) = $1", "x")) }),
		"no index":      where(sql.FieldEQ(patient.FieldCard, entstratum.ByIndex("last5", "x"))),
		"two indexes":   where(sql.FieldIn[any](patient.FieldCard, "x", entstratum.ByIndex("last4", "x"))),
		"no condition":  where(sql.FieldEQ(patient.FieldName, entstratum.ByIndex("last4", secret))),
		"expression":    selected("upper(email::text) AS email"),
		"max":           selected("max(email) AS email"),
		"cast":          selected("email::text"),
		"case":          selected("CASE WHEN true THEN email END AS email"),
		"whole row":     selected("row_to_json(patients) AS email"),
		"cast of a row": selected("patients::text AS email"),
	} {
		require.ErrorIs(t, err, entstratum.ErrEncrypted, name)
		require.NotContains(t, err.Error(), secret, name)
	}
	for _, text := range []string{
		"SELECT p FROM patients p", "SELECT encode(email, 'hex') FROM patients", "SELECT coalesce(email, '') FROM patients",
		"SELECT (SELECT email FROM patients) || 'x'", "SELECT json_agg(patients.*) FROM patients",
		"SELECT d.id FROM doctors d WHERE d.email = 'x' AND EXISTS (SELECT FROM letters d)",
		"SELECT p.email, d.email FROM patients p, doctors d", "SELECT q.x FROM (SELECT p.email FROM patients p) q (x)",
		"SELECT string_agg(email, '') FROM doctors", "SELECT social FROM patients", "TABLE patients ORDER BY email",
		"DELETE FROM patients WHERE email > 'x'",
	} {
		got, err := rawText(c.client.QueryContext(c.ctx, text))
		require.ErrorIs(t, err, entstratum.ErrEncrypted, text)
		require.Empty(t, got, text)
	}
	_, err := rawText(c.client.QueryContext(c.ctx, "SELECT email FROM doctors UNION SELECT body FROM letters"))
	require.ErrorIs(t, err, core.ErrDecrypt, "it is taken for what the first column is")
	require.Equal(t, ann.ID, q().OnlyIDX(c.ctx))
}

// Under AsStored nothing is looked at and nothing is opened; what is written is sealed.
func TestAsStored(t *testing.T) {
	t.Parallel()
	c, ann := newWard(t)
	stored := entstratum.AsStored(c.ctx)
	n, err := c.client.Patient.Query().Where(func(s *sql.Selector) { s.Where(sql.ExprP("length(email) > 10")) }).
		Count(stored)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	got, err := rawText(c.client.QueryContext(stored, "SELECT encode(email, 'hex') FROM patients"))
	require.NoError(t, err)
	require.Contains(t, got, "01000000")
	_, err = c.client.Patient.Query().Only(stored)
	require.Error(t, err, "a ciphertext is no value of an entity")
	_, err = c.client.Patient.Query().Select(patient.FieldEmail).String(stored)
	require.Error(t, err, "nor a text")
	var all [][]byte
	require.NoError(t, c.client.Patient.Query().Select(patient.FieldEmail).Scan(stored, &all))
	require.Equal(t, c.stored(t, "patients", "id")[0]["email"], all[0])
	require.NoError(t, c.client.Patient.UpdateOneID(ann.ID).SetEmail(newEmail).Select(patient.FieldName).Exec(stored))
	require.Equal(t, 1, c.client.Patient.Query().Where(patient.Email(newEmail)).CountX(c.ctx))
	c.requireSealed(t)
}

// A client without keys refuses what has to do with encrypted columns, and does the rest.
func TestEncryptedWithoutKeys(t *testing.T) {
	t.Parallel()
	c, _ := newWard(t)
	st, err := core.Open(t.Context(), c.Options()) // without Options.KEK
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()
	wrapped := struct{ dialect.Driver }{entstratum.Driver(c.st)}
	for name, client := range map[string]*ent.Client{
		"no KEK": ent.OpenStratum(st), "not Stratum's": ent.NewClient(ent.Driver(wrapped)),
	} {
		cause := core.ErrNoKEK
		if name != "no KEK" {
			cause = entstratum.ErrDriver
		}
		_, read := client.Patient.Query().All(c.ctx)
		_, counted := client.Patient.Query().Where(patient.Email("x")).Count(c.ctx)
		for _, err := range []error{
			read, counted, client.Doctor.Create().SetEmail(secret).Exec(c.ctx),
			client.Doctor.Update().SetEmail(secret).Exec(c.ctx),
		} {
			require.ErrorIs(t, err, entstratum.ErrEncrypted, name)
			require.ErrorIs(t, err, cause, name)
			require.NotContains(t, err.Error(), secret)
		}
		require.Equal(t, 1, client.Patient.Query().CountX(c.ctx), name)
		require.Equal(t, "ann", client.Patient.Query().Select(patient.FieldName).StringX(c.ctx), name)
		require.NoError(t, client.Doctor.Update().SetTitle("x").Exec(c.ctx), name)
	}
	require.Empty(t, ent.StratumEncryptedTables(ent.OpenStratum(st)))
	unlike := ent.NewClient(ent.Driver(wrapped))
	_, err = unlike.BeginTx(c.ctx, nil)
	require.ErrorContains(t, err, "entstratum.Driver")
	_, err = unlike.ExecContext(c.ctx, "SELECT 1")
	require.ErrorContains(t, err, "entstratum.Driver")
	_, err = rawText(unlike.QueryContext(c.ctx, "SELECT 1"))
	require.ErrorContains(t, err, "entstratum.Driver")
}

// Two handles with keys of their own work beside each other in one process.
func TestTwoHandles(t *testing.T) {
	t.Parallel()
	a, ann := newWard(t)
	b, bea := newWard(t)
	require.Equal(t, ann.Email, a.client.Patient.Query().Where(patient.Email(ann.Email)).OnlyX(a.ctx).Email)
	require.Equal(t, bea.Email, b.client.Patient.Query().Where(patient.Email(bea.Email)).OnlyX(b.ctx).Email)
	x, y := a.stored(t, "patients", "id")[0], b.stored(t, "patients", "id")[0]
	require.NotEqual(t, x["email_bidx"], y["email_bidx"])
	// A value of the one's is nothing to the other.
	require.NoError(t, b.admin(t, "UPDATE patients SET email = $1", x["email"]))
	_, err := b.client.Patient.Query().Only(b.ctx)
	require.ErrorIs(t, err, core.ErrDecrypt)
}

// A value that was moved, copied or changed is not opened, and the other columns stay readable.
func TestEncryptedAttacks(t *testing.T) {
	t.Parallel()
	c, ann := newWard(t)
	c.add(t, "bob")
	bolt := c.newTenant(t, "bolt")
	patientOf(c.client.Patient.Create(), "carl").SaveX(bolt)
	before := c.stored(t, "patients", "name")
	for name, attack := range map[string]string{
		"another column":  "notes = email",
		"another tenant":  "notes = (SELECT notes FROM patients WHERE name = 'carl')",
		"another table":   "notes = (SELECT body FROM letters LIMIT 1)",
		"truncated":       "notes = substring(notes, 1, length(notes) - 1)",
		"flipped":         "notes = set_byte(notes, 30, get_byte(notes, 30) # 1)",
		"flipped nonce":   "notes = set_byte(notes, 6, get_byte(notes, 6) # 1)",
		"algorithm":       "notes = set_byte(notes, 0, 2)",
		"version":         "notes = set_byte(notes, 4, 2)",
		"longer":          `notes = notes || '\x00'`,
		"bound to a row":  "notes = social",
		"another row":     "social = (SELECT social FROM patients WHERE name = 'bob')",
		"row, both":       "social = notes",
		"row and its key": "social = (SELECT social FROM patients WHERE name = 'carl')",
	} {
		require.NoError(t, c.admin(t, "UPDATE patients SET "+attack+" WHERE name = 'ann'"), name)
		_, err := c.client.Patient.Get(c.ctx, ann.ID)
		require.ErrorIs(t, err, core.ErrDecrypt, name)
		require.NotContains(t, err.Error(), secret)
		_, err = c.client.Patient.Query().Where(patient.Name("ann")).All(c.ctx)
		require.ErrorIs(t, err, core.ErrDecrypt, name)
		rest, err := c.client.Patient.Query().Where(patient.ID(ann.ID)).Select(patient.FieldEmail, patient.FieldCard).Only(c.ctx)
		require.NoError(t, err, "the other columns stay readable: %s", name)
		require.Equal(t, ann.Email, rest.Email)
		require.NoError(t, c.admin(t, "UPDATE patients SET notes = $1, social = $2 WHERE name = 'ann'",
			before[0]["notes"], before[0]["social"]))
	}
	require.NoError(t, c.admin(t, "UPDATE patients SET blood = notes WHERE name = 'bob'"))
	err := c.client.Patient.Update().Where(patient.Blood(secret + " bob")).SetName("x").Exec(c.ctx)
	require.ErrorIs(t, err, core.ErrDecrypt, "it would be looked at to find out whether it is the one")
	require.NoError(t, c.admin(t, "UPDATE patients SET blood = $1 WHERE name = 'bob'", before[1]["blood"]))
	require.Len(t, c.client.Patient.Query().AllX(c.ctx), 2)
}

// What a database takes that somebody writes past the client.
func TestPlaintextIsRefusedByTheDatabase(t *testing.T) {
	t.Parallel()
	c, _ := newWard(t)
	for table, columns := range sealedColumns() {
		for _, column := range columns {
			for _, value := range []string{"''", "'plaintext'", "convert_to(repeat('x', 40), 'UTF8')", `'\x0100000000'`} {
				err := c.admin(t, "UPDATE "+table+" SET "+column+" = "+value)
				require.ErrorContains(t, err, "_sealed", "%s.%s", table, column)
			}
		}
	}
	_, err := c.st.DB().ExecContext(c.ctx, "INSERT INTO doctors (id, email) VALUES ($1, $2)", uuid.New(), []byte(secret))
	require.Error(t, err)
	require.NotContains(t, err.Error(), secret)
}

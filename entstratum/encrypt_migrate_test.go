package entstratum_test

import (
	"path/filepath"
	"testing"

	atlas "ariga.io/atlas/sql/migrate"
	"entgo.io/ent/dialect/sql/schema"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/entstratum/internal/clinic/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/clinic/ent/migrate"
)

// What StratumMigrate makes of encrypted fields: bytea, checks, and unique indexes of a tenant on the blind index.
func TestEncryptedColumns(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	d := desk{Database: c.Database, st: c.st}
	for table, columns := range sealedColumns() {
		for _, column := range columns {
			kind := d.texts(t, `SELECT format_type(atttypid, atttypmod) || ' ' || atthasdef FROM pg_attribute
				WHERE attrelid = $1::regclass AND attname = $2`, table, column)
			require.Equal(t, []string{"bytea false"}, kind, "%s.%s", table, column)
		}
	}
	require.Equal(t, []string{
		"CREATE UNIQUE INDEX patient_tenant_id_email ON public.patients USING btree (tenant_id, email_bidx)",
		"CREATE INDEX patients_blood_bidx ON public.patients USING btree (tenant_id, blood_bidx)",
		"CREATE INDEX patients_card_last4_bidx ON public.patients USING btree (tenant_id, card_last4_bidx)",
	}, d.texts(t, `SELECT indexdef FROM pg_indexes WHERE tablename = 'patients' AND
		indexdef ~ '(email_bidx|blood_bidx|last4_bidx)' ORDER BY indexname`))
}

// Neither a second StratumMigrate nor ent's own migration finds anything to do, whatever it may drop.
func TestEncryptedMigrateTwice(t *testing.T) {
	t.Parallel()
	c, _ := newWard(t)
	d := desk{Database: c.Database, st: c.st}
	d.settled(t, func(owner string) error {
		options := c.Options()
		options.OwnerDSN = owner
		st, err := core.Open(t.Context(), options)
		require.NoError(t, err)
		defer func() { require.NoError(t, st.Close()) }()
		return ent.StratumMigrate(t.Context(), ent.OpenStratum(st)) // keys are not needed
	})
	every := []schema.MigrateOption{migrate.WithDropIndex(true), migrate.WithDropColumn(true)}
	for _, options := range [][]schema.MigrateOption{nil, every} {
		for _, debug := range []bool{false, true} {
			d.settled(t, func(owner string) error {
				client := ent.NewClient(ent.Driver(plainDriver(t, owner)), ent.Log(c.log.print))
				if debug {
					client = client.Debug()
				}
				return client.Schema.Create(t.Context(), options...)
			})
		}
		d.settled(t, func(owner string) error {
			path := t.TempDir()
			dir, err := atlas.NewLocalDir(path)
			require.NoError(t, err)
			err = migrate.NewSchema(plainDriver(t, owner)).NamedDiff(t.Context(), "x",
				append(options, schema.WithDir(dir), schema.WithMigrationMode(schema.ModeInspect))...)
			files, globErr := filepath.Glob(filepath.Join(path, "*.sql"))
			require.NoError(t, globErr)
			require.Empty(t, files)
			return err
		})
	}
}

// ent's own migration alone makes the columns and checks as StratumMigrate does.
func TestEncryptedSchemaCreate(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	d := desk{Database: c.Database, st: c.st}
	before := d.catalog(t)
	d.exec(t, c.AdminDSN, "DROP TABLE patients, letters, doctors, cares, patient_friends, plains, sealeds CASCADE")
	require.NoError(t, ent.NewClient(ent.Driver(plainDriver(t, c.OwnerDSN))).Schema.Create(t.Context()))
	require.NoError(t, ent.StratumMigrate(t.Context(), c.client))
	require.Equal(t, before, d.catalog(t))
	c.add(t, "ann")
	c.requireSealed(t)
}

// A script does what StratumMigrate does.
func TestEncryptedScript(t *testing.T) {
	t.Parallel()
	wanted := newClinic(t)
	d := newBare(t)
	files, err := ent.StratumScript(t.Context(), ent.OpenStratum(d.st), entstratum.ScriptOptions{})
	require.NoError(t, err)
	require.Len(t, files, 1)
	d.exec(t, d.OwnerDSN, string(files[0].Content))
	require.Equal(t, desk{Database: wanted.Database}.catalog(t), d.catalog(t))
	files, err = ent.StratumScript(t.Context(), ent.OpenStratum(d.st), entstratum.ScriptOptions{})
	require.NoError(t, err)
	require.Empty(t, files)
}

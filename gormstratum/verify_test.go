package gormstratum_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
	"gorm.io/gorm/schema"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// newApart makes a database whose roles are its own: other databases' logins may not become its system role, which
// Verify would report.
func newApart(t *testing.T, options gormstratum.Options, change ...func(*gorm.Config)) desk {
	t.Helper()
	d := desk{Database: stratumtest.EmptyDatabase(t)}
	o := d.Options()
	o.RolePrefix = d.Name + "_r"
	d.st = d.openStratum(t, o)
	require.NoError(t, d.st.Migrate(t.Context()))
	config := &gorm.Config{Logger: logger.Discard}
	for _, c := range change {
		c(config)
	}
	db, err := gorm.Open(gormstratum.Open(d.st), config)
	require.NoError(t, err)
	require.NoError(t, db.Use(gormstratum.New(d.st, options)))
	d.db = db
	return d
}

// verified lists what was found, notes left out.
func (d desk) verified(t *testing.T, worst core.Severity) []string {
	t.Helper()
	report, err := gormstratum.Verify(t.Context(), d.db)
	require.NoError(t, err)
	list := make([]string, 0, len(report.Findings))
	for _, f := range report.AtLeast(worst) {
		list = append(list, fmt.Sprintf("%s %s", f.Code, f.Object))
	}
	return list
}

// TestVerifyWhatMigrateMakes holds that no shape of models that Migrate makes has a finding, with or without the models.
func TestVerifyWhatMigrateMakes(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]gormstratum.Options{
		"desk": {Models: deskModels()}, "shapes": {Models: shapes()}, "another column": voyage(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newApart(t, options)
			require.NoError(t, migrate(t.Context(), d.db, uuid.Nil))
			require.Empty(t, d.verified(t, core.SeveritySlows))
			report, err := d.st.Verify(t.Context())
			require.NoError(t, err)
			require.Empty(t, report.AtLeast(core.SeveritySlows), "%s", report)
			for _, f := range report.Findings {
				require.Contains(t, []string{"conflict_target", "unique_globally_by_choice"}, string(f.Code), f)
			}
		})
	}
}

func TestVerifyNaming(t *testing.T) {
	t.Parallel()
	d := newApart(t, gormstratum.Options{Models: shapes()}, func(c *gorm.Config) {
		c.NamingStrategy = schema.NamingStrategy{TablePrefix: "x_", SingularTable: true}
	})
	require.NoError(t, migrate(t.Context(), d.db, uuid.Nil))
	require.Empty(t, d.verified(t, core.SeveritySlows))
}

// TestVerifyModels holds what only the models know, and that Migrate cures it.
func TestVerifyModels(t *testing.T) {
	t.Parallel()
	d := newApart(t, gormstratum.Options{Models: deskModels(), External: []string{"jobs"}})
	require.Contains(t, d.verified(t, core.SeverityWeakens), `table_missing table "tickets"`, "before Migrate")
	require.Contains(t, d.verified(t, core.SeverityWeakens), `table_missing table "jobs"`)
	d.exec(t, d.OwnerDSN, "CREATE TABLE jobs (id int)")
	require.NoError(t, migrate(t.Context(), d.db, uuid.Nil))
	require.Empty(t, d.verified(t, core.SeveritySlows))

	d.exec(t, d.OwnerDSN, `UPDATE stratum.tables SET class = 'global', tenant_column = NULL WHERE table_name = 'tickets';
		ALTER TABLE comments DROP CONSTRAINT fk_tickets_comments`)
	require.Equal(t, []string{
		`class_differs table "public"."tickets"`,
		`foreign_key_missing constraint "fk_tickets_comments" on "public"."comments"`,
	}, d.verified(t, core.SeveritySlows))
	require.NoError(t, migrate(t.Context(), d.db, uuid.Nil))
	require.Empty(t, d.verified(t, core.SeveritySlows))

	// What was never recorded is what its model says.
	d.exec(t, d.OwnerDSN, "DELETE FROM stratum.tables")
	require.Empty(t, d.verified(t, core.SeveritySlows))
	report, err := d.st.Verify(t.Context())
	require.NoError(t, err)
	require.False(t, report.OK(), "without the models global tables have no class")
}

// TestVerifySchema holds that tables are found where statements find them.
func TestVerifySchema(t *testing.T) {
	t.Parallel()
	d := desk{Database: stratumtest.EmptyDatabase(t)}
	d.exec(t, d.OwnerDSN, `CREATE SCHEMA "My ""App"; CREATE SCHEMA plain; CREATE TABLE public.tickets (id int)`)
	o := d.Options()
	o.RolePrefix, o.SearchPath = d.Name+"_r", `"My ""App", Plain, public`
	d.st = d.openStratum(t, o)
	require.NoError(t, d.st.Migrate(t.Context()))
	d.db = d.used(t, deskModels())
	require.NoError(t, migrate(t.Context(), d.db, uuid.Nil))
	require.Equal(t, []string{`table_unclassed table "public"."tickets"`}, d.verified(t, core.SeveritySlows))
}

// TestVerifyAdopting holds that a table on its way is one finding at each step, and none when it is sealed.
func TestVerifyAdopting(t *testing.T) {
	t.Parallel()
	b := newBusiness(t, 2, 10)
	for _, step := range steps() {
		b.adopt(t, step)
		report, err := gormstratum.Verify(t.Context(), b.db)
		require.NoError(t, err)
		found := map[string]int{}
		for _, f := range report.AtLeast(core.SeveritySlows) {
			// The roles are those of all databases of the server.
			if f.Code != "system_role_granted" {
				found[string(f.Code)]++
			}
		}
		if step == gormstratum.AdoptSealed {
			require.Empty(t, found, "%s", report)
			continue
		}
		require.Equal(t, map[string]int{"adoption_not_sealed": report.Tables}, found, "%v: %s", step, report)
		require.NoError(t, report.Err())
	}
}

func TestVerifyRefusals(t *testing.T) {
	t.Parallel()
	d := newStratum(t)
	db, err := gorm.Open(gormstratum.Open(d.st), &gorm.Config{Logger: logger.Discard})
	require.NoError(t, err)
	_, err = gormstratum.Verify(t.Context(), db)
	require.ErrorIs(t, err, gormstratum.ErrNotUsed)
}

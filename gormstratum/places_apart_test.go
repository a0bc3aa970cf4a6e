package gormstratum_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// Names of schemas and databases have no part of the slug, so that slugs which begin alike do not meet.
func TestSlugsThatBeginAlike(t *testing.T) {
	t.Parallel()
	d := newPlaces(t)
	stem := strings.Repeat("a-long-slug", 6)[:58]
	for _, isolation := range []core.Isolation{core.SchemaIsolation, core.DatabaseIsolation} {
		kind := string(isolation[:1])
		first, second := d.lodge(t, stem+kind+"one", isolation), d.lodge(t, stem+kind+"two", isolation)
		require.NotEqual(t, first.Label, second.Label)
		for _, r := range []resident{first, second} {
			var titles []string
			require.NoError(t, d.db.WithContext(r.ctx).Model(&Ticket{}).Pluck("title", &titles).Error)
			require.Equal(t, []string{"of " + r.Slug}, titles)
		}
		before := d.truth(t)
		require.NoError(t, d.plain(first.ctx, "UPDATE tickets SET title = title || '!'"))
		require.Equal(t, []string{"of " + first.Slug + "!"}, changed(before, d.truth(t), "of "))
	}
}

// changed are the texts that begin with prefix in what is new in after, without repetition.
func changed(before, after []string, prefix string) []string {
	var texts []string
	for i := range after {
		if i >= len(before) || before[i] != after[i] {
			for _, part := range strings.Split(after[i], ",") {
				if text, ok := strings.CutPrefix(strings.Trim(part, `"`), prefix); ok {
					texts = append(texts, prefix+strings.Trim(text, `"`))
				}
			}
		}
	}
	return texts
}

func TestRenamedTenant(t *testing.T) {
	t.Parallel()
	d := newPlaces(t)
	for _, isolation := range isolations() {
		r := d.lodge(t, "old-"+string(isolation), isolation)
		before := d.truth(t)
		renamed, err := d.st.Tenants.Rename(t.Context(), r.ID, "new-"+string(isolation))
		require.NoError(t, err)
		require.Equal(t, r.Label, renamed.Label)
		require.Equal(t, before, d.truth(t), "a name moves nothing")
		other := d.openStratum(t, d.Options())
		for _, db := range []*core.Stratum{d.st, other} {
			var title string
			require.NoError(t, db.DB().QueryRowContext(r.ctx, "SELECT title FROM tickets").Scan(&title))
			require.Equal(t, "of old-"+string(isolation), title)
		}
		// The old name is free, and whoever takes it is somebody else.
		d.lodge(t, "old-"+string(isolation), isolation)
		require.Equal(t, int64(1), found(t, d, r))
	}
}

// found is how many tickets a tenant sees.
func found(t *testing.T, d desk, r resident) (n int64) {
	t.Helper()
	require.NoError(t, d.db.WithContext(r.ctx).Model(&Ticket{}).Count(&n).Error)
	return n
}

// A tenant that names the schema of another reaches nothing in it.
func TestSchemaOfAnother(t *testing.T) {
	t.Parallel()
	d := newPlaces(t)
	mine, theirs := d.lodge(t, "mine", core.SchemaIsolation), d.lodge(t, "theirs", core.SchemaIsolation)
	shared, apart := d.lodge(t, "shared", core.SharedIsolation), d.lodge(t, "apart", core.DatabaseIsolation)
	before := d.truth(t)
	for name, text := range map[string]string{
		"SELECT":          "SELECT * FROM OTHER.tickets",
		"SELECT, joined":  "SELECT * FROM countries c LEFT JOIN OTHER.tickets t ON true",
		"INSERT":          "INSERT INTO OTHER.tickets (number) VALUES ('T-9')",
		"INSERT SELECT":   "INSERT INTO tickets (number, title) SELECT 'T-8', title FROM OTHER.tickets",
		"INSERT, own id":  "INSERT INTO OTHER.tickets (tenant_id, number) VALUES ('" + mine.ID.String() + "', 'T-9')",
		"INSERT, theirs":  "INSERT INTO OTHER.tickets (tenant_id, number) VALUES ('" + theirs.ID.String() + "', 'T-9')",
		"INSERT, default": "INSERT INTO OTHER.bills (note) VALUES ('x')",
		"UPDATE":          "UPDATE OTHER.tickets SET title = 'taken'",
		"DELETE":          "DELETE FROM OTHER.tickets",
		"MERGE":           "MERGE INTO OTHER.tickets t USING countries c ON true WHEN MATCHED THEN DELETE",
		"FOR UPDATE":      "SELECT * FROM OTHER.tickets FOR UPDATE",
		"EXISTS":          "SELECT 1/count(*) FROM countries WHERE EXISTS (SELECT FROM OTHER.tickets)",
		"a function":      "SELECT query_to_xml('SELECT * FROM OTHER.tickets', true, true, '')",
	} {
		text = strings.ReplaceAll(text, "OTHER", theirs.schema)
		for _, run := range []error{d.plain(mine.ctx, text), d.inTx(mine.ctx, text), d.db.WithContext(mine.ctx).Exec(text).Error} {
			require.ErrorIs(t, run, core.ErrCrossTenant, name)
		}
		for _, run := range []error{d.plain(shared.ctx, text), d.inTx(shared.ctx, text)} {
			require.ErrorIs(t, run, core.ErrPermission, name)
		}
		require.ErrorIs(t, d.plain(apart.ctx, text), core.ErrTableMissing, name)
	}
	for _, text := range []string{
		"TRUNCATE OTHER.tickets", "SELECT last_value FROM OTHER.bills_id_seq", "SELECT setval('OTHER.bills_id_seq', 1)",
		"CREATE TABLE OTHER.mine (id int)", "DROP TABLE OTHER.tickets",
	} {
		require.Error(t, d.inTx(mine.ctx, strings.ReplaceAll(text, "OTHER", theirs.schema)), text)
	}
	require.Equal(t, before, d.truth(t))
}

// What is not the tenant's alone stays within reach.
func TestWhatAllShare(t *testing.T) {
	t.Parallel()
	d := newPlaces(t)
	for _, isolation := range isolations() {
		r := d.lodge(t, string(isolation), isolation)
		var row struct{ Title, Code, Loud string }
		require.NoError(t, d.db.WithContext(r.ctx).Model(&Ticket{}).Select("title, code, shout(title) AS loud").
			Joins("JOIN countries ON true").Take(&row).Error)
		require.Equal(t, "NL", row.Code)
		require.Equal(t, strings.ToUpper(row.Title), row.Loud)
		require.ErrorIs(t, d.plain(r.ctx, "INSERT INTO countries (code) VALUES ('BE')"), core.ErrPermission)
	}
}

// A table that is not Stratum's business is in the registry's database alone.
func TestExternalTableElsewhere(t *testing.T) {
	t.Parallel()
	d := newPlaces(t)
	const insert = "INSERT INTO river_job VALUES (1)"
	for _, isolation := range []core.Isolation{core.SharedIsolation, core.SchemaIsolation} {
		require.NoError(t, d.plain(d.lodge(t, string(isolation), isolation).ctx, insert))
	}
	r := d.lodge(t, "apart", core.DatabaseIsolation)
	for _, err := range []error{
		d.plain(r.ctx, insert), d.inTx(r.ctx, insert), d.db.WithContext(r.ctx).Exec(insert).Error,
		d.plain(core.AsSystemAt(t.Context(), "a test", r.ID), insert),
	} {
		require.ErrorIs(t, err, core.ErrTableMissing)
		require.ErrorContains(t, err, `relation "river_job" does not exist`)
		require.ErrorContains(t, err, "external tables are in the registry's database alone")
	}
	require.Equal(t, int64(2), d.value(t, "SELECT count(*) FROM river_job"))
}

package gormstratum_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// catalog is all that Migrate may change, and the rows. Names that a test's database and roles have are left out.
func (d desk) catalog(t *testing.T) []string {
	t.Helper()
	found := d.texts(t, `
		SELECT format('column %s.%s %s %s %s %s', c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
			pg_get_expr(f.adbin, f.adrelid)) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
			LEFT JOIN pg_attrdef f ON f.adrelid = c.oid AND f.adnum = a.attnum
			WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
		UNION ALL SELECT format('constraint %s %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated)
			FROM pg_constraint WHERE connamespace = 'public'::regnamespace
		UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public'
		UNION ALL SELECT format('class %s %s %s %s %s', relname, relkind, relrowsecurity, relforcerowsecurity,
			(SELECT string_agg(item::text, ' ' ORDER BY item::text) FROM unnest(relacl) item))
			FROM pg_class WHERE relnamespace = 'public'::regnamespace
		UNION ALL SELECT 'policy ' || p::text FROM pg_policies p WHERE schemaname = 'public'
		UNION ALL SELECT format('comment %s %s %s', objoid::regclass, objsubid, description) FROM pg_description
			JOIN pg_class c ON c.oid = objoid AND classoid = 'pg_class'::regclass AND relnamespace = 'public'::regnamespace
		UNION ALL SELECT format('class %s.%s %s %s', table_schema, table_name, class, tenant_column) FROM stratum.tables
		ORDER BY 1`)
	for i, line := range found {
		found[i] = strings.ReplaceAll(line, d.Name, "NAME")
	}
	return found
}

// run runs a file as psql would, as the owner of the tables.
func (d desk) run(t *testing.T, files []gormstratum.ScriptFile) {
	t.Helper()
	for _, f := range files {
		if strings.HasSuffix(f.Name, ".sql") {
			d.exec(t, d.OwnerDSN, string(f.Content))
		}
	}
}

func script(
	t *testing.T, db *gorm.DB, rows uuid.UUID, options gormstratum.ScriptOptions,
) []gormstratum.ScriptFile {
	t.Helper()
	files, err := gormstratum.MigrateScript(t.Context(), db, gormstratum.MigrateOptions{ExistingRows: rows}, options)
	require.NoError(t, err)
	return files
}

// scriptWorld is a state that a database is in, and the models that it is to be migrated to.
type scriptWorld struct {
	options gormstratum.Options
	start   func(t *testing.T, d desk)
	formats []gormstratum.ScriptFormat
}

func scriptWorlds() map[string]scriptWorld {
	nothing := func(*testing.T, desk) {}
	plain := []gormstratum.ScriptFormat{gormstratum.Plain}
	later := gormstratum.Options{Models: append(shapes(), laterModels()...)}
	everything := devices()
	everything.Models = append(append(everything.Models, blueprints()...), &Crew{}, &Sailor{}, &Trip{}, &Cargo{})
	everything.TenantColumn = "org_id"
	everything.External = []string{"job: SELECT, INSERT"}
	return map[string]scriptWorld{
		"empty": {gormstratum.Options{Models: shapes()}, nothing, plain},
		"old": {gormstratum.Options{Models: shop()}, func(t *testing.T, d desk) {
			t.Helper()
			fillOldShop(t, (office{desk: d}).open(t, plainDialector(d.OwnerDSN)))
		}, plain},
		"before": {later, func(t *testing.T, d desk) {
			t.Helper()
			require.NoError(t, migrate(t.Context(), d.used(t, embedded()), uuid.Nil))
		}, plain},
		"all kinds": {everything, func(t *testing.T, d desk) {
			t.Helper()
			d.exec(t, d.OwnerDSN, "CREATE TABLE job (id bigserial PRIMARY KEY)")
		}, []gormstratum.ScriptFormat{gormstratum.Plain, gormstratum.Goose, gormstratum.Atlas}},
		"tampered": {gormstratum.Options{Models: deskModels()}, func(t *testing.T, d desk) {
			t.Helper()
			db := d.used(t, deskModels())
			require.NoError(t, migrate(t.Context(), db, uuid.Nil))
			// With rows, which the owner sees only as it migrates.
			row := Ticket{Number: "T-1", Comments: []Comment{{Body: "b"}}}
			require.NoError(t, db.WithContext(d.tenant(t, "acme")).Create(&row).Error)
			d.exec(t, d.OwnerDSN, "ALTER POLICY stratum_tenant ON tickets USING (true); DROP INDEX idx_tickets_number; "+
				"ALTER TABLE comments DROP CONSTRAINT fk_tickets_comments; ALTER TABLE tags NO FORCE ROW LEVEL SECURITY")
		}, plain},
	}
}

// firstTenant has the same id in each database, so that scripts and rows can be compared.
func (d desk) firstTenant(t *testing.T) uuid.UUID {
	t.Helper()
	id := uuid.MustParse("019a0000-0000-7000-8000-000000000001")
	d.exec(t, d.AdminDSN, fmt.Sprintf("INSERT INTO stratum.tenants (id, label, path, slug, name) "+
		"VALUES ('%s', 'x', 'x', 'first', 'First')", id))
	return id
}

// A script ends in what Migrate ends in, in each format, and leaves Migrate nothing to do. Making it changes nothing.
func TestScriptIsMigrate(t *testing.T) {
	t.Parallel()
	for name, world := range scriptWorlds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wanted := newStratum(t)
			world.start(t, wanted)
			require.NoError(t, migrate(t.Context(), wanted.usedWith(t, world.options), wanted.firstTenant(t)))
			for _, format := range world.formats {
				d := newStratum(t)
				world.start(t, d)
				db, tenant, before := d.usedWith(t, world.options), d.firstTenant(t), d.catalog(t)
				files := script(t, db, tenant, gormstratum.ScriptOptions{Format: format, Version: "7"})
				require.Equal(t, before, d.catalog(t), "making the script changes nothing")
				require.Equal(t, "7_stratum.sql", files[0].Name)
				if format == gormstratum.Goose {
					d.goose(t, files)
				} else {
					d.run(t, files)
				}
				require.Equal(t, wanted.catalog(t), d.catalog(t))
				d.logDDL(t)
				d.settled(t, func() error { return migrate(t.Context(), db, uuid.Nil) })
				require.Empty(t, script(t, db, uuid.Nil, gormstratum.ScriptOptions{Format: format}), "nothing is left to do")
			}
		})
	}
}

// goose runs the files with goose itself, up and then down, which fails.
func (d desk) goose(t *testing.T, files []gormstratum.ScriptFile) {
	t.Helper()
	config, err := pgx.ParseConfig(d.OwnerDSN)
	require.NoError(t, err)
	pool := stdlib.OpenDB(*config)
	defer func() { require.NoError(t, pool.Close()) }()
	dir := fstest.MapFS{}
	for _, f := range files {
		dir[f.Name] = &fstest.MapFile{Data: f.Content}
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, pool, dir)
	require.NoError(t, err)
	_, err = provider.Up(t.Context())
	require.NoError(t, err)
	_, err = provider.Down(t.Context())
	require.ErrorContains(t, err, "this migration has no way back")
	d.exec(t, d.OwnerDSN, "DROP TABLE goose_db_version")
}

// The rows are given to their tenant by the script, and the tenant is in it.
func TestScriptGivesRows(t *testing.T) {
	t.Parallel()
	d := newShop(t)
	tenant := d.firstTenant(t)
	db := d.used(t, shop())
	files := script(t, db, tenant, gormstratum.ScriptOptions{})
	require.Contains(t, string(files[0].Content),
		`UPDATE "public"."buyers" SET "tenant_id" = '`+tenant.String()+`' WHERE "tenant_id" IS NULL;`)
	d.run(t, files)
	require.Equal(t, int64(2), d.count(t, "buyers", tenant))

	var buyers []Buyer
	require.NoError(t, db.WithContext(core.WithTenant(t.Context(), tenant)).Preload("Orders").Find(&buyers).Error)
	require.Len(t, buyers, 2)
}

// What Migrate refuses has no script.
func TestScriptRefusesWhatMigrateRefuses(t *testing.T) {
	t.Parallel()
	d := newShop(t)
	db := d.used(t, shop())
	_, err := gormstratum.MigrateScript(t.Context(), db, gormstratum.MigrateOptions{}, gormstratum.ScriptOptions{})
	require.ErrorIs(t, err, gormstratum.ErrExistingRows)
	var refusal *gormstratum.TableError
	require.ErrorAs(t, err, &refusal)
	require.NotZero(t, refusal.Rows)
	_, err = gormstratum.MigrateScript(t.Context(), &gorm.DB{Config: &gorm.Config{}}, gormstratum.MigrateOptions{}, gormstratum.ScriptOptions{})
	require.ErrorIs(t, err, gormstratum.ErrNotUsed)
}

// Writers do not queue behind it for longer than it is told.
func TestScriptLockTimeout(t *testing.T) {
	t.Parallel()
	d := newShop(t)
	tenant := d.firstTenant(t)
	conn, err := pgx.Connect(t.Context(), d.OwnerDSN)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "SELECT FROM buyers")
	require.NoError(t, err)
	db := d.used(t, shop())
	_, err = gormstratum.MigrateScript(t.Context(), db, gormstratum.MigrateOptions{ExistingRows: tenant},
		gormstratum.ScriptOptions{LockTimeout: time.Millisecond})
	require.ErrorContains(t, err, "55P03")
	require.NoError(t, tx.Rollback(t.Context()))
	require.NotEmpty(t, script(t, db, tenant, gormstratum.ScriptOptions{LockTimeout: time.Minute}))
}

// A script leaves the settings of its transaction to the tool as they were.
func TestScriptPutsSettingsBack(t *testing.T) {
	t.Parallel()
	d := newStratum(t)
	files := script(t, d.used(t, deskModels()), uuid.Nil, gormstratum.ScriptOptions{Format: gormstratum.Atlas})
	conn, err := pgx.Connect(t.Context(), d.OwnerDSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	const settings = "SELECT concat_ws('|', current_setting('search_path'), current_setting('stratum.owner', true))"
	_, err = tx.Exec(t.Context(), "SET LOCAL search_path = public, pg_catalog")
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), string(files[0].Content))
	require.NoError(t, err)
	var found string
	require.NoError(t, tx.QueryRow(t.Context(), settings).Scan(&found))
	require.Equal(t, "public, pg_catalog|", found)
	require.NoError(t, tx.Rollback(t.Context()))
}

func TestScriptAtlasFiles(t *testing.T) {
	t.Parallel()
	d := newStratum(t)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "20200101000000_first.sql"), []byte("SELECT 1;\n"), 0o600))
	files := script(t, d.used(t, deskModels()), uuid.Nil, gormstratum.ScriptOptions{
		Format: gormstratum.Atlas, Name: "tenants", Dir: os.DirFS(dir),
	})
	require.Len(t, files, 2)
	require.Regexp(t, `^[0-9]{14}_tenants\.sql$`, files[0].Name)
	require.Equal(t, "atlas.sum", files[1].Name)
	lines := strings.Split(strings.TrimSpace(string(files[1].Content)), "\n")
	require.Len(t, lines, 3)
	require.True(t, strings.HasPrefix(lines[1], "20200101000000_first.sql h1:"))
	require.True(t, strings.HasPrefix(lines[2], files[0].Name+" h1:"))
}

func TestScriptOptionsRefusals(t *testing.T) {
	t.Parallel()
	for want, options := range map[string]gormstratum.ScriptOptions{
		"format 9 does not exist":        {Format: 9},
		`version "v1" is not a number`:   {Version: "v1"},
		`version "000" is not a number`:  {Version: "000"},
		`name "../x" cannot be part`:     {Name: "../x"},
		"the lock timeout is negative":   {LockTimeout: -1},
		`where there is "9_last.sql"`:    {Version: "8", Dir: fstest.MapFS{"9_last.sql": {}}},
		`where there is "8_stratum.sql"`: {Version: "8", Dir: fstest.MapFS{"8_stratum.sql": {}}},
	} {
		_, err := gormstratum.MigrateScript(t.Context(), nil, gormstratum.MigrateOptions{}, options)
		require.ErrorIs(t, err, gormstratum.ErrScript, want)
		require.ErrorContains(t, err, want)
	}
}

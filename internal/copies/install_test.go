package copies_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/copies"
)

const triggersSQL = `SELECT coalesce(string_agg(c.oid || t.tgname || t.oid, ',' ORDER BY c.relname, t.tgname), '')
	FROM pg_trigger t
	JOIN pg_class c ON c.oid = t.tgrelid WHERE t.tgname LIKE 'stratum%' AND c.relnamespace = 'public'::regnamespace`

// logDDL has the server count changes of its catalog.
func (p place) logDDL(t *testing.T) {
	t.Helper()
	run(t, p.AdminDSN, `CREATE TABLE stratum.ddl_log (tag text NOT NULL);
		CREATE FUNCTION stratum.log_ddl() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
			BEGIN INSERT INTO stratum.ddl_log VALUES (tg_tag); END $$;
		CREATE EVENT TRIGGER log_ddl ON ddl_command_end EXECUTE FUNCTION stratum.log_ddl();
		GRANT SELECT ON stratum.ddl_log TO PUBLIC`)
}

func TestInstallTwice(t *testing.T) {
	t.Parallel()
	source := newPlace(t, shopDDL)
	source.install(t, shop())
	before := value[string](t, source, triggersSQL)
	require.NotEmpty(t, before)
	source.logDDL(t)
	const ddl = "SELECT count(*) FROM stratum.ddl_log"
	logged := value[int](t, source, ddl)
	source.install(t, shop())
	require.Equal(t, logged, value[int](t, source, ddl), "nothing is missing")
	require.Equal(t, before, value[string](t, source, triggersSQL))
}

// TestInstallMends what somebody has changed, and what has become of a table.
func TestInstallMends(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"dropped":    "DROP TRIGGER stratum_changed ON regions",
		"disabled":   "ALTER TABLE regions DISABLE TRIGGER stratum_changed",
		"not always": "ALTER TABLE templates ENABLE TRIGGER stratum_changed_insert",
		"another one": `DROP TRIGGER stratum_changed_insert ON templates;
			CREATE TRIGGER stratum_changed_insert AFTER INSERT ON templates FOR EACH ROW WHEN (NEW.id IS NULL)
			EXECUTE FUNCTION stratum.note_change('public', 'templates')`,
		"renamed": `DROP TRIGGER stratum_truncated ON units;
			CREATE TRIGGER stratum_truncated AFTER TRUNCATE ON units FOR EACH STATEMENT
			EXECUTE FUNCTION stratum.note_change('public', 'units_old')`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := newPlace(t, shopDDL)
			source.install(t, shop())
			before := source.watching(t)
			source.exec(t, change)
			require.NotEqual(t, before, source.watching(t))
			source.install(t, shop())
			require.Equal(t, before, source.watching(t))
		})
	}
}

// watching lists the triggers as they are.
func (p place) watching(t *testing.T) []string {
	t.Helper()
	return value[[]string](t, p, `
		SELECT array_agg(pg_get_triggerdef(g.oid) || g.tgenabled::text ORDER BY g.tgrelid, g.tgname)
		FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
		WHERE g.tgname LIKE 'stratum%' AND c.relnamespace = 'public'::regnamespace`)
}

func TestInstallFollowsTheClass(t *testing.T) {
	t.Parallel()
	source := newPlace(t, shopDDL)
	global := []copies.Table{{Schema: "public", Name: "templates"}}
	source.install(t, global)
	require.Len(t, source.watching(t), 2)
	source.install(t, shop()[4:])
	require.Len(t, source.watching(t), 4, "a mixed one now")
	require.NoError(t, source.settle(t, copies.Remove, global))
	require.Empty(t, source.watching(t))
}

func TestInstallWithoutTheTable(t *testing.T) {
	t.Parallel()
	source := newPlace(t, "")
	err := source.settle(t, copies.Install, shop()[:1])
	require.ErrorIs(t, err, copies.ErrMissing)
}

// TestEveryWriterCounts: whoever writes, whichever way.
func TestEveryWriterCounts(t *testing.T) {
	t.Parallel()
	source, target := newShop(t)
	source.exec(t, fillShop+`CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
		CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
		CREATE TABLE mixed_parts (id int PRIMARY KEY, tenant_id uuid) PARTITION BY RANGE (id);
		CREATE TABLE mixed_parts_1 PARTITION OF mixed_parts FOR VALUES FROM (0) TO (100)`)
	target.exec(t, `CREATE TABLE parts (id int PRIMARY KEY);
		CREATE TABLE mixed_parts (id int PRIMARY KEY, tenant_id uuid)`)
	tables := append(shop(), copies.Table{Schema: "public", Name: "parts"},
		copies.Table{Schema: "public", Name: "mixed_parts", TenantColumn: "tenant_id"})
	source.install(t, tables)
	source.install(t, tables)
	refreshed(t, source, target, tables)
	run(t, source.AdminDSN, "GRANT INSERT ON regions TO stratum_system")
	for table, statement := range map[string]string{
		"regions":     "SET ROLE stratum_system; INSERT INTO regions VALUES (20, 'x', 1)",
		"countries":   "SET session_replication_role = replica; UPDATE countries SET rank = 9 WHERE code = 'CH'",
		"loose":       "TRUNCATE loose",
		"units":       "DELETE FROM units",
		"templates":   "UPDATE templates SET tenant_id = '00000000-0000-0000-0000-000000000001' WHERE id = 1",
		"parts":       "INSERT INTO parts_1 VALUES (1)",
		"mixed_parts": "INSERT INTO mixed_parts_1 VALUES (1, NULL)",
	} {
		run(t, source.AdminDSN, statement)
		report := refreshed(t, source, target, tables)
		for _, r := range report.Tables {
			require.Equal(t, r.Name != table, r.Skipped, "%s after a change of %s", r.Name, table)
		}
	}
	require.Equal(t, source.content(t), target.content(t))
}

// TestTenantsWritesDoNotCount: rows of tenants in a mixed table are nobody else's business, and must not cost anything.
func TestTenantsWritesDoNotCount(t *testing.T) {
	t.Parallel()
	source, _ := newShop(t)
	source.exec(t, fillShop)
	const changes = "SELECT count(*) FROM stratum.copy_changes"
	before := value[int](t, source, changes)
	source.exec(t, `INSERT INTO templates VALUES (9, '00000000-0000-0000-0000-000000000001', 'x');
		UPDATE templates SET body = 'y' WHERE tenant_id IS NOT NULL; DELETE FROM templates WHERE id = 9`)
	require.Equal(t, before, value[int](t, source, changes))
}

// TestWritersDoNotWait: two open transactions write one table.
func TestWritersDoNotWait(t *testing.T) {
	t.Parallel()
	source, target := newShop(t)
	source.exec(t, fillShop)
	refreshed(t, source, target, shop())
	first, second := source.connect(t), source.connect(t)
	for i, conn := range []*pgx.Conn{first, second} {
		_, err := conn.Exec(t.Context(), fmt.Sprintf(
			"SET lock_timeout = '5s'; BEGIN; INSERT INTO regions VALUES (%d, 'n%[1]d', 1)", 30+i))
		require.NoError(t, err)
	}
	// The second commits first. What is copied now must not pass for the first one's change, which was made before.
	_, err := second.Exec(t.Context(), "COMMIT")
	require.NoError(t, err)
	require.Equal(t, int64(1), done(t, refreshed(t, source, target, shop()), "regions").Inserted)
	require.True(t, done(t, refreshed(t, source, target, shop()), "regions").Skipped)
	_, err = first.Exec(t.Context(), "COMMIT")
	require.NoError(t, err)
	require.Equal(t, int64(1), done(t, refreshed(t, source, target, shop()), "regions").Inserted)
	require.Equal(t, source.content(t), target.content(t))
}

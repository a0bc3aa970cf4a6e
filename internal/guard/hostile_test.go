package guard_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/guard"
)

// attempt is SQL that an attacker has made part of acme's statements: to read what is globex's, or what is the
// subsidiary's of acme, or to write to it. In the texts $V stands for globex, $C for the subsidiary, $A for acme.
type attempt struct {
	name string
	sql  []string // one statement after the other, on one connection
	// oneDSN says that it succeeds with one DSN. SECURITY.md lists those.
	oneDSN bool
	// victim is what globex has done before on the same connection, with no bad intent.
	victim []string
}

// do wraps commands in a block of code, which the rules on texts do not look into. What is found comes back as an
// error.
func do(commands string) string {
	return "DO $do$ DECLARE found text; BEGIN " + commands +
		" SELECT string_agg(body, ',') INTO found FROM notes; RAISE EXCEPTION 'found: %', found; END $do$"
}

// hidden runs a query where no rule on texts sees it.
func hidden(query string) string {
	return "SELECT query_to_xml('" + strings.ReplaceAll(query, "'", "''") + "', true, true, '')"
}

const look = "SELECT string_agg(body, ',') FROM notes"

// attempts in the classes that the threat model names.
func attempts() map[string][]attempt {
	return map[string][]attempt{
		"settings":  settingAttempts(),
		"roles":     roleAttempts(),
		"enter":     enterAttempts(),
		"leftovers": leftoverAttempts(),
		"objects":   objectAttempts(),
		"catalog":   catalogAttempts(),
		"writes":    writeAttempts(),
	}
}

func settingAttempts() []attempt {
	return []attempt{
		{"the setting by a function in the statement", []string{
			"SELECT set_config('stratum.tenant', '$V', true), (" + look + ")",
		}, false, nil},
		{"the setting in a CTE", []string{
			"WITH s AS MATERIALIZED (SELECT set_config('strat'||'um.tenant', '$V', true) AS v) " +
				"SELECT string_agg(body, ',') FROM notes, s WHERE v <> ''",
		}, false, nil},
		{"the setting in a block", []string{do("PERFORM set_config('stratum.tenant', '$V', true);")}, true, nil},
		{"the setting by SET LOCAL in a block", []string{do("SET LOCAL stratum.tenant = '$V';")}, true, nil},
		{"the setting under a unicode-escaped name", []string{
			do(`PERFORM U&"s\0065t_config"('stratum.tenant', '$V', true);`),
		}, true, nil},
		{"the setting for the session", []string{
			do("PERFORM set_config('stratum.tenant', '$V', false);"), look,
		}, true, nil},
		{"the setting through query_to_xml", []string{
			"SELECT query_to_xml('SELECT set_config(''stratum.tenant'', ''$V'', true)', true, true, ''), " +
				"query_to_xml('SELECT body FROM notes', true, true, '')",
		}, true, nil},
		{"the setting through ts_stat", []string{
			"SELECT * FROM ts_stat('SELECT to_tsvector(set_config(''stratum.tenant'', ''$V'', true)) UNION ALL " +
				"SELECT to_tsvector(body) FROM notes')",
		}, true, nil},
		{"the setting of the subsidiary", []string{do("PERFORM set_config('stratum.tenant', '$C', true);")}, true, nil},
		{"the setting in a sub-transaction that is rolled back", []string{
			do("BEGIN PERFORM set_config('stratum.tenant', '$V', true); RAISE EXCEPTION 'x'; " +
				"EXCEPTION WHEN OTHERS THEN NULL; END;"),
		}, false, nil},
		{"the owner's setting", []string{do("PERFORM set_config('stratum.owner', 'migrate', true);")}, false, nil},
		{"policies turned off", []string{do("SET LOCAL row_security = off;")}, false, nil},
		{"triggers and rules turned off", []string{do("SET LOCAL session_replication_role = replica;")}, false, nil},
		{"no tenant at all", []string{do("PERFORM set_config('stratum.tenant', '', true);")}, false, nil},
	}
}

func roleAttempts() []attempt {
	return []attempt{
		{"RESET ROLE", []string{"RESET ROLE", look}, false, nil},
		{"planned under one role and run under the other", []string{
			hidden("SELECT set_config('role', 'stratum_subtree', true)") +
				", query_to_xml('SELECT body FROM notes WHERE (SELECT set_config(''role'', ''stratum_tenant'', true)) <> ''''', " +
				"true, true, '')",
		}, false, nil},
		{"a cursor of one role fetched under the other", []string{
			hidden("SELECT set_config('role', 'stratum_subtree', true)"), "DECLARE c CURSOR FOR SELECT body FROM notes",
			hidden("SELECT set_config('role', 'stratum_tenant', true)"), "FETCH ALL FROM c",
		}, false, nil},
		{"the role for every connection to come", []string{
			hidden("SELECT set_config('role', 'none', true)"), "ALTER ROLE CURRENT_USER SET role = 'stratum_subtree'",
		}, false, nil},
		{"RESET ROLE in a block", []string{do("RESET ROLE;")}, false, nil},
		{"the role by set_config in a sub-query", []string{
			"SELECT (SELECT set_config('ro'||'le', 'stratum_system', true)), (" + look + ")",
		}, false, nil},
		{"the system role in a block", []string{do("SET LOCAL ROLE stratum_system;")}, true, nil},
		{"the system role by a computed name", []string{
			do("PERFORM set_config('ro'||'le', 'stratum_'||'system', true);"),
		}, true, nil},
		{"the subtree role", []string{do("SET LOCAL ROLE stratum_subtree;")}, true, nil},
		{"the subtree role for another tenant", []string{
			do("SET LOCAL ROLE stratum_subtree; SET LOCAL stratum.tenant = '$V';"),
		}, true, nil},
		{"the role for the session", []string{do("SET ROLE stratum_subtree;"), look}, true, nil},
		{"SET SESSION AUTHORIZATION", []string{"SET SESSION AUTHORIZATION DEFAULT", look}, false, nil},
		{"SET SESSION AUTHORIZATION in a block", []string{
			do("SET SESSION AUTHORIZATION DEFAULT; SET LOCAL stratum.tenant = '$V';"),
		}, false, nil},
		{"several statements in one text", []string{"SELECT 1; SET ROLE stratum_system; " + look}, false, nil},
		{"COMMIT in a block, and on as the login", []string{
			"DO $$ DECLARE found text; BEGIN COMMIT; SELECT string_agg(body, ',') INTO found FROM notes; " +
				"RAISE EXCEPTION '%', found; END $$",
		}, false, nil},
		{"a savepoint rolled back", []string{
			"SAVEPOINT s", do("SET LOCAL ROLE stratum_subtree;"), "ROLLBACK TO s", look,
		}, true, nil},
	}
}

func enterAttempts() []attempt {
	return []attempt{
		{"enter beside the table", []string{"SELECT string_agg(body, ',') FROM notes, stratum.enter('$V')"}, false, nil},
		{"admit beside the table", []string{"SELECT string_agg(body, ',') FROM notes, stratum.admit('$V')"}, false, nil},
		{"readmit beside the table", []string{
			"SELECT string_agg(body, ',') FROM notes, (SELECT last_value AS v FROM stratum.epoch) e, " +
				"LATERAL stratum.readmit('$V', v, 'public', '')",
		}, false, nil},
		{"readmit as the login", []string{
			do("RESET ROLE; PERFORM stratum.readmit('$V', last_value, 'public', '') FROM stratum.epoch; " +
				"SET LOCAL ROLE stratum_tenant;"),
		}, true, nil},
		{"enter as the login", []string{
			do("RESET ROLE; PERFORM stratum.enter('$V'); SET LOCAL ROLE stratum_tenant;"),
		}, true, nil},
		{"admit as the login", []string{
			do("RESET ROLE; PERFORM stratum.admit('$V'); SET LOCAL ROLE stratum_tenant;"),
		}, true, nil},
		{"admit with a proof of nothing", []string{
			do("RESET ROLE; PERFORM stratum.admit('$V', 'stratum_tenant', NULL); SET LOCAL ROLE stratum_tenant;"),
			do(`RESET ROLE; PERFORM stratum.admit('$V', 'stratum_tenant', '\x00'); SET LOCAL ROLE stratum_tenant;`),
		}, false, nil},
		{"one's own signature for another tenant", []string{
			do("PERFORM set_config('stratum.signature', current_setting('stratum.signature', true), true); " +
				"PERFORM set_config('stratum.tenant', '$V', true);"),
		}, true, nil},
		{"an empty signature", []string{
			do("PERFORM set_config('stratum.signature', '', true), set_config('stratum.tenant', '$V', true);"),
		}, true, nil},
		{"another tenant's signature of an earlier transaction", []string{
			do("PERFORM set_config('stratum.signature', '$S', true), set_config('stratum.tenant', '$V', true);"),
		}, true, nil},
		{"a guess", []string{
			do("PERFORM set_config('stratum.signature', repeat('0', 64), true), " +
				"set_config('stratum.tenant', '$V', true);"),
		}, true, nil},
	}
}

func leftoverAttempts() []attempt {
	return []attempt{
		{"a temporary table before the real one", []string{"CREATE TEMP TABLE notes (body text)", look}, false, nil},
		{"a temporary table in a block", []string{
			do("CREATE TEMP TABLE notes AS TABLE public.notes;"), do("CREATE TEMP VIEW v AS TABLE notes;"),
		}, false, nil},
		{"a function of one's own", []string{
			"CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql AS 'SELECT 1'",
			"CREATE FUNCTION public.f() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
		}, false, nil},
		{"a cursor WITH HOLD", []string{
			"DECLARE c CURSOR WITH HOLD FOR SELECT body FROM notes", "FETCH ALL FROM c",
		}, false, nil},
		{"a cursor under another tenant", []string{
			do("DECLARE c CURSOR FOR SELECT body FROM notes; r record; BEGIN " +
				"PERFORM set_config('stratum.tenant', '$V', true); OPEN c; FETCH c INTO r; " +
				"RAISE EXCEPTION 'found: %', r.body; END;"),
		}, true, nil},
		{"a prepared statement under another tenant", []string{
			do("EXECUTE 'PREPARE p AS SELECT body FROM notes'; " +
				"PERFORM set_config('stratum.tenant', '$V', true); EXECUTE 'EXECUTE p';"),
		}, true, nil},
		{"PREPARE and EXECUTE", []string{"PREPARE p AS SELECT body FROM notes", "EXECUTE p"}, false, nil},
		{"a search_path of one's own", []string{
			do("PERFORM set_config('search_path', 'evil, public', false);"), look,
		}, false, nil},
		{"a cursor WITH HOLD that another tenant has left", []string{"FETCH ALL FROM report"}, true, []string{
			"DO $$ BEGIN EXECUTE 'DECLARE report CURSOR WITH HOLD FOR SELECT body FROM notes'; END $$",
		}},
		{"texts of another tenant's prepared statements", []string{
			"SELECT string_agg(statement, ',') FROM pg_prepared_statements WHERE statement LIKE '%of-glo%'",
		}, true, []string{"SELECT '" + secret + "globex'"}},
		{"a setting that another tenant has left", []string{
			"SELECT current_setting('app.note', true)",
		}, true, []string{
			"DO $$ BEGIN PERFORM set_config('app.note', (SELECT body FROM notes), false); END $$",
		}},
		{"the number that another tenant has drawn", []string{
			"SELECT 'secret' || CASE WHEN lastval() > 0 THEN '-' END || 'of-'",
		}, true, []string{"SELECT nextval('notes_id_seq')"}},
		{"a statement put in the place of another", []string{
			do("EXECUTE (SELECT string_agg(format('DEALLOCATE %I; PREPARE %I AS SELECT set_config(''app.loot'', " +
				"(SELECT string_agg(body, '','') FROM notes), false)', name, name), ';') FROM pg_prepared_statements);"),
			"SELECT current_setting('app.loot', true)",
		}, false, nil},
	}
}

func objectAttempts() []attempt {
	return []attempt{
		{"row-level security switched off", []string{"ALTER TABLE notes DISABLE ROW LEVEL SECURITY", look}, false, nil},
		{"row-level security switched off as the login", []string{
			do("RESET ROLE; ALTER TABLE notes DISABLE ROW LEVEL SECURITY;"),
		}, false, nil},
		{"out of all policies", []string{"DROP OWNED BY stratum_tenant", do("DROP OWNED BY stratum_tenant;")}, false, nil},
		{"out of all policies of subtrees", []string{
			do("RESET ROLE; SET LOCAL ROLE stratum_subtree; DROP OWNED BY stratum_subtree;"),
			"REASSIGN OWNED BY stratum_tenant TO CURRENT_USER",
		}, false, nil},
		{"a policy dropped", []string{do("DROP POLICY tenant ON notes;")}, false, nil},
		{"a policy added", []string{do("RESET ROLE; CREATE POLICY all_of_it ON notes USING (true);")}, false, nil},
		{"tenant_id() replaced", []string{
			do("RESET ROLE; CREATE OR REPLACE FUNCTION stratum.tenant_id() RETURNS uuid LANGUAGE sql " +
				"RETURN '$V'::uuid;"),
		}, false, nil},
		{"signatures made optional", []string{
			do("RESET ROLE; PERFORM stratum.require_signature(false); SET LOCAL ROLE stratum_tenant; " +
				"PERFORM set_config('stratum.tenant', '$V', true);"),
		}, false, nil},
		{"new keys", []string{do("RESET ROLE; PERFORM stratum.renew_keys();")}, false, nil},
		{"rights granted", []string{do("RESET ROLE; GRANT SELECT ON notes TO PUBLIC;")}, false, nil},
		{"roles granted", []string{do("RESET ROLE; GRANT stratum_system TO CURRENT_USER; SET ROLE stratum_system;")}, false, nil},
		{"the role altered", []string{do("RESET ROLE; ALTER ROLE CURRENT_USER BYPASSRLS;")}, false, nil},
		{"a view", []string{do("CREATE VIEW v AS SELECT * FROM notes;")}, false, nil},
		{"a rule", []string{do("RESET ROLE; CREATE RULE r AS ON INSERT TO notes DO ALSO SELECT 1;")}, false, nil},
		{"a schema", []string{do("RESET ROLE; CREATE SCHEMA evil;")}, false, nil},
		{"an extension", []string{do("RESET ROLE; CREATE EXTENSION hstore;")}, false, nil},
	}
}

func catalogAttempts() []attempt {
	return []attempt{
		{"statistics", []string{
			"SELECT string_agg(most_common_vals::text || histogram_bounds::text, ',') FROM pg_stats " +
				"WHERE tablename = 'notes'",
			do("RESET ROLE; SELECT string_agg(s::text, ',') INTO found FROM pg_stats s WHERE tablename = 'notes'; " +
				"RAISE EXCEPTION '%', found;"),
			"SELECT string_agg(stavalues1::text, ',') FROM pg_statistic",
		}, false, nil},
		{"the keys", []string{
			"SELECT proof_key::text FROM stratum.signing", "SELECT sign_inner::text FROM stratum.signing",
			do("RESET ROLE; SELECT s::text INTO found FROM stratum.signing s; RAISE EXCEPTION '%', found;"),
		}, false, nil},
		{"the registry", []string{
			"SELECT string_agg(t::text, ',') FROM stratum.tenants t",
			do("RESET ROLE; SELECT string_agg(t::text, ',') INTO found FROM stratum.tenants t; RAISE EXCEPTION '%', found;"),
		}, false, nil},
		{"files", []string{
			"SELECT pg_read_file('base/1/PG_VERSION')", "SELECT pg_ls_dir('.')",
			"COPY notes TO PROGRAM 'cat'", "COPY notes TO STDOUT", do("COPY notes TO '/tmp/x';"),
		}, false, nil},
		{"the page itself", []string{"SELECT get_raw_page('notes', 0)"}, false, nil},
		{"plans", []string{
			"EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM notes",
			do("EXECUTE 'EXPLAIN SELECT * FROM notes';"),
		}, false, nil},
		{"an error that quotes a value", []string{
			"SELECT 1 / (CASE WHEN body LIKE '%globex%' THEN 0 ELSE 1 END) FROM notes",
			"SELECT body::int FROM notes",
		}, false, nil},
		{"cursors", []string{"SELECT string_agg(statement, ',') FROM pg_cursors"}, false, nil},
		{"the whole database as XML", []string{"SELECT table_to_xml('notes', true, true, '')"}, false, nil},
	}
}

// lookingUpsert has PostgreSQL evaluate a condition on the row that is there, whoever's it is, before any policy is asked.
// The hardened mode has a rule against it, and none of the database's own means.
const lookingUpsert = "INSERT INTO notes (id, body) VALUES (4711, 'pwned') ON CONFLICT (id) DO UPDATE SET body = 'pwned' " +
	"WHERE notes.body::int = 1"

// stringUpsert hides the same from the rules, where a backslash escapes the quote that it stands before.
const stringUpsert = `INSERT INTO notes (id, body) VALUES (4711, '\'') ON CONFLICT (id) DO UPDATE SET body = NULL ` +
	"WHERE notes.body::int = 1 -- ')"

func writeAttempts() []attempt {
	return []attempt{
		{"UPDATE of all", []string{"UPDATE notes SET body = 'pwned'"}, false, nil},
		{"UPDATE under another tenant", []string{
			"DO $$ BEGIN PERFORM set_config('stratum.tenant', '$V', true); UPDATE notes SET body = 'pwned'; END $$",
		}, true, nil},
		{"DELETE under another tenant", []string{
			"DO $$ BEGIN PERFORM set_config('stratum.tenant', '$V', true); DELETE FROM notes; END $$",
		}, true, nil},
		{"INSERT for another tenant", []string{
			"INSERT INTO notes (tenant_id, body) VALUES ('$V', 'pwned')",
			"DO $$ BEGIN SET LOCAL stratum.tenant = '$V'; INSERT INTO notes (body) VALUES ('pwned'); END $$",
		}, true, nil},
		{"a row moved", []string{"UPDATE notes SET tenant_id = '$V'"}, false, nil},
		{"an upsert on another's key", []string{
			"INSERT INTO notes (id, body) OVERRIDING SYSTEM VALUE VALUES (4711, 'pwned') " +
				"ON CONFLICT (id) DO UPDATE SET body = 'pwned'",
		}, false, nil},
		{"an upsert that looks at another's row", []string{lookingUpsert, do(lookingUpsert + ";")}, true, nil},
		{"an upsert behind a string that is none", []string{
			hidden("SELECT set_config('standard_conforming_strings', 'off', true)"), stringUpsert,
		}, false, nil},
		{"MERGE", []string{
			"MERGE INTO notes n USING (SELECT 4711::bigint AS id) s ON n.id = s.id " +
				"WHEN MATCHED THEN UPDATE SET body = 'pwned'",
		}, false, nil},
		{"TRUNCATE", []string{"TRUNCATE notes", do("TRUNCATE notes;")}, false, nil},
		{"a data-modifying CTE", []string{
			"WITH s AS (SELECT set_config('stratum'||'.tenant', '$V', true)), d AS (DELETE FROM notes RETURNING body) " +
				"SELECT string_agg(body, ',') FROM d, s",
		}, false, nil},
		{"the registry", []string{"UPDATE stratum.tenants SET status = 'archived'"}, false, nil},
		{"the epoch", []string{
			"SELECT setval('stratum.epoch', 1)", do("RESET ROLE; PERFORM nextval('stratum.epoch');"),
		}, false, nil},
	}
}

// scene is a database with an attacker and those whom it is after.
type scene struct {
	*handle

	admin *pgx.Conn
	child uuid.UUID // acme's subsidiary
	truth string    // what is not the attacker's
}

const secret = "secret-of-"

func newScene(t *testing.T, s setup) *scene {
	t.Helper()
	d := newDatabase(t)
	c := &scene{admin: d.admin(t)}
	if s.single {
		config, err := pgx.ParseConfig(d.DSN)
		require.NoError(t, err)
		_, err = c.admin.Exec(t.Context(), "GRANT stratum_system TO "+pgx.Identifier{config.User}.Sanitize())
		require.NoError(t, err)
	}
	c.handle = openWith(t, d.options(s))
	child, err := c.Tenants.Create(t.Context(), core.NewTenant{Name: "child", Slug: "child", Parent: c.acme})
	require.NoError(t, err)
	c.child = child.ID
	c.seed(t)
	_, err = c.admin.Exec(t.Context(), "GRANT USAGE ON SEQUENCE notes_id_seq TO stratum_tenant; ANALYZE notes")
	require.NoError(t, err)
	c.truth = c.look(t)
	return c
}

// seed puts everybody's rows back.
func (c *scene) seed(t *testing.T) {
	t.Helper()
	_, err := c.admin.Exec(t.Context(), fmt.Sprintf(`DELETE FROM notes; INSERT INTO notes (tenant_id, id, body)
		VALUES ('%s', 1, 'own'), ('%s', 4711, '%[4]sglobex'), ('%[3]s', 4712, '%[4]schild')`,
		c.acme, c.globex, c.child, secret))
	require.NoError(t, err)
}

// look is what everybody but the attacker has.
func (c *scene) look(t *testing.T) (truth string) {
	t.Helper()
	require.NoError(t, c.admin.QueryRow(t.Context(), `SELECT string_agg(x, E'\n' ORDER BY x) FROM (
		SELECT n::text FROM notes n WHERE tenant_id <> $1
		UNION ALL SELECT id::text || status FROM stratum.tenants
		UNION ALL SELECT last_value::text FROM stratum.epoch
		UNION ALL SELECT p::text FROM pg_policy p
		UNION ALL SELECT s::text FROM pg_db_role_setting s
		UNION ALL SELECT s::text FROM stratum.signing s) AS all_of_it (x)`, c.acme).Scan(&truth))
	return truth
}

// prepare has the victim do its work, and returns the signature that it did so with.
func (c *scene) prepare(a attempt) (signature string) {
	for _, text := range a.victim {
		_, _ = c.db.ExecContext(c.as(c.globex), text) // it may be refused, and then leaves nothing behind
	}
	return c.text(c.as(c.globex), "SELECT current_setting('stratum.signature', true)")
}

// run takes the attempt, one statement after the other, and returns all that comes back, errors included.
func (c *scene) run(ctx context.Context, db runner, a attempt, signature string) string {
	var seen strings.Builder
	for _, text := range a.sql {
		text = strings.NewReplacer("$V", c.globex.String(), "$C", c.child.String(), "$A", c.acme.String(), "$S", signature).Replace(text)
		rows, err := db.QueryContext(ctx, text)
		if err == nil {
			err = readAll(rows, &seen)
		}
		var pgErr *pgconn.PgError
		if errors.As(err, &pgErr) {
			fmt.Fprintf(&seen, "%+v\n", *pgErr)
		} else {
			fmt.Fprintf(&seen, "%v\n", err)
		}
	}
	return seen.String()
}

type runner interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func readAll(rows *sql.Rows, seen *strings.Builder) error {
	defer rows.Close() //nolint:errcheck // Err has it
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			return err
		}
		for _, v := range values {
			fmt.Fprintf(seen, "%s\n", *v.(*any))
		}
	}
	return rows.Err()
}

// breached tells what the attempt has achieved, and "" where it was nothing.
func (c *scene) breached(t *testing.T, seen string) string {
	t.Helper()
	if strings.Contains(seen, secret) {
		return "read: " + seen
	}
	if truth := c.look(t); truth != c.truth {
		return "wrote: " + truth
	}
	return ""
}

// TestHostileSQL does not get anywhere in the hardened mode: not as one statement after the other, and not in a
// transaction.
func TestHostileSQL(t *testing.T) {
	t.Parallel()
	c := newScene(t, setup{hardened: true})
	t.Logf("%d attempts", c.resist(t, func(attempt) bool { return true }))
}

// TestHostileSQLAgainstTheDatabase has the guard look at no text at all: what is hidden from its rules does not get
// anywhere either, but for what only a rule stops: an upsert, and the login changing itself.
func TestHostileSQLAgainstTheDatabase(t *testing.T) {
	t.Parallel()
	c := newScene(t, setup{hardened: true})
	c.raw(func(raw any) error {
		guard.WithoutRules(raw)
		return nil
	})
	looks := func(a attempt) bool { return strings.Contains(strings.Join(a.sql, ""), lookingUpsert) }
	alters := func(a attempt) bool { return strings.Contains(strings.Join(a.sql, ""), "ALTER ROLE CURRENT_USER SET") }
	c.resist(t, func(a attempt) bool { return !looks(a) && !alters(a) })
	for _, a := range writeAttempts() {
		if looks(a) {
			require.NotEmpty(t, c.breached(t, c.run(c.as(c.acme), c.db, a, "")), "the rule is needed no more")
		}
	}
}

// resist takes the attempts, none of which may succeed, and returns their number.
func (c *scene) resist(t *testing.T, takes func(attempt) bool) (n int) {
	t.Helper()
	for class, list := range attempts() {
		for _, a := range list {
			if !takes(a) {
				continue
			}
			n++
			ctx := c.as(c.acme)
			require.Empty(t, c.breached(t, c.run(ctx, c.db, a, c.prepare(a))), "%s: %s", class, a.name)
			signature := c.prepare(a)
			tx, err := c.db.BeginTx(ctx, nil)
			require.NoError(t, err, "%s: %s", class, a.name)
			seen := c.run(ctx, tx, a, signature)
			_ = tx.Commit() // it has failed, most likely, and a success must not help either
			require.Empty(t, c.breached(t, seen), "%s: %s, in a transaction", class, a.name)
			require.Equal(t, secret+"globex", c.text(c.as(c.globex), look), "%s: %s: the next tenant", class, a.name)
		}
	}
	return n
}

// TestHostileSQLWithOneDSN shows what the mode without signatures stops, and what it does not: SECURITY.md says so.
func TestHostileSQLWithOneDSN(t *testing.T) {
	t.Parallel()
	c := newScene(t, setup{single: true})
	for class, list := range attempts() {
		for _, a := range list {
			got := c.breached(t, c.run(c.as(c.acme), c.db, a, c.prepare(a)))
			require.Equal(t, a.oneDSN, got != "", "%s: %s: %s", class, a.name, got)
			c.seed(t)
		}
	}
}

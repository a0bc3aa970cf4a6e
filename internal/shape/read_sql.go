package shape

// settingsSQL sets settings for the transaction, and returns what they were.
const settingsSQL = `
SELECT pg_catalog.json_object_agg(was.name, was.value)::pg_catalog.text FROM (
	SELECT s.key AS name, pg_catalog.current_setting(s.key) AS value
	FROM pg_catalog.json_each_text($1::pg_catalog.json) s ORDER BY 1) was`

// setSQL sets them. It is a statement of its own: within one, the order of the two would be the planner's choice.
const setSQL = `
SELECT pg_catalog.count(pg_catalog.set_config(s.key, s.value, true))
FROM pg_catalog.json_each_text($1::pg_catalog.json) s`

// readSQL returns the tables of the schemas in $1, those in $2 if it is not NULL, and the search_path they were read
// under.
func readSQL() string {
	return `
SELECT json_build_object(
	'schema', n.nspname, 'name', c.relname, 'owner', o.rolname, 'unlogged', c.relpersistence = 'u',
	'options', to_json(c.reloptions), 'secured', c.relrowsecurity, 'forced', c.relforcerowsecurity,
	'replica', CASE c.relreplident WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING' WHEN 'i' THEN 'USING INDEX'
		ELSE 'DEFAULT' END,
	'replica_index', (SELECT x.relname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
		WHERE i.indrelid = c.oid AND i.indisreplident),
	'peculiar', ` + peculiarSQL + `,
	'columns', ` + columnsSQL + `,
	'constraints', ` + constraintsSQL + `,
	'indexes', ` + indexesSQL + `,
	'sequences', ` + sequencesSQL() + `,
	'triggers', ` + triggersSQL + `,
	'policies', ` + policiesSQL + `,
	'grants', ` + grantsSQL("c", columnGrantsSQL) + `
)::text, current_setting('search_path')
FROM (SELECT DISTINCT s FROM json_array_elements_text($1::json) s) wanted JOIN pg_namespace n ON n.nspname = wanted.s
CROSS JOIN LATERAL (` + namedSQL + `) c JOIN pg_roles o ON o.oid = c.relowner
WHERE c.relkind IN ('r', 'p')
ORDER BY n.nspname, c.relname`
}

// namedSQL finds relations of a schema, by the names in $2 if it is not NULL. Each is looked up by itself: the planner
// would look for a name in all schemas that there are, which takes the longer the more of them there are.
const namedSQL = `
	SELECT found.* FROM (SELECT DISTINCT t FROM json_array_elements_text($2::json) t) name CROSS JOIN LATERAL (
		SELECT * FROM pg_class k WHERE k.relname = name.t AND k.relnamespace = n.oid OFFSET 0) found
	UNION ALL
	SELECT * FROM pg_class k WHERE $2::json IS NULL AND k.relnamespace = n.oid`

// peculiarSQL lists what the rest of the query does not show and the table would lose.
const peculiarSQL = `to_json(array_remove(ARRAY[
		CASE WHEN c.relkind = 'p' THEN 'is partitioned' END,
		CASE WHEN c.relispartition THEN 'is a partition' END,
		CASE WHEN NOT c.relispartition AND EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = c.oid)
			THEN 'inherits from another table' END,
		CASE WHEN c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits h WHERE h.inhparent = c.oid)
			THEN 'has tables that inherit from it' END,
		CASE WHEN EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = c.oid) THEN 'has rewrite rules' END], NULL))`

const columnsSQL = `(
		SELECT json_agg(json_build_object(
			'name', a.attname, 'quoted', quote_ident(a.attname), 'type', format_type(a.atttypid, a.atttypmod),
			'collation', (SELECT quote_ident(ln.nspname) || '.' || quote_ident(l.collname)
				FROM pg_collation l JOIN pg_namespace ln ON ln.oid = l.collnamespace
				JOIN pg_type t ON t.oid = a.atttypid
				WHERE l.oid = a.attcollation AND a.attcollation <> t.typcollation),
			'not_null', a.attnotnull, 'default', pg_get_expr(d.adbin, d.adrelid),
			'identity', CASE a.attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END,
			'generated', CASE a.attgenerated WHEN 's' THEN 'STORED' WHEN 'v' THEN 'VIRTUAL' END) ORDER BY a.attnum)
		FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)`

// noteSQL is a comment of Stratum's own on an index. Others are left alone.
const noteSQL = `(SELECT m.description FROM pg_description m WHERE m.classoid = 'pg_class'::regclass
				AND m.objsubid = 0 AND m.description LIKE 'stratum: %' AND m.objoid = `

const constraintsSQL = `(
		SELECT json_agg(json_build_object(
			'name', k.conname, 'type', k.contype, 'definition', pg_get_constraintdef(k.oid),
			'validated', k.convalidated, 'ref_schema', rn.nspname, 'ref_table', r.relname,
			'comment', ` + noteSQL + ` k.conindid AND k.contype <> 'f')) ORDER BY k.conname)
		FROM pg_constraint k LEFT JOIN pg_class r ON r.oid = k.confrelid
		LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace
		WHERE k.conrelid = c.oid AND k.contype IN ('p', 'u', 'c', 'f', 'x') AND k.conparentid = 0)`

const indexesSQL = `(
		SELECT json_agg(json_build_object(
			'name', x.relname, 'definition', pg_get_indexdef(x.oid), 'unique', i.indisunique,
			'invalid', NOT i.indisvalid, 'comment', ` + noteSQL + ` x.oid)) ORDER BY x.relname)
		FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
		WHERE i.indrelid = c.oid AND NOT EXISTS (SELECT FROM pg_constraint k
			WHERE k.conrelid = c.oid AND k.conindid = x.oid AND k.contype IN ('p', 'u', 'x')))`

func sequencesSQL() string {
	return `(
		SELECT json_agg(json_build_object(
			'name', s.relname, 'column', a.attname, 'identity', d.deptype = 'i',
			'type', format_type(q.seqtypid, NULL), 'start', q.seqstart, 'increment', q.seqincrement,
			'min', q.seqmin, 'max', q.seqmax, 'cache', q.seqcache, 'cycle', q.seqcycle,
			'grants', ` + grantsSQL("s", "") + `) ORDER BY s.relname)
		FROM pg_depend d JOIN pg_class s ON s.oid = d.objid JOIN pg_sequence q ON q.seqrelid = s.oid
		JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
		WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid > 0
			AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))`
}

const triggersSQL = `(
		SELECT json_agg(json_build_object(
			'name', g.tgname, 'definition', pg_get_triggerdef(g.oid), 'enabled', g.tgenabled) ORDER BY g.tgname)
		FROM pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal)`

const policiesSQL = `(
		SELECT json_agg(json_build_object(
			'name', p.polname, 'permissive', p.polpermissive,
			'command', CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
				WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
			'roles', (
				SELECT json_agg(coalesce(r.rolname, '') ORDER BY r.rolname)
				FROM unnest(p.polroles) AS m(oid) LEFT JOIN pg_roles r ON r.oid = m.oid),
			'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid)
			) ORDER BY p.polname)
		FROM pg_policy p WHERE p.polrelid = c.oid)`

// grantsSQL lists rights on a relation that its owner does not have by itself. Whether they may be passed on is left
// out.
func grantsSQL(relation, more string) string {
	return `(
		SELECT json_agg(json_build_object('role', g.role, 'column', g.col, 'privileges', g.list) ORDER BY g.role, g.col)
		FROM (
			SELECT CASE WHEN e.grantee = 0 THEN '' ELSE coalesce(b.rolname, e.grantee::text) END AS role, e.col,
				json_agg(DISTINCT e.privilege_type) AS list
			FROM (
				SELECT ''::name AS col, t.* FROM aclexplode(` + relation + `.relacl) t` + more + `
			) e LEFT JOIN pg_roles b ON b.oid = e.grantee
			WHERE e.grantee <> ` + relation + `.relowner GROUP BY 1, 2) g)`
}

const columnGrantsSQL = `
				UNION ALL
				SELECT a.attname, t.* FROM pg_attribute a CROSS JOIN aclexplode(a.attacl) t WHERE a.attrelid = c.oid`

// viewSQL describes a view. What is peculiar is a trigger, a rule or a default of its own: such a view is not made
// elsewhere.
func viewSQL() string {
	return `json_build_object(
	'schema', n.nspname, 'name', c.relname, 'owner', o.rolname, 'options', to_json(c.reloptions),
	'definition', pg_get_viewdef(c.oid), 'invoker', coalesce((SELECT w.option_value::boolean
		FROM pg_options_to_table(c.reloptions) w WHERE w.option_name = 'security_invoker'), false),
	'peculiar', EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid)
		OR EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = c.oid AND w.rulename <> '_RETURN')
		OR EXISTS (SELECT FROM pg_attrdef d WHERE d.adrelid = c.oid),
	'uses', (SELECT json_agg(DISTINCT jsonb_build_array(un.nspname, u.relname))
		FROM pg_rewrite w JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
			AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> c.oid
		JOIN pg_class u ON u.oid = d.refobjid JOIN pg_namespace un ON un.oid = u.relnamespace
		WHERE w.ev_class = c.oid),
	'grants', ` + grantsSQL("c", columnGrantsSQL) + `
)::text, current_setting('search_path')`
}

// readViewsSQL returns the views of the schemas in $1, those in $2 if it is not NULL.
func readViewsSQL() string {
	return `
SELECT ` + viewSQL() + `
FROM (SELECT DISTINCT s FROM json_array_elements_text($1::json) s) wanted JOIN pg_namespace n ON n.nspname = wanted.s
CROSS JOIN LATERAL (` + namedSQL + `) c JOIN pg_roles o ON o.oid = c.relowner
WHERE c.relkind = 'v'
ORDER BY n.nspname, c.relname`
}

// reachedSQL returns the names of the views that lead to the tables in $1, pairs of schema and name, in the schemas of
// these, as pairs. Most models have none, and what these are takes longer to ask.
const reachedSQL = `
WITH RECURSIVE wanted AS MATERIALIZED (
	SELECT n.oid AS schema, k.oid FROM json_array_elements($1::json) p JOIN pg_namespace n ON n.nspname = p ->> 0
	CROSS JOIN LATERAL (SELECT k.oid FROM pg_class k WHERE k.relname = p ->> 1 AND k.relnamespace = n.oid OFFSET 0) k
), reached (oid) AS (
	SELECT oid FROM wanted
	UNION
	SELECT w.ev_class FROM reached r
	JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = r.oid
		AND d.classid = 'pg_rewrite'::regclass
	JOIN pg_rewrite w ON w.oid = d.objid JOIN pg_class v ON v.oid = w.ev_class
	WHERE v.relkind = 'v' AND v.relnamespace IN (SELECT schema FROM wanted)
)
SELECT json_build_array(n.nspname, c.relname)::text, current_setting('search_path')
FROM reached r JOIN pg_class c ON c.oid = r.oid AND c.relkind = 'v' JOIN pg_namespace n ON n.oid = c.relnamespace`

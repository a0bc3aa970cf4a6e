package tables

// beginSQL lets the owner see rows until the transaction ends, and makes other migrations wait: they would plan the
// same steps. Its advisory lock is in the space of two-integer keys, apart from the tenants' locks that stratum.enter
// takes. The settings are made in FROM, for the planner may not skip a function that is called there.
const beginSQL = `
SELECT pg_catalog.current_setting('search_path'),
	pg_catalog.to_json(pg_catalog.current_schemas(false))::pg_catalog.text,
	pg_catalog.to_regprocedure('stratum.admit_owner()') IS NOT NULL
		AND pg_catalog.to_regclass('stratum.tables') IS NOT NULL AND NOT EXISTS (
		SELECT FROM pg_catalog.json_array_elements_text($1::pg_catalog.json) AS asked(name)
		WHERE pg_catalog.to_regrole(pg_catalog.quote_ident(asked.name)) IS NULL)
FROM pg_catalog.set_config('stratum.owner', 'migrate', true), pg_catalog.pg_advisory_xact_lock(1937011297, 1952542572)`

// lookSQL returns, for each name that is a relation, its place in $1 and the relation. $1 are the names, $2 the schemas
// of the search_path in order, $3 our roles. A list is NULL where it is empty.
func lookSQL() string {
	return `
WITH asked AS (
	SELECT a.ord, a.item->>'schema' AS schema, a.item->>'name' AS name
	FROM json_array_elements($1::json) WITH ORDINALITY AS a(item, ord)
), path AS (
	SELECT p.ord, p.name FROM json_array_elements_text($2::json) WITH ORDINALITY AS p(name, ord)
), roles AS (
	SELECT r.oid, r.rolname FROM pg_roles r WHERE r.rolname IN (SELECT json_array_elements_text($3::json))
), found AS (
	SELECT a.ord, c.oid FROM asked a CROSS JOIN LATERAL (
		SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		LEFT JOIN path p ON p.name = n.nspname
		WHERE c.relname = a.name AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
			AND CASE WHEN a.schema = '' THEN p.ord IS NOT NULL ELSE n.nspname = a.schema END
		ORDER BY p.ord LIMIT 1) c
), dependents AS (
	SELECT d.conindid, json_agg(json_build_object('schema', n.nspname, 'table', c.relname, 'name', d.conname)) AS list
	FROM pg_constraint d JOIN pg_class c ON c.oid = d.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE d.contype = 'f' AND d.conparentid = 0 GROUP BY d.conindid
)
SELECT f.ord, json_build_object(
	'oid', c.oid::int8, 'schema', n.nspname, 'name', c.relname, 'kind', c.relkind, 'owner', o.rolname,
	'mine', pg_has_role(c.relowner, 'USAGE'), 'own', c.relowner = current_user::regrole,
	'secured', c.relrowsecurity, 'forced', c.relforcerowsecurity,
	'adopting', EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = '` + fillTrigger + `'),
	'columns', ` + columnsSQL + `,
	'constraints', ` + constraintsSQL() + `,
	'indexes', ` + indexesSQL + `,
	'policies', ` + policiesSQL + `,
	'grants', ` + grantsSQL + `,
	'sequences', ` + sequencesSQL + `,
	'users', (SELECT json_agg(roles.rolname) FROM roles WHERE has_schema_privilege(roles.oid, n.oid, 'USAGE')),
	'recorded', (SELECT json_build_object('class', d.class, 'column', coalesce(d.tenant_column, ''))
		FROM stratum.tables d WHERE d.table_schema = n.nspname AND d.table_name = c.relname)
)::text
FROM found f JOIN pg_class c ON c.oid = f.oid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_roles o ON o.oid = c.relowner
ORDER BY f.ord`
}

// columnsSQL lists the columns that were not dropped.
const columnsSQL = `(
		SELECT json_agg(json_build_object(
			'name', a.attname, 'quoted', quote_ident(a.attname), 'uuid', a.atttypid = 'uuid'::regtype,
			'type', format_type(a.atttypid, a.atttypmod), 'not_null', a.attnotnull,
			'default', pg_get_expr(d.adbin, d.adrelid)) ORDER BY a.attnum)
		FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)`

// constraintsSQL lists what is unique, refers or checks. Those with a parent belong to a partition of the one that is
// declared.
func constraintsSQL() string {
	return `(
		SELECT json_agg(json_build_object(
			'name', k.conname, 'type', k.contype, 'columns', ` + columnsOf("k.conrelid", "k.conkey") + `,
			'ref', k.confrelid::int8, 'ref_columns', ` + columnsOf("k.confrelid", "k.confkey") + `,
			'on_delete', k.confdeltype, 'on_update', k.confupdtype,
			'set_columns', ` + columnsOf("k.conrelid", "k.confdelsetcols") + `,
			'match', k.confmatchtype, 'validated', k.convalidated,
			'check', coalesce(pg_get_expr(k.conbin, k.conrelid), ''),
			'definition', CASE k.contype WHEN 'f' THEN pg_get_constraintdef(k.oid) ELSE '' END) ORDER BY k.conname)
		FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype IN ('p', 'u', 'f', 'c') AND k.conparentid = 0)`
}

// indexesSQL lists indexes without the columns that are only stored with them.
const indexesSQL = `(
		SELECT json_agg(json_build_object(
			'name', x.relname, 'unique', i.indisunique,
			'columns', (
				SELECT json_agg(coalesce(a.attname, '') ORDER BY k.ord)
				FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(num, ord)
				LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num AND k.num > 0
				WHERE k.ord <= i.indnkeyatts),
			'plain', i.indisvalid AND i.indimmediate AND i.indpred IS NULL,
			'nulls_equal', i.indnullsnotdistinct, 'comment', coalesce(obj_description(x.oid, 'pg_class'), ''),
			'dependents', d.list) ORDER BY x.relname)
		FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid LEFT JOIN dependents d ON d.conindid = i.indexrelid
		WHERE i.indrelid = c.oid)`

// policiesSQL lists policies. What applies to a role reaches those that inherit from it.
const policiesSQL = `(
		SELECT json_agg(json_build_object(
			'name', p.polname, 'command', p.polcmd, 'permissive', p.polpermissive,
			'roles', (
				SELECT json_agg(coalesce(r.rolname, '') ORDER BY r.rolname)
				FROM unnest(p.polroles) AS m(oid) LEFT JOIN pg_roles r ON r.oid = m.oid),
			'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid),
			'concerns', EXISTS (
				SELECT FROM unnest(p.polroles) AS m(oid) WHERE m.oid IN (0, c.relowner)
					OR EXISTS (SELECT FROM roles WHERE pg_has_role(roles.oid, m.oid, 'USAGE')))) ORDER BY p.polname)
		FROM pg_policy p WHERE p.polrelid = c.oid)`

// grantsSQL lists rights on the table and on its columns.
const grantsSQL = `(
		SELECT json_agg(json_build_object(
			'role', coalesce(r.rolname, ''), 'right', g.privilege_type, 'grantor', b.rolname, 'partial', g.partial))
		FROM (
			SELECT false AS partial, t.* FROM aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) t
			UNION ALL
			SELECT true, t.* FROM pg_attribute a CROSS JOIN aclexplode(a.attacl) t WHERE a.attrelid = c.oid
		) g LEFT JOIN roles r ON r.oid = g.grantee LEFT JOIN pg_roles b ON b.oid = g.grantor
		WHERE g.grantee = 0 OR r.oid IS NOT NULL)`

// sequencesSQL lists the sequences of columns that are serial ('a') or identities ('i').
const sequencesSQL = `(
		SELECT json_agg(json_build_object('schema', sn.nspname, 'name', s.relname, 'users', (
			SELECT json_agg(roles.rolname) FROM roles WHERE has_sequence_privilege(roles.oid, s.oid, 'USAGE'))))
		FROM pg_depend d JOIN pg_class s ON s.oid = d.objid JOIN pg_namespace sn ON sn.oid = s.relnamespace
		WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid > 0
			AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND s.relkind = 'S')`

// columnsOf turns column numbers of a relation into names.
func columnsOf(rel, numbers string) string {
	return `(
				SELECT json_agg(a.attname ORDER BY u.ord) FROM unnest(` + numbers + `) WITH ORDINALITY AS u(num, ord)
				JOIN pg_attribute a ON a.attrelid = ` + rel + ` AND a.attnum = u.num)`
}

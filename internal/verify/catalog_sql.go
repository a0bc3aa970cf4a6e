package verify

// What is PostgreSQL's own, and sessions' temporary schemas, are left out everywhere.
const userSchema = `(n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
		AND n.nspname NOT LIKE 'pg\_temp\_%' AND n.nspname NOT LIKE 'pg\_toast\_temp\_%')`

// relationsSQL takes whose rights are looked at ($1) and what tenant columns are called ($2).
const relationsSQL = `
WITH looked AS (
	SELECT r.oid, r.rolname FROM pg_roles r WHERE r.rolname = ANY ($1::text[])
), names AS (
	SELECT unnest($2::text[]) AS name UNION SELECT t.tenant_column FROM stratum.tables t
)
SELECT coalesce(json_agg(json_build_object(
	'oid', c.oid::int8, 'schema', n.nspname, 'name', c.relname, 'kind', c.relkind,
	'owner', pg_get_userbyid(c.relowner), 'secured', c.relrowsecurity, 'forced', c.relforcerowsecurity,
	'invoker', EXISTS (SELECT FROM pg_options_to_table(c.reloptions) o
		WHERE o.option_name = 'security_invoker' AND o.option_value::boolean),
	'extension', EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid
		AND e.deptype = 'e'),
	'adopting', EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid
		AND t.tgname IN ('zz_stratum_fill', 'zz_stratum_pull')),
	'parents', (SELECT json_agg(i.inhparent::int8) FROM pg_inherits i WHERE i.inhrelid = c.oid),
	'grants', (SELECT json_agg(DISTINCT jsonb_build_object('grantee', coalesce(l.rolname, ''),
			'right', g.privilege_type, 'grantor', pg_get_userbyid(g.grantor)))
		FROM (
			SELECT t.* FROM aclexplode(c.relacl) t
			UNION ALL SELECT t.* FROM pg_attribute a CROSS JOIN aclexplode(a.attacl) t WHERE a.attrelid = c.oid
		) g LEFT JOIN looked l ON l.oid = g.grantee
		WHERE g.grantee <> c.relowner AND (g.grantee = 0 OR l.oid IS NOT NULL)),
	'columns', (SELECT json_agg(json_build_object(
			'name', a.attname, 'quoted', quote_ident(a.attname), 'not_null', a.attnotnull,
			'type', format_type(a.atttypid, a.atttypmod), 'default', coalesce(pg_get_expr(f.adbin, f.adrelid), '')))
		FROM pg_attribute a LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
		WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f')
			AND a.attname IN (SELECT name FROM names))
) ORDER BY c.oid), '[]')::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND ` + userSchema

// policiesSQL takes the roles and logins that a policy may concern ($1), beside the table's owner.
const policiesSQL = `
SELECT coalesce(json_agg(json_build_object(
	'table', p.polrelid::int8, 'name', p.polname, 'command', p.polcmd, 'permissive', p.polpermissive,
	'roles', (SELECT json_agg(coalesce(r.rolname, '') ORDER BY r.rolname)
		FROM unnest(p.polroles) AS m(oid) LEFT JOIN pg_roles r ON r.oid = m.oid),
	'using', coalesce(pg_get_expr(p.polqual, p.polrelid), ''),
	'check', coalesce(pg_get_expr(p.polwithcheck, p.polrelid), ''),
	'concerns', EXISTS (SELECT FROM unnest(p.polroles) AS m(oid) WHERE m.oid IN (0, c.relowner)
		OR EXISTS (SELECT FROM pg_roles r WHERE r.rolname = ANY ($1::text[]) AND NOT r.rolsuper
			AND pg_has_role(r.oid, m.oid, 'USAGE')))
) ORDER BY p.polrelid, p.polname), '[]')::text
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid`

// indexesSQL leaves out the parts that partitions have of an index: they are as the whole is.
const indexesSQL = `
WITH dependents AS (
	SELECT d.conindid, json_agg(quote_ident(d.conname) || ' on ' || quote_ident(n.nspname) || '.' ||
		quote_ident(c.relname) ORDER BY d.conname) AS list
	FROM pg_constraint d JOIN pg_class c ON c.oid = d.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE d.contype = 'f' AND d.conparentid = 0 GROUP BY d.conindid
)
SELECT coalesce(json_agg(json_build_object(
	'table', i.indrelid::int8, 'schema', n.nspname, 'name', x.relname, 'quoted', quote_ident(x.relname),
	'definition', pg_get_indexdef(i.indexrelid), 'method', m.amname,
	'columns', (SELECT json_agg(coalesce(a.attname, '') ORDER BY k.ord)
		FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(num, ord)
		LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num AND k.num > 0
		WHERE k.ord <= i.indnkeyatts),
	'unique', i.indisunique, 'primary', i.indisprimary, 'exclusion', i.indisexclusion, 'valid', i.indisvalid,
	'partial', i.indpred IS NOT NULL,
	'constraint', coalesce(pg_get_constraintdef(k.oid), ''),
	'comment', coalesce(obj_description(i.indexrelid, 'pg_class'), obj_description(k.oid, 'pg_constraint'), ''),
	'dependents', d.list
) ORDER BY i.indrelid, x.relname), '[]')::text
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_namespace n ON n.oid = x.relnamespace
JOIN pg_am m ON m.oid = x.relam
LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
LEFT JOIN dependents d ON d.conindid = i.indexrelid
WHERE NOT x.relispartition AND ` + userSchema

// keysSQL reads foreign keys.
const keysSQL = `
SELECT coalesce(json_agg(json_build_object(
	'table', k.conrelid::int8, 'name', k.conname, 'ref', k.confrelid::int8,
	'columns', (SELECT json_agg(a.attname ORDER BY u.ord) FROM unnest(k.conkey) WITH ORDINALITY AS u(num, ord)
		JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num),
	'ref_columns', (SELECT json_agg(a.attname ORDER BY u.ord) FROM unnest(k.confkey) WITH ORDINALITY AS u(num, ord)
		JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num),
	'set_columns', (SELECT json_agg(a.attname ORDER BY u.ord)
		FROM unnest(k.confdelsetcols) WITH ORDINALITY AS u(num, ord)
		JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num),
	'on_delete', k.confdeltype, 'on_update', k.confupdtype, 'match', k.confmatchtype,
	'deferrable', k.condeferrable, 'deferred', k.condeferred, 'validated', k.convalidated
) ORDER BY k.conrelid, k.conname), '[]')::text
FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
WHERE k.contype = 'f' AND k.conparentid = 0 AND ` + userSchema

// rulesSQL reads views and rules, with the relations that each of them names.
const rulesSQL = `
SELECT coalesce(json_agg(json_build_object(
	'relation', w.ev_class::int8, 'name', w.rulename, 'view', w.ev_type = '1',
	'uses', (SELECT json_agg(DISTINCT d.refobjid::int8) FROM pg_depend d
		WHERE d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
			AND d.refobjid <> w.ev_class)
) ORDER BY w.ev_class, w.rulename), '[]')::text
FROM pg_rewrite w JOIN pg_class c ON c.oid = w.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE ` + userSchema

// functionsSQL takes whom a tenant's SQL can act as ($1) and the system role ($2). A trigger's function is left out: it
// can only be called by a trigger. So are Stratum's own: those in its schema that belong to its owner.
const functionsSQL = `
WITH tenant AS (
	SELECT r.oid, r.rolname FROM pg_roles r WHERE r.rolname = ANY ($1::text[])
)
SELECT coalesce(json_agg(json_build_object(
	'signature', f.signature, 'kind', f.prokind, 'definer', f.prosecdef, 'leakproof', f.proleakproof,
	'owner', o.rolname,
	'powerful', o.rolsuper OR o.rolbypassrls OR EXISTS (SELECT FROM pg_roles s
		WHERE s.rolname = $2 AND pg_has_role(o.oid, s.oid, 'MEMBER')),
	'extension', coalesce(f.extension, ''),
	'callers', (SELECT json_agg(DISTINCT coalesce(t.rolname, '')) FROM aclexplode(f.acl) g
		LEFT JOIN tenant t ON t.oid = g.grantee
		WHERE g.privilege_type = 'EXECUTE' AND (g.grantee = 0 OR t.oid IS NOT NULL)),
	'grantors', (SELECT json_agg(DISTINCT pg_get_userbyid(g.grantor)) FROM aclexplode(f.acl) g
		LEFT JOIN tenant t ON t.oid = g.grantee WHERE g.grantee = 0 OR t.oid IS NOT NULL),
	'comment', coalesce(obj_description(f.oid, 'pg_proc'), '')
) ORDER BY f.signature), '[]')::text
FROM (
	SELECT p.*, coalesce(p.proacl, acldefault('f', p.proowner)) AS acl, n.oid AS schema,
		quote_ident(n.nspname) || '.' || quote_ident(p.proname) || '(' ||
			pg_get_function_identity_arguments(p.oid) || ')' AS signature,
		(SELECT x.extname FROM pg_depend e JOIN pg_extension x ON x.oid = e.refobjid
			WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e') AS extension
	FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
	WHERE (p.prosecdef OR p.proleakproof) AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
		AND NOT (n.nspname = 'stratum' AND p.proowner IN (n.nspowner,
			(SELECT o.relowner FROM pg_class o WHERE o.oid = 'stratum.schema_info'::regclass))) AND ` + userSchema + `
) f JOIN pg_roles o ON o.oid = f.proowner
WHERE EXISTS (SELECT FROM aclexplode(f.acl) g WHERE g.privilege_type = 'EXECUTE'
		AND (g.grantee = 0 OR g.grantee IN (SELECT oid FROM tenant)))
	AND EXISTS (SELECT FROM tenant t WHERE has_schema_privilege(t.oid, f.schema, 'USAGE'))`

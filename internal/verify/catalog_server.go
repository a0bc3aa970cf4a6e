package verify

import "github.com/stratum-hq/stratum-go/internal/citus"

// signedSQL says whether the database itself checks a signature of the setting that names the tenant. It is an
// expression of type boolean, evaluated as the system role.
const signedSQL = `coalesce((SELECT s.required FROM stratum.signing s), false)`

// tenantSQL is the function that every policy asks for the tenant, as the server prints it.
const tenantSQL = `coalesce(pg_get_function_sqlbody('stratum.tenant_id()'::regprocedure), '')`

// serverSQL takes our roles ($1), the data and the system login ($2), whom a tenant's SQL can act as ($3), which are
// the tenant, subtree and schema roles and the data login, and the system role ($4).
func serverSQL() string {
	return `
WITH version AS (
	SELECT current_setting('server_version_num')::int AS num,
		CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END AS switch
), ours AS (
	SELECT r.* FROM pg_roles r WHERE r.rolname = ANY ($1::text[])
), system AS (
	SELECT r.oid FROM pg_roles r WHERE r.rolname = $4
), login AS (
	SELECT r.* FROM pg_roles r WHERE r.rolname = ANY ($2::text[])
), tenant AS (
	SELECT r.oid, r.rolname FROM pg_roles r WHERE r.rolname = ANY ($3::text[])
), member AS (
	SELECT m.*, (to_jsonb(m) ->> 'inherit_option')::boolean AS inherits,
		coalesce((to_jsonb(m) ->> 'set_option')::boolean, true) AS sets
	FROM pg_auth_members m
)
SELECT json_build_object(
	'version', version.num,
	'database', d.datname,
	'owner', pg_get_userbyid(d.datdba),
	'stratum_owner', (SELECT pg_get_userbyid(n.nspowner) FROM pg_namespace n WHERE n.nspname = 'stratum'),
	'signed', ` + signedSQL + `,
	'tenant', ` + tenantSQL + `,
	'roles', ` + serverRolesSQL + `,
	'logins', ` + serverLoginsSQL + `,
	'memberships', (SELECT json_agg(json_build_object(
			'role', r.rolname, 'member', w.rolname, 'grantor', coalesce(g.rolname, '')) ORDER BY r.rolname, g.rolname)
		FROM member m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles w ON w.oid = m.member
		LEFT JOIN pg_roles g ON g.oid = m.grantor
		WHERE r.oid IN (SELECT oid FROM system) OR w.oid IN (SELECT oid FROM ours UNION SELECT oid FROM login)),
	'members', (SELECT json_agg(DISTINCT jsonb_build_object('name', r.rolname, 'admin', NOT m.sets))
		FROM member m JOIN pg_roles r ON r.oid = m.member, system
		WHERE m.roleid = system.oid AND NOT r.rolsuper AND has_database_privilege(r.oid, d.oid, 'CONNECT')),
	'grants', (SELECT json_agg(json_build_object('grantee', CASE WHEN g.grantee = 0 THEN '' ELSE r.rolname END,
			'right', g.privilege_type, 'grantor', pg_get_userbyid(g.grantor)))
		FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) g LEFT JOIN pg_roles r ON r.oid = g.grantee
		WHERE g.grantee <> d.datdba
			AND (g.grantee = 0 OR r.rolname = ANY ($1::text[]) OR r.rolname = ANY ($3::text[]))),
	'schemas', ` + serverSchemasSQL + `,
	'defaults', ` + serverDefaultsSQL + `,
	'large_objects', ` + serverLargeObjectsSQL + `,
	'records', (SELECT json_agg(json_build_object('schema', t.table_schema, 'table', t.table_name, 'class', t.class,
		'column', t.tenant_column) ORDER BY t.table_schema, t.table_name) FROM stratum.tables t)
)::text
FROM pg_database d, version WHERE d.datname = current_database()`
}

// serverRolesSQL reads the roles that statements run as.
const serverRolesSQL = `(SELECT json_agg(json_build_object(
		'name', ours.rolname,
		'attributes', array_remove(ARRAY[
			CASE WHEN ours.rolcanlogin AND NOT ` + citus.InstalledSQL + ` THEN 'LOGIN' END,
			CASE WHEN ours.rolsuper THEN 'SUPERUSER' END,
			CASE WHEN ours.rolbypassrls THEN 'BYPASSRLS' END, CASE WHEN ours.rolcreaterole THEN 'CREATEROLE' END,
			CASE WHEN ours.rolcreatedb THEN 'CREATEDB' END, CASE WHEN ours.rolreplication THEN 'REPLICATION' END,
			CASE WHEN ours.rolinherit THEN 'INHERIT' END], NULL),
		'member_of', (SELECT json_agg(DISTINCT r.rolname) FROM member m JOIN pg_roles r ON r.oid = m.roleid
			WHERE m.member = ours.oid))) FROM ours)`

// serverLoginsSQL reads the logins, whose rights they inherit, and whom they can become.
const serverLoginsSQL = `(SELECT json_agg(json_build_object(
		'name', l.rolname, 'superuser', l.rolsuper, 'bypass_rls', l.rolbypassrls, 'create_role', l.rolcreaterole,
		'inherits', (SELECT json_agg(ours.rolname ORDER BY ours.rolname) FROM ours
			WHERE NOT l.rolsuper AND pg_has_role(l.oid, ours.oid, 'USAGE')),
		'through', (SELECT json_agg(DISTINCT r.rolname) FROM member m JOIN pg_roles r ON r.oid = m.roleid
			WHERE m.member = l.oid AND m.inherits
				AND EXISTS (SELECT FROM ours WHERE pg_has_role(r.oid, ours.oid, 'USAGE'))),
		'becomes', (SELECT json_agg(json_build_object(
				'name', r.rolname, 'superuser', r.rolsuper, 'bypass_rls', r.rolbypassrls,
				'direct', EXISTS (SELECT FROM member m WHERE m.member = l.oid AND m.roleid = r.oid),
				'powerful', r.rolname IN ('pg_execute_server_program', 'pg_read_server_files',
					'pg_write_server_files', 'pg_read_all_data', 'pg_write_all_data', 'pg_read_all_stats',
					'pg_monitor', 'pg_signal_backend')) ORDER BY r.rolname)
			FROM pg_roles r WHERE NOT l.rolsuper AND r.oid <> l.oid
				AND (pg_has_role(l.oid, r.oid, version.switch)
					OR pg_has_role(l.oid, r.oid, 'MEMBER WITH ADMIN OPTION'))))) FROM login l)`

// ownSchemaSQL is the comment on a schema that is a tenant's own, as package provision writes it.
const ownSchemaSQL = `'stratum: a tenant''s own schema'`

// serverSchemasSQL reads the schemas, who of the tenants may use them, and what they may do there.
const serverSchemasSQL = `(SELECT json_agg(json_build_object(
			'name', n.nspname, 'owner', pg_get_userbyid(n.nspowner),
			'own', coalesce(obj_description(n.oid, 'pg_namespace'), '') = ` + ownSchemaSQL + `,
			'users', (SELECT json_agg(tenant.rolname) FROM tenant
				WHERE has_schema_privilege(tenant.oid, n.oid, 'USAGE')),
			'grants', (SELECT json_agg(json_build_object('grantee', CASE WHEN g.grantee = 0 THEN '' ELSE r.rolname END,
					'right', g.privilege_type, 'grantor', pg_get_userbyid(g.grantor)))
				FROM aclexplode(n.nspacl) g LEFT JOIN pg_roles r ON r.oid = g.grantee
				WHERE g.grantee <> n.nspowner AND (g.grantee = 0 OR r.rolname = ANY ($3::text[]))))
			ORDER BY n.nspname)
		FROM pg_namespace n WHERE ` + userSchema + `)`

// serverDefaultsSQL reads what is granted on tables to come.
const serverDefaultsSQL = `(SELECT json_agg(json_build_object(
			'owner', pg_get_userbyid(a.defaclrole), 'schema', coalesce(n.nspname, ''),
			'grantee', CASE WHEN g.grantee = 0 THEN '' ELSE r.rolname END,
			'right', g.privilege_type, 'grantor', pg_get_userbyid(g.grantor)))
		FROM pg_default_acl a LEFT JOIN pg_namespace n ON n.oid = a.defaclnamespace
		CROSS JOIN aclexplode(a.defaclacl) g LEFT JOIN pg_roles r ON r.oid = g.grantee
		WHERE a.defaclobjtype = 'r' AND g.grantee <> a.defaclrole
			AND (g.grantee = 0 OR r.rolname = ANY ($3::text[])))`

// serverLargeObjectsSQL reads some of the large objects that tenants reach: one is too many.
const serverLargeObjectsSQL = `(SELECT json_agg(json_build_object(
			'oid', o.oid::int8, 'owner', pg_get_userbyid(o.lomowner),
			'grantee', CASE WHEN o.grantee = 0 THEN '' ELSE r.rolname END,
			'right', o.privilege_type, 'grantor', pg_get_userbyid(o.grantor)))
		FROM (
			SELECT o.oid, o.lomowner, g.* FROM pg_largeobject_metadata o
			CROSS JOIN aclexplode(coalesce(o.lomacl, acldefault('L', o.lomowner))) g
			WHERE g.grantee = 0 OR g.grantee IN (SELECT tenant.oid FROM tenant) ORDER BY o.oid LIMIT 100
		) o LEFT JOIN pg_roles r ON r.oid = o.grantee)`

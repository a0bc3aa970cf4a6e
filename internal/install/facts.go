package install

import (
	"context"
)

// facts are what Migrate finds in the database and in the cluster, and what its own login may do about it.
type facts struct {
	ServerVersion int    `json:"server_version"`
	Database      string `json:"database"`
	Login         string `json:"login"`
	Superuser     bool   `json:"superuser"`
	CreateRole    bool   `json:"create_role"`
	// MayCreate is CREATE on the database; OwnsDatabase includes being a member of its owner.
	MayCreate    bool `json:"may_create"`
	OwnsDatabase bool `json:"owns_database"`
	PublicTemp   bool `json:"public_temp"`

	// Superusers are those of the plan's logins that are.
	Superusers []string `json:"superusers"`

	Roles   []roleFact   `json:"roles"`
	Grants  []grantFact  `json:"grants"`
	Schemas []schemaFact `json:"schemas"`
	Ltree   ltreeFact    `json:"ltree"`
	Foreign []string     `json:"foreign"` // ALTER ... OWNER for each object in the schema that is not the login's
}

// roleFact is one of the four roles, if it exists.
type roleFact struct {
	Name string `json:"name"`
	// MayGrant says whether Migrate's login may make others members of it.
	MayGrant bool `json:"may_grant"`
}

// grantFact is a login and a role it can switch to.
type grantFact struct {
	Login string `json:"login"`
	Role  string `json:"role"`
}

// schemaFact is one of the schemas public, stratum and the one of ltree, if it exists.
type schemaFact struct {
	Name         string `json:"name"`
	Owned        bool   `json:"owned"`         // by Migrate's login or a role whose rights it has
	Usable       bool   `json:"usable"`        // by Migrate's login
	RolesUsable  bool   `json:"roles_usable"`  // by PUBLIC, or by each of the roles
	PublicCreate bool   `json:"public_create"` // PUBLIC may create objects
	MayGrant     bool   `json:"may_grant"`     // Migrate's login may give USAGE on
}

// ltreeFact says where the extension is, or whether it could be had.
type ltreeFact struct {
	Schema    string `json:"schema"` // empty where it is not installed
	Available bool   `json:"available"`
	Trusted   bool   `json:"trusted"`
}

// factsSQL takes the names of the roles ($1) and of the logins ($2). Reading the catalog needs no privilege.
const factsSQL = `
WITH me AS (
	SELECT r.*, current_setting('server_version_num')::int AS version FROM pg_catalog.pg_roles r
	WHERE r.rolname = current_user
), role AS (
	SELECT r.oid, r.rolname AS name FROM pg_catalog.pg_roles r WHERE r.rolname = ANY ($1::text[])
), login AS (
	SELECT r.oid, r.rolname AS name, r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = ANY ($2::text[])
), ltree AS (
	SELECT e.extnamespace AS schema FROM pg_catalog.pg_extension e WHERE e.extname = 'ltree'
), schema AS (
	SELECT n.oid, n.nspname AS name, n.nspowner AS owner FROM pg_catalog.pg_namespace n
	WHERE n.nspname IN ('public', 'stratum') OR n.oid = (SELECT schema FROM ltree)
), object AS (
	SELECT 'TABLE ' || c.oid::regclass AS name, c.relowner AS owner, c.relnamespace AS schema FROM pg_catalog.pg_class c
	WHERE c.relkind IN ('r', 'p', 'v', 'm')
	UNION ALL
	SELECT 'SEQUENCE ' || c.oid::regclass, c.relowner, c.relnamespace FROM pg_catalog.pg_class c
	WHERE c.relkind = 'S' AND NOT EXISTS (
		SELECT FROM pg_catalog.pg_depend d
		WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i'))
	UNION ALL
	SELECT 'ROUTINE ' || p.oid::regprocedure, p.proowner, p.pronamespace FROM pg_catalog.pg_proc p
)
SELECT json_build_object(
	'server_version', me.version,
	'database', d.datname,
	'login', me.rolname,
	'superuser', me.rolsuper,
	'create_role', me.rolcreaterole,
	'may_create', has_database_privilege(d.oid, 'CREATE'),
	'owns_database', pg_has_role(d.datdba, 'USAGE'),
	'public_temp', has_database_privilege('public', d.oid, 'TEMPORARY'),
	'superusers', (SELECT json_agg(login.name) FROM login WHERE login.rolsuper),
	'roles', (SELECT json_agg(json_build_object(
		'name', role.name,
		'may_grant', me.rolsuper OR (me.rolcreaterole AND me.version < 160000)
			OR pg_has_role(role.oid, 'MEMBER WITH ADMIN OPTION'))) FROM role),
	'grants', (SELECT json_agg(json_build_object('login', login.name, 'role', role.name)) FROM login, role
		WHERE pg_has_role(login.oid, role.oid, CASE WHEN me.version < 160000 THEN 'MEMBER' ELSE 'SET' END)),
	'schemas', (SELECT json_agg(json_build_object(
		'name', s.name,
		'owned', pg_has_role(s.owner, 'USAGE'),
		'usable', has_schema_privilege(s.oid, 'USAGE'),
		'roles_usable', has_schema_privilege('public', s.oid, 'USAGE')
			OR (SELECT count(*) = 4 AND bool_and(has_schema_privilege(role.oid, s.oid, 'USAGE')) FROM role),
		'public_create', has_schema_privilege('public', s.oid, 'CREATE'),
		'may_grant', has_schema_privilege(s.oid, 'USAGE WITH GRANT OPTION'))) FROM schema s),
	'ltree', json_build_object(
		'schema', coalesce((SELECT s.name FROM schema s JOIN ltree ON s.oid = ltree.schema), ''),
		'available', EXISTS (SELECT FROM pg_catalog.pg_available_extensions a WHERE a.name = 'ltree'),
		'trusted', EXISTS (SELECT FROM pg_catalog.pg_available_extension_versions v
			WHERE v.name = 'ltree' AND v.trusted)),
	'foreign', (SELECT json_agg(format('ALTER %s OWNER TO %I;', o.name, me.rolname))
		FROM object o JOIN schema s ON s.oid = o.schema
		WHERE s.name = 'stratum' AND NOT pg_has_role(o.owner, 'USAGE'))
)::text
FROM pg_catalog.pg_database d, me WHERE d.datname = current_database()`

// readFacts looks at the database through q.
func readFacts(ctx context.Context, q Querier, roles Roles, logins []string) (facts, error) {
	var f facts
	err := readJSON(ctx, q, &f, factsSQL, roles.All(), logins)
	return f, err
}

// schema returns what is known of a schema, and whether it exists.
func (f facts) schema(name string) (schemaFact, bool) {
	for _, s := range f.Schemas {
		if s.Name == name {
			return s, true
		}
	}
	return schemaFact{}, false
}

// role returns what is known of a role, and whether it exists.
func (f facts) role(name string) (roleFact, bool) {
	for _, r := range f.Roles {
		if r.Name == name {
			return r, true
		}
	}
	return roleFact{}, false
}

// ltreeSchema is where ltree is, or where it will be: in public, so that a user's own ltree columns resolve.
func (f facts) ltreeSchema() string {
	if f.Ltree.Schema != "" {
		return f.Ltree.Schema
	}
	if _, ok := f.schema("public"); ok {
		return "public"
	}
	return "stratum"
}

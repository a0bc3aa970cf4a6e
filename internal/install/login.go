package install

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/citus"
)

// Purpose is what a login is for.
type Purpose uint8

// The purposes of a login.
const (
	// ForData is work as a tenant: the login switches to the tenant, subtree and schema roles.
	ForData Purpose = iota
	// ForSystem is work across tenants: the login switches to the system role.
	ForSystem
)

// Posture is what a login could do if hostile SQL ran as it. Each field that is true weakens the boundary to one
// against mistakes. Scoped statements are safe all the same: they run as a role that has none of it.
type Posture struct {
	// Login is the name of the login.
	Login string `json:"login"`
	// Superuser may do anything.
	Superuser bool `json:"superuser"`
	// BypassRLS is not subject to policies before it switches role.
	BypassRLS bool `json:"bypass_rls"`
	// CreateRole may, up to PostgreSQL 15, make itself a member of any role that is no superuser.
	CreateRole bool `json:"create_role"`
	// MaySystem can switch to the system role, or make itself a member of it.
	MaySystem bool `json:"may_system"`
	// Attributes are further ones, as ALTER ROLE names them: CREATEDB, REPLICATION.
	Attributes []string `json:"further_attributes"`
	// Members are the roles it can become, or has the rights of, beside the tenant, subtree and schema roles. Those of
	// PostgreSQL, such as pg_read_all_data, read past every boundary.
	Members []string `json:"members"`
	// OwnsObjects is the owner of tables or other relations.
	OwnsObjects bool `json:"owns_objects"`
	// MayOwn is, or can become, the owner of the database or of the schema "stratum".
	MayOwn bool `json:"may_own"`
}

// CheckLogin looks at the login of a fresh connection, at the roles, and at what both may do in this database. It
// returns a *LoginError for what cannot be made safe. What Migrate puts right is no error before Migrate has run. A
// superuser is no error: each scoped statement switches to a role that is none. That is for the caller to warn of.
func CheckLogin(ctx context.Context, conn *pgx.Conn, roles Roles, purpose Purpose) (Posture, error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return Posture{}, fmt.Errorf("stratum: looking at the login: %w", err)
	}
	// Nothing is written, so the error of a rollback says nothing new.
	defer func() { _ = tx.Rollback(ctx) }()
	// Read first, as it came: the names below are then looked up where nobody else creates any.
	session, err := readSession(ctx, tx)
	if err != nil {
		return Posture{}, err
	}
	if _, err := tx.Exec(ctx, "SET LOCAL search_path = pg_catalog, pg_temp"); err != nil {
		return Posture{}, fmt.Errorf("stratum: looking at the login: %w", err)
	}
	f, err := readLogin(ctx, tx, session.SessionUser, roles)
	if err != nil {
		return Posture{}, err
	}
	c := check{loginFacts: f, roles: roles, purpose: purpose, session: session}
	if found := c.atStart(); found != nil {
		return f.Posture, &LoginError{Login: f.Login, Finding: found.text, Cure: found.cure}
	}
	return f.Posture, nil
}

// sessionFacts are what a connection starts with.
type sessionFacts struct {
	SessionUser string   `json:"session_user"`
	CurrentUser string   `json:"current_user"`
	Settings    []string `json:"settings"` // those that must be left alone and are not
}

const sessionSQL = `SELECT pg_catalog.json_build_object(
	'session_user', session_user,
	'current_user', current_user,
	'settings', (SELECT pg_catalog.json_agg(v.name) FROM (VALUES
		('row_security', 'on'), ('session_replication_role', 'origin'), ('stratum.tenant', ''), ('stratum.context', ''),
		('stratum.owner', '')
	) v (name, harmless) WHERE pg_catalog.current_setting(v.name, true) <> v.harmless))::text`

func readSession(ctx context.Context, q Querier) (sessionFacts, error) {
	var s sessionFacts
	err := readJSON(ctx, q, &s, sessionSQL)
	return s, err
}

// loginFacts are what the catalog tells about a login.
type loginFacts struct {
	Posture
	ServerVersion int           `json:"server_version"`
	Database      string        `json:"database"`
	Installed     bool          `json:"installed"`
	Inherit       bool          `json:"inherit"`
	OwnsPublic    bool          `json:"owns_public"` // only as the database's owner, through pg_database_owner
	Roles         []standing    `json:"roles"`
	Inherited     []membership  `json:"inherited"` // the login's memberships that bring it the rights of our roles
	Defaults      []defaultFact `json:"defaults"`
}

// standing is one of the four roles and what the login has of it.
type standing struct {
	Name       string       `json:"name"`
	Attributes []string     `json:"attributes"` // those it must not have, as ALTER ROLE names them
	MemberOf   []membership `json:"member_of"`
	Temporary  bool         `json:"temporary"`  // the role may create temporary tables in this database
	Create     bool         `json:"create"`     // the role may create objects in the schema public
	Inherited  bool         `json:"inherited"`  // the login has the role's rights without switching to it
	Switchable bool         `json:"switchable"` // the login can switch to it
}

// membership is one grant of a role.
type membership struct {
	Role    string `json:"role"`
	Grantor string `json:"grantor"`
}

// defaultFact is a setting that connections start with. An empty Login or Database stands for all.
type defaultFact struct {
	Login    string `json:"login"`
	Database string `json:"database"`
	Setting  string `json:"setting"`
}

// loginSQL takes the name of the login ($1) and of the roles: tenant ($2), subtree ($3), system ($4), schema ($5). Any
// login may run it. The column inherit_option exists since PostgreSQL 16; through jsonb the statement is good for 15
// too.
const loginSQL = `
WITH me AS (
	SELECT r.*, current_setting('server_version_num')::int AS version,
		CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END AS switch
	FROM pg_roles r WHERE r.rolname = $1
), ours AS (
	SELECT r.* FROM pg_roles r WHERE r.rolname IN ($2, $3, $4, $5)
), member AS (
	SELECT m.member, m.roleid, (to_jsonb(m) ->> 'inherit_option')::boolean AS inherit,
		json_build_object('role', r.rolname, 'grantor', coalesce(g.rolname, '')) AS membership
	FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid LEFT JOIN pg_roles g ON g.oid = m.grantor
)
SELECT json_build_object(
	'login', me.rolname,
	'superuser', me.rolsuper,
	'bypass_rls', me.rolbypassrls,
	'create_role', me.rolcreaterole,
	'inherit', me.rolinherit,
	'may_system', EXISTS (SELECT FROM ours WHERE ours.rolname = $4
		AND (pg_has_role(me.oid, ours.oid, me.switch) OR pg_has_role(me.oid, ours.oid, 'MEMBER WITH ADMIN OPTION'))),
	'may_own', pg_has_role(me.oid, d.datdba, me.switch) OR EXISTS (SELECT FROM pg_namespace n
		WHERE n.nspname = 'stratum' AND pg_has_role(me.oid, n.nspowner, me.switch)),
	'further_attributes', nullif(array_remove(ARRAY[CASE WHEN me.rolcreatedb THEN 'CREATEDB' END,
		CASE WHEN me.rolreplication THEN 'REPLICATION' END], NULL), '{}'),
	'members', (SELECT json_agg(r.rolname ORDER BY r.rolname) FROM pg_roles r
		WHERE r.oid <> me.oid AND r.rolname NOT IN ($2, $3, $5) AND NOT me.rolsuper
			AND pg_has_role(me.oid, r.oid, 'MEMBER')),
	'owns_objects', EXISTS (SELECT FROM pg_class c WHERE c.relowner = me.oid),
	'owns_public', me.oid = d.datdba AND EXISTS (SELECT FROM pg_namespace n
		WHERE n.nspname = 'public' AND n.nspowner = 'pg_database_owner'::regrole),
	'server_version', me.version,
	'database', d.datname,
	'installed', EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'stratum' AND c.relname = 'site'),
	'roles', (SELECT json_agg(json_build_object(
		'name', ours.rolname,
		'attributes', array_remove(ARRAY[
			CASE WHEN ours.rolcanlogin AND NOT ` + citus.InstalledSQL + ` THEN 'LOGIN' END,
			CASE WHEN ours.rolsuper THEN 'SUPERUSER' END,
			CASE WHEN ours.rolbypassrls THEN 'BYPASSRLS' END, CASE WHEN ours.rolcreaterole THEN 'CREATEROLE' END,
			CASE WHEN ours.rolcreatedb THEN 'CREATEDB' END, CASE WHEN ours.rolreplication THEN 'REPLICATION' END,
			CASE WHEN ours.rolinherit THEN 'INHERIT' END], NULL),
		'member_of', (SELECT json_agg(m.membership) FROM member m WHERE m.member = ours.oid),
		'temporary', has_database_privilege(ours.oid, d.oid, 'TEMPORARY'),
		'create', EXISTS (SELECT FROM pg_namespace n
			WHERE n.nspname = 'public' AND has_schema_privilege(ours.oid, n.oid, 'CREATE')),
		'inherited', pg_has_role(me.oid, ours.oid, 'USAGE'),
		'switchable', pg_has_role(me.oid, ours.oid, me.switch)) ORDER BY ours.rolname) FROM ours),
	'inherited', (SELECT json_agg(m.membership) FROM member m WHERE m.member = me.oid AND m.inherit
		AND EXISTS (SELECT FROM ours WHERE pg_has_role(m.roleid, ours.oid, 'USAGE'))),
	'defaults', (SELECT json_agg(json_build_object(
			'login', CASE WHEN s.setrole = 0 THEN '' ELSE me.rolname END,
			'database', CASE WHEN s.setdatabase = 0 THEN '' ELSE d.datname END,
			'setting', split_part(c.entry, '=', 1)))
		FROM pg_db_role_setting s, unnest(s.setconfig) AS c (entry)
		WHERE s.setrole IN (0, me.oid) AND s.setdatabase IN (0, d.oid)
			AND (lower(split_part(c.entry, '=', 1)) IN ('role', 'row_security', 'session_replication_role')
				OR lower(c.entry) LIKE 'stratum.%'))
)::text
FROM pg_database d, me WHERE d.datname = current_database()`

// readLogin reads the catalog about a login. search_path must be set to what is safe.
func readLogin(ctx context.Context, q Querier, login string, roles Roles) (loginFacts, error) {
	var f loginFacts
	err := readJSON(ctx, q, &f, loginSQL, login, roles.Tenant, roles.Subtree, roles.System, roles.Schema)
	if errors.Is(err, sql.ErrNoRows) {
		return f, &LoginError{
			Login: login, Finding: "it does not exist", Cure: "CREATE ROLE " + quote(login) + " LOGIN NOINHERIT;",
		}
	}
	return f, err
}

// readJSON reads the one value of a query into v. QueryExecModeExec leaves no prepared statement behind on a connection
// that a pooler may share.
func readJSON(ctx context.Context, q Querier, v any, query string, args ...any) error {
	var text string
	err := q.QueryRow(ctx, query, append([]any{pgx.QueryExecModeExec}, args...)...).Scan(&text)
	if err != nil {
		return fmt.Errorf("stratum: reading the catalog: %w", err)
	}
	if err := json.Unmarshal([]byte(text), v); err != nil {
		return fmt.Errorf("stratum: reading the catalog: %w", err)
	}
	return nil
}

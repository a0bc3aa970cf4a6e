package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// catalog is what the database says, as read.
type catalog struct {
	server    server
	relations []*relation
	policies  []policy
	indexes   []*index
	keys      []foreignKey
	rules     []rewrite
	functions []function
}

// server is what there is once: roles, logins, the database and its schemas.
type server struct {
	Version      int            `json:"version"`
	Database     string         `json:"database"`
	Owner        string         `json:"owner"`         // of the database
	StratumOwner string         `json:"stratum_owner"` // of the schema stratum
	Signed       bool           `json:"signed"`
	Tenant       string         `json:"tenant"` // the body of stratum.tenant_id()
	Roles        []role         `json:"roles"`
	Memberships  []membership   `json:"memberships"`
	Logins       []login        `json:"logins"`
	Members      []member       `json:"members"` // of the system role
	Grants       []grant        `json:"grants"`  // on the database
	Schemas      []schema       `json:"schemas"`
	Defaults     []defaultGrant `json:"defaults"`
	LargeObjects []largeObject  `json:"large_objects"`
	Records      []record       `json:"records"`
}

// role is one of those that statements run as.
type role struct {
	Name       string   `json:"name"`
	Attributes []string `json:"attributes"` // those it must not have
	MemberOf   []string `json:"member_of"`
}

// login is one of those that connections are made with.
type login struct {
	Name       string   `json:"name"`
	Superuser  bool     `json:"superuser"`
	BypassRLS  bool     `json:"bypass_rls"`
	CreateRole bool     `json:"create_role"`
	Inherits   []string `json:"inherits"` // our roles whose rights it has without switching
	Through    []string `json:"through"`  // direct memberships that bring it those rights
	Becomes    []become `json:"becomes"`
}

// membership is one grant of a role. Since PostgreSQL 16 there may be several of the same, by different grantors.
type membership struct {
	Role    string `json:"role"`
	Member  string `json:"member"`
	Grantor string `json:"grantor"`
}

// become is a role that a login can switch to, or make itself a member of.
type become struct {
	Name      string `json:"name"`
	Direct    bool   `json:"direct"`
	Superuser bool   `json:"superuser"`
	BypassRLS bool   `json:"bypass_rls"`
	Powerful  bool   `json:"powerful"` // a predefined role that leads out of the database
}

// member is a direct member of the system role that can connect.
type member struct {
	Name  string `json:"name"`
	Admin bool   `json:"admin"` // it can only grant the role
}

// grant is a right that somebody has whom Verify looks at.
type grant struct {
	Grantee string `json:"grantee"` // empty for PUBLIC
	Right   string `json:"right"`
	Grantor string `json:"grantor"`
}

// schema is one that is not PostgreSQL's own.
type schema struct {
	Name   string   `json:"name"`
	Owner  string   `json:"owner"`
	Users  []string `json:"users"` // our tenant roles, and the data login, that may use it
	Grants []grant  `json:"grants"`
	Own    bool     `json:"own"` // it is a tenant's own
}

// defaultGrant is a right on tables that are yet to be made.
type defaultGrant struct {
	Owner  string `json:"owner"`
	Schema string `json:"schema"` // empty for all
	grant
}

type largeObject struct {
	OID   uint32 `json:"oid"`
	Owner string `json:"owner"`
	grant
}

// record is a row of stratum.tables.
type record struct {
	Schema string  `json:"schema"`
	Table  string  `json:"table"`
	Class  string  `json:"class"`
	Column *string `json:"column"`
}

// relation is a table, view, foreign table or sequence.
type relation struct {
	OID       uint32   `json:"oid"`
	Schema    string   `json:"schema"`
	Name      string   `json:"name"`
	Kind      string   `json:"kind"` // as in pg_class.relkind
	Owner     string   `json:"owner"`
	Secured   bool     `json:"secured"`
	Forced    bool     `json:"forced"`
	Invoker   bool     `json:"invoker"`   // a view with security_invoker
	Extension bool     `json:"extension"` // a member of one
	Adopting  bool     `json:"adopting"`  // it has the triggers of an adoption
	Parents   []uint32 `json:"parents"`
	Grants    []grant  `json:"grants"`
	Columns   []column `json:"columns"` // those that could be tenant columns
}

func (r *relation) String() string { return quote(r.Schema, r.Name) }

func (r *relation) isTable() bool { return r.Kind == "r" || r.Kind == "p" || r.Kind == "f" }

// label is how reports name it.
func (r *relation) label() string {
	kind := map[string]string{"v": "view ", "m": "materialized view ", "f": "foreign table ", "S": "sequence "}[r.Kind]
	if kind == "" {
		kind = "table "
	}
	return kind + r.String()
}

func (r *relation) column(name string) *column {
	i := slices.IndexFunc(r.Columns, func(c column) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &r.Columns[i]
}

type column struct {
	Name    string `json:"name"`
	Quoted  string `json:"quoted"` // as the server quotes it
	NotNull bool   `json:"not_null"`
	Default string `json:"default"`
	Type    string `json:"type"`
}

type policy struct {
	Table      uint32   `json:"table"`
	Name       string   `json:"name"`
	Command    string   `json:"command"`
	Permissive bool     `json:"permissive"`
	Roles      []string `json:"roles"` // empty for PUBLIC
	Using      string   `json:"using"`
	Check      string   `json:"check"`
	Concerns   bool     `json:"concerns"` // it applies to a role of ours, a login or the table's owner
}

type index struct {
	Table      uint32   `json:"table"`
	Schema     string   `json:"schema"`
	Name       string   `json:"name"`
	Quoted     string   `json:"quoted"`
	Definition string   `json:"definition"`
	Method     string   `json:"method"`
	Columns    []string `json:"columns"` // "" for an expression
	Unique     bool     `json:"unique"`
	Primary    bool     `json:"primary"`
	Exclusion  bool     `json:"exclusion"`
	Valid      bool     `json:"valid"`
	Partial    bool     `json:"partial"`
	Constraint string   `json:"constraint"` // the definition of the constraint that stands on it
	Comment    string   `json:"comment"`
	Dependents []string `json:"dependents"` // foreign keys that stand on it
}

func (x *index) String() string { return quote(x.Schema, x.Name) }

type foreignKey struct {
	Table      uint32   `json:"table"`
	Name       string   `json:"name"`
	Columns    []string `json:"columns"`
	Ref        uint32   `json:"ref"`
	RefColumns []string `json:"ref_columns"`
	OnDelete   string   `json:"on_delete"`
	OnUpdate   string   `json:"on_update"`
	SetColumns []string `json:"set_columns"`
	Match      string   `json:"match"`
	Deferrable bool     `json:"deferrable"`
	Deferred   bool     `json:"deferred"`
	Validated  bool     `json:"validated"`
}

// rewrite is a rule; that of a view is the view itself.
type rewrite struct {
	Relation uint32   `json:"relation"`
	Name     string   `json:"name"`
	View     bool     `json:"view"`
	Uses     []uint32 `json:"uses"` // the relations in it
}

// function is one that runs with its owner's rights, or is leakproof, and that a tenant can call.
type function struct {
	Signature string   `json:"signature"` // quoted, with the types of its arguments
	Kind      string   `json:"kind"`
	Definer   bool     `json:"definer"`
	Leakproof bool     `json:"leakproof"`
	Owner     string   `json:"owner"`
	Powerful  bool     `json:"powerful"` // the owner is a superuser, bypasses policies, or may become the system role
	Extension string   `json:"extension"`
	Callers   []string `json:"callers"`  // whose EXECUTE it is: empty for PUBLIC
	Grantors  []string `json:"grantors"` // of those
	Comment   string   `json:"comment"`
}

// read reads the catalog: one statement for each kind of object, however many objects there are.
func read(ctx context.Context, tx pgx.Tx, c Config) (*catalog, error) {
	roles, tenants, columns := c.Roles.All(), c.observed(), c.columns()
	cat := &catalog{}
	for _, q := range []struct {
		into  any
		query string
		args  []any
	}{
		{&cat.server, serverSQL(), []any{roles, []string{c.DataLogin, c.SystemLogin}, tenants, c.Roles.System}},
		{&cat.relations, relationsSQL, []any{append(slices.Clone(roles), c.DataLogin), columns}},
		{&cat.policies, policiesSQL, []any{append(slices.Clone(roles), c.DataLogin, c.SystemLogin)}},
		{&cat.indexes, indexesSQL, nil},
		{&cat.keys, keysSQL, nil},
		{&cat.rules, rulesSQL, nil},
		{&cat.functions, functionsSQL, []any{tenants, c.Roles.System}},
	} {
		if err := readJSON(ctx, tx, q.into, q.query, q.args...); err != nil {
			return nil, err
		}
	}
	return cat, nil
}

// readJSON reads the one value of a query. QueryExecModeExec leaves no prepared statement behind on a connection that a
// pooler may share.
func readJSON(ctx context.Context, tx pgx.Tx, into any, query string, args ...any) error {
	var text string
	err := tx.QueryRow(ctx, query, append([]any{pgx.QueryExecModeExec}, args...)...).Scan(&text)
	if err != nil {
		return fmt.Errorf("stratum: reading the catalog: %w", err)
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return fmt.Errorf("stratum: reading the catalog: %w", err)
	}
	return nil
}

package provision

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/internal/shape"
	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// Maker makes many schemas that nobody has begun to make, with a message for each, and looks at them together.
type Maker struct {
	blueprint Blueprint
	roles     install.Roles
	owner     string
	verified  atomic.Pointer[string] // the fingerprint of one that was read as a whole
}

// NewMaker makes a Maker for schemas that the login owner is to own.
func NewMaker(b Blueprint, roles install.Roles, owner string) *Maker {
	return &Maker{blueprint: b, roles: roles, owner: owner}
}

// Make makes a schema. One that is there is refused by the server: see Schema.Make. What came of it is for Verify to
// say.
func (m *Maker) Make(ctx context.Context, tx *sql.Tx, s Schema) error {
	wanted, err := m.shape(s)
	if err != nil {
		return err
	}
	statements := append([]string{s.createText(), pathText()}, shape.Create(wanted)...)
	notes, err := m.blueprint.note(s.Name)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, strings.Join(append(statements, notes...), ";\n")); err != nil {
		return fmt.Errorf("stratum: making schema %q: %w", s.Name, err)
	}
	return nil
}

// Verify looks that the schemas are as they must be. The first that the maker has made is read as a whole. All others
// were made by the same statements on the same server, and must be as that one in rights, policies, keys, indexes and
// triggers, which something else than the statements may have a part in: default privileges, or the server's own
// triggers. What columns and expressions are, takes the server as long to print as the tables take to be made.
func (m *Maker) Verify(ctx context.Context, tx *sql.Tx, schemas []Schema) error {
	wanted, err := m.shape(schemas[0])
	if err != nil {
		return err
	}
	like := m.verified.Load()
	if like == nil {
		if err := schemas[0].verify(ctx, tx, wanted); err != nil {
			return err
		}
	}
	found, err := fingerprints(ctx, tx, schemas, slices.Concat(wanted.Names().Tables, wanted.Names().Views))
	if err != nil {
		return err
	}
	if like == nil {
		sum := found[schemas[0].Name]
		like = &sum
		m.verified.Store(like)
	}
	for _, s := range schemas {
		if found[s.Name] != *like {
			return fmt.Errorf("%w: schema %q is not like those made with it (see Fleet.Drift)", ErrUnverified, s.Name)
		}
	}
	return nil
}

// fingerprints are equal for schemas that are alike.
func fingerprints(ctx context.Context, tx *sql.Tx, schemas []Schema, tables []string) (map[string]string, error) {
	list := make([]string, len(schemas))
	for i, s := range schemas {
		list[i] = s.Name
	}
	lists, err := json.Marshal([][]string{list, tables})
	if err != nil {
		return nil, err
	}
	if _, err := tx.ExecContext(ctx, plainPlans); err != nil {
		return nil, fmt.Errorf("stratum: looking at the schemas: %w", err)
	}
	var text []byte
	if err := tx.QueryRowContext(ctx, fingerprintSQL, string(lists)).Scan(&text); err != nil {
		return nil, fmt.Errorf("stratum: looking at the schemas: %w", err)
	}
	found := make(map[string]string)
	return found, json.Unmarshal(text, &found)
}

// plainPlans has the catalog read by its indexes: it is large, and its statistics are of when it was small.
const plainPlans = `SELECT pg_catalog.set_config(name, 'off', true) FROM pg_catalog.unnest(
	ARRAY['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'jit']) AS name`

// fingerprintSQL returns the fingerprints of the schemas in $1 -> 0, with the tables in $1 -> 1.
const fingerprintSQL = `
WITH wanted AS MATERIALIZED (
	SELECT s.name, n.oid, n.nspowner, n.nspacl FROM pg_catalog.json_array_elements_text($1::json -> 0) AS s (name)
	LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = s.name
), owner AS MATERIALIZED (
	SELECT w.name, c.oid FROM wanted w CROSS JOIN pg_catalog.json_array_elements_text($1::json -> 1) AS t (name)
	-- OFFSET keeps the planner from looking for the names in all schemas that there are.
	CROSS JOIN LATERAL (SELECT k.oid FROM pg_catalog.pg_class k WHERE k.relname = t.name AND k.relnamespace = w.oid
		OFFSET 0) c
), relation AS MATERIALIZED (
	SELECT name, oid FROM owner
	UNION ALL SELECT t.name, i.indexrelid FROM owner t JOIN pg_catalog.pg_index i ON i.indrelid = t.oid
	UNION ALL SELECT t.name, d.objid FROM owner t JOIN pg_catalog.pg_depend d ON d.refobjid = t.oid
		AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.classid = d.refclassid
		AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
), item (name, line) AS (
	SELECT r.name, pg_catalog.concat_ws(' ', 'c', relname, relkind, relnatts, relowner, relacl, relrowsecurity,
		relforcerowsecurity, relreplident, relpersistence, reloptions)
	FROM relation r JOIN pg_catalog.pg_class c ON c.oid = r.oid
	UNION ALL SELECT r.name, pg_catalog.concat_ws(' ', 'k', k.conname, k.contype, k.conkey, k.confkey, f.relname,
		CASE WHEN f.relnamespace <> k.connamespace THEN f.relnamespace END, k.confupdtype, k.confdeltype,
		k.confdelsetcols, k.confmatchtype, k.convalidated, k.condeferrable, k.condeferred)
	FROM owner r JOIN pg_catalog.pg_constraint k ON k.conrelid = r.oid
	LEFT JOIN pg_catalog.pg_class f ON f.oid = k.confrelid
	UNION ALL SELECT r.name, pg_catalog.concat_ws(' ', 'i', x.relname, i.indkey, i.indclass, i.indcollation,
			i.indoption,
		i.indisunique, i.indisprimary, i.indisvalid, i.indisreplident, i.indnullsnotdistinct, i.indpred IS NULL,
		i.indexprs IS NULL)
	FROM owner r JOIN pg_catalog.pg_index i ON i.indrelid = r.oid JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
	UNION ALL SELECT r.name, pg_catalog.concat_ws(' ', 'p', c.relname, p.polname, p.polcmd, p.polpermissive, p.polroles,
		p.polqual IS NULL, p.polwithcheck IS NULL)
	FROM owner r JOIN pg_catalog.pg_class c ON c.oid = r.oid JOIN pg_catalog.pg_policy p ON p.polrelid = r.oid
	UNION ALL SELECT r.name, pg_catalog.concat_ws(' ', 't', c.relname, t.tgname, t.tgtype, t.tgenabled, t.tgfoid)
	FROM owner r JOIN pg_catalog.pg_class c ON c.oid = r.oid
	JOIN pg_catalog.pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal
	UNION ALL SELECT name, pg_catalog.concat_ws(' ', 'n', nspowner, nspacl) FROM wanted
), fingerprint AS MATERIALIZED (
	SELECT name, pg_catalog.md5(pg_catalog.string_agg(line, ';' ORDER BY line COLLATE "C")) AS sum
	FROM item GROUP BY name
)
SELECT coalesce(pg_catalog.json_object_agg(name, sum), '{}')::text FROM fingerprint`

func (m *Maker) shape(s Schema) (shape.Shape, error) {
	r := residenceOf(m.roles, Number(s.Label), m.owner)
	r.Schema = s.Name
	return m.blueprint.Model.InSchema(r)
}

// pathText sets what setPath does.
func pathText() string {
	return "SELECT pg_catalog.set_config('search_path', " + sqltext.Literal(shape.SearchPath) +
		", true), pg_catalog.set_config('stratum.owner', 'migrate', true)"
}

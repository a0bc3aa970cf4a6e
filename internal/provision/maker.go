package provision

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/internal/shape"
	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// Maker makes many schemas that nobody has begun to make, with a message for each, and looks at them together.
type Maker struct {
	blueprint Blueprint
	roles     install.Roles
	owner     string
}

// NewMaker makes a Maker for schemas that the login owner is to own.
func NewMaker(b Blueprint, roles install.Roles, owner string) *Maker {
	return &Maker{blueprint: b, roles: roles, owner: owner}
}

// Make makes a schema. One that is there is refused by the server: see Schema.Make. What came of it is for Verify to say.
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

// Verify looks that the schemas are as they must be. The first is read as a whole. The others were made by the same
// statements on the same server, and must be as the first in everything that the catalog has but expressions: those take
// the server as long to print as the tables take to be made.
func (m *Maker) Verify(ctx context.Context, tx *sql.Tx, schemas []Schema) error {
	wanted, err := m.shape(schemas[0])
	if err != nil {
		return err
	}
	if err := schemas[0].verify(ctx, tx, wanted); err != nil {
		return err
	}
	list := make([]string, len(schemas))
	for i, s := range schemas {
		list[i] = s.Name
	}
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	var odd sql.NullString
	if err := tx.QueryRowContext(ctx, fingerprintSQL, string(text), list[0]).Scan(&odd); err != nil {
		return fmt.Errorf("stratum: looking at the schemas: %w", err)
	}
	if odd.Valid {
		return fmt.Errorf("%w: schema %q is not like those made with it (see Fleet.Drift)", ErrUnverified, odd.String)
	}
	return nil
}

// fingerprintSQL finds a schema, of those in $1, that is not like schema $2, or NULL.
const fingerprintSQL = `
WITH wanted AS (
	SELECT s.name, n.oid FROM pg_catalog.json_array_elements_text($1::json) AS s (name)
	LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = s.name
), relation AS (
	SELECT w.name, c.* FROM wanted w JOIN pg_catalog.pg_class c ON c.relnamespace = w.oid
), item (name, line) AS (
	SELECT name, pg_catalog.concat_ws(' ', 'c', relname, relkind, relowner, relacl, relrowsecurity, relforcerowsecurity,
		relreplident, relpersistence, reloptions) FROM relation
	UNION ALL SELECT r.name, pg_catalog.concat_ws(' ', 'a', r.relname, a.attnum, a.attname, a.atttypid, a.atttypmod,
		a.attnotnull, a.atthasdef, a.attidentity, a.attgenerated, a.attcollation, a.attacl)
	FROM relation r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0
	UNION ALL SELECT r.name, pg_catalog.concat_ws(' ', 'k', r.relname, k.conname, k.contype, k.conkey, k.confkey,
		f.relname, CASE WHEN f.relnamespace = r.relnamespace THEN '' ELSE f.relnamespace::text END, k.confupdtype,
		k.confdeltype, k.confdelsetcols, k.confmatchtype, k.convalidated, k.condeferrable, k.condeferred)
	FROM relation r JOIN pg_catalog.pg_constraint k ON k.conrelid = r.oid
	LEFT JOIN pg_catalog.pg_class f ON f.oid = k.confrelid
	UNION ALL SELECT r.name, pg_catalog.concat_ws(' ', 'i', r.relname, i.indkey, i.indclass, i.indcollation, i.indoption,
		i.indisunique, i.indisprimary, i.indisvalid, i.indisreplident, i.indnullsnotdistinct, i.indpred IS NULL,
		i.indexprs IS NULL)
	FROM relation r JOIN pg_catalog.pg_index i ON i.indexrelid = r.oid
	UNION ALL SELECT r.name, pg_catalog.concat_ws(' ', 'p', r.relname, p.polname, p.polcmd, p.polpermissive, p.polroles,
		p.polqual IS NULL, p.polwithcheck IS NULL)
	FROM relation r JOIN pg_catalog.pg_policy p ON p.polrelid = r.oid
	UNION ALL SELECT r.name, pg_catalog.concat_ws(' ', 't', r.relname, t.tgname, t.tgtype, t.tgenabled, t.tgfoid)
	FROM relation r JOIN pg_catalog.pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal
	UNION ALL SELECT r.name, pg_catalog.concat_ws(' ', 's', r.relname, s.seqtypid, s.seqincrement, s.seqcycle, s.seqcache)
	FROM relation r JOIN pg_catalog.pg_sequence s ON s.seqrelid = r.oid
	UNION ALL SELECT w.name, pg_catalog.concat_ws(' ', 'n', n.nspowner, n.nspacl)
	FROM wanted w JOIN pg_catalog.pg_namespace n ON n.oid = w.oid
), fingerprint AS (
	SELECT w.name, pg_catalog.md5(pg_catalog.string_agg(i.line, ';' ORDER BY i.line COLLATE "C")) AS sum
	FROM wanted w LEFT JOIN item i ON i.name = w.name GROUP BY w.name
)
SELECT pg_catalog.min(name) FROM fingerprint
WHERE sum IS DISTINCT FROM (SELECT sum FROM fingerprint WHERE name = $2)`

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

package tables

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// onlineFacts are what the catalog says of a table beyond what a migration needs to know.
type onlineFacts struct {
	Rows        int64             `json:"rows"` // the planner's estimate
	Definitions []indexFacts      `json:"indexes"`
	Triggers    []string          `json:"triggers"`
	Functions   map[string]string `json:"functions"`  // bodies by name, of Stratum's triggers
	Deferrable  []string          `json:"deferrable"` // foreign keys
	PlainRole   string            `json:"plain_role"` // the plain login, if it exists
	PlainSees   []string          `json:"plain_rights"`
	Registry    bool              `json:"registry"` // tenants can be read, and made
	Ltree       string            `json:"ltree"`    // the schema of ltree, quoted
}

// indexFacts are what it takes to build an index like one that is there.
type indexFacts struct {
	Name  string `json:"name"`
	Valid bool   `json:"valid"`
	// Columns is the definition from the first column on.
	Method  string `json:"method"`
	Columns string `json:"columns"`
}

// onlineSQL returns the facts of the relations in $1. $2 is the plain login. pg_get_indexdef is asked for the prefix
// that it prints itself, so that no name can be mistaken for a part of the definition.
const onlineSQL = `
SELECT c.oid::pg_catalog.int8, json_build_object(
	'rows', greatest(c.reltuples, 0)::int8,
	'indexes', (SELECT json_agg(json_build_object(
		'name', x.relname, 'valid', i.indisvalid, 'method', m.amname,
		'columns', substr(pg_get_indexdef(x.oid), length(format('CREATE %sINDEX %I ON %s%I.%I USING %s (',
			CASE WHEN i.indisunique THEN 'UNIQUE ' END, x.relname, CASE WHEN c.relkind = 'p' THEN 'ONLY ' END,
			n.nspname, c.relname, m.amname)) + 1)))
		FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
		WHERE i.indrelid = c.oid),
	'triggers', (SELECT json_agg(t.tgname) FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal),
	'functions', (SELECT json_object_agg(p.proname, p.prosrc) FROM pg_proc p
		WHERE p.pronamespace = n.oid AND p.prorettype = 'trigger'::regtype AND p.proname LIKE '%\_stratum\_%'),
	'deferrable', (SELECT json_agg(k.conname) FROM pg_constraint k
		WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.condeferrable),
	'plain_role', (SELECT r.rolname FROM pg_roles r WHERE r.rolname = $2),
	'plain_rights', (SELECT json_agg(g.privilege_type) FROM aclexplode(c.relacl) g JOIN pg_roles r ON r.oid = g.grantee
		WHERE r.rolname = $2 AND g.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')),
	'registry', has_table_privilege('stratum.tenants', 'SELECT') AND has_table_privilege('stratum.tenants', 'INSERT'),
	'ltree', (SELECT quote_ident(x.nspname) FROM pg_extension e JOIN pg_namespace x ON x.oid = e.extnamespace
		WHERE e.extname = 'ltree')
)::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid IN (SELECT v::int8::oid FROM json_array_elements_text($1::json) v)`

// readFacts fills in the facts of all owned tables, with one query.
func (p *Plan) readFacts(ctx context.Context, tx *sql.Tx) (err error) {
	byOID := map[int64]*onlineTable{}
	oids := make([]int64, 0, len(p.owned))
	for _, t := range p.owned {
		oids = append(oids, int64(t.rel.OID))
		byOID[int64(t.rel.OID)] = t
	}
	if err := p.m.setPath(ctx, "pg_catalog, pg_temp"); err != nil {
		return err
	}
	rows, err := tx.QueryContext(ctx, onlineSQL, asJSON(oids), p.online.PlainLogin)
	if err != nil {
		return fmt.Errorf("stratum: reading the catalog: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var oid int64
		var text []byte
		if err := rows.Scan(&oid, &text); err != nil {
			return fmt.Errorf("stratum: reading the catalog: %w", err)
		}
		facts := &onlineFacts{}
		if err := json.Unmarshal(text, facts); err != nil {
			return fmt.Errorf("stratum: reading the catalog: %w", err)
		}
		byOID[oid].onlineFacts = facts
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("stratum: reading the catalog: %w", err)
	}
	return p.checkFacts()
}

// checkFacts refuses what each statement would fail on.
func (p *Plan) checkFacts() error {
	for _, t := range p.owned {
		switch {
		case t.onlineFacts == nil:
			return t.rel.refused(ErrMissing, "", "it went while it was looked at", "try again")
		case p.online.PlainLogin != "" && t.PlainRole == "":
			return t.rel.refused(ErrKey, "", "there is no login "+quote(p.online.PlainLogin),
				"correct AdoptOptions.PlainLogin")
		case !t.Registry:
			return t.rel.refused(ErrNotOwner, "", "its owner may not read and add tenants",
				"GRANT SELECT, INSERT ON stratum.tenants TO "+quote(t.rel.Owner))
		}
	}
	return nil
}

func (t *onlineTable) facts(index string) *indexFacts {
	i := slices.IndexFunc(t.Definitions, func(x indexFacts) bool { return x.Name == index })
	if i < 0 {
		return nil
	}
	return &t.Definitions[i]
}

func (t *onlineTable) hasTrigger(name string) bool { return slices.Contains(t.Triggers, name) }

// sealed reports whether the table is closed to the plain version.
func (t *onlineTable) sealed() bool { return t.rel.Secured && t.rel.Forced }

// leading reports whether an index is led by the tenant column.
func (t *onlineTable) leading(name string) bool {
	x := t.rel.index(name)
	return x != nil && len(x.Columns) > 0 && x.Columns[0] == t.Column
}

// Names of what stands in for something else under its name for a while.
const (
	nextSuffix  = "_stratum_next"  // has the tenant, and takes the name when the table is sealed
	priorSuffix = "_stratum_prior" // is without the tenant, and takes the name on the way back
	fullSuffix  = "_stratum_full"  // holds that each row has a tenant
	fillSuffix  = "_stratum_fill"
	pullSuffix  = "_stratum_pull"
)

// Triggers run in the order of their names: this one sees what the application's own have done.
const (
	fillTrigger = "zz_stratum_fill"
	pullTrigger = "zz_stratum_pull"
)

func nextName(name string) string  { return hashedName(name, nil, nextSuffix) }
func priorName(name string) string { return hashedName(name, nil, priorSuffix) }

func (t *onlineTable) fullName() string { return hashedName(t.rel.Name, nil, fullSuffix) }
func (t *onlineTable) fillName() string { return hashedName(t.rel.Name, nil, fillSuffix) }
func (t *onlineTable) pullName() string { return hashedName(t.rel.Name, nil, pullSuffix) }

// plainColumns is an index definition without its leading tenant column, and tenantColumns one with it.
func (t *onlineTable) plainColumns(x *indexFacts) string {
	return strings.TrimPrefix(x.Columns, t.rel.column(t.Column).Quoted+", ")
}

func (t *onlineTable) tenantColumns(x *indexFacts) string { return quote(t.Column) + ", " + x.Columns }

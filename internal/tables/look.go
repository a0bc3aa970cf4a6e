package tables

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/stratum-hq/stratum-go/internal/install"
)

// target is a table as it is wanted, and as it is.
type target struct {
	Table
	rel *relation // nil while there is none
}

// view is what a look at the database has found.
type view struct {
	targets []*target
	byOID   map[uint32]*target
	byName  map[relationName]*relation
}

// owned are the tables with a tenant column that exist, join tables last: their rows follow those of the tables that
// they join.
func (v *view) owned() []*target {
	var plain, joins []*target
	for _, t := range v.targets {
		switch {
		case t.rel == nil || !t.Kind.HasTenant():
		case t.Join:
			joins = append(joins, t)
		default:
			plain = append(plain, t)
		}
	}
	return append(plain, joins...)
}

// target returns the declared table that a foreign key refers to, or nil.
func (v *view) target(name relationName) *target {
	if rel := v.byName[name]; rel != nil {
		return v.byOID[rel.OID]
	}
	// It does not exist yet. Its name may be given with a schema in one place and without in the other.
	for _, t := range v.targets {
		if t.Name == name.Name && (t.Schema == name.Schema || t.Schema == "" || name.Schema == "") {
			return t
		}
	}
	return nil
}

// look checks the declarations, opens the owner's view of rows, and reads the catalog.
func (m *Migration) look(ctx context.Context, tables []Table) (*view, error) {
	v := &view{byOID: map[uint32]*target{}}
	for _, t := range tables {
		t = t.normalise()
		if err := t.check(); err != nil {
			return nil, err
		}
		v.targets = append(v.targets, &target{Table: t})
	}
	if err := m.find(ctx, v); err != nil {
		return nil, err
	}
	for _, t := range v.targets {
		if t.rel = v.byName[t.name()]; t.rel == nil {
			continue
		}
		if v.byOID[t.rel.OID] != nil {
			return nil, t.refused("it is declared twice")
		}
		v.byOID[t.rel.OID] = t
	}
	return v, m.checkView(v)
}

// find reads the relations. Expressions are printed relative to the search_path, hence it is set aside for the query;
// the ORM's migrator finds it as it was.
func (m *Migration) find(ctx context.Context, v *view) error {
	var path, schemas string
	var installed bool
	roles := asJSON(m.roles.All())
	if err := m.carryOwner(ctx); err != nil {
		return err
	}
	err := m.tx.QueryRowContext(ctx, beginSQL, roles).Scan(&path, &schemas, &installed)
	if err != nil {
		return fmt.Errorf("stratum: preparing the transaction: %w", err)
	}
	if !installed {
		return fmt.Errorf("stratum: migrating tables: %w", install.ErrNotInstalled)
	}
	if err := m.setPath(ctx, "pg_catalog, pg_temp"); err != nil {
		return err
	}
	if v.byName, err = m.relations(ctx, v.names(), schemas, roles); err != nil {
		return err
	}
	if err := m.findPlaced(ctx, v); err != nil {
		return err
	}
	return m.setPath(ctx, path)
}

// setPath lasts until the transaction ends, or until it is called again.
func (m *Migration) setPath(ctx context.Context, path string) error {
	_, err := m.tx.ExecContext(ctx, "SELECT pg_catalog.set_config('search_path', $1, true)", path)
	if err != nil {
		return fmt.Errorf("stratum: setting the search_path: %w", err)
	}
	return nil
}

// names are those of the tables and of what their foreign keys refer to.
func (v *view) names() []relationName {
	var names []relationName
	for _, t := range v.targets {
		names = append(names, t.name())
		for _, key := range t.ForeignKeys {
			names = append(names, key.ref())
		}
	}
	return names
}

// relations reads what the names stand for. Two names of one relation share it.
func (m *Migration) relations(
	ctx context.Context, names []relationName, schemas, roles string,
) (found map[relationName]*relation, err error) {
	rows, err := m.tx.QueryContext(ctx, lookSQL(), asJSON(names), schemas, roles)
	if err != nil {
		return nil, fmt.Errorf("stratum: reading the catalog: %w", err)
	}
	defer func() { _ = rows.Close() }()
	found, shared := map[relationName]*relation{}, map[uint32]*relation{}
	for rows.Next() {
		var ord int
		var text []byte
		if err := rows.Scan(&ord, &text); err != nil {
			return nil, fmt.Errorf("stratum: reading the catalog: %w", err)
		}
		rel := &relation{}
		if err := json.Unmarshal(text, rel); err != nil {
			return nil, fmt.Errorf("stratum: reading the catalog: %w", err)
		}
		if shared[rel.OID] == nil {
			shared[rel.OID] = rel
		}
		found[names[ord-1]] = shared[rel.OID]
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("stratum: reading the catalog: %w", err)
	}
	return found, nil
}

// asJSON is how lists travel: a text is understood by every driver in every mode. Strings always marshal.
func asJSON(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

// checkView refuses what no step could put right, before the first one is taken.
func (m *Migration) checkView(v *view) error {
	for _, t := range v.targets {
		if t.rel == nil || t.Kind == External {
			continue
		}
		if err := m.checkTarget(t); err != nil {
			return err
		}
	}
	if m.citus {
		if err := checkCitus(v); err != nil {
			return err
		}
	}
	for _, t := range v.targets {
		for _, key := range t.ForeignKeys {
			if err := v.checkReference(t, key); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkTarget asks for the owner by name: every later step would fail on it, with less to go by.
func (m *Migration) checkTarget(t *target) error {
	r := t.rel
	if !r.Mine {
		return r.refused(ErrNotOwner, "", "it is owned by "+quote(r.Owner),
			"migrate as that login, or ALTER TABLE "+r.String()+" OWNER TO CURRENT_USER")
	}
	if r.Kind != "r" && r.Kind != "p" {
		return r.refused(ErrNoTable, "", "it is no table", "declare it as external")
	}
	if t.Kind == Global {
		return m.checkGlobal(r)
	}
	return m.checkPolicies(r)
}

// checkReference refuses a reference whose other side nobody declared as what it is said to be.
func (v *view) checkReference(t *target, key ForeignKey) error {
	ref := v.target(key.ref())
	owned := ref != nil && ref.Kind == Owned
	switch {
	case ref != nil && ref.Kind == Mixed:
		return t.refused("foreign key %q refers to %s, whose rows are a tenant's or everyone's, and a foreign key "+
			"cannot tell which (leave the key out, in GORM with the tag constraint:-: the policies hide other "+
			"tenants' rows all the same; or declare the table as owned or as global)", key.Name, key.ref())
	case owned && slices.Contains(key.RefColumns, ref.Column):
		return t.refused("foreign key %q refers to the tenant column of %s by a column of its own (leave it out: the "+
			"tenant column is added)", key.Name, key.ref())
	case owned == key.RefOwned:
		return nil
	}
	if key.RefOwned {
		return t.refused("foreign key %q refers to %s, which is not among the owned tables", key.Name, key.ref())
	}
	return t.refused("foreign key %q leaves out the tenant, but %s is owned (set RefOwned)", key.Name, key.ref())
}

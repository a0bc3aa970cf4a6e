package tables

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Fill is how rows are given to their tenants: an UPDATE for which the trigger finds the tenant.
type Fill struct {
	// Column is the tenant column, quoted. Columns are those of the primary key, quoted, and Types their types.
	Column  string
	Columns []string
	Types   []string
	// Rows is the planner's estimate.
	Rows int64
}

// tenantOf is an SQL expression for the tenant of a row, given as a table's alias. It reads the keys themselves and
// not the tenant columns, so that it does not matter which table is filled first.
func (p *Plan) tenantOf(t *onlineTable, row string, depth int) string {
	if t.keyed() {
		key := row + "." + quote(t.key.Column)
		return p.orNullKeys(key+" IS NULL", t.key.find(p, t, key))
	}
	ref, alias := t.parent, fmt.Sprintf("r%d", depth)
	conditions, missing := make([]string, len(t.via.Columns)), make([]string, len(t.via.Columns))
	for i, name := range t.via.Columns {
		conditions[i] = alias + "." + quote(t.via.RefColumns[i]) + " = " + row + "." + quote(name)
		missing[i] = row + "." + quote(name) + " IS NULL"
	}
	return p.orNullKeys(strings.Join(missing, " OR "), "(SELECT "+p.tenantOf(ref, alias, depth+1)+" FROM "+
		ref.rel.String()+" "+alias+" WHERE "+strings.Join(conditions, " AND ")+")")
}

// orNullKeys gives rows without a key to the tenant declared for them.
func (p *Plan) orNullKeys(missing, found string) string {
	if p.online.NullKeys == uuid.Nil {
		return found
	}
	return "CASE WHEN " + missing + " THEN " + literal(p.online.NullKeys.String()) + "::uuid ELSE " + found + " END"
}

// find is the tenant of a key.
func (k Key) find(p *Plan, t *onlineTable, key string) string {
	if k.LookupTable == "" {
		return "(SELECT s.id FROM stratum.tenants s WHERE s.external_id = " + key + "::text)"
	}
	return "(SELECT s.id FROM " + p.lookupTable(t) + " a JOIN stratum.tenants s ON s.external_id = a." +
		quote(k.LookupExternal) + "::text WHERE a." + quote(k.LookupColumn) + " = " + key + ")"
}

// invert is the key of a tenant, of the column's type.
func (k Key) invert(p *Plan, t *onlineTable, tenant string) string {
	if k.LookupTable == "" {
		return "(SELECT s.external_id::" + t.rel.column(k.Column).Type + " FROM stratum.tenants s WHERE s.id = " +
			tenant + ")"
	}
	return "(SELECT a." + quote(k.LookupColumn) + " FROM stratum.tenants s JOIN " + p.lookupTable(t) + " a ON a." +
		quote(k.LookupExternal) + "::text = s.external_id WHERE s.id = " + tenant + ")"
}

// lookupTable is the table that translates keys. It is one of the tables, or in the schema of the table that has the
// key.
func (p *Plan) lookupTable(t *onlineTable) string {
	for _, other := range p.view.targets {
		if other.Name == t.key.LookupTable && other.rel != nil {
			return other.rel.String()
		}
	}
	schema, name, qualified := strings.Cut(t.key.LookupTable, ".")
	if !qualified {
		schema, name = t.rel.Schema, schema
	}
	return quote(schema, name)
}

// source are the columns that say whose a row is.
func (t *onlineTable) source() []string {
	if t.keyed() {
		return []string{t.key.Column}
	}
	return t.via.Columns
}

// changed is a condition on what an UPDATE does to columns.
func changed(columns []string) string {
	parts := make([]string, len(columns))
	for i, name := range columns {
		parts[i] = "NEW." + quote(name) + " IS DISTINCT FROM OLD." + quote(name)
	}
	return strings.Join(parts, " OR ")
}

// fillBody is the trigger that serves both versions. The plain version knows nothing of tenants: its rows get that of
// their key, and one that moves to another key moves to its tenant. The guarded version may know nothing of keys: its
// rows get the key of their tenant, and one that names both must name the same.
func (p *Plan) fillBody(t *onlineTable) string {
	tenant := "NEW." + quote(t.Column)
	// A key that was taken away leaves no tenant, and an unknown one is not this tenant's; a reference may be NULL.
	stay, differs := tenant, "found_tenant <> "+tenant
	if t.keyed() {
		stay, differs = "NULL", "found_tenant IS DISTINCT FROM "+tenant
	}
	var b strings.Builder
	b.WriteString(`
DECLARE
	guarded uuid := nullif(current_setting('stratum.tenant', true), '');
	found_tenant uuid;
	found_label text;
BEGIN
	IF TG_OP = 'UPDATE' AND ` + tenant + ` = OLD.` + quote(t.Column) + ` AND NOT (` + changed(t.source()) + `) THEN
		RETURN NEW;
	END IF;
	IF TG_OP = 'INSERT' AND ` + tenant + ` IS NULL THEN
		` + tenant + ` := guarded;
	END IF;`)
	if t.keyed() {
		key := "NEW." + quote(t.key.Column)
		b.WriteString(`
	IF ` + tenant + ` IS NOT NULL AND (guarded IS NOT NULL OR TG_OP = 'INSERT')
		AND (` + key + ` IS NULL OR ` + key + `::text IN ('', '0', '00000000-0000-0000-0000-000000000000')) THEN
		` + key + ` := ` + t.key.invert(p, t, tenant) + `;
		RETURN NEW;
	END IF;`)
	}
	b.WriteString(`
	found_tenant := ` + p.tenantOf(t, "NEW", 1) + `;` + p.signUp(t) + `
	IF ` + tenant + ` IS NULL THEN
		` + tenant + ` := found_tenant;
	ELSIF TG_OP = 'UPDATE' AND guarded IS NULL AND ` + tenant + ` = OLD.` + quote(t.Column) + ` THEN
		` + tenant + ` := coalesce(found_tenant, ` + stay + `);
	ELSIF ` + differs + ` THEN
		RAISE EXCEPTION 'the tenant of this row is not that of its key'
			USING ERRCODE = '23514', HINT = 'Leave one of the two out, or correct it.';
	END IF;
	RETURN NEW;
END `)
	return b.String()
}

// signUp makes the tenant of a key that is new, where that is wanted. It does what Tenants.Create does: the tree's lock
// first, shared, and the label as the end of the path.
func (p *Plan) signUp(t *onlineTable) string {
	if !p.online.CreateTenants || !t.keyed() || t.key.LookupTable != "" {
		return ""
	}
	key := "NEW." + quote(t.key.Column) + "::text"
	path, parent := "found_label", "NULL"
	if p.online.Parent != uuid.Nil {
		parent = literal(p.online.Parent.String()) + "::uuid"
		path = "(SELECT " + t.Ltree + ".ltree2text(s.path) || '.' || found_label FROM stratum.tenants s WHERE s.id = " +
			parent + ")"
	}
	return `
	IF found_tenant IS NULL AND guarded IS NULL AND ` + key + ` <> '' THEN
		PERFORM pg_advisory_xact_lock_shared(1398034753, 1);
		found_label := stratum.base36(nextval('stratum.tenant_number'));
		INSERT INTO stratum.tenants (id, label, path, parent_id, slug, external_id, name)
			VALUES (gen_random_uuid(), found_label, ` + t.Ltree + `.text2ltree(` + path + `), ` + parent + `,
				'account-' || CASE WHEN ` + key + ` ~ '^[a-z0-9_-]{1,50}$' THEN ` + key + ` ELSE md5(` + key + `) END,
				` + key + `, ` + key + `) ON CONFLICT DO NOTHING;
		found_tenant := ` + p.tenantOf(t, "NEW", 1) + `;
	END IF;`
}

// followers are the tables whose rows have the tenants of a table's.
func (p *Plan) followers(t *onlineTable) []*onlineTable {
	var all []*onlineTable
	for _, other := range p.owned {
		if other.parent == t {
			all = append(all, other)
		}
	}
	return all
}

// pullBody is the trigger that lets the rows that follow a row, and those that follow them, go with it to another
// tenant. It writes to all of them itself: the triggers of those between do not fire for rows that were not filled yet.
func (p *Plan) pullBody(t *onlineTable) string {
	statements := p.pulls(t, "NEW", nil, nil)
	for i, set := range statements {
		statements[i] = "\n\t" + strings.ReplaceAll(set, tenantMark, "NEW."+quote(t.Column)) + ";"
	}
	return "\nBEGIN" + strings.Join(statements, "") + "\n\tRETURN NULL;\nEND "
}

// tenantMark stands for the tenant in pulls. No identifier has a zero byte.
const tenantMark = "\x00"

// pulls are the updates of the followers of a row, which from and conditions lead to.
func (p *Plan) pulls(t *onlineTable, row string, from, conditions []string) []string {
	followers := p.followers(t)
	statements := make([]string, 0, len(followers))
	for _, f := range followers {
		update := "UPDATE " + f.rel.String() + " f SET " + quote(f.Column) + " = " + tenantMark
		if len(from) > 0 {
			update += " FROM " + strings.Join(from, ", ")
		}
		links := slices.Concat(conditions, f.links("f", row),
			[]string{"f." + quote(f.Column) + " IS DISTINCT FROM " + tenantMark})
		statements = append(statements, update+" WHERE "+strings.Join(links, " AND "))
		alias := fmt.Sprintf("r%d", len(from)+1)
		statements = append(statements, p.pulls(f, alias, slices.Concat(from, []string{f.rel.String() + " " + alias}),
			slices.Concat(conditions, f.links(alias, row)))...)
	}
	return statements
}

// links are the conditions on which a row follows another.
func (t *onlineTable) links(row, parent string) []string {
	conditions := make([]string, len(t.via.Columns))
	for i, name := range t.via.Columns {
		conditions[i] = row + "." + quote(name) + " = " + parent + "." + quote(t.via.RefColumns[i])
	}
	return conditions
}

// function defines a trigger's function. It runs with the owner's rights, since the plain version may not read tenants,
// and with a search_path that no caller chooses. Nobody can call it but as a trigger.
func (t *onlineTable) function(name, body string) []string {
	function := quote(t.rel.Schema, name) + "()"
	return []string{
		"CREATE OR REPLACE FUNCTION " + function + " RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER " +
			"SET search_path = pg_catalog, pg_temp AS $stratum$" + body + "$stratum$",
		"REVOKE ALL ON FUNCTION " + function + " FROM PUBLIC",
	}
}

// fillTriggers makes the trigger that finds tenants where it is missing, or its function is not as it must be.
func (p *Plan) fillTriggers(t *onlineTable) []string {
	return p.ensureTrigger(t, fillTrigger, t.fillName(), p.fillBody(t),
		"BEFORE INSERT OR UPDATE ON "+t.rel.String()+" FOR EACH ROW")
}

// pullTriggers does that for the trigger that writes to other tables. They must have the tenant column by then. It
// fires when a row changes its tenant, also before it was filled, and not when it is.
func (p *Plan) pullTriggers(t *onlineTable) []string {
	if len(p.followers(t)) == 0 {
		return nil
	}
	column := quote(t.Column)
	return p.ensureTrigger(t, pullTrigger, t.pullName(), p.pullBody(t),
		"AFTER UPDATE ON "+t.rel.String()+" FOR EACH ROW WHEN (OLD."+column+" <> NEW."+column+" OR (OLD."+column+
			" IS NULL AND ("+changed(t.source())+")))")
}

// ensureTrigger leaves alone what is as it must be.
func (p *Plan) ensureTrigger(t *onlineTable, trigger, function, body, when string) []string {
	var statements []string
	if t.Functions[function] != body {
		statements = append(statements, t.function(function, body)...)
	}
	if !t.hasTrigger(trigger) {
		statements = append(statements, "CREATE TRIGGER "+quote(trigger)+" "+when+" EXECUTE FUNCTION "+
			quote(t.rel.Schema, function)+"()")
		t.Triggers = append(t.Triggers, trigger)
	}
	return statements
}

// dropTriggers drops those that are there, and then their functions.
func (t *onlineTable) dropTriggers(names ...string) []string {
	functions := map[string]string{fillTrigger: t.fillName(), pullTrigger: t.pullName()}
	var statements []string
	for _, name := range names {
		if t.hasTrigger(name) {
			statements = append(statements, "DROP TRIGGER "+quote(name)+" ON "+t.rel.String(),
				"DROP FUNCTION IF EXISTS "+quote(t.rel.Schema, functions[name])+"()")
			t.Triggers = slices.DeleteFunc(t.Triggers, func(other string) bool { return other == name })
		}
	}
	return statements
}

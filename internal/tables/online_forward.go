package tables

import (
	"cmp"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Forward is what is missing of the steps up to the one given, in order. It ends early where tables are sealed.
func (p *Plan) Forward(to Step) []Change {
	steps := []struct {
		step Step
		plan []func(*onlineTable)
	}{
		{Expanded, []func(*onlineTable){p.expand, p.addTriggers}},
		{Filled, []func(*onlineTable){p.fill}},
		{Validated, []func(*onlineTable){p.requireTenant, p.nextKeys, p.nextReferredKeys, p.nextForeignKeys}},
		{Switched, []func(*onlineTable){p.admitRoles}},
		{Sealed, []func(*onlineTable){p.swapForeignKeys, p.seal}},
	}
	for _, s := range steps {
		if s.step > to {
			break
		}
		order := p.byDepth()
		if s.step == Sealed {
			slices.Reverse(order)
		}
		for _, plan := range s.plan {
			for _, t := range order {
				plan(t)
			}
		}
		if s.step == Switched {
			p.grantOthers()
		}
	}
	return p.taken
}

// expand adds the column. It has no default yet: Stratum's would refuse the plain version's rows.
func (p *Plan) expand(t *onlineTable) {
	if t.sealed() || t.rel.column(t.Column) != nil {
		return
	}
	p.add(Change{Step: Expanded, Table: t.rel.String(), Statements: []string{
		"ALTER TABLE " + t.rel.String() + " ADD COLUMN " + quote(t.Column) + " pg_catalog.uuid",
	}})
	t.rel.Columns = append(t.rel.Columns, column{Name: t.Column, Quoted: quote(t.Column), UUID: true})
}

// addTriggers adds the triggers, to a table before those that follow it: once a row that follows has a tenant, it must
// be taken along by a move.
func (p *Plan) addTriggers(t *onlineTable) {
	if t.sealed() {
		return
	}
	if statements := append(p.pullTriggers(t), p.fillTriggers(t)...); len(statements) > 0 {
		p.add(Change{Step: Expanded, Table: t.rel.String(), Statements: statements, Mode: lockWriters})
	}
}

// fill gives each row its tenant.
func (p *Plan) fill(t *onlineTable) {
	if t.rel.column(t.Column).NotNull {
		return
	}
	f := &Fill{Column: quote(t.Column), Rows: t.Rows}
	for _, name := range t.rel.primaryKey() {
		f.Columns, f.Types = append(f.Columns, quote(name)), append(f.Types, t.rel.column(name).Type)
	}
	p.add(Change{
		Step: Filled, Kind: Filling, Table: t.rel.String(), Fill: f,
		Statements: []string{f.script(t.rel.String())}, Violation: p.tenantless(t),
	})
}

// script does what batches do, for psql: the table is read from one end to the other, and each batch is committed.
func (f *Fill) script(table string) string {
	return "DO $$ DECLARE n bigint; BEGIN LOOP\n" +
		"\tUPDATE " + table + " SET " + f.Column + " = NULL WHERE ctid = ANY (ARRAY(SELECT ctid FROM " + table +
		" WHERE " + f.Column + " IS NULL LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED)) AND " + f.Column + " IS NULL;\n" +
		"\tGET DIAGNOSTICS n = ROW_COUNT; COMMIT; EXIT WHEN n = 0;\nEND LOOP; END $$"
}

// tenantless finds rows for which there is no tenant.
func (p *Plan) tenantless(t *onlineTable) string {
	if !t.rooted() {
		return ""
	}
	// The query is part of an error's text: no tenant's id in it.
	anonymous := *p
	anonymous.online.NullKeys = uuid.Nil
	query := "SELECT t.* FROM " + t.rel.String() + " t WHERE " + anonymous.tenantOf(t, "t", 1) + " IS NULL"
	if p.online.NullKeys != uuid.Nil {
		for _, name := range t.source() {
			query += " AND t." + quote(name) + " IS NOT NULL" //nolint:perfsprint // one or two columns
		}
	}
	return query
}

// requireTenant makes the column NOT NULL without a look at the table under a lock: a constraint that was validated
// beside writers proves it.
func (p *Plan) requireTenant(t *onlineTable) {
	c := t.rel.column(t.Column)
	if c.NotNull {
		return
	}
	name, table := t.fullName(), t.rel.String()
	check := t.rel.constraint(name)
	if check == nil {
		p.add(Change{Step: Validated, Table: table, Object: name, Statements: []string{
			"ALTER TABLE " + table + " ADD CONSTRAINT " + quote(name) + " CHECK (" + quote(t.Column) +
				" IS NOT NULL) NOT VALID",
		}})
	}
	if check == nil || !check.Validated {
		p.add(Change{
			Step: Validated, Kind: Validating, Table: table, Object: name,
			Statements: []string{"ALTER TABLE " + table + " VALIDATE CONSTRAINT " + quote(name)},
			Violation:  "SELECT * FROM " + table + " WHERE " + quote(t.Column) + " IS NULL",
		})
	}
	p.add(Change{Step: Validated, Table: table, Object: name, Statements: []string{
		"ALTER TABLE " + table + " ALTER COLUMN " + quote(t.Column) + " SET NOT NULL",
		"ALTER TABLE " + table + " DROP CONSTRAINT " + quote(name),
	}})
	t.rel.forget(name)
	c.NotNull = true
}

// nextKeys builds the key beside the primary key, and what will take the place of each index and unique constraint.
func (p *Plan) nextKeys(t *onlineTable) {
	if primary := t.primary(); len(primary) > 0 && !slices.Contains(t.rel.primaryKey(), t.Column) {
		p.buildConstraint(t, keyName(t.rel.Name), primary)
	}
	for _, x := range t.Indexes {
		if facts := t.facts(x.Name); facts != nil && !t.leading(x.Name) {
			p.buildIndex(t, build{
				name: nextName(x.Name), object: x.Name, unique: t.rel.index(x.Name).Unique, method: facts.Method,
				definition: t.tenantColumns(facts), columns: with(t.Column, t.rel.index(x.Name).Columns),
			})
		}
	}
	for _, u := range t.Uniques {
		if !t.leading(u.Name) {
			p.buildUnique(t, nextName(u.Name), u.Name, with(t.Column, u.Columns))
		}
	}
}

// primary are the columns of the primary key.
func (t *onlineTable) primary() []string {
	if len(t.PrimaryKey) > 0 {
		return t.PrimaryKey
	}
	return t.rel.primaryKey()
}

// nextReferredKeys builds the keys that foreign keys refer to where the one beside the primary key does not serve.
func (p *Plan) nextReferredKeys(t *onlineTable) {
	for _, key := range t.ForeignKeys {
		ref := p.table(p.view.target(key.ref()))
		if !key.RefOwned || ref == nil {
			continue
		}
		wanted := with(ref.Column, key.RefColumns)
		if !slices.ContainsFunc(ref.rel.Indexes, func(x index) bool {
			return x.Unique && x.Plain && sameSet(x.Columns, wanted)
		}) {
			p.buildConstraint(ref, hashedName(ref.rel.Name, key.RefColumns, keySuffix), key.RefColumns)
		}
	}
}

// build is an index to build.
type build struct {
	name       string
	object     string // what errors call it; defaults to name
	unique     bool
	method     string
	definition string   // from the first column on, with the closing bracket
	columns    []string // as in index.Columns
}

// buildUnique builds a plain unique index on columns.
func (p *Plan) buildUnique(t *onlineTable, name, object string, columns []string) {
	p.buildIndex(t, build{
		name: name, object: object, unique: true, method: "btree", definition: quoteEach(columns) + ")",
		columns: columns,
	})
}

// buildIndex builds an index beside writers. One that an interrupted build has left is dropped before.
func (p *Plan) buildIndex(t *onlineTable, b build) {
	if facts := t.facts(b.name); facts != nil {
		if facts.Valid {
			return
		}
		p.dropIndex(t, b.name, Validated)
	}
	unique, violation := "", ""
	if b.unique {
		unique = "UNIQUE "
		violation = "SELECT " + quoteEach(b.columns) + ", count(*) FROM " + t.rel.String() + " GROUP BY " +
			quoteEach(b.columns) + " HAVING count(*) > 1"
		if slices.Contains(b.columns, "") {
			violation = ""
		}
	}
	p.add(Change{
		Step: Validated, Kind: Concurrent, Table: t.rel.String(), Object: cmp.Or(b.object, b.name),
		Violation: violation,
		Statements: []string{"CREATE " + unique + "INDEX CONCURRENTLY " + quote(b.name) + " ON " + t.rel.String() +
			" USING " + quote(b.method) + " (" + b.definition},
		// What a failed build leaves is not used to find rows, but refuses writers all the same.
		Undo: "DROP INDEX CONCURRENTLY IF EXISTS " + quote(t.rel.Schema, b.name),
	})
	t.rel.Indexes = append(t.rel.Indexes, index{Name: b.name, Columns: b.columns, Unique: b.unique, Plain: true})
	t.Definitions = append(t.Definitions,
		indexFacts{Name: b.name, Valid: true, Method: b.method, Columns: b.definition})
}

// dropIndex drops an index beside writers.
func (p *Plan) dropIndex(t *onlineTable, name string, step Step) {
	p.add(Change{
		Step: step, Kind: Concurrent, Table: t.rel.String(), Object: name,
		Statements: []string{"DROP INDEX CONCURRENTLY IF EXISTS " + quote(t.rel.Schema, name)},
	})
	t.forget(name)
}

// forget notes that an index is gone.
func (t *onlineTable) forget(name string) {
	t.rel.forget(name)
	t.Definitions = slices.DeleteFunc(t.Definitions, func(x indexFacts) bool { return x.Name == name })
}

// buildConstraint builds a constraint UNIQUE (tenant column, columns...) of a name that is final.
func (p *Plan) buildConstraint(t *onlineTable, name string, columns []string) {
	if t.rel.constraint(name) != nil {
		return
	}
	p.buildUnique(t, name, name, with(t.Column, columns))
	p.add(Change{Step: Validated, Table: t.rel.String(), Object: name, Statements: []string{
		"ALTER TABLE " + t.rel.String() + " ADD CONSTRAINT " + quote(name) + " UNIQUE USING INDEX " + quote(name),
	}})
	t.rel.Constraints = append(t.rel.Constraints,
		constraint{Name: name, Type: uniqueKey, Columns: with(t.Column, columns)})
}

// nextForeignKeys adds the composite keys beside the plain ones. They are checked when a transaction commits, so that
// the plain version may move rows that belong together to another key one by one.
func (p *Plan) nextForeignKeys(t *onlineTable) {
	for _, key := range t.ForeignKeys {
		if !key.RefOwned {
			continue
		}
		wanted := wantedForeignKey(p.view, t.target, key)
		if c := t.rel.constraint(key.Name); c == nil || !c.equal(wanted) {
			wanted.Name = nextName(key.Name)
			p.addForeignKey(t, wanted, key, " DEFERRABLE INITIALLY DEFERRED")
		}
		p.indexReference(t, key)
	}
}

// addForeignKey adds a foreign key for new rows, and then validates it for old ones beside writers.
func (p *Plan) addForeignKey(t *onlineTable, wanted constraint, key ForeignKey, deferrable string) {
	ref, table := p.view.byName[key.ref()], t.rel.String()
	existing := t.rel.constraint(wanted.Name)
	if existing != nil && existing.Validated {
		return
	}
	if existing == nil {
		p.add(Change{
			Step: Validated, Table: table, Object: key.Name, Mode: lockWriters, Locks: locks(table, ref.String()),
			Statements: []string{"ALTER TABLE " + table + " " + wanted.define(ref, key) + deferrable + " NOT VALID"},
		})
	}
	p.add(Change{
		Step: Validated, Kind: Validating, Table: table, Object: key.Name,
		Statements: []string{"ALTER TABLE " + table + " VALIDATE CONSTRAINT " + quote(wanted.Name)},
		Violation:  strays(t, ref, wanted),
	})
	t.rel.forget(wanted.Name)
	t.rel.Constraints = append(t.rel.Constraints, wanted)
}

// strays finds the rows that violate a foreign key.
func strays(t *onlineTable, ref *relation, wanted constraint) string {
	present, matches := make([]string, len(wanted.Columns)), make([]string, len(wanted.Columns))
	for i, name := range wanted.Columns {
		present[i] = "t." + quote(name) + " IS NOT NULL"
		matches[i] = "r." + quote(wanted.RefColumns[i]) + " = t." + quote(name)
	}
	return "SELECT t.* FROM " + t.rel.String() + " t WHERE " + strings.Join(present, " AND ") +
		" AND NOT EXISTS (SELECT FROM " + ref.String() + " r WHERE " + strings.Join(matches, " AND ") + ")"
}

// locks are each named once.
func locks(tables ...string) []string {
	slices.Sort(tables)
	return slices.Compact(tables)
}

// indexReference builds the index that a delete on the other side needs, as Migrate would.
func (p *Plan) indexReference(t *onlineTable, key ForeignKey) {
	columns := with(t.Column, key.Columns)
	for _, x := range t.rel.Indexes {
		if x.Plain && len(x.Columns) >= len(columns) && sameSet(x.Columns[:len(columns)], columns) {
			return
		}
	}
	p.buildIndex(t, build{
		name: hashedName(t.rel.Name, key.Columns, indexSuffix), method: "btree",
		definition: quoteEach(columns) + ")", columns: columns,
	})
}

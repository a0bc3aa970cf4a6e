package tables

import (
	"slices"
	"strings"
)

// Back is what takes tables back to a step, in order: the way of Forward in the other direction. It also serves tables
// that Migrate has made tenant-owned at once.
func (p *Plan) Back(to Step) []Change {
	steps := []struct {
		step Step // what is taken back
		plan []func(*onlineTable)
	}{
		{Sealed, []func(*onlineTable){p.priorKeys, p.priorForeignKeys, p.unseal}},
		{Switched, []func(*onlineTable){p.shutRolesOut}},
		{Validated, []func(*onlineTable){p.dropForeignKeys, p.dropKeys}},
		{Expanded, []func(*onlineTable){p.shrink}},
	}
	for _, s := range steps {
		if s.step <= to {
			break
		}
		for _, plan := range s.plan {
			for _, t := range p.byDepth() {
				plan(t)
			}
		}
		if s.step == Switched {
			p.revokeOthers()
		}
	}
	return p.taken
}

// priorKeys builds the plain form of what was sealed. A unique one fails where tenants have the same values by now.
func (p *Plan) priorKeys(t *onlineTable) {
	at := len(p.taken)
	for _, x := range t.Indexes {
		if facts := t.facts(x.Name); facts != nil && t.leading(x.Name) {
			p.buildIndex(t, build{
				name: priorName(x.Name), object: x.Name, unique: t.rel.index(x.Name).Unique, method: facts.Method,
				definition: t.plainColumns(facts), columns: t.rel.index(x.Name).Columns[1:],
			})
		}
	}
	for _, u := range t.Uniques {
		if t.leading(u.Name) {
			p.buildUnique(t, priorName(u.Name), u.Name, u.Columns)
		}
	}
	p.relabel(at, Sealed)
}

// relabel says of which step changes are that were planned as parts of another.
func (p *Plan) relabel(from int, step Step) {
	for i := range p.taken[from:] {
		p.taken[from+i].Step = step
	}
}

// priorForeignKeys adds the plain keys beside the composite ones.
func (p *Plan) priorForeignKeys(t *onlineTable) {
	at := len(p.taken)
	for _, key := range t.ForeignKeys {
		wanted := wantedForeignKey(p.view, t.target, key)
		if c := t.rel.constraint(key.Name); key.RefOwned && c != nil && c.equal(wanted) {
			plain := wanted
			plain.Name, plain.Columns, plain.RefColumns = priorName(key.Name), key.Columns, key.RefColumns
			plain.SetColumns = nil
			p.addForeignKey(t, plain, key, "")
		}
	}
	p.relabel(at, Sealed)
}

// unseal opens a table to the plain version again. Without a key nothing fills its rows' tenants, and none is required.
func (p *Plan) unseal(t *onlineTable) {
	r, table, column := t.rel, t.rel.String(), quote(t.Column)
	c := r.column(t.Column)
	if c == nil {
		return
	}
	var statements []string
	if r.Forced {
		statements = append(statements, "ALTER TABLE "+table+" NO FORCE ROW LEVEL SECURITY")
		r.Forced = false
	}
	if c.Default != "" {
		statements = append(statements, "ALTER TABLE "+table+" ALTER COLUMN "+column+" DROP DEFAULT")
	}
	if t.rooted() {
		statements = append(statements, append(p.fillTriggers(t), p.pullTriggers(t)...)...)
	} else if c.NotNull {
		statements = append(statements, "ALTER TABLE "+table+" ALTER COLUMN "+column+" DROP NOT NULL")
		c.NotNull = false
	}
	statements = append(statements, p.readmit(t)...)
	statements = append(statements, p.unswapIndexes(t)...)
	statements = append(statements, p.unswapForeignKeys(t)...)
	if len(statements) > 0 {
		p.add(Change{Step: Sealed, Table: table, Statements: statements})
	}
}

// readmit gives the plain version's login back what it had.
func (p *Plan) readmit(t *onlineTable) []string {
	if !p.plainIsOther(t) || !t.rel.Secured {
		return nil
	}
	var statements []string
	if t.rel.policy(policyPlain) == nil {
		statements = append(statements, "CREATE POLICY "+quote(policyPlain)+" ON "+t.rel.String()+" TO "+
			quote(p.online.PlainLogin)+" USING (true) WITH CHECK (true)")
		t.rel.Policies = append(t.rel.Policies, policy{Name: policyPlain})
	}
	if missing := without(dataRights(), t.PlainSees); len(missing) > 0 && len(t.PlainSees) == 0 {
		statements = append(statements, "GRANT "+strings.Join(missing, ", ")+" ON TABLE "+t.rel.String()+" TO "+
			quote(p.online.PlainLogin))
	}
	return statements
}

// unswapIndexes gives the ORM's names to the plain indexes, and sets those with the tenant beside them.
func (p *Plan) unswapIndexes(t *onlineTable) []string {
	var statements []string
	table := t.rel.String()
	rename := func(from, to string) {
		statements = append(statements, "ALTER INDEX "+quote(t.rel.Schema, from)+" RENAME TO "+quote(to))
		t.renamed(from, to)
	}
	for _, x := range t.Indexes {
		if t.leading(x.Name) && t.facts(priorName(x.Name)) != nil {
			rename(x.Name, nextName(x.Name))
			rename(priorName(x.Name), x.Name)
		}
	}
	for _, u := range t.Uniques {
		if t.leading(u.Name) && t.facts(priorName(u.Name)) != nil {
			statements = append(statements,
				"ALTER TABLE "+table+" RENAME CONSTRAINT "+quote(u.Name)+" TO "+quote(nextName(u.Name)),
				"ALTER TABLE "+table+" ADD CONSTRAINT "+quote(u.Name)+" UNIQUE USING INDEX "+quote(priorName(u.Name)))
			t.renamed(u.Name, nextName(u.Name))
			t.renamed(priorName(u.Name), u.Name)
		}
	}
	return statements
}

// renamed notes the new name of an index, and of a constraint on it.
func (t *onlineTable) renamed(from, to string) {
	if c := t.rel.constraint(from); c != nil {
		c.Name = to
	}
	if x := t.rel.index(from); x != nil {
		x.Name = to
	}
	if x := t.facts(from); x != nil {
		x.Name = to
	}
}

func (p *Plan) unswapForeignKeys(t *onlineTable) []string {
	var statements []string
	alter := "ALTER TABLE " + t.rel.String() + " "
	for _, key := range t.ForeignKeys {
		prior, next := priorName(key.Name), nextName(key.Name)
		if t.rel.constraint(prior) == nil || t.rel.constraint(key.Name) == nil {
			continue
		}
		statements = append(statements,
			alter+"RENAME CONSTRAINT "+quote(key.Name)+" TO "+quote(next),
			alter+"ALTER CONSTRAINT "+quote(next)+" DEFERRABLE INITIALLY DEFERRED",
			alter+"RENAME CONSTRAINT "+quote(prior)+" TO "+quote(key.Name))
		t.rel.constraint(key.Name).Name = next
		t.rel.constraint(prior).Name = key.Name
	}
	return statements
}

// shutRolesOut takes policies and rights back.
func (p *Plan) shutRolesOut(t *onlineTable) {
	var statements []string
	if t.rel.Secured {
		statements = append(statements, "ALTER TABLE "+t.rel.String()+" DISABLE ROW LEVEL SECURITY")
	}
	for _, existing := range t.rel.Policies {
		if isOurs(existing.Name) || existing.Name == policyPlain {
			statements = append(statements, dropPolicy(t.rel, existing.Name))
		}
	}
	if len(statements) > 0 {
		p.add(Change{Step: Switched, Table: t.rel.String(), Statements: statements})
	}
	p.revokeAll(t.target)
}

// revokeAll takes the roles' rights on a table. USAGE on the schema stays: other tables may need it.
func (p *Plan) revokeAll(t *target) {
	var statements []string
	for _, role := range p.m.roles.All() {
		if slices.ContainsFunc(t.rel.Grants, func(g grant) bool { return g.Role == role }) {
			statements = append(statements, "REVOKE ALL ON TABLE "+t.rel.String()+" FROM "+quote(role))
		}
		for _, s := range t.rel.Sequences {
			if slices.Contains(s.Users, role) {
				statements = append(statements, "REVOKE ALL ON SEQUENCE "+quote(s.Schema, s.Name)+" FROM "+quote(role))
			}
		}
	}
	if t.rel.Recorded != nil {
		statements = append(statements, "DELETE FROM stratum.tables WHERE table_schema = "+literal(t.rel.Schema)+
			" AND table_name = "+literal(t.rel.Name))
	}
	if len(statements) > 0 {
		p.add(Change{Step: Switched, Kind: Lockless, Table: t.rel.String(), Statements: statements})
	}
}

func (p *Plan) revokeOthers() {
	for _, t := range p.view.targets {
		if t.Kind == Global || (t.Kind == External && len(t.Rights) > 0) {
			p.revokeAll(t)
		}
	}
}

// dropForeignKeys drops the composite keys that stand beside plain ones.
func (p *Plan) dropForeignKeys(t *onlineTable) {
	for _, key := range t.ForeignKeys {
		for _, name := range []string{nextName(key.Name), priorName(key.Name)} {
			if t.rel.constraint(name) == nil {
				continue
			}
			p.add(Change{
				Step: Validated, Table: t.rel.String(), Object: name,
				Locks:      locks(t.rel.String(), p.view.byName[key.ref()].String()),
				Statements: []string{"ALTER TABLE " + t.rel.String() + " DROP CONSTRAINT " + quote(name)},
			})
			t.rel.forget(name)
		}
	}
}

// dropKeys drops Stratum's keys and indexes, and lets rows be without a tenant.
func (p *Plan) dropKeys(t *onlineTable) {
	var statements []string
	alter := "ALTER TABLE " + t.rel.String() + " "
	if c := t.rel.column(t.Column); c != nil && c.NotNull {
		statements = append(statements, alter+"ALTER COLUMN "+quote(t.Column)+" DROP NOT NULL")
	}
	if name := t.fullName(); t.rel.constraint(name) != nil {
		statements = append(statements, alter+"DROP CONSTRAINT "+quote(name))
	}
	var indexes []string
	for _, x := range t.rel.Indexes {
		switch {
		case !isMadeUp(x.Name):
		case t.rel.constraint(x.Name) != nil:
			statements = append(statements, alter+"DROP CONSTRAINT "+quote(x.Name))
		default:
			indexes = append(indexes, x.Name)
		}
	}
	if len(statements) > 0 {
		p.add(Change{Step: Validated, Table: t.rel.String(), Statements: statements})
	}
	for _, name := range indexes {
		p.dropIndex(t, name, Validated)
	}
}

// isMadeUp reports whether a key or index has a name that is made up here.
func isMadeUp(name string) bool {
	return slices.ContainsFunc([]string{keySuffix, indexSuffix, nextSuffix, priorSuffix}, func(suffix string) bool {
		return strings.HasSuffix(name, suffix)
	})
}

// shrink drops triggers and column, and what is left on it.
func (p *Plan) shrink(t *onlineTable) {
	statements := t.dropTriggers(fillTrigger, pullTrigger)
	if t.rel.column(t.Column) != nil {
		statements = append(statements, "ALTER TABLE "+t.rel.String()+" DROP COLUMN "+quote(t.Column))
	}
	for _, u := range t.GlobalUniques {
		if x := t.rel.index(u.Name); x != nil && strings.HasPrefix(x.Comment, globallyUniqueComment) {
			statements = append(statements, "COMMENT ON INDEX "+quote(t.rel.Schema, u.Name)+" IS NULL")
		}
	}
	if len(statements) > 0 {
		p.add(Change{Step: Expanded, Table: t.rel.String(), Statements: statements})
	}
}

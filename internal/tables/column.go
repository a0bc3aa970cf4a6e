package tables

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// tenantDefault is the column's default as the server prints it.
const tenantDefault = "stratum.tenant_id()"

// tenantColumn makes the tenant column what it must be. Adding it together with its default would evaluate the default
// at once, and that raises: no tenant is set in a migration.
func (m *Migration) tenantColumn(ctx context.Context, v *view, t *target) error {
	r := t.rel
	added := r.column(t.Column) == nil
	if added {
		if err := m.alter(ctx, r, "ADD COLUMN "+quote(t.Column)+" pg_catalog.uuid"); err != nil {
			return err
		}
		r.Columns = append(r.Columns, column{Name: t.Column, UUID: true})
	}
	c := r.column(t.Column)
	if !c.UUID {
		return r.refused(ErrColumn, t.Column, fmt.Sprintf("the tenant column %q is of type %s", t.Column, c.Type),
			"make it uuid, or name another column")
	}
	if t.takesOrphans(added) {
		if err := m.backfill(ctx, v, t); err != nil {
			return err
		}
	}
	return m.columnTraits(ctx, t, c)
}

// takesOrphans reports whether rows without a tenant must be given to one. In a mixed table they are everyone's, but
// not those from the time before it had the column: a table that every tenant reads is not made by an oversight. What
// was declared global they have read already.
func (t *target) takesOrphans(added bool) bool {
	if t.Kind == Mixed {
		return added && (t.rel.Recorded == nil || t.rel.Recorded.Class != classGlobal)
	}
	return !t.rel.column(t.Column).NotNull
}

// columnTraits takes one lock for both: it sets what is missing of DEFAULT and NOT NULL.
func (m *Migration) columnTraits(ctx context.Context, t *target, c *column) error {
	var changes []string
	if c.Default != tenantDefault {
		changes = append(changes, "ALTER COLUMN "+quote(c.Name)+" SET DEFAULT "+tenantDefault)
	}
	switch notNull := t.Kind == Owned; {
	case notNull && !c.NotNull:
		changes = append(changes, "ALTER COLUMN "+quote(c.Name)+" SET NOT NULL")
	case !notNull && c.NotNull:
		changes = append(changes, "ALTER COLUMN "+quote(c.Name)+" DROP NOT NULL")
	}
	if len(changes) == 0 {
		return nil
	}
	c.Default, c.NotNull = tenantDefault, t.Kind == Owned
	return m.alter(ctx, t.rel, strings.Join(changes, ", "))
}

// backfill gives rows without a tenant to one. The id travels as a parameter, so that it is in no text.
func (m *Migration) backfill(ctx context.Context, v *view, t *target) error {
	r := t.rel
	if err := m.reveal(ctx, r); err != nil {
		return err
	}
	elsewhere := m.elsewhere && m.existingRows != uuid.Nil && r.policy(policyEveryone) == nil
	rows, err := m.orphans(ctx, t)
	if rows == 0 && !elsewhere || err != nil {
		return err
	}
	if t.Join {
		if err := m.followReference(ctx, v, t); err != nil {
			return err
		}
		if rows, err = m.orphans(ctx, t); rows == 0 && !elsewhere || err != nil {
			return err
		}
	}
	if m.existingRows == uuid.Nil || r.policy(policyEveryone) != nil {
		return t.orphansRefused(rows)
	}
	if rows > 0 {
		if err := m.checkTenant(ctx, r); err != nil {
			return err
		}
	}
	return m.exec(ctx, r, "UPDATE "+r.String()+" SET "+quote(t.Column)+" = $1 WHERE "+quote(t.Column)+" IS NULL",
		m.existingRows.String())
}

// orphansRefused says what can become of rows that belong to no tenant.
func (t *target) orphansRefused(rows int64) error {
	refusal := &TableError{
		Table: t.rel.String(), Rows: rows, Finding: fmt.Sprintf("%d rows belong to no tenant", rows),
		Cure: "name the tenant that they are given to in MigrateOptions.ExistingRows", kind: ErrExistingRows,
	}
	switch {
	case t.rel.policy(policyEveryone) != nil:
		refusal.Finding = fmt.Sprintf("%d rows are everyone's, and it is declared as owned", rows)
		refusal.Cure = "delete them as system, or give each to a tenant, before the table is declared as owned"
	case t.Kind == Mixed:
		refusal.Cure += ", or, if they are everyone's, ALTER TABLE " + t.rel.String() + " ADD COLUMN " +
			quote(t.Column) + " uuid first"
	}
	return refusal
}

// orphans counts the rows that belong to no tenant.
func (m *Migration) orphans(ctx context.Context, t *target) (rows int64, err error) {
	query := "SELECT pg_catalog.count(*) FROM " + t.rel.String() + " WHERE " + quote(t.Column) + " IS NULL"
	if err := m.tx.QueryRowContext(ctx, query).Scan(&rows); err != nil {
		return 0, fmt.Errorf("stratum: table %s: counting the rows without a tenant: %w", t.rel, err)
	}
	return rows, nil
}

// followReference gives a join table's rows to the tenant of the rows that they join.
func (m *Migration) followReference(ctx context.Context, v *view, t *target) error {
	for _, key := range t.ForeignKeys {
		ref := v.target(key.ref())
		if !key.RefOwned || ref.rel == nil {
			continue
		}
		conditions := make([]string, 0, len(key.Columns)+1)
		conditions = append(conditions, "j."+quote(t.Column)+" IS NULL")
		for i, name := range key.Columns {
			conditions = append(conditions, "j."+quote(name)+" = r."+quote(key.RefColumns[i]))
		}
		return m.exec(ctx, t.rel, "UPDATE "+t.rel.String()+" j SET "+quote(t.Column)+" = r."+quote(ref.Column)+
			" FROM "+ref.rel.String()+" r WHERE "+strings.Join(conditions, " AND "))
	}
	return nil
}

// checkTenant looks once whether there is a tenant for existing rows.
func (m *Migration) checkTenant(ctx context.Context, r *relation) error {
	if m.tenantKnown {
		return nil
	}
	err := m.tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM stratum.tenants WHERE id OPERATOR(pg_catalog.=) $1)",
		m.existingRows.String()).Scan(&m.tenantKnown)
	if err != nil {
		return fmt.Errorf("stratum: looking for the tenant of existing rows: %w", err)
	}
	if !m.tenantKnown {
		return r.refused(ErrTenantUnknown, "", "the tenant that existing rows are given to does not exist",
			"create it with Tenants.Create, or correct MigrateOptions.ExistingRows")
	}
	return nil
}

// reveal lets the owner see all rows where row-level security is forced and the owner's policy is not as it should be,
// or another one narrows it. PostgreSQL validates keys by what the owner sees: a violation among hidden rows would
// pass. Policies are put right and forced again by the time Finish ends.
func (m *Migration) reveal(ctx context.Context, r *relation) error {
	if !r.Secured || !r.Forced || r.ownerSeesAll() {
		return nil
	}
	r.Forced = false
	return m.alter(ctx, r, "NO FORCE ROW LEVEL SECURITY")
}

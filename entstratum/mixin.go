package entstratum

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/mixin"
	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// FieldName is the ent field that Mixin and OwnOrGlobal add.
const FieldName = "tenant_id"

// Mixin makes a schema tenant-owned:
//
//	func (Ticket) Mixin() []ent.Mixin { return []ent.Mixin{entstratum.Mixin{}} }
//
// It adds the field tenant_id, which is set from the context when a row is created and never changes; a hook that keeps
// changes to the tenant's rows; an interceptor that does the same for queries; and a privacy policy that refuses
// whatever has no tenant.
type Mixin struct {
	mixin.Schema

	// Column is the tenant column. The generated field is TenantID whatever it is. Defaults to tenant_id.
	Column string
}

// Fields returns the tenant's field.
func (m Mixin) Fields() []ent.Field { return []ent.Field{tenantField(m.column())} }

// Annotations says that the schema is tenant-owned.
func (m Mixin) Annotations() []schema.Annotation {
	return []schema.Annotation{Annotation{Classes: []Class{ClassOwned}, Column: m.column()}}
}

// Hooks stamp new rows and narrow changes.
func (m Mixin) Hooks() []ent.Hook { return []ent.Hook{tenancy{column: m.column()}.hook} }

// Interceptors narrow queries.
func (m Mixin) Interceptors() []ent.Interceptor {
	return []ent.Interceptor{tenancy{column: m.column()}}
}

// Policy refuses what has no tenant.
func (Mixin) Policy() ent.Policy { return denyIfNoTenant() }

func (m Mixin) column() string {
	if m.Column == "" {
		return tables.DefaultColumn
	}
	return m.Column
}

// OwnOrGlobal makes a schema whose rows belong to one tenant each, or to everyone. A tenant reads its own rows and
// everyone's, and writes its own. The system writes everyone's, by leaving the tenant out. An edge to such a schema
// cannot have a foreign key, and is refused.
type OwnOrGlobal struct {
	mixin.Schema

	// Column is the tenant column. Defaults to tenant_id.
	Column string
}

// Fields returns the tenant's field: nil for everyone's rows.
func (m OwnOrGlobal) Fields() []ent.Field {
	f := field.UUID(FieldName, uuid.UUID{}).StorageKey(m.mixin().column()).Immutable().Optional().Nillable().
		Annotations(entsql.Default(tables.TenantDefault))
	return []ent.Field{f}
}

// Annotations says that rows are a tenant's or everyone's.
func (m OwnOrGlobal) Annotations() []schema.Annotation {
	return []schema.Annotation{Annotation{Classes: []Class{ClassMixed}, Column: m.mixin().column()}}
}

// Hooks stamp new rows and narrow changes.
func (m OwnOrGlobal) Hooks() []ent.Hook {
	return []ent.Hook{tenancy{column: m.mixin().column(), everyone: true}.hook}
}

// Interceptors narrow queries.
func (m OwnOrGlobal) Interceptors() []ent.Interceptor {
	return []ent.Interceptor{tenancy{column: m.mixin().column(), everyone: true}}
}

// Policy refuses what has no tenant.
func (OwnOrGlobal) Policy() ent.Policy { return denyIfNoTenant() }

func (m OwnOrGlobal) mixin() Mixin { return Mixin{Column: m.Column} }

// tenantField is optional to ent, so that the column's default serves rows that no hook has seen, such as those that
// ent makes for an edge with an edge schema. In the database it is NOT NULL: see Desire.
func tenantField(column string) ent.Field {
	return field.UUID(FieldName, uuid.UUID{}).StorageKey(column).Immutable().Optional().
		Annotations(entsql.Default(tables.TenantDefault))
}

package gormstratum

import "github.com/google/uuid"

// Tenant makes a model tenant-owned. Embed it:
//
//	type Invoice struct {
//		gormstratum.Tenant
//		ID     uuid.UUID `gorm:"primaryKey"`
//		Number string    `gorm:"uniqueIndex"` // unique per tenant
//	}
//
// A field of the column tenant_id and type uuid.UUID, declared by hand, does the same. So does one of another column
// with the tag stratum:"tenant", or with the name in Options.TenantColumn:
//
//	OrgID uuid.UUID `gorm:"type:uuid;not null;default:stratum.tenant_id()" stratum:"tenant"`
type Tenant struct {
	// TenantID is the tenant that the row belongs to. It is set from the context when the row is created; a row cannot
	// change its tenant.
	TenantID uuid.UUID `gorm:"type:uuid;not null;default:stratum.tenant_id()" stratum:"tenant" json:"tenant_id"`
}

// OwnOrGlobal makes a model whose rows belong to one tenant each, or to everyone. Embed it:
//
//	type Template struct {
//		gormstratum.OwnOrGlobal
//		ID   uuid.UUID `gorm:"primaryKey"`
//		Code string    `gorm:"uniqueIndex;not null"` // unique per tenant, and among everyone's
//	}
//
// A tenant reads its own rows and everyone's, and writes its own: it cannot make, change or delete a row of everyone's,
// nor give one of its own to everyone. A subtree reads those of descendants, too. The system writes everyone's, by
// leaving TenantID nil. In a unique index of such a model NULL is a value like others, so its columns must be NOT NULL.
//
// A foreign key to such a table is refused by Migrate: it would compare the tenant with the row's own or with none, and
// cannot do both. Tag the relation constraint:-; the policies still hide the rows of other tenants.
//
// A *uuid.UUID of another column, declared by hand, is tagged stratum:"tenant,global".
type OwnOrGlobal struct {
	// TenantID is the tenant that the row belongs to, or nil for everyone's. For a tenant it is set from the context
	// when the row is created.
	TenantID *uuid.UUID `gorm:"type:uuid;default:stratum.tenant_id()" stratum:"tenant,global" json:"tenant_id"`
}

// Global makes a model global: every tenant reads its table, and only the system writes it. Embed it, or name the
// model in Options.Global.
type Global struct{}

// global marks the type for the plugin.
func (Global) stratumGlobal() {}

// marked is implemented by models that embed Global.
type marked interface{ stratumGlobal() }

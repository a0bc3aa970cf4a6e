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
// A field of the column tenant_id and type uuid, declared by hand, does the same.
type Tenant struct {
	// TenantID is the tenant that the row belongs to. It is set from the context when the row is created; a row cannot
	// change its tenant.
	TenantID uuid.UUID `gorm:"type:uuid;not null;default:stratum.tenant_id()" json:"tenant_id"`
}

// Global makes a model global: every tenant reads its table, and only the system writes it. Embed it, or name the
// model in Options.Global.
type Global struct{}

// global marks the type for the plugin.
func (Global) stratumGlobal() {}

// marked is implemented by models that embed Global.
type marked interface{ stratumGlobal() }

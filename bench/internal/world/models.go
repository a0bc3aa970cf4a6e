package world

import (
	"time"

	"github.com/google/uuid"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// Ticket is a row as an application has it: a key, an index to list by, and some text. It is Stratum's, by its
// migration.
type Ticket struct {
	gormstratum.Tenant
	ID        uuid.UUID `gorm:"type:uuid;primaryKey;default:gen_random_uuid()"`
	Number    int64     `gorm:"not null"`
	Title     string    `gorm:"not null"`
	Body      string    `gorm:"not null"`
	CreatedAt time.Time `gorm:"not null;index:idx_tickets_created_at"`
	UpdatedAt time.Time `gorm:"not null"`
}

// Plain is the same row without a default for its tenant: whoever writes the WHERE by hand writes the column by hand.
type Plain struct {
	TenantID  uuid.UUID `gorm:"type:uuid;not null"`
	ID        uuid.UUID `gorm:"type:uuid;primaryKey;default:gen_random_uuid()"`
	Number    int64     `gorm:"not null"`
	Title     string    `gorm:"not null"`
	Body      string    `gorm:"not null"`
	CreatedAt time.Time `gorm:"not null"`
	UpdatedAt time.Time `gorm:"not null"`
}

// TableName names the table that no policy acts on.
func (Plain) TableName() string { return "plain_tickets" }

// Setting is a row of the table whose policy reads a setting.
type Setting Plain

// TableName names the table whose policy compares with the setting app.tenant.
func (Setting) TableName() string { return "setting_tickets" }

// Schema is a row of a tenant's own schema.
type Schema Plain

// TableName names the table of a tenant's own schema; the search_path says which.
func (Schema) TableName() string { return "schema_tickets" }

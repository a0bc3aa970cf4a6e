package main

import (
	"time"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/examples/internal/dataset"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// models are the application's models, for Stratum. The join table of tickets and tags comes by itself.
func models() []any { return []any{&Country{}, &Ticket{}, &Comment{}, &Tag{}} }

// Country is global: every tenant reads it, and only the system writes it.
type Country struct {
	gormstratum.Global
	Code string `gorm:"primaryKey;size:2" json:"code"`
	Name string `gorm:"not null" json:"name"`
}

// Ticket is tenant-owned, because it embeds Tenant. The rest is GORM as ever. Requester, an email address or empty, is
// encrypted: the database has bytes, and a blind index by which an address is found however it is written.
type Ticket struct {
	gormstratum.Tenant
	ID          uuid.UUID  `gorm:"type:uuid;primaryKey;default:gen_random_uuid()" json:"id"`
	Number      string     `gorm:"not null;uniqueIndex" json:"number"` // becomes unique per tenant
	Subject     string     `gorm:"not null" json:"subject"`
	Status      Status     `gorm:"not null;index" json:"status"`
	Priority    Priority   `gorm:"not null" json:"priority"`
	Requester   string     `gorm:"not null;serializer:encrypted" stratum:"searchable,normalize=casefold;trim" json:"requester,omitempty"` //nolint:lll // a tag is one line
	CountryCode *string    `gorm:"size:2" json:"country,omitempty"`
	Country     *Country   `json:"-"` // a plain foreign key: countries belong to nobody
	OpenedAt    time.Time  `gorm:"not null" json:"opened_at"`
	ClosedAt    *time.Time `json:"closed_at,omitempty"`
	Comments    []Comment  `gorm:"constraint:OnDelete:CASCADE" json:"comments,omitempty"`
	Tags        []Tag      `gorm:"many2many:ticket_tags" json:"tags,omitempty"` // the join table is tenant-owned, too
}

// Comment belongs to a ticket of the same tenant: its foreign key becomes (tenant_id, ticket_id).
type Comment struct {
	gormstratum.Tenant
	ID        uuid.UUID `gorm:"type:uuid;primaryKey;default:gen_random_uuid()" json:"id"`
	TicketID  uuid.UUID `gorm:"type:uuid;not null;index" json:"-"`
	Author    string    `gorm:"not null" json:"author"`
	Body      string    `gorm:"not null" json:"body"`
	WrittenAt time.Time `gorm:"not null" json:"written_at"`
}

// Tag is a tenant's own label for tickets. Two tenants may both have one named "network".
type Tag struct {
	gormstratum.Tenant
	ID   uuid.UUID `gorm:"type:uuid;primaryKey;default:gen_random_uuid()" json:"-"`
	Name string    `gorm:"not null;uniqueIndex" json:"name"`
}

// Status and Priority are those of the CSV files.
type (
	Status   = dataset.Status
	Priority = dataset.Priority
)

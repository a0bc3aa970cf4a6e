package gormstratum_test

import (
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/gormstratum"
)

// The shapes that models have in applications: each kind of key, relation and index that GORM knows.
type (
	// Stamps is embedded by pointer and by value.
	Stamps struct {
		CreatedAt time.Time
		UpdatedAt time.Time
	}
	Address struct {
		Street string `gorm:"index"`
		City   string
	}

	// Firm has gorm.Model, embedded structs, a check, defaults and every kind of index.
	Firm struct {
		gormstratum.Tenant
		gorm.Model
		Code    string   `gorm:"size:20;not null;uniqueIndex:idx_firm_code_year,priority:2"`
		Year    int      `gorm:"uniqueIndex:idx_firm_code_year,priority:1;check:year > 1900"`
		Email   string   `gorm:"uniqueIndex:idx_firm_email,expression:lower(email),where:deleted_at IS NULL"`
		Slug    string   `gorm:"unique;size:40"`
		Rank    int      `gorm:"index:,sort:desc;default:7"`
		Active  bool     `gorm:"default:true"`
		Score   float64  `gorm:"type:numeric(10,2)"`
		Labels  string   `gorm:"type:jsonb;default:'{}';index:,type:gin"`
		Hash    []byte   `gorm:"index:,type:hash"`
		Note    *string  `gorm:"comment:free text"`
		Office  Address  `gorm:"embedded;embeddedPrefix:office_"`
		Billing *Address `gorm:"embedded;embeddedPrefix:billing_"`

		BossID *uint
		Boss   *Firm
		Staff  []Firm `gorm:"foreignKey:BossID"`

		Seal     Seal     // has one
		Branches []Branch `gorm:"constraint:OnUpdate:CASCADE,OnDelete:CASCADE"`
		Partners []Firm   `gorm:"many2many:firm_partners"`
		Skills   []Skill  `gorm:"many2many:firm_skills"`
		Notes    []Memo   `gorm:"polymorphic:Owner"`
	}
	Seal struct {
		ID       uuid.UUID `gorm:"type:uuid;primaryKey;default:gen_random_uuid()"`
		TenantID uuid.UUID // declared by hand, without tags
		FirmID   uint
	}
	// Branch has a composite key and belongs to others in every way.
	Branch struct {
		gormstratum.Tenant
		*Stamps
		FirmID    uint     `gorm:"primaryKey;autoIncrement:false"`
		Number    int      `gorm:"primaryKey;autoIncrement:false"`
		CountryID string   `gorm:"size:2"`
		Country   *Country `gorm:"references:Code"`
		DeputyID  *uint
		Deputy    *Firm `gorm:"constraint:OnDelete:SET NULL"`
		AuditorID *uint
		Auditor   *Firm `gorm:"constraint:OnDelete:RESTRICT"`
		LooseID   *uint
		Loose     *Firm   `gorm:"constraint:-"`
		FirmSlug  *string `gorm:"size:40"`
		Named     *Firm   `gorm:"foreignKey:FirmSlug;references:Slug"`
		Desks     []Place `gorm:"foreignKey:BranchFirmID,BranchNumber;references:FirmID,Number"`
	}
	Place struct {
		gormstratum.Tenant
		ID           int64
		BranchFirmID uint
		BranchNumber int
	}
	Memo struct {
		gormstratum.Tenant
		ID        uint
		OwnerID   uint
		OwnerType string
		Text      string
	}
	// Skill is global: its join table with tenant-owned firms is tenant-owned, and that with fields is global.
	Skill struct {
		gormstratum.Global
		ID     uint
		Name   string  `gorm:"unique"`
		Fields []Field `gorm:"many2many:skill_fields"`
	}
	Field struct {
		gormstratum.Global
		ID   uint
		Name string `gorm:"uniqueIndex"`
	}
	// Ledger's primary key begins with the tenant, by its own word.
	Ledger struct {
		TenantID uuid.UUID `gorm:"type:uuid;primaryKey;default:stratum.tenant_id()"`
		Number   int       `gorm:"primaryKey;autoIncrement:false"`
		Name     string    `gorm:"uniqueIndex"`
		Entries  []Entry   `gorm:"foreignKey:TenantID,LedgerNumber;references:TenantID,Number"`
	}
	Entry struct {
		gormstratum.Tenant
		ID           uint
		LedgerNumber int
		Amount       int64 `gorm:"index:idx_entry_amount,priority:2"`
	}
)

func shapes() []any {
	return []any{
		&Firm{}, &Seal{}, &Branch{}, &Place{}, &Memo{}, &Skill{}, &Field{}, &Ledger{}, &Entry{}, &Country{},
	}
}

// embedded are models of which every change survives a plain AutoMigrate: they embed Tenant and have no tag unique.
func embedded() []any {
	return []any{&Parcel{}, &Item{}, &Label{}, &Task{}, &Country{}}
}

type (
	Parcel struct {
		gormstratum.Tenant
		ID     uuid.UUID `gorm:"type:uuid;primaryKey;default:gen_random_uuid()"`
		Number string    `gorm:"uniqueIndex"`
		Status string    `gorm:"index"`
		Items  []Item    `gorm:"constraint:OnDelete:CASCADE"`
		Labels []Label   `gorm:"many2many:parcel_labels"`
	}
	Item struct {
		gormstratum.Tenant
		ID        uint
		ParcelID  uuid.UUID `gorm:"type:uuid"`
		Parcel    *Parcel
		CountryID *string `gorm:"size:2"`
		Country   *Country
	}
	Label struct {
		gormstratum.Tenant
		ID   uuid.UUID `gorm:"type:uuid;primaryKey;default:gen_random_uuid()"`
		Name string    `gorm:"uniqueIndex:idx_label,priority:2"`
		Kind string    `gorm:"uniqueIndex:idx_label,priority:1;index"`
	}
)

// laterTask is Task after some work on the program.
type laterTask struct {
	gormstratum.Tenant
	gorm.Model
	Name     string
	Done     bool
	Priority int `gorm:"index:idx_tasks_priority;default:1"`
	ParentID *uint
	Parent   *laterTask
	Children []laterTask `gorm:"foreignKey:ParentID"`
}

func (laterTask) TableName() string { return "tasks" }

func laterModels() []any { return []any{&Parcel{}, &Item{}, &Label{}, &laterTask{}} }

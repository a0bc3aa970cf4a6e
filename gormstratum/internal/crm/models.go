// Package crm is an application of ten models as it was before it knew of tenants: what gormstratum.Adopt is tried on.
// Package guarded has the same models afterwards.
package crm

import "time"

// The models. Accounts are who the tenants will be. Some tables have an account_id, and some have only a parent.
type (
	// Account is a customer.
	Account struct {
		ID   int64
		Name string `gorm:"not null"`
	}
	// User logs in.
	User struct {
		ID        int64
		AccountID int64  `gorm:"not null;index"`
		Email     string `gorm:"not null;uniqueIndex"`
		Roles     []Role `gorm:"many2many:user_roles;constraint:OnDelete:CASCADE"`
	}
	// Role is what a user may do.
	Role struct {
		ID        int64
		AccountID int64  `gorm:"not null;uniqueIndex:idx_roles_name"`
		Name      string `gorm:"not null;uniqueIndex:idx_roles_name"`
	}
	// Project has tasks.
	Project struct {
		ID        int64
		AccountID int64  `gorm:"not null;index"`
		Code      string `gorm:"not null;unique"`
		OwnerID   *int64 `gorm:"index"`
		Owner     *User  `gorm:"constraint:OnDelete:SET NULL"`
		Tasks     []Task `gorm:"constraint:OnDelete:CASCADE"`
	}
	// Task belongs to its project's account.
	Task struct {
		ID        int64
		ProjectID int64     `gorm:"not null;index"`
		Title     string    `gorm:"not null"`
		Status    string    `gorm:"not null;default:open;index:idx_tasks_status,where:status <> 'done'"`
		DueAt     time.Time `gorm:"not null;default:now();index:,sort:desc"`
		Tags      []Tag     `gorm:"many2many:task_tags;constraint:OnDelete:CASCADE"`
		Comments  []Comment `gorm:"constraint:OnDelete:CASCADE"`
	}
	// Comment belongs to its task's project's account.
	Comment struct {
		ID     int64
		TaskID int64  `gorm:"not null;index"`
		Body   string `gorm:"not null"`
	}
	// Tag marks tasks.
	Tag struct {
		ID        int64
		AccountID int64  `gorm:"not null;uniqueIndex:idx_tags_name"`
		Name      string `gorm:"not null;uniqueIndex:idx_tags_name"`
	}
	// Invoice has lines and payments.
	Invoice struct {
		ID        int64
		AccountID int64     `gorm:"not null;index"`
		Number    string    `gorm:"not null;uniqueIndex"`
		Total     int64     `gorm:"not null;default:0"`
		Lines     []Line    `gorm:"constraint:OnDelete:CASCADE"`
		Payments  []Payment `gorm:"constraint:OnDelete:RESTRICT"`
	}
	// Line belongs to its invoice's account.
	Line struct {
		ID        int64
		InvoiceID int64  `gorm:"not null;index"`
		SKU       string `gorm:"not null"`
		Quantity  int64  `gorm:"not null"`
	}
	// Payment names both its account and its invoice.
	Payment struct {
		ID        int64
		AccountID int64  `gorm:"not null;index"`
		InvoiceID int64  `gorm:"not null;index"`
		Reference string `gorm:"not null;uniqueIndex:idx_payments_reference,where:reference <> ''"`
		Amount    int64  `gorm:"not null"`
	}
)

// Models are all of them.
func Models() []any {
	return []any{
		&Account{}, &Role{}, &User{}, &Project{}, &Tag{}, &Task{}, &Comment{}, &Invoice{}, &Line{}, &Payment{},
	}
}

package places

import (
	"fmt"
	"strings"

	"github.com/stratum-hq/stratum-go/gormstratum"

	"github.com/stratum-hq/stratum-go/bench/internal/world"
)

// Six tables of a shop, with a chain of references, beside the tickets.
type (
	// Customer is the first.
	Customer struct {
		gormstratum.Tenant
		ID    uint64 `gorm:"primaryKey"`
		Email string `gorm:"not null;index"`
		Name  string `gorm:"not null"`
	}
	// Product is sold.
	Product struct {
		gormstratum.Tenant
		ID    uint64 `gorm:"primaryKey"`
		Code  string `gorm:"not null;index"`
		Title string `gorm:"not null"`
	}
	// Order is a customer's.
	Order struct {
		gormstratum.Tenant
		ID         uint64 `gorm:"primaryKey"`
		Number     string `gorm:"not null;index"`
		CustomerID uint64 `gorm:"not null;index"`
		Customer   *Customer
	}
	// Line is a product of an order.
	Line struct {
		gormstratum.Tenant
		ID        uint64 `gorm:"primaryKey"`
		OrderID   uint64 `gorm:"not null;index"`
		Order     *Order
		ProductID uint64 `gorm:"not null;index"`
		Product   *Product
	}
	// Payment is of an order.
	Payment struct {
		gormstratum.Tenant
		ID      uint64 `gorm:"primaryKey"`
		OrderID uint64 `gorm:"not null;index"`
		Order   *Order
		Amount  int64 `gorm:"not null"`
	}
	// Remark is on an order.
	Remark struct {
		gormstratum.Tenant
		ID      uint64 `gorm:"primaryKey"`
		OrderID uint64 `gorm:"not null;index"`
		Order   *Order
		Text    string `gorm:"not null"`
	}
)

func models() []any {
	return []any{&world.Ticket{}, &Customer{}, &Product{}, &Order{}, &Line{}, &Payment{}, &Remark{}}
}

// migrations are the same tables as an application makes them that has a database for each tenant, a file for each.
func migrations() []string {
	tables := []struct {
		name, columns string
		references    []string
		indexes       []string
	}{
		{"customers", "email text NOT NULL, name text NOT NULL", nil, []string{"email"}},
		{"products", "code text NOT NULL, title text NOT NULL", nil, []string{"code"}},
		{"orders", "number text NOT NULL", []string{"customer"}, []string{"number"}},
		{"lines", "", []string{"order", "product"}, nil},
		{"payments", "amount bigint NOT NULL", []string{"order"}, nil},
		{"remarks", "text text NOT NULL", []string{"order"}, nil},
	}
	list := make([]string, 0, 1+len(tables))
	list = append(list, `CREATE TABLE tickets (tenant_id uuid NOT NULL, id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
		number bigint NOT NULL, title text NOT NULL, body text NOT NULL, created_at timestamptz NOT NULL,
		updated_at timestamptz NOT NULL, UNIQUE (tenant_id, id));
		CREATE INDEX ON tickets (tenant_id, created_at)`)
	for _, t := range tables {
		columns := []string{"tenant_id uuid NOT NULL", "id bigserial PRIMARY KEY"}
		if t.columns != "" {
			columns = append(columns, t.columns)
		}
		var more strings.Builder
		for _, to := range t.references {
			columns = append(columns, to+"_id bigint NOT NULL",
				fmt.Sprintf("FOREIGN KEY (tenant_id, %[1]s_id) REFERENCES %[1]ss (tenant_id, id)", to))
			fmt.Fprintf(&more, "; CREATE INDEX ON %s (tenant_id, %s_id)", t.name, to)
		}
		for _, column := range t.indexes {
			fmt.Fprintf(&more, "; CREATE INDEX ON %s (tenant_id, %s)", t.name, column)
		}
		columns = append(columns, "UNIQUE (tenant_id, id)")
		list = append(list, "CREATE TABLE "+t.name+" ("+strings.Join(columns, ", ")+")"+more.String())
	}
	return list
}

// Package desk uses what both extensions have generated.
package desk

import (
	"context"

	"entgo.io/ent/dialect/sql"

	"example.com/app/desk/ent"
	"example.com/app/desk/ent/migrate"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum"
)

// Both parts of a query, and of the client.
var (
	_ interface {
		AuditLevel() int
		StratumScope(func(*sql.Selector))
	} = (*ent.TicketQuery)(nil)
	_ interface{ AuditLevel() int }                                          = (*ent.TagQuery)(nil)
	_ map[string]int                                                         = ent.AuditCreated
	_ func(*core.Stratum, ...ent.Option) *ent.Client                         = ent.OpenStratum
	_ func(context.Context, *ent.Client, ...entstratum.MigrateOptions) error = ent.StratumMigrate
	_ func(context.Context, *ent.Client) (*core.Report, error)               = ent.StratumVerify
	_ *entstratum.Registry                                                   = migrate.StratumTables
	_ func() *entstratum.Registry                                            = ent.StratumTables
)

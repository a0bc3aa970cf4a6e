// Package schema holds the schema with Stratum's mixin.
package schema

import (
	"entgo.io/ent"
	"github.com/stratum-hq/stratum-go/entstratum"

	"github.com/stratum-hq/stratum-go/bench/internal/tickets/plain/schema"
)

// Ticket is a row of the table that is Stratum's, by the migration of package world.
type Ticket struct{ ent.Schema }

// Mixin makes it tenant-owned.
func (Ticket) Mixin() []ent.Mixin { return []ent.Mixin{entstratum.Mixin{}} }

// Fields of the Ticket.
func (Ticket) Fields() []ent.Field { return schema.Row() }

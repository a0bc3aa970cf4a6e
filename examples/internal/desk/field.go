package desk

import (
	"context"
	"fmt"

	"github.com/stratum-hq/stratum-go/core"
)

// Field is an encrypted field of a row, as it is stored and as it is read.
type Field struct {
	Stored []byte
	Read   string
	Asked  string // what rows were looked up by
	Found  int
}

// sealing is an App with an encrypted field.
type sealing interface {
	// Field looks at the encrypted field of a row of the tenant of ctx.
	Field(ctx context.Context) (Field, error)
}

// showField prints what is stored of an encrypted field of a customer's, and what is read.
func (d *desk) showField(ctx context.Context) error {
	app, ok := d.app.(sealing)
	line, err := d.line(ctx)
	if !ok || err != nil || line == nil {
		return err
	}
	customer := line[len(line)-1]
	f, err := app.Field(core.WithTenant(ctx, customer.ID))
	if err != nil {
		return fmt.Errorf("look at an encrypted field: %w", err)
	}
	if f.Stored == nil {
		return nil
	}
	const shown = 16
	d.printf("The requester of a ticket of %q\n  is stored as %x... (%d bytes)\n  is read as   %s\n"+
		"  and %q finds %d tickets\n\n",
		customer.Name, f.Stored[:min(shown, len(f.Stored))], len(f.Stored), f.Read, f.Asked, f.Found)
	return nil
}

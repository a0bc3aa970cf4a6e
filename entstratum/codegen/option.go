package codegen

import (
	"errors"
	"fmt"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// Option is what NewExtension can be told.
type Option func(*Extension) error

// ErrOption is returned by NewExtension for an option that makes no sense.
var ErrOption = errors.New("entstratum/codegen: option")

// External names tables that are not Stratum's business, such as a job queue's. The rights of tenants on one may follow
// its name: "river_job: SELECT, INSERT". Without rights, what you GRANT to the roles is what they may do.
func External(names ...string) Option {
	return func(e *Extension) error {
		for _, name := range names {
			if _, err := tables.ParseExternal(name); err != nil {
				return fmt.Errorf("%w External %w", ErrOption, err)
			}
		}
		e.external = append(e.external, names...)
		return nil
	}
}

//go:build tools

package tickets

// What entc.go needs, for go.mod.
import (
	_ "entgo.io/ent/entc"

	_ "github.com/stratum-hq/stratum-go/entstratum/codegen"
)

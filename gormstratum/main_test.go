package gormstratum_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/stratum-hq/stratum-go/stratumtest"
)

// GORM's own store of prepared statements has a goroutine that nobody can stop.
func TestMain(m *testing.M) {
	stratumtest.Main(m, goleak.IgnoreAnyFunction("gorm.io/gorm/internal/lru.NewLRU[...].func1"))
}

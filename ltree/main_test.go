package ltree_test

import (
	"testing"

	"github.com/stratum-hq/stratum-go/stratumtest"
)

// TestMain ends the shared server and looks for leaked goroutines.
func TestMain(m *testing.M) {
	stratumtest.Main(m)
}

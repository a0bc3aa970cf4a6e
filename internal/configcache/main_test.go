package configcache_test

import (
	"testing"

	"github.com/stratum-hq/stratum-go/stratumtest"
)

func TestMain(m *testing.M) { stratumtest.Main(m) }

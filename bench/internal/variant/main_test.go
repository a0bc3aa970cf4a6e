package variant_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/stratum-hq/stratum-go/bench/internal/world"
)

// small is the database of all tests of this package: making it takes longer than any of them.
var small *world.World

func TestMain(m *testing.M) {
	os.Exit(withWorld(m))
}

func withWorld(m *testing.M) (code int) {
	ctx := context.Background()
	var err error
	small, err = world.Start(ctx, false, world.Size{Tenants: 6, Rows: 30, BigRows: 1200, Schemas: 6})
	if err == nil {
		code = m.Run()
		err = small.Close(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, errors.Join(errors.New("the database of the tests"), err))
		return 1
	}
	return code
}

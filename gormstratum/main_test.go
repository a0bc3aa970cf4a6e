package gormstratum_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/stratum-hq/stratum-go/stratumtest"
)

// GORM's own store of prepared statements has a goroutine that nobody can stop.
func TestMain(m *testing.M) {
	if text := os.Getenv(childEncrypts); text != "" {
		os.Exit(encryptingChild(text))
	}
	stratumtest.Main(withExamples{m}, goleak.IgnoreAnyFunction("gorm.io/gorm/internal/lru.NewLRU[...].func1"))
}

// withExamples ends the server of the examples after the tests.
type withExamples struct{ tests goleak.TestingM }

// Run is called by stratumtest.Main.
func (w withExamples) Run() int {
	code := w.tests.Run()
	examples.mu.Lock()
	defer examples.mu.Unlock()
	if examples.server == nil {
		return code
	}
	if err := examples.server.Close(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

// examples share a server, which the first of them starts.
var examples struct {
	mu     sync.Mutex
	server *stratumtest.Server
}

// exampleDatabase gives an example an empty database. A real program has one already.
func exampleDatabase(ctx context.Context) (dsn string, stop func()) {
	examples.mu.Lock()
	defer examples.mu.Unlock()
	if examples.server == nil {
		server, err := stratumtest.Start(ctx, stratumtest.Options{})
		must(err)
		examples.server = server
	}
	database, err := examples.server.CreateDatabase(ctx, "")
	must(err)
	return database.AdminDSN, func() {} // it goes with the server
}

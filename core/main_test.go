package core_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/stratum-hq/stratum-go/stratumtest"
)

func TestMain(m *testing.M) {
	if dsns := os.Getenv(childDSNs); dsns != "" {
		os.Exit(child(dsns))
	}
	if text := os.Getenv(childJob); text != "" {
		os.Exit(migratingChild(text))
	}
	if text := os.Getenv(childKeys); text != "" {
		os.Exit(reencryptingChild(text))
	}
	if text := os.Getenv(childConfig); text != "" {
		os.Exit(configChild(text))
	}
	stratumtest.Main(withExamples{m})
}

// exampleServer is one server for all examples of the package, started by the first.
var exampleServer = sync.OnceValues(func() (*stratumtest.Server, error) {
	examplesRan = true
	return stratumtest.Start(context.Background(), stratumtest.Options{})
})

var examplesRan bool

// withExamples ends the examples' server when all is run: an example has no testing.TB to clean up with.
type withExamples struct{ m *testing.M }

func (w withExamples) Run() int {
	code := w.m.Run()
	if !examplesRan {
		return code
	}
	server, err := exampleServer()
	if err == nil {
		err = server.Close(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

// childCode is the exit code of a program that a test has started, which says what went wrong.
func childCode(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

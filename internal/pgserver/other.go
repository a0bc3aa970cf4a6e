//go:build !unix

package pgserver

import (
	"context"
	"errors"
	"fmt"
)

// errUnsupported is all there is to say where there are no sessions and inherited pipes to end a server by.
var errUnsupported = fmt.Errorf("needs a Unix system: %w", errors.ErrUnsupported)

func startBinaries(context.Context, Config) (*Server, []Attempt) {
	return nil, []Attempt{{Source: "PostgreSQL binaries of this machine", Err: errUnsupported}}
}

func startEmbedded(context.Context, Config) (*Server, error) {
	return nil, errUnsupported
}

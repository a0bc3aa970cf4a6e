// Package watch lets an adapter look at the statements of a context and at the rows that come back, at the one place
// that all of them pass: the guarded driver. Encrypted fields are opened there, whatever an ORM scans them into.
package watch

import (
	"context"
	"database/sql/driver"
)

// Watcher sees the statements of one call of an ORM. It is used by one goroutine at a time.
type Watcher interface {
	// Statement is asked before a statement is sent. An error refuses it.
	Statement(sql string) error
	// Rows is told the columns of a result, with their types' OIDs, and returns what is called with each row before it
	// is handed out, to change it in place; or nil, where it wants to see none.
	Rows(columns []string, types []uint32) (func(row []driver.Value) error, error)
}

// Rewriter is a Watcher that sends statements in another form than the ORM has written them.
type Rewriter interface {
	Watcher
	// Rewritten returns what is sent in the place of a statement that Statement has allowed just before. Its parameters
	// are the same.
	Rewritten(sql string) string
}

type watcherKey struct{}

// watched is a context with a watcher. It is a type of its own so that one can take another's place.
type watched struct {
	context.Context //nolint:containedctx // it is a context itself

	watcher Watcher
}

// Value knows the watcher.
func (w watched) Value(key any) any {
	if _, ok := key.(watcherKey); ok {
		return w.watcher
	}
	return w.Context.Value(key)
}

// With returns ctx with a watcher, in the place of the one that it has.
func With(ctx context.Context, w Watcher) context.Context {
	if old, ok := ctx.(watched); ok {
		ctx = old.Context
	}
	return watched{ctx, w}
}

// From returns the watcher of ctx, or nil.
func From(ctx context.Context) Watcher {
	w, _ := ctx.Value(watcherKey{}).(Watcher)
	return w
}

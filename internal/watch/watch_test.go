package watch_test

import (
	"context"
	"database/sql/driver"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/watch"
)

type watcher struct{ name string }

func (*watcher) Statement(string) error { return nil }

func (*watcher) Rows([]string, []uint32) (func([]driver.Value) error, error) { return nil, nil }

type key struct{}

func TestFrom(t *testing.T) {
	t.Parallel()
	require.Nil(t, watch.From(t.Context()))
	first, second := &watcher{"first"}, &watcher{"second"}
	ctx := watch.With(context.WithValue(t.Context(), key{}, "kept"), first)
	require.Same(t, first, watch.From(ctx))
	require.Equal(t, "kept", ctx.Value(key{}))
	again := watch.With(ctx, second)
	require.Same(t, second, watch.From(again))
	require.Equal(t, "kept", again.Value(key{}))
	require.Same(t, first, watch.From(ctx), "a context does not change")
	require.Same(t, second, watch.From(context.WithValue(again, key{}, "later")))
}

package configcache_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/configcache"
)

// TestFollowerGivesUpOnSilence: a database that accepts and does not answer keeps nobody waiting, even where values may
// be stale for an hour. Changes are looked for in the meantime.
func TestFollowerGivesUpOnSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, &registry{}, func(o *configcache.Options) { o.MaxStale = time.Hour })
		var looks atomic.Int64
		follower := configcache.NewFollower(c, &configcache.Hub{}, configcache.Source{
			Connect: func(ctx context.Context) (*pgx.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
			Read: func(ctx context.Context, _ func(pgx.Rows) error, _ string, _ ...any) error {
				looks.Add(1)
				<-ctx.Done()
				return errors.New("no answer")
			},
			Logger: slog.New(slog.DiscardHandler),
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			follower.Run(ctx)
		}()
		time.Sleep(time.Minute) // of the bubble's clock
		require.Greater(t, looks.Load(), int64(3))
		stop()
		<-ended
	})
}

package core

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/config"
	"github.com/stratum-hq/stratum-go/internal/configcache"
)

// ConfigCache says how Config is kept in memory. The zero value is fit for most: docs/config.md says what is promised.
type ConfigCache struct {
	// Off has config read from the registry each time. Defaults to false.
	Off bool

	// MaxBytes is about how much memory config may take; what was used least goes first. Defaults to 32 MiB.
	MaxBytes int64

	// MaxStale is how long a value is served, at most, after it was last known to be current. While changes are heard
	// of, another process's change is seen as soon as it is notified; MaxStale is for the time when they are not. The
	// registry is asked for changes twice in it, with one small query. At least 100 milliseconds. Defaults to 2
	// seconds.
	MaxStale time.Duration

	// TTL is how long a value is kept before it is read again in any case, and so how long values are served while the
	// registry cannot be reached. Defaults to 5 minutes.
	TTL time.Duration

	// ListenDSN is where changes are heard of, with a connection of its own beside those of SystemMaxConns: the
	// database of DSN, past any pooler in transaction mode, with the login of SystemDSN. Where it leads through a
	// pooler the registry is asked instead, see MaxStale. Defaults to SystemDSN.
	ListenDSN string
}

const (
	defaultConfigBytes    = 32 << 20
	defaultConfigMaxStale = 2 * time.Second
	minConfigMaxStale     = 100 * time.Millisecond
	defaultConfigTTL      = 5 * time.Minute
)

func (o ConfigCache) withDefaults(systemDSN string) ConfigCache {
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultConfigBytes
	}
	if o.MaxStale == 0 {
		o.MaxStale = defaultConfigMaxStale
	}
	if o.TTL == 0 {
		o.TTL = defaultConfigTTL
	}
	if o.ListenDSN == "" {
		o.ListenDSN = systemDSN
	}
	return o
}

func (o ConfigCache) validate() error {
	if o.MaxBytes < 0 || o.TTL < 0 || o.MaxStale < minConfigMaxStale {
		return fmt.Errorf("%w: Options.ConfigCache has a MaxBytes or TTL below 0, or a MaxStale below %s "+
			"(leave them out for the defaults)", ErrConfig, minConfigMaxStale)
	}
	_, err := parseDSN("ConfigCache.ListenDSN", o.ListenDSN)
	return err
}

// configCache keeps config, and hears of its changes from the moment on at which some is read or watched.
type configCache struct {
	st       *Stratum
	kept     *configcache.Cache
	hub      configcache.Hub
	follower *configcache.Follower
	started  atomic.Bool

	mu      sync.Mutex
	stopped bool
	cancel  context.CancelFunc
	done    chan struct{}
}

// newConfigCache puts a cache in front of Config, unless that is not wanted.
func newConfigCache(s *Stratum) (*configCache, error) {
	o := s.options.ConfigCache
	kept, err := configcache.New(configcache.Options{
		Load: s.Config.load, Unreachable: isUnreachable, MaxBytes: o.MaxBytes, TTL: o.TTL, MaxStale: o.MaxStale,
	})
	if err != nil {
		return nil, fmt.Errorf("stratum: making the cache of config: %w", err)
	}
	k := &configCache{st: s, kept: kept}
	k.follower = configcache.NewFollower(kept, &k.hub, configcache.Source{
		Connect: k.connect, On: registryReadOn(s.roles.System), Read: s.registryRead, Logger: s.options.Logger,
		Also: map[string]func(string){keyChannel: s.Keys.changed},
	})
	if !o.Off {
		s.Config.source, s.Config.committed, s.Tenants.changed = k.get, kept.Invalidate, k.catchUp
	}
	s.Config.cache = k
	return k, nil
}

// get is Config.load with what is kept.
func (k *configCache) get(ctx context.Context, tenant uuid.UUID) (*config.Snapshot, error) {
	if !k.started.Load() {
		k.start(ctx)
	}
	return k.kept.Get(ctx, tenant)
}

// start begins to follow, unless that has begun.
func (k *configCache) start(ctx context.Context) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped || k.cancel != nil {
		return
	}
	ctx, k.cancel = context.WithCancel(context.WithoutCancel(ctx))
	k.done = make(chan struct{})
	go func() {
		defer close(k.done)
		k.follower.Run(ctx)
	}()
	k.started.Store(true)
}

func (k *configCache) close() {
	k.mu.Lock()
	k.stopped = true
	cancel, done := k.cancel, k.done
	k.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
	k.hub.Close()
	k.kept.Close()
}

// catchUp is called after a commit that may have changed the tree, and returns when that is known here.
func (k *configCache) catchUp(ctx context.Context) {
	if !k.started.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.st.options.ConfigCache.MaxStale)
	defer cancel()
	k.follower.CatchUp(ctx)
}

// connect opens a connection to listen on.
func (k *configCache) connect(ctx context.Context) (*pgx.Conn, error) {
	const name = "ConfigCache.ListenDSN"
	pool, err := parseDSN(name, k.st.options.ConfigCache.ListenDSN)
	if err != nil {
		return nil, err
	}
	settings := pool.ConnConfig
	if settings.RuntimeParams[applicationName] == "" {
		settings.RuntimeParams[applicationName] = "stratum: changes of config"
	}
	conn, err := pgx.ConnectConfig(ctx, settings)
	if err != nil {
		return nil, connectError(name, err)
	}
	return conn, nil
}

const applicationName = "application_name"

// registryReadOn is registryRead for a connection that is in no pool.
func registryReadOn(role string) func(conn *pgx.Conn) configcache.Reader {
	return func(conn *pgx.Conn) configcache.Reader {
		return func(ctx context.Context, fn func(rows pgx.Rows) error, query string, args ...any) error {
			return conn.SendBatch(ctx, registryBatch(role, fn, query, args)).Close()
		}
	}
}

// isUnreachable tells whether the error of a load is no answer: that the registry is not there, or has no connection to
// spare.
func isUnreachable(err error) bool {
	var answer *DatabaseError
	if errors.As(err, &answer) {
		for _, class := range []string{"08", "53", "57P"} {
			if strings.HasPrefix(answer.Code, class) {
				return true
			}
		}
		return false
	}
	for _, known := range []error{ErrTenantNotFound, ErrNotInstalled, ErrClosed, ErrConfig, context.Canceled} {
		if errors.Is(err, known) {
			return false
		}
	}
	return true
}

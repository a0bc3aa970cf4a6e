package core

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/internal/config"
	"github.com/stratum-hq/stratum-go/internal/configcache"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// ConfigEvent is what Watch tells: that another value holds, or may hold.
type ConfigEvent struct {
	// Tenant is the tenant of ctx. AsSystem it is the tenant at which something was changed, for itself and for all
	// beneath it, or uuid.Nil where that may have been any.
	Tenant uuid.UUID
	// Key is the key. AsSystem it is empty where it may be any: a tenant has moved, or its status has changed.
	Key string
	// Value is what holds now, the default of a declared key included. It is nil where there is none, and AsSystem.
	Value *ConfigValue
}

// Watch tells of changes of config, those of other processes too, until ctx ends or the caller leaves the loop:
//
//	for event, err := range st.Config.Watch(ctx, "max_seats") {
//
// Of the tenant of ctx it first tells what holds, for each of the keys or, with none named, for all that have a value;
// after that, each key for which another entry holds, whoever has set, locked or deleted it, and also where a move has
// brought it about. The loop takes the state as it is when it comes to look: what changes twice meanwhile is told once,
// nothing waits in a queue, and the last state is always told, also after the connection to the registry was lost.
//
// AsSystem it tells of changes of all tenants: where something was changed and which key, not what follows from it for
// whom. It begins with an event that names neither: all may be different from what the caller knows. So it does where
// it cannot know what has changed, or the caller is more than 1,024 changes behind. The same change may be told twice.
//
// An error comes with an empty event: those of Get, such as ErrTenantNotActive or that the registry cannot be reached.
// The loop goes on with the next try a second later, unless the caller leaves it. After ErrClosed, or where ctx has no
// scope, there is no more. What ctx has from Pin does not count here.
func (c *Config) Watch(ctx context.Context, keys ...string) iter.Seq2[ConfigEvent, error] {
	return func(yield func(ConfigEvent, error) bool) {
		sc, err := scope.Check(ctx)
		if err != nil {
			yield(ConfigEvent{}, operationError("watch config", err))
			return
		}
		w := &configWatch{config: c, scope: sc, keys: keys, changes: c.cache.hub.Subscribe()}
		defer w.changes.Cancel()
		c.cache.start(ctx)
		w.run(ctx, yield)
	}
}

// configWatch is one loop over Watch.
type configWatch struct {
	config  *Config
	scope   scope.Scope
	keys    []string
	changes *configcache.Subscription

	// For a tenant: what was told, by key, and of which snapshot.
	seen *config.Snapshot
	told map[string]told
}

// told is which entry was the one that holds: none is the zero told.
type told struct {
	version int64
	set     bool // a default has no version
}

const watchRetry = time.Second

func (w *configWatch) run(ctx context.Context, yield func(ConfigEvent, error) bool) {
	retry := time.NewTimer(watchRetry)
	defer retry.Stop()
	retry.Stop()
	for {
		failed := false
		select {
		case <-ctx.Done():
			return
		case <-w.config.cache.hub.Done():
			yield(ConfigEvent{}, operationError("watch config", ErrClosed))
			return
		case <-w.changes.Wake():
		case <-retry.C:
			failed = true
		}
		events, err := w.look(ctx, failed)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			if !yield(ConfigEvent{}, operationError("watch config", err)) {
				return
			}
			retry.Reset(watchRetry)
		}
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// look returns what is to be told now.
func (w *configWatch) look(ctx context.Context, again bool) ([]ConfigEvent, error) {
	changes := w.changes.Take()
	if w.scope.Kind == scope.System {
		return w.pass(changes), nil
	}
	concerned := func(c configcache.Change) bool { return c.Concerns(w.seen) }
	if w.seen != nil && !again && !slices.ContainsFunc(changes, concerned) {
		return nil, nil
	}
	s, v, err := w.config.resolve(ctx, &w.scope, w.scope.Tenant)
	if err != nil {
		return nil, err
	}
	return w.compare(ctx, s, v), nil
}

// pass tells the system of changes as they are, those of other keys left out.
func (w *configWatch) pass(changes []configcache.Change) []ConfigEvent {
	var events []ConfigEvent
	for _, c := range changes {
		if c.Key == "" || len(w.keys) == 0 || slices.Contains(w.keys, c.Key) {
			events = append(events, ConfigEvent{Tenant: c.Tenant, Key: c.Key})
		}
	}
	return events
}

// compare tells a tenant for which keys another entry holds than was told last.
func (w *configWatch) compare(ctx context.Context, s *config.Snapshot, v viewer) []ConfigEvent {
	now := make(map[string]told)
	values := make(map[string]*ConfigValue)
	for _, value := range w.config.keys.withDefaults(v.values(s)) {
		if len(w.keys) == 0 || slices.Contains(w.keys, value.Key) {
			now[value.Key], values[value.Key] = told{version: value.Version, set: true}, &value
		}
	}
	for _, key := range w.keys {
		if _, ok := now[key]; !ok {
			now[key] = told{}
		}
	}
	var events []ConfigEvent
	for key, t := range now {
		if before, known := w.told[key]; !known || before != t {
			events = append(events, ConfigEvent{Tenant: w.scope.Tenant, Key: key, Value: values[key]})
		}
	}
	for key := range w.told {
		if _, ok := now[key]; !ok {
			events = append(events, ConfigEvent{Tenant: w.scope.Tenant, Key: key})
		}
	}
	for _, e := range events {
		if e.Value != nil {
			w.config.revealHeld(ctx, s, e.Value)
		}
	}
	slices.SortFunc(events, func(a, b ConfigEvent) int { return strings.Compare(a.Key, b.Key) })
	w.seen, w.told = s, now
	return events
}

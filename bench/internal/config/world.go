package config

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// world is a line of tenants with config.
type world struct {
	server *stratumtest.Server
	// writer writes and reads past every cache; reader is another process, with a cache.
	writer, reader *core.Stratum
	bare           *pgx.Conn
	line           []uuid.UUID
}

func start(ctx context.Context, o Options) (_ *world, err error) {
	server, err := stratumtest.Start(ctx, stratumtest.Options{})
	if err != nil {
		return nil, err
	}
	w := &world{server: server}
	if err := w.build(ctx, o); err != nil {
		return nil, errors.Join(err, w.close(ctx))
	}
	return w, nil
}

func (w *world) build(ctx context.Context, o Options) error {
	database, err := w.server.CreateDatabase(ctx, "")
	if err != nil {
		return err
	}
	options := database.Options()
	options.ConfigCache.Off = true
	if w.writer, err = core.Open(ctx, options); err != nil {
		return err
	}
	if err := w.writer.Migrate(ctx); err != nil {
		return err
	}
	options.ConfigCache = core.ConfigCache{MaxStale: time.Minute, TTL: time.Hour}
	if w.reader, err = core.Open(ctx, options); err != nil {
		return err
	}
	if err := w.fill(ctx, o); err != nil {
		return err
	}
	w.bare, err = pgx.Connect(ctx, database.AdminDSN)
	if err != nil {
		return err
	}
	_, err = w.bare.Exec(ctx, "ANALYZE stratum.tenants, stratum.config")
	return err
}

// fill makes the tenants, each beneath the one before, and has each set all keys.
func (w *world) fill(ctx context.Context, o Options) error {
	changes := make([]core.ConfigChange, o.Keys)
	for i := range changes {
		changes[i] = core.ConfigChange{Key: keyOf(i), Value: i}
	}
	parent := uuid.Nil
	for level := range o.Levels {
		slug := fmt.Sprintf("t%d", level)
		tenant, err := w.writer.Tenants.Create(ctx, core.NewTenant{Name: slug, Slug: slug, Parent: parent})
		if err != nil {
			return err
		}
		parent = tenant.ID
		w.line = append(w.line, tenant.ID)
		if _, err := w.writer.Config.SetBatch(system(ctx), tenant.ID, changes, core.ConfigBatch{}); err != nil {
			return err
		}
	}
	return nil
}

func keyOf(i int) string { return fmt.Sprintf("key.%d", i) }

func system(ctx context.Context) context.Context { return core.AsSystem(ctx, "a benchmark") }

// leaf is the tenant at the end of the line.
func (w *world) leaf() uuid.UUID { return w.line[len(w.line)-1] }

func (w *world) close(ctx context.Context) (err error) {
	for _, st := range []*core.Stratum{w.reader, w.writer} {
		if st != nil {
			err = errors.Join(err, st.Close())
		}
	}
	if w.bare != nil {
		err = errors.Join(err, w.bare.Close(ctx))
	}
	return errors.Join(err, w.server.Close(ctx))
}

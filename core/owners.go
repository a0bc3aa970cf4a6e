package core

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/guard"
	"github.com/stratum-hq/stratum-go/internal/provision"
)

// owners are the connections of tables' owners, by placement. They make schemas and databases and are few.
type owners struct {
	mu          sync.Mutex
	byPlacement map[string]*sql.DB
	closed      bool
}

// maxOwnerConns is how many an owner's pool has: work at a placement needs two at once, and there may be several.
const maxOwnerConns = 8

// ownerIdleTime is how long a connection of an owner stays without work. They are not closed sooner: a new one begins
// with an empty cache of the catalog, and to fill it costs more than most of the work.
const ownerIdleTime = 10 * time.Second

// keepIdle sets what a pool of an owner keeps.
func keepIdle(db *sql.DB) {
	db.SetMaxIdleConns(maxOwnerConns)
	db.SetConnMaxIdleTime(ownerIdleTime)
}

// ownerConfig says how to connect as the owner of what is at a placement, or of a database beside it.
func (s *Stratum) ownerConfig(ctx context.Context, p Placement, database string) (*pgx.ConnConfig, error) {
	config, err := s.config(ctx, credentials{
		name: "OwnerDSN", reference: p.OwnerDSN, dsn: s.options.OwnerDSN, database: database,
	})
	if err != nil {
		return nil, err
	}
	if config.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe // a pooler may stand in between
	}
	return config.ConnConfig, nil
}

// ownerOf returns the owner's connections to a placement.
func (s *Stratum) ownerOf(ctx context.Context, p Placement) (*sql.DB, error) {
	if p.Name == homePlacement {
		return s.OwnerDB(access.Token{})
	}
	s.owners.mu.Lock()
	defer s.owners.mu.Unlock()
	switch {
	case s.owners.closed:
		return nil, ErrClosed
	case s.owners.byPlacement[p.Name] != nil:
		return s.owners.byPlacement[p.Name], nil
	}
	if _, err := s.ownerConfig(ctx, p, ""); err != nil { // a reference that leads nowhere is told at once
		return nil, err
	}
	db := sql.OpenDB(ownerConnector{st: s, placement: p})
	db.SetMaxOpenConns(maxOwnerConns)
	keepIdle(db)
	if s.owners.byPlacement == nil {
		s.owners.byPlacement = make(map[string]*sql.DB)
	}
	s.owners.byPlacement[p.Name] = db
	return db, nil
}

// ownerDatabase returns the owner's connections to a database beside a placement. The caller closes them.
func (s *Stratum) ownerDatabase(p Placement, database string) *sql.DB {
	db := sql.OpenDB(ownerConnector{st: s, placement: p, database: database})
	db.SetMaxOpenConns(maxOwnerConns)
	keepIdle(db)
	return db
}

func (o *owners) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	errs := make([]error, 0, len(o.byPlacement))
	for _, db := range o.byPlacement {
		errs = append(errs, db.Close())
	}
	o.byPlacement = nil
	return errors.Join(errs...)
}

// forget closes what leads to a placement, whose references may have changed.
func (o *owners) forget(placement string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if db := o.byPlacement[placement]; db != nil {
		_ = db.Close() // whoever is using it finishes
		delete(o.byPlacement, placement)
	}
}

// inOwnerTx runs fn in a transaction of a tables' owner.
func inOwnerTx(ctx context.Context, db *sql.DB, fn func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return guard.RedactConnect(err)
	}
	if err := fn(tx); err != nil {
		_ = tx.Rollback() // the error before it tells more
		return err
	}
	if err := tx.Commit(); err != nil {
		// Where ctx has ended the transaction says only that it is over.
		return fmt.Errorf("stratum: committing: %w", cmp.Or(ctx.Err(), err))
	}
	return nil
}

// ErrRegistryCopied is returned where the registry's database has another name than when it was installed: it was
// renamed, or it is a copy, which must not work on the schemas and databases of the original's tenants.
var ErrRegistryCopied = errors.New("stratum: the registry's database has another name than when it was " +
	"installed (if it was renamed: UPDATE stratum.site SET home = current_database(); if it is a copy: " +
	"UPDATE stratum.site SET home = current_database(), registry = gen_random_uuid(), after which tenants with " +
	"databases of their own are missing them)")

// registryID is the id of the registry, read once.
type registryID struct {
	mu sync.Mutex
	id uuid.UUID
}

func (r *registryID) get(ctx context.Context, s *Stratum) (uuid.UUID, error) {
	r.mu.Lock()
	id := r.id
	r.mu.Unlock()
	if id != uuid.Nil {
		return id, nil
	}
	var site provision.Site
	var copied bool
	err := s.registryTx(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `SELECT registry, placement, label IS NULL, home <> current_database() FROM
			stratum.site`).
			Scan(&site.Registry, &site.Placement, &site.Shared, &copied)
	})
	switch {
	case err == nil && copied:
		return uuid.Nil, ErrRegistryCopied
	case err != nil:
		return uuid.Nil, statementError(ctx, err)
	case site.Placement != homePlacement || !site.Shared:
		return uuid.Nil, fmt.Errorf("%w: DSN leads to a database that is a placement of another registry (open "+
			"the handle "+
			"on the registry's own database)", ErrConfig)
	}
	r.mu.Lock()
	r.id = site.Registry
	r.mu.Unlock()
	return site.Registry, nil
}

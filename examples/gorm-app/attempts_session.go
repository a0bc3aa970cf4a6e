package main

import (
	"context"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/examples/internal/attack"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// sessionAttempts use for one tenant what was made for another, or go around GORM.
func (s *scene) sessionAttempts() []attack.Attempt {
	mismatch := attack.Refused(core.ErrTenantMismatch)
	return slices.Concat([]attack.Attempt{
		attack.Try("a transaction begun by another tenant", mismatch, s.foreignTransaction),
		attack.Try("a transaction, and then no tenant", attack.Refused(core.ErrNoTenant), s.transactionLosesTenant),
	}, s.Prepared(), []attack.Attempt{
		attack.Try("GORM's cache of prepared statements", attack.OwnRows(), s.preparedSession),
	}, s.UsedConnections(), []attack.Attempt{
		attack.Try("database/sql beneath GORM", attack.Nothing(), s.plainSQL),
		attack.Try("database/sql without a context", attack.Refused(core.ErrNoTenant), s.plainSQLNoContext),
		attack.Try("a session made before db.Use", attack.OwnRows(), s.sessionBeforeUse),
		attack.Try("such a session without a tenant", attack.Refused(core.ErrNoTenant), s.sessionBeforeUseNoTenant),
	}, s.Goroutines())
}

func (s *scene) foreignTransaction(ctx context.Context) (got attack.Reached, err error) {
	return undone(s.db.WithContext(attack.As(ctx, s.Other)), func(tx *gorm.DB) (attack.Reached, error) {
		return find[Ticket](tx.WithContext(ctx))
	})
}

func (s *scene) transactionLosesTenant(ctx context.Context) (attack.Reached, error) {
	return undone(s.db.WithContext(ctx), func(tx *gorm.DB) (attack.Reached, error) {
		return find[Ticket](tx.WithContext(attack.WithoutTenant(ctx)))
	})
}

// preparedSession runs one statement from one cache as two tenants.
func (s *scene) preparedSession(ctx context.Context) (attack.Reached, error) {
	db := s.db.Session(&gorm.Session{PrepareStmt: true})
	if _, err := find[Ticket](db.WithContext(attack.As(ctx, s.Other))); err != nil {
		return nil, err
	}
	return find[Ticket](db.WithContext(ctx))
}

func (s *scene) plainSQL(ctx context.Context) (attack.Reached, error) {
	plain, err := s.db.DB()
	if err != nil {
		return nil, err
	}
	return attack.Owners(ctx, plain, "SELECT tenant_id FROM tickets WHERE id = $1", s.other.ticket.ID)
}

func (s *scene) plainSQLNoContext(context.Context) (attack.Reached, error) {
	plain, err := s.db.DB()
	if err != nil {
		return nil, err
	}
	rows, err := plain.Query("SELECT tenant_id FROM tickets") //nolint:noctx,rowserrcheck // what is attempted
	return attack.ScanOwners(rows, err)
}

func (s *scene) sessionBeforeUseNoTenant(ctx context.Context) (attack.Reached, error) {
	return s.sessionBeforeUse(attack.WithoutTenant(ctx))
}

// sessionBeforeUse keeps a session from before the plugin was there.
func (s *scene) sessionBeforeUse(ctx context.Context) (attack.Reached, error) {
	db, err := gorm.Open(gormstratum.Open(s.st), &gorm.Config{Logger: logger.Discard})
	if err != nil {
		return nil, err
	}
	early := db.WithContext(ctx)
	if err := db.Use(gormstratum.New(s.st, gormstratum.Options{Models: models()})); err != nil {
		return nil, err
	}
	return owners(early.Raw("SELECT tenant_id FROM tickets"))
}

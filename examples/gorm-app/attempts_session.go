package main

import (
	"context"
	"database/sql"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// sessionAttempts use for one tenant what was made for another, or go around GORM.
func sessionAttempts() []attempt {
	return []attempt{
		{"a transaction begun by another tenant", refused(core.ErrTenantMismatch), foreignTransaction},
		{"a transaction, and then no tenant", refused(core.ErrNoTenant), transactionLosesTenant},
		{"a statement that another tenant prepared", ownRows(), foreignPrepared},
		{"GORM's cache of prepared statements", ownRows(), preparedSession},
		{"a connection that another tenant used", ownRows(), usedConnection},
		{"that connection without a tenant", refused(core.ErrNoTenant), usedConnectionNoTenant},
		{"database/sql beneath GORM", nothing(), plainSQL},
		{"database/sql without a context", refused(core.ErrNoTenant), plainSQLNoContext},
		{"a session made before db.Use", ownRows(), sessionBeforeUse},
		{"such a session without a tenant", refused(core.ErrNoTenant), sessionBeforeUseNoTenant},
		{"a goroutine with a context of its own", refused(core.ErrNoTenant), goroutine},
	}
}

func foreignTransaction(ctx context.Context, s *scene) (got reached, err error) {
	return undone(s.db.WithContext(as(ctx, s.other)), func(tx *gorm.DB) (reached, error) {
		return find[Ticket](tx.WithContext(ctx))
	})
}

func transactionLosesTenant(ctx context.Context, s *scene) (reached, error) {
	return undone(s.db.WithContext(ctx), func(tx *gorm.DB) (reached, error) {
		return find[Ticket](tx.WithContext(withoutTenant(ctx)))
	})
}

// withoutTenant is ctx with its tenant forgotten on the way.
func withoutTenant(ctx context.Context) context.Context { return core.WithTenant(ctx, uuid.Nil) }

func foreignPrepared(ctx context.Context, s *scene) (reached, error) {
	statement, err := s.st.DB().PrepareContext(as(ctx, s.other), "SELECT tenant_id FROM tickets")
	if err != nil {
		return nil, err
	}
	defer func() { _ = statement.Close() }() // the attempt is over
	if err := readAll(statement.QueryContext(as(ctx, s.other))); err != nil {
		return nil, err
	}
	return scanOwners(statement.QueryContext(ctx))
}

// preparedSession runs one statement from one cache as two tenants.
func preparedSession(ctx context.Context, s *scene) (reached, error) {
	db := s.db.Session(&gorm.Session{PrepareStmt: true})
	if _, err := find[Ticket](db.WithContext(as(ctx, s.other))); err != nil {
		return nil, err
	}
	return find[Ticket](db.WithContext(ctx))
}

func usedConnection(ctx context.Context, s *scene) (reached, error) {
	return onUsedConnection(ctx, s, asMe)
}

func usedConnectionNoTenant(ctx context.Context, s *scene) (reached, error) {
	return onUsedConnection(ctx, s, func(ctx context.Context, _ *scene) context.Context { return withoutTenant(ctx) })
}

// onUsedConnection queries as the other tenant and then, on the same connection, as somebody else.
func onUsedConnection(ctx context.Context, s *scene, next actor) (reached, error) {
	conn, err := s.st.DB().Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // it goes back to the pool
	const query = "SELECT tenant_id FROM tickets"
	if err := readAll(conn.QueryContext(as(ctx, s.other), query)); err != nil {
		return nil, err
	}
	return scanOwners(conn.QueryContext(next(ctx, s), query))
}

func plainSQL(ctx context.Context, s *scene) (reached, error) {
	plain, err := s.db.DB()
	if err != nil {
		return nil, err
	}
	return scanOwners(plain.QueryContext(ctx, "SELECT tenant_id FROM tickets WHERE id = $1", s.other.ticket.ID))
}

func plainSQLNoContext(_ context.Context, s *scene) (reached, error) {
	plain, err := s.db.DB()
	if err != nil {
		return nil, err
	}
	return scanOwners(plain.Query("SELECT tenant_id FROM tickets")) //nolint:noctx // what is attempted
}

func sessionBeforeUseNoTenant(ctx context.Context, s *scene) (reached, error) {
	return sessionBeforeUse(withoutTenant(ctx), s)
}

// sessionBeforeUse keeps a session from before the plugin was there.
func sessionBeforeUse(ctx context.Context, s *scene) (reached, error) {
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

// goroutine forgets to take the request's context along; core.Detach is how it is done.
func goroutine(_ context.Context, s *scene) (got reached, err error) {
	done := make(chan struct{})
	go func() { //nolint:gosec,contextcheck // what is attempted
		defer close(done)
		got, err = find[Ticket](s.db.WithContext(context.Background()))
	}()
	<-done
	return got, err
}

// scanOwners reads rows whose one column is a tenant_id.
func scanOwners(rows *sql.Rows, err error) (reached, error) {
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err has what matters
	var got reached
	for rows.Next() {
		var owner uuid.UUID
		if err := rows.Scan(&owner); err != nil {
			return got, err
		}
		got = append(got, owner)
	}
	return got, rows.Err()
}

// readAll reads rows for nothing.
func readAll(rows *sql.Rows, err error) error {
	_, err = scanOwners(rows, err)
	return err
}

package core

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/access"
)

// maxBuilds is how many places a program works on at once. Each takes a few connections of OwnerDSN.
const maxBuilds = 4

// Pauses between two looks for a lock.
const minLockPause, maxLockPause = 5 * time.Millisecond, 250 * time.Millisecond

func newBuilder(st *Stratum) *builder {
	return &builder{st: st, slots: make(chan struct{}, maxBuilds)}
}

// exclusively runs work on the place of a label while nobody else does, in this program or another: one that makes a
// tenant's place and one that takes it back would leave something behind, or drop what has become active. The lock is
// in the registry's database, wherever the place is, and ends with the connection of whoever has it.
//
// While it runs the fleet waits with what it does once the model has
// changed, so that nothing is made from an older one unseen: see settle.
func (b *builder) exclusively(ctx context.Context, labels []string, work func() error) error {
	select {
	case b.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-b.slots }()
	db, err := b.st.OwnerDB(access.Token{})
	if err != nil {
		return err
	}
	locks := make([]string, len(labels), len(labels)+1)
	for i, label := range labels {
		locks[i] = "build " + label
	}
	return underLock(ctx, db, append(locks, modelLock), work)
}

// modelLock is shared by all that make something from the model.
const modelLock = "model"

// settle waits until what has been begun before is made and listed.
func (b *builder) settle(ctx context.Context) error {
	db, err := b.st.OwnerDB(access.Token{})
	if err != nil {
		return err
	}
	return inOwnerTx(ctx, db, func(tx *sql.Tx) error { return lockLabel(ctx, tx, modelLock) })
}

// underLock runs work while it holds a lock, in a transaction that does nothing else. Whoever waits holds no connection
// meanwhile: those who wait could otherwise hold all of a pool, and the one with the lock would never get its second.
func underLock(ctx context.Context, db *sql.DB, names []string, work func() error) error {
	for pause := minLockPause; ; pause = min(2*pause, maxLockPause) {
		var taken bool
		err := inOwnerTx(ctx, db, func(tx *sql.Tx) (err error) {
			if taken, err = tryLock(ctx, tx, names); err != nil || !taken {
				return err
			}
			return work()
		})
		if err != nil || taken {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// tryLock takes locks until the end of the transaction, which may then be idle for as long as it likes.
func tryLock(ctx context.Context, tx *sql.Tx, names []string) (taken bool, err error) {
	const patience = `SELECT pg_catalog.set_config(s.name, '0', true) FROM pg_catalog.pg_settings s
		WHERE s.name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')`
	const query = `SELECT pg_catalog.bool_and(CASE WHEN name = 'model'
			THEN pg_catalog.pg_try_advisory_xact_lock_shared(1937011297, pg_catalog.hashtext('place ' || name))
			ELSE pg_catalog.pg_try_advisory_xact_lock(1937011297, pg_catalog.hashtext('place ' || name)) END)
		FROM pg_catalog.json_array_elements_text($1::json) name`
	list, err := json.Marshal(names)
	if err != nil {
		return false, err
	}
	if err = tx.QueryRowContext(ctx, query, string(list)).Scan(&taken); err == nil && taken {
		_, err = tx.ExecContext(ctx, patience)
	}
	if err != nil {
		return false, fmt.Errorf("stratum: waiting for another program to make the tenant's place: %w", err)
	}
	return taken, nil
}

// lockLabel has one transaction at a time change a tenant's place.
func lockLabel(ctx context.Context, tx *sql.Tx, label string) error {
	const query = `SELECT pg_catalog.pg_advisory_xact_lock(1937011297, pg_catalog.hashtext($1))`
	if _, err := tx.ExecContext(ctx, query, "place "+label); err != nil {
		return fmt.Errorf("stratum: waiting for another program to make the tenant's place: %w", err)
	}
	return nil
}

// statusOf reads a tenant's status, or returns ErrTenantNotFound.
func (s *Stratum) statusOf(ctx context.Context, id uuid.UUID) (status Status, err error) {
	err = s.registryTx(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `SELECT status FROM stratum.tenants WHERE id = $1`, id).Scan(&status)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return "", ErrTenantNotFound
	}
	return status, statementError(ctx, err)
}

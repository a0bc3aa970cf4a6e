package core

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Spares says how many schemas or databases are to wait for tenants, so that Create need not make one.
type Spares struct {
	// Isolation is SchemaIsolation or DatabaseIsolation.
	Isolation Isolation
	// Placement is where they are. Defaults to home.
	Placement string
	// Count is how many there are to be.
	Count int
}

// Prepare makes schemas or databases that wait for tenants, up to the number that is wanted, and returns how many it
// has made. What an earlier call has left half done is finished first. Each tenant that is created takes one if there
// is one of its isolation at its placement, and is then active at once; so call Prepare from time to time. Spares are
// migrated with the tenants by Fleet.
func (p *Placements) Prepare(ctx context.Context, spares Spares) (made int, err error) {
	const op = "prepare spares"
	if spares.Placement == "" {
		spares.Placement = homePlacement
	}
	if spares.Isolation != SchemaIsolation && spares.Isolation != DatabaseIsolation {
		return 0, operationError(op, &InvalidError{Field: "Isolation", Reason: "must be schema or database"})
	}
	if err := p.checkCaller(ctx); err != nil {
		return 0, operationError(op, err)
	}
	if _, err := p.st.placement(ctx, spares.Placement); err != nil {
		return 0, operationError(op, err)
	}
	if err := p.st.Tenants.builder.finishSpares(ctx, `AND isolation = $1 AND placement = $2`, spares.Isolation,
		spares.Placement); err != nil {
		return 0, operationError(op, err)
	}
	for {
		l, ok, err := p.reserve(ctx, spares)
		if err != nil || !ok {
			return made, operationError(op, err)
		}
		if err := p.st.Tenants.builder.finishSpare(ctx, l); err != nil {
			return made, operationError(op, err)
		}
		made++
	}
}

// reserve takes a label for one more spare, unless there are enough.
func (p *Placements) reserve(ctx context.Context, spares Spares) (l location, ok bool, err error) {
	const statement = `INSERT INTO stratum.spares (label, isolation, placement)
		SELECT stratum.base36(nextval('stratum.tenant_number')), $1, $2
		WHERE (SELECT count(*) FROM stratum.spares WHERE isolation = $1 AND placement = $2) < $3 RETURNING label`
	l = location{isolation: spares.Isolation, placement: spares.Placement}
	err = p.do(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `LOCK TABLE stratum.spares IN SHARE ROW EXCLUSIVE MODE`); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, statement, spares.Isolation, spares.Placement, spares.Count).Scan(&l.label)
		ok = err == nil
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	return l, ok, err
}

// finishSpare makes the place of a spare.
func (b *builder) finishSpare(ctx context.Context, l location) error {
	return b.exclusively(ctx, []string{l.label}, func() error {
		ready, err := b.isReady(ctx, l.label)
		if err != nil || ready {
			return err
		}
		if err := b.make(ctx, b.resident(uuid.Nil, l, "")); err != nil {
			return fmt.Errorf("a spare: %w", err)
		}
		return statementError(ctx, b.st.registryTx(ctx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE stratum.spares SET ready = true WHERE label = $1`, l.label)
			return err
		}))
	})
}

// isReady reports whether somebody else has made the spare, and perhaps a tenant has taken it.
func (b *builder) isReady(ctx context.Context, label string) (ready bool, err error) {
	const query = `SELECT NOT EXISTS (SELECT FROM stratum.spares WHERE label = $1 AND NOT ready)`
	err = b.st.registryTx(ctx, func(tx pgx.Tx) error { return tx.QueryRow(ctx, query, label).Scan(&ready) })
	return ready, statementError(ctx, err)
}

// finishSpares makes what a crash has left of spares.
func (b *builder) finishSpares(ctx context.Context, condition string, args ...any) error {
	const unready = `SELECT isolation, placement, label FROM stratum.spares WHERE NOT ready `
	var left []location
	err := b.st.registryTx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, unready+condition, args...)
		if err != nil {
			return err
		}
		left, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (l location, err error) {
			err = row.Scan(&l.isolation, &l.placement, &l.label)
			return l, err
		})
		return err
	})
	errs := make([]error, 0, len(left)+1)
	errs = append(errs, statementError(ctx, err))
	for _, l := range left {
		errs = append(errs, b.finishSpare(ctx, l))
	}
	return errors.Join(errs...)
}

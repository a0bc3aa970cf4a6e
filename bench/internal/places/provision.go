package places

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stratum-hq/stratum-go/core"

	"github.com/stratum-hq/stratum-go/bench/internal/sample"
)

// provision compares a tenant's new database, from the template, with an empty one and the migrations that make it the
// same. The template is there: the tenant before has had it made.
func (b *bench) provision(ctx context.Context, w *realm) error {
	var times [2][]float64
	for n := range b.Databases {
		for _, i := range b.random.Perm(len(times)) {
			from := time.Now()
			err := []func(context.Context, *realm, int) error{makeTenant, makeByHand}[i](ctx, w, n)
			if err != nil {
				return err
			}
			times[i] = append(times[i], time.Since(from).Seconds()*1e3)
		}
	}
	b.logf("places/new-database: Stratum %.1f ms, by hand %.1f ms, %d each", sample.Median(times[0]),
		sample.Median(times[1]), b.Databases)
	b.line("places/new-database", sample.PairedRatio(times[0], times[1]), sample.AtMost(provisionGoal))
	return nil
}

func makeTenant(ctx context.Context, w *realm, n int) error {
	_, err := w.st.Tenants.Create(ctx, core.NewTenant{
		Name: "new", Slug: fmt.Sprintf("new-%d", n), Isolation: core.DatabaseIsolation,
	})
	return err
}

// makeByHand makes a database as a program would that knows its name, with a transaction for each migration.
func makeByHand(ctx context.Context, w *realm, n int) (err error) {
	name := fmt.Sprintf("%s_hand_%d", w.database.Name, n)
	conn, err := pgx.Connect(ctx, w.database.OwnerDSN)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return err
	}
	conn, err = pgx.Connect(ctx, strings.Replace(w.database.OwnerDSN, "/"+w.database.Name+"?", "/"+name+"?", 1))
	if err != nil {
		return fmt.Errorf("connect to the new database: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	for _, migration := range migrations() {
		if _, err := conn.PgConn().Exec(ctx, "BEGIN;"+migration+";COMMIT").ReadAll(); err != nil {
			return err
		}
	}
	return nil
}

package entstratum_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/tag"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/ticket"
)

const (
	stormTenants = 6
	stormWorkers = 32
	stormConns   = 6
	stormPooled  = 2 // connections that PgBouncer has for them
	stormTickets = 10

	// soakVariable is the environment variable with how long each storm lasts, such as "5m", for make soak. A storm
	// lasts for stormSteps steps of each worker otherwise.
	soakVariable = "STRATUM_SOAK"
	stormSteps   = 25
)

// storm is much work of many tenants at once through one client, a third of it cut off somewhere in the middle. Each row
// says in its text whose it is.
type storm struct {
	desk

	tenants []uuid.UUID
	until   time.Time // zero: stormSteps
}

// errForeign is a row of another tenant, errUndone is what a step rolls back with, and errLost is a row that is not
// there although it was committed, or there although it was not.
var (
	errForeign = errors.New("a foreign row")
	errUndone  = errors.New("rolled back")
	errLost    = errors.New("not as committed")
)

func newStorm(t *testing.T, options func(*testing.T, desk) core.Options) *storm {
	t.Helper()
	d := newConformance(t)
	o := options(t, d)
	o.MaxConns, o.SystemMaxConns = stormConns, 2
	s := &storm{desk: d.openStratum(t, o)}
	for i := range stormTenants {
		ctx := s.tenant(t, fmt.Sprintf("storm-%d", i))
		id := tenantOf(t, ctx)
		s.tenants = append(s.tenants, id)
		for n := range stormTickets {
			made := s.client.Tag.Create().SetName(strconv.Itoa(n)).SetTitle(id.String()).SaveX(ctx)
			v := s.client.Ticket.Create().SetNumber(fmt.Sprintf("T-%d", n)).SetTitle(id.String()).AddTags(made).SaveX(ctx)
			s.client.Comment.Create().SetTicket(v).SetBody(id.String()).ExecX(ctx)
		}
	}
	if length, err := time.ParseDuration(os.Getenv(soakVariable)); err == nil {
		s.until = time.Now().Add(length)
	}
	return s
}

func TestStorm(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		options func(*testing.T, desk) core.Options
		servers int // connections to the server
	}{
		"direct":    {func(_ *testing.T, d desk) core.Options { return d.Options() }, stormConns},
		"PgBouncer": {connections()["PgBouncer"], stormPooled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStorm(t, test.options)
			s.blow(t)
			s.calm(t, test.servers)
		})
	}
}

func (s *storm) blow(t *testing.T) {
	t.Helper()
	var group errgroup.Group
	for worker := range stormWorkers {
		random := rand.New(rand.NewPCG(13, uint64(worker)))
		group.Go(func() error {
			for step := 0; s.goesOn(step); step++ {
				if err := s.step(t.Context(), random); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
}

func (s *storm) goesOn(step int) bool {
	if s.until.IsZero() {
		return step < stormSteps
	}
	return time.Now().Before(s.until)
}

// step does one thing for one tenant. An error that the storm brings about is none of the step.
func (s *storm) step(ctx context.Context, random *rand.Rand) error {
	id := s.tenants[random.IntN(len(s.tenants))]
	whole := core.WithTenant(ctx, id)
	ctx = whole
	if random.IntN(3) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(random.IntN(20_000))*time.Microsecond)
		defer cancel()
	}
	if random.IntN(4) == 0 {
		return s.keep(ctx, whole, id, random.IntN(2) == 0)
	}
	steps := []func(ctx context.Context, id uuid.UUID) error{
		s.find, s.relate, s.rows, s.change, s.undo, s.link, s.upsert, s.fail,
	}
	err := steps[random.IntN(len(steps))](ctx, id)
	if err != nil && ctx.Err() != nil && !errors.Is(err, errForeign) {
		return nil // cut off, in whatever words
	}
	return err
}

// own looks whose the texts are.
func own(id uuid.UUID, enough bool, texts ...string) error {
	for _, text := range texts {
		if text != id.String() {
			return fmt.Errorf("%w: marked %q, seen by %s", errForeign, text, id)
		}
	}
	if enough && len(texts) < stormTickets {
		return fmt.Errorf("%d rows, and no error", len(texts))
	}
	return nil
}

// widen is a condition that would let in the rows of all.
func widen(s *sql.Selector) { s.Or().Where(sql.ExprP("1 = 0\nOR 1 = 1")).Or() }

func (s *storm) find(ctx context.Context, id uuid.UUID) error { return findIn(ctx, s.client, id) }

func findIn(ctx context.Context, c *ent.Client, id uuid.UUID) error {
	titles, err := c.Ticket.Query().Where(widen).Select(ticket.FieldTitle).Strings(ctx)
	if err != nil {
		return err
	}
	return own(id, true, titles...)
}

// relate reads through eager loading, traversals and sub-queries.
func (s *storm) relate(ctx context.Context, id uuid.UUID) error {
	tickets, err := s.client.Ticket.Query().Where(ticket.HasComments()).WithComments().WithTags().All(ctx)
	if err != nil {
		return err
	}
	var texts []string
	for _, v := range tickets {
		texts = append(texts, v.Title, v.Edges.Comments[0].Body, v.Edges.Tags[0].Title)
	}
	comments, err := s.client.Tag.Query().Where(tag.HasTicketsWith(widen)).QueryTickets().QueryComments().WithTicket().All(ctx)
	if err != nil {
		return err
	}
	for _, v := range comments {
		texts = append(texts, v.Body, v.Edges.Ticket.Title)
	}
	return own(id, true, texts...)
}

// rows leaves some unread.
func (s *storm) rows(ctx context.Context, id uuid.UUID) error {
	rows, err := s.client.QueryContext(ctx, "SELECT title FROM tickets")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells more
	for n := 0; n < stormTickets/2 && rows.Next(); n++ {
		var title string
		if err := rows.Scan(&title); err != nil {
			return err
		}
		if err := own(id, false, title); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s *storm) change(ctx context.Context, id uuid.UUID) error {
	n, err := s.client.Comment.Update().SetBody(id.String()).Save(ctx)
	if err == nil && n != stormTickets {
		return fmt.Errorf("%w: %d comments changed", errForeign, n)
	}
	return err
}

// undo writes and rolls back, to a savepoint and altogether.
func (s *storm) undo(ctx context.Context, id uuid.UUID) error {
	err := withTx(ctx, s.client, func(tx *ent.Tx) error {
		for _, text := range []string{
			"SELECT pg_advisory_xact_lock_shared(7)", "SAVEPOINT s", "DELETE FROM comments", "ROLLBACK TO SAVEPOINT s",
		} {
			if _, err := tx.ExecContext(ctx, text); err != nil {
				return err
			}
		}
		if err := findIn(ctx, tx.Client(), id); err != nil {
			return err
		}
		made, err := tx.Ticket.Create().SetNumber(uuid.NewString()).SetTitle(id.String()).Save(ctx)
		if err != nil {
			return err
		}
		if made.TenantID != id {
			return fmt.Errorf("%w: stamped %s, made by %s", errForeign, made.TenantID, id)
		}
		return errUndone
	})
	if errors.Is(err, errUndone) {
		return nil
	}
	return err
}

// link changes edges that have a join table, and rolls back.
func (s *storm) link(ctx context.Context, id uuid.UUID) error {
	err := withTx(ctx, s.client, func(tx *ent.Tx) error {
		v, err := tx.Ticket.Create().SetNumber(uuid.NewString()).SetTitle(id.String()).Save(ctx)
		if err != nil {
			return err
		}
		tags, err := tx.Tag.Query().Where(tag.NameIn("1", "2")).All(ctx)
		if err != nil {
			return err
		}
		if err := v.Update().AddTags(tags...).Exec(ctx); err != nil {
			return err
		}
		titles, err := v.QueryTags().Select(tag.FieldTitle).Strings(ctx)
		if err != nil {
			return err
		}
		if err := own(id, false, titles...); err != nil {
			return err
		}
		return errUndone
	})
	if errors.Is(err, errUndone) {
		return nil
	}
	return err
}

// keep adds a row in a transaction of ctx, and looks under a context that is not cut off whether it is there when it
// should be. Where the end of the transaction was cut off, it may be there or come to be there.
func (s *storm) keep(ctx, whole context.Context, id uuid.UUID, commits bool) error {
	name := uuid.NewString()
	err := withTx(ctx, s.client, func(tx *ent.Tx) error {
		if err := tx.Tag.Create().SetName(name).SetTitle(id.String()).Exec(ctx); err != nil {
			return err
		}
		if !commits {
			return errUndone
		}
		return nil
	})
	if err != nil && ctx.Err() == nil && !errors.Is(err, errUndone) {
		return err
	}
	n, failed := s.client.Tag.Delete().Where(tag.Name(name)).Exec(whole)
	switch {
	case failed != nil:
		return failed
	case err == nil && n != 1, errors.Is(err, errUndone) && n != 0:
		return fmt.Errorf("%w: %d rows, after %v", errLost, n, err) //nolint:errorlint // it may be nil
	}
	return nil
}

func (s *storm) upsert(ctx context.Context, id uuid.UUID) error {
	return s.client.Ticket.Create().SetNumber("T-1").SetTitle(id.String()).
		OnConflictColumns(ticket.FieldTenantID, ticket.FieldNumber).Update(func(u *ent.TicketUpsert) { u.UpdateTitle() }).
		Exec(ctx)
}

// fail has the mixin, the guard and the server refuse something.
func (s *storm) fail(ctx context.Context, id uuid.UUID) error {
	other := s.tenants[0]
	if other == id {
		other = s.tenants[1]
	}
	err := s.client.Ticket.Create().SetTenantID(other).SetNumber("x").Exec(ctx)
	if !errors.Is(err, entstratum.ErrTenantID) {
		return fmt.Errorf("no refusal: %w", err)
	}
	if _, err := s.client.ExecContext(ctx, "SET search_path = public"); !errors.Is(err, core.ErrCommand) {
		return fmt.Errorf("no refusal: %w", err)
	}
	err = s.client.Ticket.Update().Modify(func(u *sql.UpdateBuilder) { u.Set(ticket.FieldTenantID, other) }).Exec(ctx)
	if !errors.Is(err, core.ErrCrossTenant) {
		return fmt.Errorf("no refusal: %w", err)
	}
	return nil
}

const (
	calmWithin = 30 * time.Second
	calmTick   = 20 * time.Millisecond
)

// calm looks that everything is as it was: the rows, the locks, and the connections, of which all are free again.
func (s *storm) calm(t *testing.T, servers int) {
	t.Helper()
	for _, id := range s.tenants {
		for _, query := range []string{
			"SELECT count(*) FROM tickets WHERE tenant_id = $1 AND title = $1::text",
			"SELECT count(*) FROM comments WHERE tenant_id = $1 AND body = $1::text",
			"SELECT count(*) FROM tags WHERE tenant_id = $1 AND length(name) = 1", // what keep has made has a longer one
			"SELECT count(*) FROM ticket_tags WHERE tenant_id = $1",
		} {
			require.Equal(t, stormTickets, value[int](t, s.desk, query, id), query)
		}
	}
	require.Equal(t, stormTickets*stormTenants, value[int](t, s.desk, "SELECT count(*) FROM tickets"))
	require.Zero(t, value[int](t, s.desk, "SELECT count(*) FROM tags WHERE title <> tenant_id::text"))
	admin, err := pgx.Connect(t.Context(), s.AdminDSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, admin.Close(t.Context())) }()
	require.Eventually(t, func() bool {
		var locks, busy int
		err := admin.QueryRow(t.Context(), `SELECT
				(SELECT count(*) FROM pg_locks l JOIN pg_database b ON b.oid = l.database
				WHERE b.datname = current_database() AND l.pid <> pg_backend_pid()
					AND l.pid IN (SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend')),
				(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
					AND backend_type = 'client backend' AND state <> 'idle')`).Scan(&locks, &busy)
		return err == nil && locks == 0 && busy == 0
	}, calmWithin, calmTick)
	require.Zero(t, s.st.DB().Stats().InUse)
	// All connections at once: none is left out.
	var group errgroup.Group
	entered, leave := make(chan struct{}), make(chan struct{})
	for range servers {
		group.Go(func() error {
			ctx := core.WithTenant(t.Context(), s.tenants[0])
			return withTx(ctx, s.client, func(tx *ent.Tx) error {
				entered <- struct{}{}
				<-leave
				return findIn(ctx, tx.Client(), s.tenants[0])
			})
		})
	}
	for range servers {
		<-entered
	}
	close(leave)
	require.NoError(t, group.Wait())
}

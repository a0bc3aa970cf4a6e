package gormstratum_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

const (
	stormTenants = 8
	stormWorkers = 48
	stormConns   = 6
	stormPooled  = 2 // connections that PgBouncer has for them
	stormTickets = 10

	// soakVariable is the environment variable with how long each storm lasts, such as "5m", for make soak. A storm
	// lasts for stormSteps steps of each worker otherwise.
	soakVariable = "STRATUM_SOAK"
	stormSteps   = 25
)

// storm is much work of many tenants at once through GORM, a third of it cut off somewhere in the middle. Each ticket
// says in its title whose it is.
type storm struct {
	desk

	db      *gorm.DB
	tenants []uuid.UUID
	until   time.Time // zero: stormSteps
}

// errForeign is a row of another tenant, and errUndone is what a step rolls back with.
var (
	errForeign = errors.New("a foreign row")
	errUndone  = errors.New("rolled back")
)

func newStorm(t *testing.T, options func(*testing.T, desk) core.Options) *storm {
	t.Helper()
	s := &storm{desk: newStratum(t)}
	o := options(t, s.desk)
	o.MaxConns, o.SystemMaxConns = stormConns, 2
	s.st = s.openStratum(t, o)
	s.db = openConformance(t, s.st, func(c *gorm.Config) { c.PrepareStmt = true })
	for i := range stormTenants {
		slug := fmt.Sprintf("storm-%d", i)
		tenant, err := s.st.Tenants.Create(t.Context(), core.NewTenant{Name: slug, Slug: slug})
		require.NoError(t, err)
		s.tenants = append(s.tenants, tenant.ID)
		tickets := make([]Ticket, stormTickets)
		for n := range tickets {
			tickets[n] = Ticket{
				Number: fmt.Sprintf("T-%d", n), Title: tenant.ID.String(),
				Comments: []Comment{{Body: tenant.ID.String()}}, Tags: []Tag{{Name: strconv.Itoa(n), Title: tenant.ID.String()}},
			}
		}
		require.NoError(t, s.db.WithContext(core.WithTenant(t.Context(), tenant.ID)).Create(&tickets).Error)
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
		random := rand.New(rand.NewPCG(11, uint64(worker)))
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
	ctx = core.WithTenant(ctx, id)
	if random.IntN(3) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(random.IntN(20_000))*time.Microsecond)
		defer cancel()
	}
	steps := []func(tx *gorm.DB, id uuid.UUID) error{
		s.find, s.relate, s.rows, s.change, s.undo, s.prepare, s.upsert, s.fail,
	}
	err := steps[random.IntN(len(steps))](s.db.WithContext(ctx), id)
	if err != nil && ctx.Err() != nil && !errors.Is(err, errForeign) {
		return nil // cut off, in whatever words
	}
	return err
}

// own looks whose the titles are.
func own(id uuid.UUID, enough bool, titles ...string) error {
	for _, title := range titles {
		if title != id.String() {
			return fmt.Errorf("%w: marked %q, seen by %s", errForeign, title, id)
		}
	}
	if enough && len(titles) < stormTickets {
		return fmt.Errorf("%d rows, and no error", len(titles))
	}
	return nil
}

func (s *storm) find(tx *gorm.DB, id uuid.UUID) error {
	var titles []string
	if err := tx.Model(&Ticket{}).Where("1 = 0\nOR 1 = 1").Pluck("title", &titles).Error; err != nil {
		return err
	}
	return own(id, true, titles...)
}

// relate reads through preloads, joins and a sub-query without a context.
func (s *storm) relate(tx *gorm.DB, id uuid.UUID) error {
	var tickets []Ticket
	err := tx.Preload("Comments").Preload("Tags").
		Find(&tickets, "id IN (?)", s.db.Model(&Comment{}).Select("ticket_id")).Error
	if err != nil {
		return err
	}
	var titles []string
	for _, ticket := range tickets {
		titles = append(titles, ticket.Title, ticket.Comments[0].Body, ticket.Tags[0].Title)
	}
	var comments []Comment
	if err := tx.Joins("Ticket").Find(&comments).Error; err != nil {
		return err
	}
	for _, comment := range comments {
		titles = append(titles, comment.Ticket.Title)
	}
	return own(id, true, titles...)
}

// rows leaves some unread.
func (s *storm) rows(tx *gorm.DB, id uuid.UUID) error {
	rows, err := tx.Model(&Ticket{}).Select("title").Rows()
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

func (s *storm) change(tx *gorm.DB, id uuid.UUID) error {
	result := tx.Session(&gorm.Session{AllowGlobalUpdate: true}).Model(&Comment{}).Update("body", id.String())
	if result.Error == nil && result.RowsAffected != stormTickets {
		return fmt.Errorf("%w: %d comments changed", errForeign, result.RowsAffected)
	}
	return result.Error
}

// undo writes and rolls back, to a savepoint and altogether.
func (s *storm) undo(tx *gorm.DB, id uuid.UUID) error {
	err := tx.Transaction(func(tx *gorm.DB) error {
		if err := tx.Exec("SELECT pg_advisory_xact_lock_shared(7)").Error; err != nil {
			return err
		}
		inner := tx.Transaction(func(tx *gorm.DB) error {
			if err := tx.Where("1 = 1").Delete(&Comment{}).Error; err != nil {
				return err
			}
			return errUndone
		})
		if !errors.Is(inner, errUndone) {
			return inner
		}
		if err := s.find(tx, id); err != nil {
			return err
		}
		if err := tx.Create(&Ticket{Number: uuid.NewString(), Title: id.String()}).Error; err != nil {
			return err
		}
		return errUndone
	})
	if errors.Is(err, errUndone) {
		return nil
	}
	return err
}

// prepare uses the statements that are kept, in a transaction on a connection that is held.
func (s *storm) prepare(tx *gorm.DB, id uuid.UUID) error {
	return tx.Connection(func(tx *gorm.DB) error {
		return tx.Transaction(func(tx *gorm.DB) error { return s.find(tx, id) })
	})
}

func (s *storm) upsert(tx *gorm.DB, id uuid.UUID) error {
	return tx.Clauses(clause.OnConflict{Columns: columns("number"), DoUpdates: clause.AssignmentColumns([]string{"title"})}).
		Create(&Ticket{Number: "T-1", Title: id.String()}).Error
}

// fail has the plugin, the guard and the server refuse something.
func (s *storm) fail(tx *gorm.DB, id uuid.UUID) error {
	other := s.tenants[0]
	if other == id {
		other = s.tenants[1]
	}
	err := tx.Create(&Ticket{Tenant: gormstratum.Tenant{TenantID: other}, Title: "x"}).Error
	if !errors.Is(err, gormstratum.ErrTenantID) {
		return fmt.Errorf("no refusal: %w", err)
	}
	if err := tx.Exec("SET search_path = public").Error; !errors.Is(err, core.ErrCommand) {
		return fmt.Errorf("no refusal: %w", err)
	}
	err = tx.Exec("UPDATE tickets SET tenant_id = ?", other).Error
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
		require.Equal(t, int64(stormTickets), s.count(t, "tickets", id))
		require.Equal(t, int64(stormTickets), s.count(t, "comments", id))
		require.Zero(t, s.value(t, "SELECT count(*) FROM tickets WHERE tenant_id = $1 AND title <> $1::text", id))
	}
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
			return s.db.WithContext(core.WithTenant(t.Context(), s.tenants[0])).Transaction(func(tx *gorm.DB) error {
				entered <- struct{}{}
				<-leave
				return s.find(tx, s.tenants[0])
			})
		})
	}
	for range servers {
		<-entered
	}
	close(leave)
	require.NoError(t, group.Wait())
}

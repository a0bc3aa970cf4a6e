package gormstratum_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// fleet is a desk with many tenants: a root with children, and a last one that is suspended.
type fleet struct {
	desk

	ids       []uuid.UUID // the active ones, in the order of their ids
	suspended uuid.UUID
}

const fleetSize = 12

func newFleet(t *testing.T) fleet {
	t.Helper()
	f := fleet{desk: newDesk(t, deskModels())}
	parent := uuid.Nil
	for i := range fleetSize + 1 {
		slug := fmt.Sprintf("tenant-%d", i)
		tenant, err := f.st.Tenants.Create(t.Context(), core.NewTenant{Name: slug, Slug: slug, Parent: parent})
		require.NoError(t, err)
		if i == 0 {
			parent = tenant.ID
		}
		f.ids = append(f.ids, tenant.ID)
	}
	f.suspended, f.ids = f.ids[fleetSize], f.ids[:fleetSize]
	require.NoError(t, f.st.Tenants.Suspend(t.Context(), f.suspended))
	return f
}

// visits are the tenants that a run has called its function for.
type visits struct {
	mu  sync.Mutex
	ids []uuid.UUID
}

func (v *visits) add(id uuid.UUID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ids = append(v.ids, id)
}

// create makes a ticket for each tenant.
func (v *visits) create(_ context.Context, db *gorm.DB, tenant core.Tenant) error {
	v.add(tenant.ID)
	return db.Create(&Ticket{Number: "T-1", Title: tenant.Slug}).Error
}

func TestForEachTenant(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	var seen visits
	var atOnce, most atomic.Int64
	ctx := core.WithActor(t.Context(), core.Actor{ID: "night", Kind: "job"})
	last := 0
	report, err := gormstratum.ForEachTenant(ctx, f.db.Where("id IS NULL"), gormstratum.ForEachOptions{
		Workers:  3,
		Progress: func(r gormstratum.ForEachReport) { last = r.Done },
	}, func(ctx context.Context, db *gorm.DB, tenant core.Tenant) error {
		most.Store(max(most.Load(), atOnce.Add(1)))
		defer atOnce.Add(-1)
		id, _ := core.TenantFrom(ctx)
		require.Equal(t, tenant.ID, id)
		require.Equal(t, "night", core.ActorFrom(ctx).ID)
		require.Equal(t, ctx, db.Statement.Context)
		var n int64
		require.NoError(t, db.Model(&Ticket{}).Count(&n).Error)
		return seen.create(ctx, db, tenant)
	})
	require.NoError(t, err)
	require.Equal(t, gormstratum.ForEachReport{Done: fleetSize, After: f.ids[fleetSize-1].String()}, report)
	require.Equal(t, fleetSize, last)
	require.LessOrEqual(t, most.Load(), int64(3))
	require.ElementsMatch(t, f.ids, seen.ids)
	for _, id := range f.ids {
		require.Equal(t, int64(1), f.count(t, "tickets", id))
	}
}

func TestForEachTenantOfAChoice(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	for name, test := range map[string]struct {
		ctx     context.Context //nolint:containedctx // the caller's
		options gormstratum.ForEachOptions
		want    []uuid.UUID
		skipped int
	}{
		"a subtree":       {t.Context(), gormstratum.ForEachOptions{Under: f.ids[3]}, f.ids[3:4], 0},
		"a tenant's ctx":  {core.WithTenant(t.Context(), f.ids[4]), gormstratum.ForEachOptions{}, f.ids[4:5], 0},
		"the system's":    {asSystemContext(t), gormstratum.ForEachOptions{Under: f.ids[0]}, f.ids, 0},
		"a list":          {t.Context(), gormstratum.ForEachOptions{Tenants: []uuid.UUID{f.ids[5], f.suspended, f.ids[2]}}, []uuid.UUID{f.ids[5], f.ids[2]}, 1},
		"an empty list":   {t.Context(), gormstratum.ForEachOptions{Tenants: []uuid.UUID{}}, nil, 0},
		"a filter":        {t.Context(), gormstratum.ForEachOptions{Filter: func(c core.Tenant) bool { return c.Slug == "tenant-7" }}, f.ids[7:8], 0},
		"from a point on": {t.Context(), gormstratum.ForEachOptions{After: f.ids[9].String()}, f.ids[10:], 0},
		"a list, from a point on": {
			t.Context(), gormstratum.ForEachOptions{Tenants: f.ids[:4], After: f.ids[1].String()}, f.ids[2:4], 0,
		},
	} {
		var seen visits
		report, err := gormstratum.ForEachTenant(test.ctx, f.db, test.options,
			func(_ context.Context, db *gorm.DB, tenant core.Tenant) error {
				seen.add(tenant.ID)
				return db.Find(&[]Ticket{}).Error
			})
		require.NoError(t, err, name)
		require.ElementsMatch(t, test.want, seen.ids, name)
		require.Equal(t, len(test.want), report.Done, name)
		require.Equal(t, test.skipped, report.Skipped, name)
	}
}

var errOdd = errors.New("an odd one")

func TestForEachTenantFailures(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	unknown := uuid.New()
	report, err := gormstratum.ForEachTenant(t.Context(), f.db, gormstratum.ForEachOptions{
		Tenants: append([]uuid.UUID{unknown}, f.ids[:6]...), MaxFailures: 3,
	}, func(ctx context.Context, db *gorm.DB, tenant core.Tenant) error {
		switch tenant.ID {
		case f.ids[1]:
			panic("in the function")
		case f.ids[2]:
			require.NoError(t, f.st.Tenants.Suspend(core.WithTenant(ctx, f.ids[0]), tenant.ID))
			return db.Find(&[]Ticket{}).Error
		case f.ids[3], f.ids[4]:
			return errOdd
		}
		return nil
	})
	var failed *gormstratum.ForEachError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, 4, failed.Failed)
	require.Len(t, failed.Failures, 3)
	require.Equal(t, failed.Failures, report.Failures)
	require.Equal(t, []int{2, 4, 1}, []int{report.Done, report.Failed, report.Skipped})
	require.Equal(t, f.ids[5].String(), report.After)
	require.ErrorContains(t, err, "4 tenants failed, the first of them")
	kept := make(map[uuid.UUID]error)
	for _, failure := range failed.Failures {
		kept[failure.Tenant] = failure.Err
	}
	require.ErrorIs(t, kept[unknown], core.ErrTenantNotFound)
	var panicked *gormstratum.PanicError
	require.ErrorAs(t, err, &panicked)
	require.Equal(t, "in the function", panicked.Value)
	require.Contains(t, string(panicked.Stack), "TestForEachTenantFailures")
	require.EqualError(t, panicked, "panic: in the function")
}

// A run that was stopped goes on where it was, with the tenant that failed, and visits none that was finished.
func TestForEachTenantGoesOn(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	var seen visits
	fails := true
	fn := func(ctx context.Context, db *gorm.DB, tenant core.Tenant) error {
		if tenant.ID == f.ids[5] && fails {
			return errOdd
		}
		return seen.create(ctx, db, tenant)
	}
	options := gormstratum.ForEachOptions{StopOnError: true, Workers: 1}
	report, err := gormstratum.ForEachTenant(t.Context(), f.db, options, fn)
	require.ErrorIs(t, err, errOdd)
	require.NotErrorIs(t, err, context.Canceled)
	require.Equal(t, []int{5, 1}, []int{report.Done, report.Failed})
	require.Equal(t, f.ids[4].String(), report.After)

	fails, options.After, options.Workers = false, report.After, 4
	report, err = gormstratum.ForEachTenant(t.Context(), f.db, options, fn)
	require.NoError(t, err)
	require.Equal(t, fleetSize-5, report.Done)
	require.ElementsMatch(t, f.ids, seen.ids)
	report, err = gormstratum.ForEachTenant(t.Context(), f.db, gormstratum.ForEachOptions{After: report.After}, fn)
	require.NoError(t, err)
	require.Equal(t, f.ids[fleetSize-1].String(), report.After, "nothing was left to do")
}

// The end of ctx cuts off those at work; they are not counted, and come again.
func TestForEachTenantCancelled(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ctx, cancel := context.WithCancel(t.Context())
	var seen visits
	report, err := gormstratum.ForEachTenant(ctx, f.db, gormstratum.ForEachOptions{Workers: 2},
		func(ctx context.Context, db *gorm.DB, tenant core.Tenant) error {
			if tenant.ID == f.ids[0] {
				<-ctx.Done()
				return ctx.Err()
			}
			seen.add(tenant.ID)
			if tenant.ID == f.ids[6] {
				cancel()
			}
			return db.WithContext(context.WithoutCancel(ctx)).Find(&[]Ticket{}).Error
		})
	require.ErrorIs(t, err, context.Canceled)
	var failed *gormstratum.ForEachError
	require.NotErrorAs(t, err, &failed)
	require.Zero(t, report.Failed)
	require.Empty(t, report.After, "the first tenant is not finished")
	require.GreaterOrEqual(t, report.Done, 6)
	report, err = gormstratum.ForEachTenant(ctx, f.db, gormstratum.ForEachOptions{}, seen.create)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, report.Done)
}

func TestForEachTenantRefused(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	never := func(context.Context, *gorm.DB, core.Tenant) error { return errOdd }
	for name, options := range map[string]gormstratum.ForEachOptions{
		"workers":         {Workers: -1},
		"failures":        {MaxFailures: -1},
		"list and tree":   {Tenants: f.ids, Under: f.ids[0]},
		"unknown in list": {Tenants: f.ids, After: uuid.NewString()},
	} {
		_, err := gormstratum.ForEachTenant(t.Context(), f.db, options, never)
		require.ErrorIs(t, err, gormstratum.ErrForEach, name)
	}
	_, err := gormstratum.ForEachTenant(t.Context(), f.db, gormstratum.ForEachOptions{After: "x"}, never)
	require.ErrorIs(t, err, core.ErrInvalidTenant)
	_, err = gormstratum.ForEachTenant(t.Context(), f.db, gormstratum.ForEachOptions{Under: uuid.New()}, never)
	require.ErrorIs(t, err, core.ErrTenantNotFound)
	require.NoError(t, f.db.WithContext(core.WithTenant(t.Context(), f.ids[0])).Transaction(func(tx *gorm.DB) error {
		_, err := gormstratum.ForEachTenant(t.Context(), tx, gormstratum.ForEachOptions{}, never)
		require.ErrorIs(t, err, gormstratum.ErrForEach)
		return nil
	}))
	plain, err := gorm.Open(gormstratum.Open(f.st), &gorm.Config{})
	require.NoError(t, err)
	_, err = gormstratum.ForEachTenant(t.Context(), plain, gormstratum.ForEachOptions{}, never)
	require.ErrorIs(t, err, gormstratum.ErrNotUsed)
}

package core_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// TestInheritance holds that isolation and placement are the parent's unless a tenant says otherwise.
func TestInheritance(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	e.register(t, "eu1")
	ctx := t.Context()
	own := e.create(t, core.NewTenant{Slug: "own", Isolation: core.SchemaIsolation, Placement: "eu1"})
	child := e.create(t, core.NewTenant{Slug: "child", ParentSlug: "own"})
	require.Equal(t, core.SchemaIsolation, child.Isolation)
	require.Equal(t, "eu1", child.Placement)
	shared := e.create(t, core.NewTenant{Slug: "shared", Parent: child.ID, Isolation: core.SharedIsolation})
	require.Equal(t, "eu1", shared.Placement)
	home := e.create(t, core.NewTenant{Slug: "home", Parent: child.ID, Placement: "home"})
	require.Equal(t, core.SchemaIsolation, home.Isolation)
	root := e.create(t, core.NewTenant{Slug: "root"})
	require.Equal(t, core.SharedIsolation, root.Isolation)
	require.Equal(t, "home", root.Placement)
	_, err := e.st.Tenants.Create(ctx, core.NewTenant{Name: "n", Slug: "n", Isolation: "table"})
	requireInvalid(t, "Isolation", err)
	for i, tenant := range []core.Tenant{own, child, shared, home, root} {
		note(t, e.st, tenant.ID, strconv.Itoa(i))
	}
	for i, tenant := range []core.Tenant{own, child, shared, home, root} {
		requireNotes(t, e.st, tenant.ID, strconv.Itoa(i))
	}
}

// TestBatchOfMixedIsolations has parents in it whose places are made before those of their children.
func TestBatchOfMixedIsolations(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	e.register(t, "eu1")
	root := uuid.New()
	batch := []core.NewTenant{
		{Slug: "root", ID: root, Isolation: core.DatabaseIsolation},
		{Slug: "beside"},
		{Slug: "shared", Parent: root, Isolation: core.SharedIsolation},
		{Slug: "inherits", Parent: root},
		{Slug: "deeper", ParentSlug: "shared", Isolation: core.SchemaIsolation, Placement: "eu1"},
		{Slug: "deepest", ParentSlug: "deeper"},
		{Slug: "back", ParentSlug: "deepest", Isolation: core.SharedIsolation, Placement: "home"},
	}
	for i := range batch {
		batch[i].Name = batch[i].Slug
	}
	created, err := e.st.Tenants.CreateBatch(t.Context(), batch)
	require.NoError(t, err)
	var got []string
	for _, tenant := range created {
		require.Equal(t, core.StatusActive, tenant.Status, tenant.Slug)
		got = append(got, fmt.Sprintf("%s %s %s", tenant.Slug, tenant.Isolation, tenant.Placement))
		note(t, e.st, tenant.ID, tenant.Slug)
	}
	require.Equal(t, []string{
		"root database home", "beside shared home", "shared shared home", "inherits database home",
		"deeper schema eu1", "deepest schema eu1", "back shared home",
	}, got)
	for _, tenant := range created {
		requireNotes(t, e.st, tenant.ID, tenant.Slug)
	}
}

// TestProvisionError says what to do: a tenant with no model yet cannot have a place of its own.
func TestProvisionError(t *testing.T) {
	t.Parallel()
	e := emptyEstate(t)
	ctx := t.Context()
	for _, isolation := range []core.Isolation{core.SchemaIsolation, core.DatabaseIsolation} {
		n := core.NewTenant{Name: "n", Slug: string(isolation), Isolation: isolation}
		tenant, err := e.st.Tenants.Create(ctx, n)
		require.Error(t, err)
		var failed *core.ProvisionError
		require.ErrorAs(t, err, &failed)
		found, err := e.st.Tenants.BySlug(ctx, n.Slug)
		require.NoError(t, err)
		require.Equal(t, found.ID, failed.Tenant)
		require.Equal(t, found.ID, tenant.ID)
		require.Equal(t, core.StatusProvisioning, found.Status)
		_, err = notes(ctx, e.st.DB(), found.ID)
		require.ErrorIs(t, err, core.ErrTenantNotActive)
		require.ErrorIs(t, e.st.Tenants.Suspend(ctx, found.ID), core.ErrTenantState)
		_, err = e.st.Tenants.Create(ctx, core.NewTenant{Name: "n", Slug: "x" + n.Slug, Parent: found.ID})
		requireState(t, core.StatusProvisioning, err)

		// Another one of this slug is another one.
		for _, other := range []core.NewTenant{
			{Name: "m", Slug: n.Slug, Isolation: isolation},
			{Name: "n", Slug: n.Slug, Isolation: core.SharedIsolation},
			{Name: "n", Slug: n.Slug, ExternalID: "x"},
			{Name: "n", Slug: n.Slug, ID: uuid.New()},
		} {
			require.ErrorIs(t, second(e.st.Tenants.Create(ctx, other)), core.ErrTenantExists)
		}
		other := e.create(t, core.NewTenant{Slug: "parent-" + n.Slug, Isolation: core.SharedIsolation})
		require.ErrorIs(t, second(e.st.Tenants.Create(ctx, core.NewTenant{
			Name: "n", Slug: n.Slug, Parent: other.ID,
		})), core.ErrTenantExists)
		require.ErrorIs(t, second(e.st.Tenants.Create(ctx, core.NewTenant{
			Name: "n", Slug: n.Slug, ParentSlug: other.Slug,
		})), core.ErrTenantExists)
	}
	report, err := e.st.Tenants.Reconcile(ctx, core.ReconcileOptions{})
	require.Error(t, err)
	require.Len(t, report.Failed, 2)
	report, err = e.st.Tenants.Reconcile(ctx, core.ReconcileOptions{OlderThan: time.Hour})
	require.NoError(t, err)
	require.Empty(t, report.Failed, "somebody may be at it")

	migrateEstate(t, e.OwnerDSN, estateDDL, estateTables())
	again, err := e.st.Tenants.Create(ctx, core.NewTenant{Name: "n", Slug: "database", Isolation: core.DatabaseIsolation})
	require.NoError(t, err)
	require.Equal(t, core.StatusActive, again.Status)
	note(t, e.st, again.ID, "x")
	report, err = e.st.Tenants.Reconcile(ctx, core.ReconcileOptions{})
	require.NoError(t, err)
	require.Len(t, report.Finished, 1)
	note(t, e.st, report.Finished[0], "x")
}

// requireUnreachable looks that a tenant that is not active has no way to its place.
func (e estate) requireUnreachable(t *testing.T, st *core.Stratum, tenant core.Tenant) {
	t.Helper()
	if tenant.Status == core.StatusProvisioning {
		_, err := notes(t.Context(), st.DB(), tenant.ID)
		require.ErrorIs(t, err, core.ErrTenantNotActive)
	}
}

// left are the tenants that an interruption has left provisioning.
func (e estate) left(t *testing.T) []core.Tenant {
	t.Helper()
	page, err := e.st.Tenants.List(t.Context(), core.ListOptions{Statuses: []core.Status{core.StatusProvisioning}})
	require.NoError(t, err)
	return page.Tenants
}

// settle finishes what is left, in one way or the other, and looks that nothing else is left behind.
func (e estate) settle(t *testing.T, round int) {
	t.Helper()
	ctx := t.Context()
	for _, tenant := range e.left(t) {
		e.requireUnreachable(t, e.st, tenant)
		switch round % 3 {
		case 0:
			made := e.create(t, core.NewTenant{Slug: tenant.Slug, Isolation: tenant.Isolation, Placement: tenant.Placement})
			require.Equal(t, tenant.ID, made.ID)
		case 1:
			report, err := e.st.Tenants.Reconcile(ctx, core.ReconcileOptions{Tenants: []uuid.UUID{tenant.ID}})
			require.NoError(t, err)
			require.Equal(t, []uuid.UUID{tenant.ID}, report.Finished)
		case 2:
			report, err := e.st.Tenants.Reconcile(ctx, core.ReconcileOptions{Remove: true, Tenants: []uuid.UUID{tenant.ID}})
			require.NoError(t, err)
			require.Equal(t, []uuid.UUID{tenant.ID}, report.Removed)
			require.ErrorIs(t, second(e.st.Tenants.Get(ctx, tenant.ID)), core.ErrTenantNotFound)
		}
	}
	require.Empty(t, e.left(t))
	require.Empty(t, e.rubble(t))
}

// requireAllWork writes and reads as each of the tenants.
func (e estate) requireAllWork(t *testing.T) {
	t.Helper()
	page, err := e.st.Tenants.List(t.Context(), core.ListOptions{Limit: 1000})
	require.NoError(t, err)
	for _, tenant := range page.Tenants {
		require.Equal(t, core.StatusActive, tenant.Status)
		note(t, e.st, tenant.ID, tenant.Slug)
	}
	for _, tenant := range page.Tenants {
		requireNotes(t, e.st, tenant.ID, tenant.Slug)
	}
	templates := ask[[]bool](t, e.AdminDSN, `SELECT array_agg(datistemplate AND NOT datallowconn) FROM pg_database
		WHERE datname LIKE '%\_tpl\_%' AND datdba = (SELECT datdba FROM pg_database WHERE datname = current_database())`)
	require.Equal(t, []bool{true}, templates, "one template, and it is finished")
}

// TestProvisioningIsCancelled at many moments.
func TestProvisioningIsCancelled(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	cancelled := 0
	for round := range 16 {
		for _, isolation := range []core.Isolation{core.SchemaIsolation, core.DatabaseIsolation} {
			ctx, cancel := context.WithTimeout(t.Context(), rand.N(time.Duration(1+round)*40*time.Millisecond))
			slug := slugOf(isolation, round)
			_, err := e.st.Tenants.Create(ctx, core.NewTenant{Name: slug, Slug: slug, Isolation: isolation})
			cancel()
			if err != nil {
				require.ErrorIs(t, err, context.DeadlineExceeded)
				cancelled++
			}
		}
		e.settle(t, round)
	}
	require.Greater(t, cancelled, 3)
	e.requireAllWork(t)
}

// TestOwnersConnectionsEnd while places are made.
func TestOwnersConnectionsEnd(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	admin, err := pgx.Connect(t.Context(), e.AdminDSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, admin.Close(t.Context())) }()
	broken := 0
	for round := range 12 {
		slug := slugOf("t", round)
		n := core.NewTenant{Name: slug, Slug: slug, Isolation: isolations()[1+round%2]}
		done := make(chan error, 1)
		go func() { done <- second(e.st.Tenants.Create(t.Context(), n)) }()
		for ended := false; !ended; {
			select {
			case err := <-done:
				if err != nil {
					broken++
				}
				ended = true
				// What was idle is noticed when it is used.
				require.Eventually(t, func() bool {
					_, err := e.st.Placements.Prepare(t.Context(), core.Spares{Isolation: core.SchemaIsolation, Count: round + 1})
					return err == nil
				}, time.Minute, 20*time.Millisecond)
			default:
				_, err := admin.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
					WHERE usename = $1 AND random() < 0.05`, e.Name+"_owner")
				require.NoError(t, err)
			}
		}
		e.settle(t, round)
	}
	require.Positive(t, broken)
	e.requireAllWork(t)
}

// TestSeveralProgramsProvision the same tenants at once, and take some of them back.
func TestSeveralProgramsProvision(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	ctx := t.Context()
	programs := []*core.Stratum{e.st, e.open(t), e.open(t)}
	var work sync.WaitGroup
	for _, st := range programs {
		for n := range 6 {
			slug := slugOf("t", n)
			work.Go(func() {
				_, err := st.Tenants.Create(ctx, core.NewTenant{Name: slug, Slug: slug, Isolation: isolations()[1+n%2]})
				if err != nil && !errors.Is(err, core.ErrTenantExists) {
					var failed *core.ProvisionError
					if !errors.As(err, &failed) || !errors.Is(err, core.ErrTenantNotFound) {
						t.Errorf("%s: %v", slug, err)
					}
				}
			})
		}
		work.Go(func() {
			for i := range 6 {
				// Taken back while somebody else is at it: one of them is first, and the other finds that out.
				if _, err := st.Tenants.Reconcile(ctx, core.ReconcileOptions{Remove: i%2 == 0}); err != nil {
					t.Errorf("reconcile: %v", err)
				}
			}
		})
	}
	work.Wait()
	_, err := e.st.Tenants.Reconcile(ctx, core.ReconcileOptions{})
	require.NoError(t, err)
	require.Empty(t, e.rubble(t))
	page, err := e.st.Tenants.List(ctx, core.ListOptions{})
	require.NoError(t, err)
	for _, tenant := range page.Tenants {
		require.Equal(t, core.StatusActive, tenant.Status)
		note(t, programs[1], tenant.ID, tenant.Slug)
		requireNotes(t, programs[2], tenant.ID, tenant.Slug)
	}
}

// TestReconcileRemovesFamilies of tenants that have never been active, those beneath first.
func TestReconcileRemovesFamilies(t *testing.T) {
	t.Parallel()
	e := emptyEstate(t)
	root := uuid.New()
	_, err := e.st.Tenants.CreateBatch(t.Context(), []core.NewTenant{
		{ID: root, Name: "root", Slug: "root", Isolation: core.SchemaIsolation},
		{Name: "child", Slug: "child", Parent: root, Isolation: core.SharedIsolation},
		{Name: "deeper", Slug: "deeper", ParentSlug: "child", Isolation: core.DatabaseIsolation},
	})
	var failed *core.BatchError
	require.ErrorAs(t, err, &failed)
	require.Len(t, e.left(t), 3)
	_, err = e.st.Tenants.Reconcile(t.Context(), core.ReconcileOptions{Remove: true, Tenants: []uuid.UUID{root}})
	require.ErrorIs(t, err, core.ErrHasChildren)
	report, err := e.st.Tenants.Reconcile(t.Context(), core.ReconcileOptions{Remove: true})
	require.NoError(t, err)
	require.Len(t, report.Removed, 3)
	require.Empty(t, e.left(t))
}

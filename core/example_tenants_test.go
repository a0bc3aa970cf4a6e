package core_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/core"
)

// openExample returns a handle on a throw-away database. An application gives core.Open its own DSN and calls Migrate
// once, at start.
func openExample(ctx context.Context, keys ...core.ConfigKey) (st *core.Stratum, cleanUp func()) {
	server, err := exampleServer()
	if err != nil {
		log.Fatal(err)
	}
	db, err := server.CreateDatabase(ctx, "")
	if err != nil {
		log.Fatal(err)
	}
	st, err = core.Open(ctx, core.Options{
		DSN: db.DSN, OwnerDSN: db.OwnerDSN, SystemDSN: db.SystemDSN, RolePrefix: db.Name + "_role",
		Logger: slog.New(slog.DiscardHandler), ConfigKeys: keys,
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := st.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	return st, func() { _ = st.Close() }
}

// A service provider with a customer, and the customer's place in an identity provider.
func ExampleTenants_Create() {
	ctx := context.Background()
	st, cleanUp := openExample(ctx)
	defer cleanUp()

	msp, err := st.Tenants.Create(ctx, core.NewTenant{Name: "Managed Services", Slug: "msp"})
	if err != nil {
		fmt.Println(err)
		return
	}
	acme, err := st.Tenants.Create(ctx, core.NewTenant{
		Name: "Acme", Slug: "acme", Parent: msp.ID, ExternalID: "org_01H", Metadata: map[string]any{"plan": "pro"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(acme.Name, "is", acme.Status, "on level", acme.Depth())

	_, err = st.Tenants.Create(ctx, core.NewTenant{Name: "Another Acme", Slug: "acme"})
	fmt.Println(errors.Is(err, core.ErrTenantExists), err)
	// Output:
	// Acme is active on level 2
	// true create tenant: stratum: another tenant has this Slug (choose another one)
}

// The rows of a file: a parent comes before its children and is named by its slug.
func ExampleTenants_CreateBatch() {
	ctx := context.Background()
	st, cleanUp := openExample(ctx)
	defer cleanUp()

	_, err := st.Tenants.CreateBatch(ctx, []core.NewTenant{
		{Name: "Europe", Slug: "europe"},
		{Name: "Germany", Slug: "germany", ParentSlug: "europe"},
		{Name: "Berlin", Slug: "berlin", ParentSlug: "germny"},
	})
	var refused *core.BatchError
	if errors.As(err, &refused) {
		fmt.Println("row", refused.Index, "with slug", refused.Slug, "has no parent:",
			errors.Is(err, core.ErrTenantNotFound))
	}
	page, err := st.Tenants.List(ctx, core.ListOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("tenants created:", len(page.Tenants))
	// Output:
	// row 2 with slug berlin has no parent: true
	// tenants created: 0
}

// A customer changes hands, with everything beneath.
func ExampleTenants_Move() {
	ctx := context.Background()
	st, cleanUp := openExample(ctx)
	defer cleanUp()

	created, err := st.Tenants.CreateBatch(ctx, []core.NewTenant{
		{Name: "North", Slug: "north"},
		{Name: "South", Slug: "south"},
		{Name: "Acme", Slug: "acme", ParentSlug: "north"},
		{Name: "Acme Shop", Slug: "acme-shop", ParentSlug: "acme"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	south, acme, shop := created[1], created[2], created[3]
	if _, err := st.Tenants.Move(ctx, acme.ID, south.ID); err != nil {
		fmt.Println(err)
		return
	}
	ancestors, err := st.Tenants.Ancestors(ctx, shop.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, tenant := range ancestors {
		fmt.Println(tenant.Slug)
	}
	_, err = st.Tenants.Move(ctx, acme.ID, shop.ID)
	fmt.Println("beneath itself:", errors.Is(err, core.ErrCycle))
	// Output:
	// south
	// acme
	// beneath itself: true
}

// No tenant works beneath one that does not.
func ExampleTenants_SuspendSubtree() {
	ctx := context.Background()
	st, cleanUp := openExample(ctx)
	defer cleanUp()

	created, err := st.Tenants.CreateBatch(ctx, []core.NewTenant{
		{Name: "Acme", Slug: "acme"},
		{Name: "Acme Shop", Slug: "acme-shop", ParentSlug: "acme"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	acme, shop := created[0].ID, created[1].ID
	fmt.Println("alone:", errors.Is(st.Tenants.Suspend(ctx, acme), core.ErrHasChildren))
	n, err := st.Tenants.SuspendSubtree(ctx, acme)
	fmt.Println("together:", n, err)
	fmt.Println(st.Tenants.Resume(ctx, shop))
	// Output:
	// alone: true
	// together: 2 <nil>
	// resume tenant: stratum: cannot resume a tenant beneath one that is suspended (resume it first with Tenants.Resume)
}

// What a tenant's own administrator can see: the tenant and what is beneath it.
func ExampleTenants_List() {
	ctx := context.Background()
	st, cleanUp := openExample(ctx)
	defer cleanUp()

	created, err := st.Tenants.CreateBatch(ctx, []core.NewTenant{
		{Name: "Managed Services", Slug: "msp"},
		{Name: "Acme", Slug: "acme", ParentSlug: "msp"},
		{Name: "Acme Shop", Slug: "acme-shop", ParentSlug: "acme"},
		{Name: "Globex", Slug: "globex", ParentSlug: "msp"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	asAcme := core.WithTenant(ctx, created[1].ID)
	opts := core.ListOptions{Limit: 1}
	for {
		page, err := st.Tenants.List(asAcme, opts)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, tenant := range page.Tenants {
			fmt.Println(tenant.Slug)
		}
		if page.Next == "" {
			break
		}
		opts.After = page.Next
	}
	_, err = st.Tenants.BySlug(asAcme, "globex")
	fmt.Println("globex exists:", !errors.Is(err, core.ErrTenantNotFound))
	_, err = st.Tenants.Move(asAcme, created[2].ID, uuid.Nil)
	fmt.Println("may make roots:", !errors.Is(err, core.ErrForbidden))
	// Output:
	// acme
	// acme-shop
	// globex exists: false
	// may make roots: false
}

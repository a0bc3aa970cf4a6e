package desk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/examples/internal/dataset"
)

// load writes the dataset. What an earlier run has written is left as it is, so that a load that was interrupted can be
// run again.
func (d *desk) load(ctx context.Context, data *dataset.Dataset) error {
	started := time.Now()
	ctx = core.WithActor(ctx, core.Actor{ID: "csv-import", Kind: "job"})
	if err := d.app.LoadCountries(ctx, data.Countries); err != nil {
		return fmt.Errorf("load countries: %w", err)
	}
	tenants, err := d.loadTenants(ctx, data)
	if err != nil {
		return err
	}
	made := since(started)
	started = time.Now()
	var total dataset.Counts
	for _, planned := range data.Tenants {
		rows := data.Rows[planned.Slug]
		written, err := d.app.LoadRows(core.WithTenant(ctx, tenants[planned.Slug].ID), rows)
		if err != nil {
			return fmt.Errorf("load rows of tenant %q: %w", planned.Slug, err)
		}
		if written {
			total.Add(rows.Count())
		}
	}
	d.printf("%s, in %s\n", places(tenants), made)
	d.printf("loaded %d tenants, %d countries, %d tickets, %d comments and %d tags in %s\n\n", len(data.Tenants),
		len(data.Countries), total.Tickets, total.Comments, total.Tags, since(started))
	return nil
}

// places says how the tenants are kept apart.
func places(tenants map[string]core.Tenant) string {
	n := map[core.Isolation]int{}
	for _, tenant := range tenants {
		n[tenant.Isolation]++
	}
	return fmt.Sprintf("%d tenants in shared tables, %d with a schema of their own, %d with a database",
		n[core.SharedIsolation], n[core.SchemaIsolation], n[core.DatabaseIsolation])
}

// Load writes a dataset into an open application, without a word.
func Load(ctx context.Context, app App, data *dataset.Dataset) error {
	return (&desk{out: io.Discard, app: app}).load(ctx, data)
}

// loadTenants adds the tenants that are not there yet, all or none, and returns all by slug.
func (d *desk) loadTenants(ctx context.Context, data *dataset.Dataset) (map[string]core.Tenant, error) {
	tenants, err := d.tenantsBySlug(ctx)
	if err != nil {
		return nil, err
	}
	var missing []core.NewTenant
	var places []int
	for i, tenant := range data.Tenants {
		if _, ok := tenants[tenant.Slug]; !ok {
			missing = append(missing, tenant)
			places = append(places, i)
		}
	}
	created, err := d.app.Stratum().Tenants.CreateBatch(ctx, missing)
	var refused *core.BatchError
	if errors.As(err, &refused) {
		return nil, data.Refuse(places[refused.Index], refused.Err)
	}
	for _, tenant := range created {
		tenants[tenant.Slug] = tenant
	}
	return tenants, err
}

// tenantsBySlug reads the registry, page by page.
func (d *desk) tenantsBySlug(ctx context.Context) (map[string]core.Tenant, error) {
	tenants := map[string]core.Tenant{}
	for after := ""; ; {
		page, err := d.app.Stratum().Tenants.List(ctx, core.ListOptions{After: after, Limit: 1000})
		if err != nil {
			return nil, err
		}
		for _, tenant := range page.Tenants {
			tenants[tenant.Slug] = tenant
		}
		if after = page.Next; after == "" {
			return tenants, nil
		}
	}
}

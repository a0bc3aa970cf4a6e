package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/core"
)

// batchSize is how many tickets one INSERT adds.
const batchSize = 500

// load writes the dataset. What an earlier run has written is left as it is, so that a load that was interrupted can be
// run again.
func (d *desk) load(ctx context.Context, data *dataset) error {
	started := time.Now()
	ctx = core.WithActor(ctx, core.Actor{ID: "csv-import", Kind: "job"})
	if err := d.loadCountries(ctx, data.countries); err != nil {
		return fmt.Errorf("load countries: %w", err)
	}
	tenants, err := d.loadTenants(ctx, data)
	if err != nil {
		return err
	}
	var total loaded
	for _, planned := range data.tenants {
		n, err := d.loadRows(core.WithTenant(ctx, tenants[planned.Slug].ID), data.rows[planned.Slug])
		if err != nil {
			return fmt.Errorf("load rows of tenant %q: %w", planned.Slug, err)
		}
		total.add(n)
	}
	d.printf("loaded %d tenants, %d countries, %d tickets, %d comments and %d tags in %s\n\n", len(data.tenants),
		len(data.countries), total.tickets, total.comments, total.tags, since(started))
	return nil
}

// loadCountries writes a global table, which only the system may do.
func (d *desk) loadCountries(ctx context.Context, countries []Country) error {
	if len(countries) == 0 {
		return nil
	}
	ctx = core.AsSystem(ctx, "load countries")
	return d.db.WithContext(ctx).Clauses(clause.OnConflict{DoNothing: true}).CreateInBatches(countries, batchSize).Error
}

// loadTenants adds the tenants that are not there yet, all or none, and returns all by slug.
func (d *desk) loadTenants(ctx context.Context, data *dataset) (map[string]core.Tenant, error) {
	tenants, err := d.tenantsBySlug(ctx)
	if err != nil {
		return nil, err
	}
	var missing []core.NewTenant
	var places []position
	for i, tenant := range data.tenants {
		if _, ok := tenants[tenant.Slug]; !ok {
			missing = append(missing, tenant)
			places = append(places, data.places[i])
		}
	}
	created, err := d.st.Tenants.CreateBatch(ctx, missing)
	var refused *core.BatchError
	if errors.As(err, &refused) {
		return nil, places[refused.Index].errorf("%v", refused.Err)
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
		page, err := d.st.Tenants.List(ctx, core.ListOptions{After: after, Limit: 1000})
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

// loaded counts rows.
type loaded struct{ tickets, comments, tags int }

func (l *loaded) add(n loaded) {
	l.tickets += n.tickets
	l.comments += n.comments
	l.tags += n.tags
}

// loadRows writes the rows of the tenant of ctx in one transaction, unless it has some. Nothing here says whose they
// are: the context does.
func (d *desk) loadRows(ctx context.Context, rows *tenantsRows) (n loaded, err error) {
	err = d.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		var there int
		err := tx.Raw("SELECT (SELECT count(*) FROM tickets) + (SELECT count(*) FROM tags)").Scan(&there).Error
		if err != nil || there > 0 {
			return err
		}
		n = rows.count()
		if len(rows.tags) > 0 {
			if err := tx.CreateInBatches(rows.tags, batchSize).Error; err != nil {
				return err
			}
		}
		if len(rows.tickets) == 0 {
			return nil
		}
		// With their comments and the links to their tags; the tags themselves are there already.
		return tx.Omit("Tags.*").CreateInBatches(rows.tickets, batchSize).Error
	})
	return n, err
}

func (r *tenantsRows) count() loaded {
	n := loaded{tickets: len(r.tickets), tags: len(r.tags)}
	for _, ticket := range r.tickets {
		n.comments += len(ticket.Comments)
	}
	return n
}

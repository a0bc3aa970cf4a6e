package desk

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/core"
)

// report prints each tenant's own tickets, and what the partners see of all their customers.
func (d *desk) report(ctx context.Context) error {
	tree, err := d.tree(ctx, uuid.Nil)
	if err != nil {
		return err
	}
	own := func(ctx context.Context, tenant core.Tenant) (Summary, string, error) {
		s, err := d.app.Summarise(core.WithTenant(ctx, tenant.ID))
		return s, keptIn(tenant), err
	}
	d.printf("Tickets of each tenant\n\n")
	if err := d.table(ctx, tree, "KEPT IN", own); err != nil {
		return err
	}
	var partners []core.Tenant
	for _, tenant := range tree {
		if tenant.Depth() <= 2 {
			partners = append(partners, tenant)
		}
	}
	beneath := func(ctx context.Context, tenant core.Tenant) (Summary, string, error) {
		s, way, err := SummariseSubtree(ctx, d.app, tenant.ID)
		return s, string(way), err
	}
	d.printf("\nTickets of the provider and its partners, with everything beneath them\n\n")
	return d.table(ctx, partners, "COUNTED", beneath)
}

// keptIn says where the rows of a tenant are.
func keptIn(tenant core.Tenant) string {
	switch tenant.Isolation {
	case core.SchemaIsolation:
		return "schema t_" + tenant.Label.String()
	case core.DatabaseIsolation:
		return "a database"
	case core.SharedIsolation:
	}
	return "shared tables"
}

// summarise is a line of a table, and what is in its last column.
type summarise func(ctx context.Context, tenant core.Tenant) (Summary, string, error)

// table prints the summaries of tenants.
func (d *desk) table(ctx context.Context, tenants []core.Tenant, column string, of summarise) error {
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "TENANT\t OPEN\tCLOSED\tCOMMENTS\tTOP TAG\tMOSTLY IN\t"+column)
	for _, tenant := range tenants {
		if tenant.Status != core.StatusActive {
			continue // it does not reach its own data
		}
		s, last, err := of(ctx, tenant)
		if err != nil {
			return fmt.Errorf("report on tenant %q: %w", tenant.Slug, err)
		}
		line := s.line()
		_, _ = fmt.Fprintf(w, "%s%s\t%5d\t%6d\t%8d\t%s\t%s\t%s\n", strings.Repeat("  ", tenant.Depth()-1), tenant.Name,
			line.Open, line.Closed, line.Comments, line.TopTag, line.Country, last) // w keeps an error until Flush
	}
	return w.Flush()
}

// tree returns the tenants beneath parent, each in front of its own descendants; uuid.Nil asks for all.
func (d *desk) tree(ctx context.Context, parent uuid.UUID) ([]core.Tenant, error) {
	children, err := d.app.Stratum().Tenants.Children(ctx, parent)
	if err != nil {
		return nil, err
	}
	var tree []core.Tenant
	for _, child := range children {
		beneath, err := d.tree(ctx, child.ID)
		if err != nil {
			return nil, err
		}
		tree = append(append(tree, child), beneath...)
	}
	return tree, nil
}

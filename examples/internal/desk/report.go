package desk

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/core"
)

// Summary is the report's line for a tenant, or for a tenant and everything beneath it.
type Summary struct {
	Open     int64  `json:"open"`
	Closed   int64  `json:"closed"`
	Comments int64  `json:"comments"`
	TopTag   string `json:"top_tag"`
	Country  string `json:"country"`
}

// report prints each tenant's own tickets, and what the partners see of all their customers.
func (d *desk) report(ctx context.Context) error {
	tree, err := d.tree(ctx, uuid.Nil)
	if err != nil {
		return err
	}
	d.printf("Tickets of each tenant\n\n")
	if err := d.table(ctx, tree, core.WithTenant); err != nil {
		return err
	}
	var partners []core.Tenant
	for _, tenant := range tree {
		if tenant.Depth() <= 2 {
			partners = append(partners, tenant)
		}
	}
	d.printf("\nTickets of the provider and its partners, with everything beneath them\n\n")
	return d.table(ctx, partners, core.WithSubtree)
}

// scope is core.WithTenant or core.WithSubtree.
type scope func(ctx context.Context, tenant uuid.UUID) context.Context

// table prints the summaries of tenants, each in a scope of its own.
func (d *desk) table(ctx context.Context, tenants []core.Tenant, with scope) error {
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "TENANT\t OPEN\tCLOSED\tCOMMENTS\tTOP TAG\tMOSTLY IN")
	for _, tenant := range tenants {
		if tenant.Status != core.StatusActive {
			continue // it does not reach its own data
		}
		s, err := d.app.Summarise(with(ctx, tenant.ID))
		if err != nil {
			return fmt.Errorf("report on tenant %q: %w", tenant.Slug, err)
		}
		s.print(w, tenant)
	}
	return w.Flush()
}

// print writes a line of the table. Its error is kept by w until Flush.
func (s Summary) print(w io.Writer, tenant core.Tenant) {
	_, _ = fmt.Fprintf(w, "%s%s\t%5d\t%6d\t%8d\t%s\t%s\n", strings.Repeat("  ", tenant.Depth()-1), tenant.Name,
		s.Open, s.Closed, s.Comments, s.TopTag, s.Country)
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

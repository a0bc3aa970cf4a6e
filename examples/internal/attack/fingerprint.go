package attack

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/core"
)

// places are where rows are: the databases, each by a tenant that lives there, and the schemas in it.
type places struct {
	schemas   []string    // of the registry's database: that of the shared tables, and tenants' own
	databases []uuid.UUID // a tenant of each other database
}

func placesOf(tree []core.Tenant) places {
	found := places{schemas: []string{"public"}}
	for _, tenant := range tree {
		switch tenant.Isolation {
		case core.SchemaIsolation:
			found.schemas = append(found.schemas, "t_"+tenant.Label.String())
		case core.DatabaseIsolation:
			found.databases = append(found.databases, tenant.ID)
		case core.SharedIsolation:
		}
	}
	return found
}

// hashesOf are a query's columns that add up a hash of every row of tables in schemas.
func hashesOf(schemas []string, tables ...string) string {
	columns := make([]string, 0, len(schemas)*len(tables))
	for _, schema := range schemas {
		for _, table := range tables {
			columns = append(columns, "(SELECT sum(hash_record_extended(r, 0)) FROM "+schema+"."+table+" r)")
		}
	}
	return strings.Join(columns, ", ")
}

// tenantsHash is the same for the registry, without what every statement of Tenants changes.
const tenantsHash = `(SELECT sum(hashtextextended(concat_ws(' ', id, path, slug, status, isolation, placement), 0))
	FROM stratum.tenants)`

// changed reports whether any row of any tenant differs from the last time it was called, wherever it is. It looks as
// the system, from another connection with another login. Attempts that rightly change rows of their own take that back.
func (s *Scene) changed(ctx context.Context) (bool, error) {
	const reason = "compare the tables after an attempt"
	owned := []string{"tickets", "comments", "tags", "ticket_tags"}
	ctx = context.WithoutCancel(ctx)
	var now strings.Builder
	look := func(ctx context.Context, columns ...string) error {
		var sum string
		query := "SELECT concat_ws(' ', " + strings.Join(columns, ", ") + ")"
		err := s.st.DB().QueryRowContext(ctx, query).Scan(&sum)
		now.WriteString(sum + "\n")
		return err
	}
	global := hashesOf([]string{"public"}, "countries")
	err := look(core.AsSystem(ctx, reason), tenantsHash, global, hashesOf(s.places.schemas, owned...))
	for _, tenant := range s.places.databases {
		at := core.AsSystemAt(ctx, reason, tenant)
		err = errors.Join(err, look(at, global, hashesOf([]string{"public"}, owned...)))
	}
	changed := now.String() != s.before
	s.before = now.String()
	return changed, err
}

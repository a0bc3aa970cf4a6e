package attack

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/core"
)

// Apart are tenants whose rows are not in the shared tables.
type Apart struct {
	Schema    Party // has a schema of its own
	Neighbour Party // has another one
	Database  Party // has a database of its own
	Split     Party // sees tenants beneath it that are elsewhere

	database string // the name of Database's
	registry string // the name of the database that the shared tables are in
}

// There reports whether there are such tenants.
func (a Apart) There() bool { return a.database != "" }

// shared are the parties whose rows are in the shared tables, beneath nobody whose are not.
func shared(parties []Party) []Party {
	return slices.DeleteFunc(slices.Clone(parties), func(p Party) bool {
		return p.Tenant.Isolation != core.SharedIsolation
	})
}

// castApart finds them among parties. Those without children can be suspended by themselves.
func (s *Scene) castApart(ctx context.Context, parties []Party, leaf map[uuid.UUID]bool) (a Apart, err error) {
	for _, p := range parties {
		switch isolation := p.Tenant.Isolation; {
		case isolation == core.SchemaIsolation && leaf[p.Tenant.ID]:
			a.Schema = p
		case isolation == core.SchemaIsolation:
			a.Neighbour = p
		case isolation == core.DatabaseIsolation && leaf[p.Tenant.ID]:
			a.Database = p
		}
	}
	for _, p := range []Party{a.Schema, a.Neighbour, a.Database} {
		if p.Tenant.ID == uuid.Nil {
			return Apart{}, nil
		}
	}
	a.Split = a.Neighbour // whose schema those beneath it do not share
	const query = `SELECT current_database()`
	ctx = core.AsSystemAt(ctx, "the names of databases, for the attempts", a.Database.Tenant.ID)
	if err := s.st.DB().QueryRowContext(ctx, query).Scan(&a.database); err != nil {
		return Apart{}, err
	}
	ctx = core.AsSystem(ctx, "the names of databases, for the attempts")
	return a, s.st.DB().QueryRowContext(ctx, query).Scan(&a.registry)
}

// By is the scene with other roles: me attempts to reach the rows of other.
func (s *Scene) By(me, other Party) *Scene {
	with := *s
	with.Me, with.Other = me, other
	return &with
}

// schemaOf is the schema that a tenant has of its own. Its name comes from the label, which never changes.
func schemaOf(p Party) string { return "t_" + p.Tenant.Label.String() }

// IntoSchemas name another tenant's schema or database, from the shared tables.
func (s *Scene) IntoSchemas() []Attempt {
	const crossDatabase = "0A000"
	theirs := schemaOf(s.Apart.Schema)
	return []Attempt{
		{"a schema by its name", Refused(core.ErrPermission), s.exec("SELECT * FROM " + theirs + ".tickets")},
		{"a join with a schema's tickets", Refused(core.ErrPermission), s.exec(
			"SELECT c.code FROM countries c JOIN " + theirs + ".tickets t ON t.country_code = c.code",
		)},
		{"INSERT into a schema", Refused(core.ErrPermission), s.exec(
			"INSERT INTO " + theirs + ".tags (name) VALUES ('x')",
		)},
		{"DROP SCHEMA", Refused(core.ErrPermission), s.exec("DROP SCHEMA " + theirs + " CASCADE")},
		{"SET search_path", Refused(core.ErrCommand), s.exec("SET search_path = " + theirs)},
		{"set_config of search_path", Refused(core.ErrCommand), s.exec(
			"SELECT tenant_id FROM tickets, set_config('search_path', '" + theirs + "', true)",
		)},
		{"a database by its name", RefusedWith(crossDatabase), s.exec(
			"SELECT * FROM " + s.Apart.database + ".public.tickets",
		)},
		{"ALTER DATABASE", Refused(core.ErrPermission), s.exec(
			"ALTER DATABASE " + s.Apart.database + " SET row_security = off",
		)},
		{"a row for a tenant with a schema", Refused(core.ErrCrossTenant), s.insertFor(s.Apart.Schema)},
		{"a row for a tenant with a database", Refused(core.ErrCrossTenant), s.insertFor(s.Apart.Database)},
	}
}

// OutOfSchema name the shared tables and other schemas, from a schema.
func (s *Scene) OutOfSchema() []Attempt {
	theirs := schemaOf(s.Apart.Neighbour)
	own := "('" + s.Apart.Schema.Tenant.ID.String() + "', 'left here')"
	return []Attempt{
		{"the shared tables by their name", Refused(core.ErrPermission), s.exec("SELECT * FROM public.tickets")},
		{"INSERT into the shared tables", Refused(core.ErrPermission), s.exec(
			"INSERT INTO public.tags (name) VALUES ('x')",
		)},
		{"DELETE from the shared tables", Refused(core.ErrPermission), s.exec("DELETE FROM public.comments")},
		{"another's schema by its name", Refused(core.ErrCrossTenant), s.exec("SELECT * FROM " + theirs + ".tickets")},
		{"UPDATE in another's schema", Refused(core.ErrCrossTenant), s.exec(
			"UPDATE " + theirs + ".tickets SET subject = 'x'",
		)},
		{"an own row in another's schema", Refused(core.ErrCrossTenant), s.exec(
			"INSERT INTO " + theirs + ".tags (tenant_id, name) VALUES " + own,
		)},
		{"a query in a text, of another's schema", Refused(core.ErrCrossTenant), s.exec(
			"SELECT query_to_xml('SELECT * FROM " + theirs + ".tickets', true, true, '')",
		)},
		{"CREATE TABLE in one's own schema", Refused(core.ErrPermission), s.exec("CREATE TABLE mine (id int)")},
		{"DROP of one's own table", Refused(core.ErrPermission), s.exec("DROP TABLE tickets CASCADE")},
		{"a row for a tenant in the shared tables", Refused(core.ErrCrossTenant), s.insertFor(s.Other)},
	}
}

// OutOfDatabase look, from a database, for what is in the registry's.
func (s *Scene) OutOfDatabase() []Attempt {
	const crossDatabase = "0A000"
	theirs := schemaOf(s.Apart.Schema)
	return []Attempt{
		{"the registry's database by its name", RefusedWith(crossDatabase), s.exec(
			"SELECT * FROM " + s.Apart.registry + ".public.tickets",
		)},
		{"a schema that is elsewhere", Refused(core.ErrTableMissing), s.exec("SELECT * FROM " + theirs + ".tickets")},
		{"the list of tenants", Refused(core.ErrPermission), s.exec("SELECT * FROM stratum.tenants")},
		{"UPDATE of the copy of a global table", Refused(core.ErrPermission), s.exec(
			"UPDATE countries SET name = 'Nowhere'",
		)},
		{"CREATE EXTENSION", Refused(core.ErrPermission), s.exec("CREATE EXTENSION postgres_fdw")},
		{"a row for a tenant that is elsewhere", Refused(core.ErrCrossTenant), s.insertFor(s.Other)},
	}
}

// BetweenPlaces carry something from one place to another.
func (s *Scene) BetweenPlaces() []Attempt {
	mismatch := Refused(core.ErrTenantMismatch)
	return []Attempt{
		{"a schema's tenant on a shared tenant's transaction", mismatch, s.transactionOf(s.Apart.Schema)},
		{"a database's tenant on it", mismatch, s.transactionOf(s.Apart.Database)},
		{"a statement prepared in a schema", OwnRows(), s.preparedBy(s.Apart.Schema)},
		{"a statement prepared in a database", OwnRows(), s.preparedBy(s.Apart.Database)},
		{"a connection that a schema's tenant used", OwnRows(), s.connectionOf(s.Apart.Schema)},
		{"a connection that a database's tenant used", OwnRows(), s.connectionOf(s.Apart.Database)},
	}
}

// PastPlaces look at all tenants, and would pass over those that are elsewhere without a word; or at one that is
// suspended, which its own place has to know.
func (s *Scene) PastPlaces() []Attempt {
	return []Attempt{
		{"a subtree that is in several places", Refused(core.ErrSubtreeElsewhere), s.splitSubtree},
		{"a lookup in tenants' tables", Refused(core.ErrLookupElsewhere), s.lookupTicket},
		{"the system's row for a schema's tenant", Refused(core.ErrElsewhere), s.systemInsertFor(s.Apart.Schema)},
		{"the system's row for a database's tenant", Refused(core.ErrElsewhere), s.systemInsertFor(s.Apart.Database)},
		{"a schema's tenant that is suspended", Refused(core.ErrTenantNotActive), s.suspended(s.Apart.Schema)},
		{"a database's tenant that is suspended", Refused(core.ErrTenantNotActive), s.suspended(s.Apart.Database)},
	}
}

func (s *Scene) insertFor(p Party) func(ctx context.Context) (Reached, error) {
	return func(ctx context.Context) (Reached, error) {
		return s.change(ctx, p, "INSERT INTO tags (tenant_id, name) VALUES ($1, 'forged')", p.Tenant.ID)
	}
}

func (s *Scene) systemInsertFor(p Party) func(ctx context.Context) (Reached, error) {
	return func(ctx context.Context) (Reached, error) {
		return s.insertFor(p)(core.AsSystem(ctx, "a job that does not know where the tenant lives"))
	}
}

func (s *Scene) transactionOf(p Party) func(ctx context.Context) (Reached, error) {
	return func(ctx context.Context) (Reached, error) {
		tx, err := s.st.DB().BeginTx(ctx, nil)
		if err != nil {
			return nil, err
		}
		defer func() { _ = tx.Rollback() }() // nothing of it is to stay
		return Owners(As(ctx, p), tx, allTickets)
	}
}

func (s *Scene) preparedBy(p Party) func(ctx context.Context) (Reached, error) {
	return func(ctx context.Context) (Reached, error) { return s.By(s.Me, p).foreignPrepared(ctx) }
}

func (s *Scene) connectionOf(p Party) func(ctx context.Context) (Reached, error) {
	return func(ctx context.Context) (Reached, error) { return s.By(s.Me, p).usedConnection(ctx) }
}

func (s *Scene) suspended(p Party) func(ctx context.Context) (Reached, error) {
	return func(ctx context.Context) (Reached, error) {
		with := s.By(s.Me, s.Other)
		with.Child = p
		return with.suspendedTenant(ctx)
	}
}

func (s *Scene) splitSubtree(ctx context.Context) (Reached, error) {
	return s.orm.Tickets(core.WithSubtree(ctx, s.Apart.Split.Tenant.ID))
}

// lookupTicket declares what an application would use for a login by email.
func (s *Scene) lookupTicket(ctx context.Context) (Reached, error) {
	lookup, err := core.NewLookup[uuid.UUID](s.st, "ticket by its id", "SELECT tenant_id FROM tickets WHERE id = $1")
	if err != nil {
		return nil, err
	}
	return lookup.All(ctx, s.Other.Ticket)
}

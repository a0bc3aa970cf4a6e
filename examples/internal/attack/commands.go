package attack

import (
	"context"

	"github.com/stratum-hq/stratum-go/core"
)

// Commands leave something behind on the connection, for the next tenant to trip over, or end the transaction that the
// tenant is bound to.
func (s *Scene) Commands() []Attempt {
	const sqlstateInvalidTermination = "2D000"
	const holdCursor = "DECLARE c CURSOR WITH HOLD FOR SELECT * FROM tickets"
	return []Attempt{
		{"COMMIT", Refused(core.ErrCommand), s.exec("COMMIT")},
		{"a second statement behind a semicolon", Refused(core.ErrCommand), s.exec("SELECT 1; DELETE FROM tickets")},
		{"COMMIT inside a DO block", RefusedWith(sqlstateInvalidTermination), s.exec("DO $$ BEGIN COMMIT; END $$")},
		{"TRUNCATE, which no policy covers", Refused(core.ErrPermission), s.exec("TRUNCATE tickets CASCADE")},
		{"COPY ... TO STDOUT", Refused(core.ErrCommand), s.exec("COPY tickets TO STDOUT")},
		{"a temporary table in front", Refused(core.ErrPermission), s.exec("CREATE TEMP TABLE tickets (id uuid)")},
		{"a cursor WITH HOLD", Refused(core.ErrCommand), s.exec(holdCursor)},
		{"PREPARE", Refused(core.ErrCommand), s.exec("PREPARE p AS SELECT * FROM tickets")},
		{"LISTEN", Refused(core.ErrCommand), s.exec("LISTEN tickets")},
		{"a session's advisory lock", Refused(core.ErrCommand), s.exec("SELECT pg_advisory_lock(1)")},
	}
}

// Roles change the settings and rights that the boundary is made of.
func (s *Scene) Roles() []Attempt {
	const (
		disable  = "ALTER TABLE tickets DISABLE ROW LEVEL SECURITY"
		policy   = "CREATE POLICY all_rows ON tickets USING (true)"
		view     = "CREATE VIEW all_tickets AS SELECT * FROM tickets"
		function = "CREATE FUNCTION all_tickets() RETURNS SETOF tickets LANGUAGE sql SECURITY DEFINER " +
			"AS 'SELECT * FROM tickets'"
	)
	return []Attempt{
		{"SET ROLE to the system's", Refused(core.ErrCommand), s.setRole},
		{"RESET ROLE", Refused(core.ErrCommand), s.exec("RESET ROLE")},
		{"set_config of the role", Refused(core.ErrCommand), s.setConfigRole},
		{"set_config of the tenant", Refused(core.ErrCommand), s.setConfigTenant},
		{"stratum.enter as another tenant", Refused(core.ErrPermission), s.enterOther},
		{"SET row_security = off", Refused(core.ErrCommand), s.exec("SET row_security = off")},
		{"ALTER TABLE ... DISABLE ROW LEVEL SECURITY", Refused(core.ErrPermission), s.exec(disable)},
		{"CREATE POLICY", Refused(core.ErrPermission), s.exec(policy)},
		{"CREATE VIEW", Refused(core.ErrPermission), s.exec(view)},
		{"CREATE FUNCTION ... SECURITY DEFINER", Refused(core.ErrPermission), s.exec(function)},
	}
}

func (s *Scene) setRole(ctx context.Context) (Reached, error) {
	return s.exec("SET ROLE " + s.systemRole)(ctx)
}

func (s *Scene) setConfigRole(ctx context.Context) (Reached, error) {
	return s.owners(ctx, "SELECT tenant_id FROM tickets, set_config('role', $1, true)", s.systemRole)
}

func (s *Scene) enterOther(ctx context.Context) (Reached, error) {
	return s.owners(ctx, "SELECT tenant_id FROM tickets, stratum.enter($1)", s.Other.Tenant.ID)
}

func (s *Scene) setConfigTenant(ctx context.Context) (Reached, error) {
	return s.owners(ctx, "SELECT tenant_id FROM tickets, set_config('stratum.tenant', $1, true)",
		s.Other.Tenant.ID.String())
}

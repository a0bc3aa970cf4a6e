package main

import (
	"context"

	"github.com/stratum-hq/stratum-go/core"
)

// exec makes an attempt of one raw statement.
func exec(sql string) func(ctx context.Context, s *scene) (reached, error) {
	return func(ctx context.Context, s *scene) (reached, error) {
		return nil, s.db.WithContext(ctx).Exec(sql).Error
	}
}

// commandAttempts leave something behind on the connection, for the next tenant to trip over, or end the transaction
// that the tenant is bound to.
func commandAttempts() []attempt {
	const sqlstateInvalidTermination = "2D000"
	return []attempt{
		{"COMMIT", refused(core.ErrCommand), exec("COMMIT")},
		{"a second statement behind a semicolon", refused(core.ErrCommand), exec("SELECT 1; DELETE FROM tickets")},
		{"COMMIT inside a DO block", refusedWith(sqlstateInvalidTermination), exec("DO $$ BEGIN COMMIT; END $$")},
		{"TRUNCATE, which no policy covers", refused(core.ErrPermission), exec("TRUNCATE tickets CASCADE")},
		{"COPY ... TO STDOUT", refused(core.ErrCommand), exec("COPY tickets TO STDOUT")},
		{"a temporary table in front", refused(core.ErrPermission), exec("CREATE TEMP TABLE tickets (id uuid)")},
		{"a cursor WITH HOLD", refused(core.ErrCommand), exec("DECLARE c CURSOR WITH HOLD FOR SELECT * FROM tickets")},
		{"PREPARE", refused(core.ErrCommand), exec("PREPARE p AS SELECT * FROM tickets")},
		{"LISTEN", refused(core.ErrCommand), exec("LISTEN tickets")},
		{"a session's advisory lock", refused(core.ErrCommand), exec("SELECT pg_advisory_lock(1)")},
	}
}

// roleAttempts change the settings and rights that the boundary is made of.
func roleAttempts() []attempt {
	return []attempt{
		{"SET ROLE to the system's", refused(core.ErrCommand), setRole},
		{"RESET ROLE", refused(core.ErrCommand), exec("RESET ROLE")},
		{"set_config of the role", refused(core.ErrCommand), setConfigRole},
		{"set_config of the tenant", refused(core.ErrCommand), setConfigTenant},
		{"stratum.enter as another tenant", refused(core.ErrPermission), enterOther},
		{"SET row_security = off", refused(core.ErrCommand), exec("SET row_security = off")},
		{"ALTER TABLE ... DISABLE ROW LEVEL SECURITY", refused(core.ErrPermission), disableSecurity},
		{"CREATE POLICY", refused(core.ErrPermission), exec("CREATE POLICY all_rows ON tickets USING (true)")},
		{"CREATE VIEW", refused(core.ErrPermission), exec("CREATE VIEW all_tickets AS SELECT * FROM tickets")},
		{"CREATE FUNCTION ... SECURITY DEFINER", refused(core.ErrPermission), createFunction},
	}
}

func setRole(ctx context.Context, s *scene) (reached, error) {
	return exec("SET ROLE "+s.systemRole)(ctx, s)
}

func setConfigRole(ctx context.Context, s *scene) (reached, error) {
	return owners(s.db.WithContext(ctx).Raw(
		"SELECT tenant_id FROM tickets, set_config('role', ?, true)", s.systemRole))
}

func enterOther(ctx context.Context, s *scene) (reached, error) {
	return owners(s.db.WithContext(ctx).Raw("SELECT tenant_id FROM tickets, stratum.enter(?)", s.other.tenant.ID))
}

func setConfigTenant(ctx context.Context, s *scene) (reached, error) {
	return owners(s.db.WithContext(ctx).Raw(
		"SELECT tenant_id FROM tickets, set_config('stratum.tenant', ?, true)", s.other.tenant.ID.String()))
}

func disableSecurity(ctx context.Context, s *scene) (reached, error) {
	return exec("ALTER TABLE tickets DISABLE ROW LEVEL SECURITY")(ctx, s)
}

func createFunction(ctx context.Context, s *scene) (reached, error) {
	return exec("CREATE FUNCTION all_tickets() RETURNS SETOF tickets LANGUAGE sql SECURITY DEFINER "+
		"AS 'SELECT * FROM tickets'")(ctx, s)
}

package citus

import "github.com/stratum-hq/stratum-go/internal/sqltext"

// policyFunctions are what policies and the defaults of tenant columns call, each behind those that it calls.
func policyFunctions() []string {
	return []string{"stratum.no_tenant()", "stratum.tenant_id()", "stratum.admit_owner()", "stratum.carried_tenants()"}
}

// state is what the workers lack.
type state struct {
	// Lacking are those of our roles that cannot log in.
	Lacking []string
	// Unknown are those of policyFunctions that are no distributed objects.
	Unknown []string
}

// logins let the coordinator connect to the workers as the roles. They get no password: pg_hba.conf, or
// pg_dist_authinfo, says how they are let in. Citus has the workers do the same.
func (s state) logins() []string {
	statements := make([]string, len(s.Lacking))
	for i, role := range s.Lacking {
		statements[i] = "ALTER ROLE " + sqltext.Quote(role) + " LOGIN"
	}
	return statements
}

// functions make the functions known to the workers, with the schema and the roles that have rights on them, and to
// those that are added later.
func (s state) functions() []string {
	statements := make([]string, len(s.Unknown))
	for i, function := range s.Unknown {
		statements[i] = "SELECT create_distributed_function(" + sqltext.Literal(function) + ")"
	}
	return statements
}

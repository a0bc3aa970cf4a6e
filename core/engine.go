package core

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/citus"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// Engine says what holds the shared tables.
type Engine string

// The engines.
const (
	// PostgreSQL is one server for each database.
	PostgreSQL Engine = "postgresql"
	// Citus spreads the rows of the registry's database over several servers, by their tenant. Statements go to the
	// coordinator. docs/scale.md says what it takes and what it does not have.
	Citus Engine = "citus"
)

// ErrEngine is returned for what the engine does not have.
var ErrEngine = errors.New("stratum: Citus does not have this")

// errEngineLodging refuses a tenant's own schema or database, and other placements than the registry's.
var errEngineLodging = fmt.Errorf("%w: tenants are in the shared tables of the registry's database there (leave "+
	"NewTenant.Isolation and NewTenant.Placement out; Citus' isolate_tenant_to_new_shard and "+
	"citus_move_shard_placement give a tenant a shard and a server of its own)", ErrEngine)

func (e Engine) validate() error {
	switch e {
	case "", PostgreSQL, Citus:
		return nil
	}
	return fmt.Errorf("%w: Options.Engine %q is unknown (use core.PostgreSQL or core.Citus, or leave it out to find "+
		"out)", ErrConfig, string(e))
}

// Engine returns what holds the shared tables: Options.Engine, or what Open has found.
func (s *Stratum) Engine() Engine { return s.engine }

// findEngine decides what the registry's database is. Of a database with the extension one may say that it is not used.
func (s *Stratum) findEngine(data login) (Engine, error) {
	switch wanted := s.options.Engine; {
	case wanted == Citus && !data.citus:
		return "", fmt.Errorf("%w: Options.Engine is core.Citus, and the database of Options.DSN has no extension "+
			"citus (connect to the coordinator, and CREATE EXTENSION citus in this database; or leave Options.Engine "+
			"out)", ErrConfig)
	case wanted == PostgreSQL, !data.citus:
		return PostgreSQL, nil
	}
	return Citus, nil
}

// checkEngine refuses what does not go with Citus.
func (s *Stratum) checkEngine(logins ...login) error {
	if s.engine != Citus {
		return nil
	}
	if s.options.Hardened {
		return fmt.Errorf("%w: Options.Hardened (an admission is signed for a process of the coordinator, and the "+
			"policies are checked in processes of the workers)", ErrEngine)
	}
	for _, l := range logins {
		if l.config.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeSimpleProtocol {
			return fmt.Errorf("%w: default_query_exec_mode=simple_protocol does not go with Citus, which carries a "+
				"setting to the workers where it is alone in its message (use cache_describe, which needs no prepared "+
				"statements either)", ErrConfig)
		}
	}
	return nil
}

// errEngineElsewhere refuses a registry from before the database was Citus'. The system's policies look for no tenants
// elsewhere there: a statement that must see all of them would miss theirs in silence.
var errEngineElsewhere = fmt.Errorf("%w: there are tenants whose data is in a schema or a database of their own, or "+
	"another placement (move them into the shared tables of the registry's database first, or archive them)", ErrEngine)

// migrateEngine has the workers know what the policies of tables need.
func (s *Stratum) migrateEngine(ctx context.Context, owner *sql.DB) error {
	if s.engine != Citus {
		return nil
	}
	elsewhere, err := s.locations(ctx, "WHERE (isolation <> 'shared' OR placement <> 'home') "+
		"AND status <> 'archived' LIMIT 1")
	switch {
	case err != nil:
		return err
	case len(elsewhere) > 0:
		return errEngineElsewhere
	}
	return citus.Migrate(ctx, owner, s.roles.All())
}

// TableConfig says how tables are migrated on the engine, for this module's other packages.
func (s *Stratum) TableConfig(access.Token) tables.Config {
	distributed := s.engine == Citus
	return tables.Config{
		Roles: s.roles, Citus: distributed, TenantInPrimaryKey: distributed || s.options.TenantInPrimaryKey,
	}
}

// checkLodging refuses a place that the engine has not got.
func (s *Stratum) checkLodging(l location) error {
	if s.engine == Citus && !l.home() {
		return errEngineLodging
	}
	return nil
}

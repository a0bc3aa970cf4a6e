package core

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/guard"
	"github.com/stratum-hq/stratum-go/internal/install"
)

// Stratum is a database whose every statement belongs to a tenant. It is safe for concurrent use, and an application
// has one for each database.
type Stratum struct {
	// Tenants is the tree of tenants.
	Tenants *Tenants
	// Config is what tenants have set, for themselves and for all beneath them.
	Config *Config
	// Keys are what encrypted fields are sealed with.
	Keys *Keys
	// Placements are the databases in which tenants live.
	Placements *Placements
	// Fleet runs migrations over all of them, and over the schemas and databases of tenants.
	Fleet *Fleet

	options   Options
	roles     install.Roles
	guard     *guard.Connector
	data      *sql.DB     // in front of guard
	pool      *guard.Pool // of data
	system    *guard.Pool
	forms     *guard.Forms
	router    *router
	databases *databases
	owners    owners
	registry  registryID
	engine    Engine
	keeper    keeper
	cached    *configCache

	// The bounds of all pools for statements of tenants, and of all for those of the system.
	budget, systemBudget *guard.Budget
	// What was found out about the logins of DSN and SystemDSN.
	dataLogin, systemLogin login

	lookups lookups

	searchPath string
	ready      atomic.Bool // the schema was found to serve this program

	mu     sync.Mutex
	owner  *sql.DB // opened when it is first needed
	closed bool
}

// Open checks the logins of options and returns a handle. It connects once with each of them and refuses one that
// cannot be made safe with a *LoginError, which has the SQL to make it so. A superuser is accepted, for development:
// each statement switches to a plain role.
//
// The schema stratum need not be there yet: see Migrate. Until it is, statements get ErrNotInstalled.
func Open(ctx context.Context, options Options) (*Stratum, error) {
	options = options.withDefaults()
	if err := options.validate(); err != nil {
		return nil, err
	}
	roles, err := install.NewRoles(options.RolePrefix)
	if err != nil {
		return nil, fmt.Errorf("%w: Options.RolePrefix: %w", ErrConfig, err)
	}
	keys, err := declare(options.ConfigKeys)
	if err != nil {
		return nil, err
	}
	s := &Stratum{
		options: options, roles: roles,
		budget: guard.NewBudget(options.MaxConns), systemBudget: guard.NewBudget(options.SystemMaxConns),
	}
	s.databases, s.Placements, s.Fleet = newDatabases(s), &Placements{st: s}, &Fleet{st: s}
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	s.Tenants = newTenants(s.registryTx, s.registryRead)
	s.Tenants.builder = newBuilder(s)
	s.Config = newConfig(s.Tenants, s.registryRead, keys)
	s.Keys = newKeys(s)
	if s.Config.sealed, err = newConfigColumn(s.Keys); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if s.cached, err = newConfigCache(s); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// connect looks at the logins and prepares the pools; the pools connect when they are used.
func (s *Stratum) connect(ctx context.Context) error {
	data, system, err := s.checkLogins(ctx)
	if err != nil {
		return err
	}
	if s.engine, err = s.findEngine(data); err != nil {
		return err
	}
	if err := s.checkEngine(data, system); err != nil {
		return err
	}
	s.warn(ctx, data.posture)
	s.warnLimits(ctx)
	s.searchPath = withTempLast(cmp.Or(s.options.SearchPath, data.searchPath))
	config := guard.Config{Roles: guard.Roles{
		Tenant: s.roles.Tenant, Subtree: s.roles.Subtree, System: s.roles.System, Schema: s.roles.Schema,
	}}
	s.options.Limits.apply(&config)
	s.forms = guard.NewForms(guard.FormOptions{
		Signed: s.options.Hardened, Timed: config.StatementTimeout != nil, Carried: s.engine == Citus,
	})
	config.Forms, s.dataLogin, s.systemLogin = s.forms, data, system
	s.pool, err = s.openPool(ctx, data, s.options.MaxConns, guard.PoolConfig{Budget: s.budget, Check: s.checkSchema})
	if err != nil {
		return err
	}
	s.system, err = s.openPool(ctx, system, s.options.SystemMaxConns,
		guard.PoolConfig{Budget: s.systemBudget, System: true, Check: s.checkSchema})
	if err != nil {
		return errors.Join(err, s.pool.Close())
	}
	home := guard.NewDatabase("", s.pool, s.system, s.proofKey)
	home.Replicas = (&replicaSource{
		st: s, placement: homePlacement, data: data, system: system, pool: s.system,
	}).replicas()
	config.Home = guard.NewPlace(home, s.searchPath, "")
	s.router = newRouter(s, config.Home)
	config.Router = s.router
	s.guard = guard.NewConnector(config)
	s.data = sql.OpenDB(s.guard)
	// What sql.DB calls a connection is none to the server, see guard.Connector: the pools are what is bounded.
	s.data.SetMaxIdleConns(s.options.MaxConns + s.options.SystemMaxConns)
	return nil
}

// openPool makes the pool for what was found out about a login.
func (s *Stratum) openPool(
	ctx context.Context, l login, size int, config guard.PoolConfig,
) (*guard.Pool, error) {
	l.config.MaxConns = int32(size) //nolint:gosec // validated to be small and positive
	l.config.MinConns = 0
	config.Pool, config.Forms = l.config, s.forms
	if !l.pooled {
		// Connections start with it, so that enter need not set it each time. A pooler would refuse it.
		l.config.ConnConfig.RuntimeParams["search_path"] = s.searchPath
	}
	pool, err := guard.NewPool(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("stratum: opening a pool: %w", err)
	}
	return pool, nil
}

// checkLogins looks at the logins for tenants and for the system.
func (s *Stratum) checkLogins(ctx context.Context) (data, system login, err error) {
	if data, err = s.probe(ctx, "DSN", s.options.DSN, install.ForData); err != nil {
		return data, system, err
	}
	if system, err = s.probe(ctx, "SystemDSN", s.options.SystemDSN, install.ForSystem); err != nil {
		return data, system, err
	}
	if err := s.hardenedMode(&data); err != nil {
		return data, system, err
	}
	return data, system, s.checkHardened(data.posture, system.posture)
}

// warn says once at the start what is accepted but no boundary against hostile SQL.
func (s *Stratum) warn(ctx context.Context, p install.Posture) {
	if p.Superuser || p.BypassRLS {
		s.options.Logger.WarnContext(ctx, "stratum: the login of DSN is a superuser or bypasses row-level security; "+
			"statements switch to a plain role, but use an ordinary login outside of development", "login", p.Login)
	}
}

// checkSchema refuses a new connection while the schema stratum does not serve this program.
func (s *Stratum) checkSchema(ctx context.Context, conn *pgx.Conn) error {
	if s.ready.Load() {
		return nil
	}
	state, err := install.ReadState(ctx, conn)
	if err != nil {
		return err
	}
	if err := state.Check(); err != nil {
		return err
	}
	if err := state.CheckPrefix(s.roles); err != nil {
		return err
	}
	s.ready.Store(true)
	return nil
}

// Migrate installs the schema stratum, or brings it up to date, with the login of OwnerDSN. It may run in many
// processes at once, and does nothing where nothing is to be done. Afterwards it checks the logins again, as Open does.
//
// The login needs CREATE on the database and CREATEROLE, and the database must be its own, for it takes the right to
// make temporary tables away from PUBLIC. Where it lacks one of them the error lists all that is missing with the SQL
// that grants it, and nothing is changed; MigrateScript gives the whole script for somebody else to run instead.
func (s *Stratum) Migrate(ctx context.Context) error {
	db, err := s.OwnerDB(access.Token{})
	if err != nil {
		return err
	}
	if err := install.Migrate(ctx, s.installOptions(db)); err != nil {
		return err
	}
	if err := s.migrateEngine(ctx, db); err != nil {
		return err
	}
	if err := s.requireSignature(ctx); err != nil {
		return err
	}
	_, _, err = s.checkLogins(ctx)
	return err
}

// MigrateScript returns the SQL that Migrate would run on an empty database, with the privileges that it needs, for
// psql. Running it twice does no harm.
func (s *Stratum) MigrateScript() (string, error) {
	script, err := install.Script(s.installOptions(nil))
	if err == nil && s.options.Hardened {
		script += "\n-- From here on the database believes signed admissions alone.\n" + requireSignature + ";\n"
	}
	return script, err
}

func (s *Stratum) installOptions(owner *sql.DB) install.Options {
	return install.Options{
		Owner:       owner,
		Prefix:      s.options.RolePrefix,
		DataLogin:   s.dataLogin.posture.Login,
		SystemLogin: s.systemLogin.posture.Login,
		Logger:      s.options.Logger,
	}
}

// Ping reports whether both pools reach the database and its schema serves this program. It needs no tenant.
func (s *Stratum) Ping(ctx context.Context) error {
	if err := s.data.PingContext(ctx); err != nil {
		return fmt.Errorf("stratum: ping: %w", err)
	}
	if err := s.system.Ping(ctx); err != nil {
		return fmt.Errorf("stratum: ping as the system: %w", err)
	}
	return nil
}

// DB returns the guarded database: for plain database/sql, sqlc, sqlx and whatever else takes a *sql.DB. Every method
// with a ctx runs in the scope of that ctx; those without are refused with ErrNoTenant. It belongs to the Stratum: do
// not close it.
//
// What its Stats and SetMaxOpenConns count are callers, not connections to the server: one of those is borrowed for
// each statement or transaction. Options.MaxConns and Options.SystemMaxConns bound them.
func (s *Stratum) DB() *sql.DB { return s.data }

// Close closes all connections. It waits some seconds for statements and transactions that have not ended; then it
// leaves them behind and says so.
func (s *Stratum) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.keeper.close()
	s.Keys.close()
	if s.cached != nil {
		s.cached.close()
	}
	err := errors.Join(s.data.Close(), s.databases.close(), s.router.home.Database.Close(), s.owners.close())
	if s.owner != nil {
		err = errors.Join(err, s.owner.Close())
	}
	return err
}

// OwnerDB returns connections of OwnerDSN, for the migrations of this module's other packages. They are not guarded.
func (s *Stratum) OwnerDB(access.Token) (*sql.DB, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, ErrClosed
	case s.owner != nil:
		return s.owner, nil
	}
	config, err := parseDSN("OwnerDSN", s.options.OwnerDSN)
	if err != nil {
		return nil, err
	}
	s.owner = sql.OpenDB(quietConnector{stdlib.GetConnector(*config.ConnConfig)})
	keepIdle(s.owner)
	return s.owner, nil
}

// Roles returns the names of the roles that statements run as, for this module's other packages.
func (s *Stratum) Roles(access.Token) install.Roles { return s.roles }

// SearchPath returns the search_path of statements, for this module's other packages.
func (s *Stratum) SearchPath(access.Token) string { return s.searchPath }

// Logger returns Options.Logger, for this module's other packages.
func (s *Stratum) Logger(access.Token) *slog.Logger { return s.options.Logger }

// registrySettings makes a transaction the registry's. The settings are read from one row that is there only where
// ltree is: no row means that nothing was set, and is an error.
const registrySettings = `SELECT
		pg_catalog.set_config('search_path',
			'pg_catalog, stratum, ' || pg_catalog.quote_ident(n.nspname) || ', pg_temp', true),
		pg_catalog.set_config('role', $1, true)
	FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
	WHERE e.extname = 'ltree'`

// scanSettings reads what registrySettings returns.
func scanSettings(row pgx.Row) error {
	var path, role string
	err := row.Scan(&path, &role)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotInstalled
	}
	return err
}

// registryTx runs fn in a transaction on the registry of tenants.
func (s *Stratum) registryTx(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return s.systemTx(ctx, s.system, fn)
}

// systemTx is registryTx for the database that a pool leads to.
func (s *Stratum) systemTx(ctx context.Context, system *guard.Pool, fn func(tx pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, system, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if err := scanSettings(tx.QueryRow(ctx, registrySettings, s.roles.System)); err != nil {
			return err
		}
		return fn(tx)
	})
}

// registryRead runs one SELECT on the registry in a single round trip: the settings travel in front of it, in the
// implicit transaction of one message train. The statement is prepared before they are set, so it names its functions
// and operators by schema or needs none but pg_catalog's.
func (s *Stratum) registryRead(
	ctx context.Context, fn func(rows pgx.Rows) error, query string, args ...any,
) error {
	return s.system.Batch(ctx, registryBatch(s.roles.System, fn, query, args))
}

func registryBatch(role string, fn func(rows pgx.Rows) error, query string, args []any) *pgx.Batch {
	batch := &pgx.Batch{}
	batch.Queue(registrySettings, role).QueryRow(scanSettings)
	batch.Queue(query, args...).Query(fn)
	return batch
}

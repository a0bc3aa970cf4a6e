package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/internal/install"
)

// Options say how Open reaches the database. Only DSN is needed.
type Options struct {
	// DSN is the database and the login that statements of tenants run under, as a URL or in keyword form. It takes
	// pgx's parameters too: behind a pooler in transaction mode default_query_exec_mode=cache_describe is chosen by
	// itself. Required.
	DSN string

	// OwnerDSN is the login that Migrate uses; it owns the tables. Defaults to DSN.
	OwnerDSN string

	// SystemDSN is the login that AsSystem and Tenants use. Defaults to DSN.
	SystemDSN string

	// ReplicaDSNs lead to streaming replicas of the server of DSN, for reads under WithReplica. Only where a replica is
	// and how it is reached is taken from its DSN: database, login and password are those of DSN and SystemDSN, which a
	// replica has too. Behind a pooler the DSN must say default_query_exec_mode=cache_describe. They take the place of
	// those that Placements.Register has for "home". Defaults to those.
	ReplicaDSNs []string

	// MaxReplicaLag is how old what a replica shows may be: every read under WithReplica sees all that was committed so
	// long before, or goes to the primary. The primary is asked for that how far it has written, up to four times in
	// this time, and no replica is used while it does not answer. Where reads are further apart than MaxReplicaLag,
	// most go to the primary. Defaults to 0, no bound.
	MaxReplicaLag time.Duration

	// RolePrefix starts the names of the roles that statements run as. Roles are shared by the databases of a server:
	// give each application its own prefix to keep them apart. Lower-case letters, digits and underscores, at most 40.
	// Defaults to "stratum".
	RolePrefix string

	// SearchPath lists the schemas of the application's tables, as the setting search_path does. pg_temp is always
	// put last. Defaults to the search_path that the login has of its own.
	SearchPath string

	// MaxConns is the most connections for statements of tenants, to all databases together: where tenants have
	// databases of their own, or are at other placements, connections that nobody uses are closed for those that are
	// needed. Defaults to 4 for each CPU, at least 10.
	MaxConns int

	// SystemMaxConns is the most connections for AsSystem and Tenants, to all databases together. Defaults to 4.
	SystemMaxConns int

	// PoolIdleTime is how long the connections to a database other than the registry's stay open while nobody uses any
	// of them. Defaults to 5 minutes.
	PoolIdleTime time.Duration

	// NoCopies leaves it to other programs to keep the copies of global tables in other databases current. Otherwise
	// this one does so, with a connection of OwnerDSN, if no other program does and as soon as it has to do with such
	// a database. Defaults to false.
	NoCopies bool

	// ResolveDSN returns the DSN that a reference of a Placement leads to, for references other than env:NAME and
	// file:/path, such as those of a secret store. It is called for each new connection, so it should remember for a
	// while what it has found. Defaults to refusing them.
	ResolveDSN func(ctx context.Context, reference string) (string, error)

	// Hardened is for applications that must withstand hostile SQL, and not only mistakes. DSN, SystemDSN and OwnerDSN
	// must then be three logins, of which that of DSN owns nothing and can become nobody else; statements of tenants
	// are sent unnamed, what a statement may have left on its connection is cleared before the next, and Migrate has
	// the database believe signed admissions alone: handles without Hardened are refused from then on with
	// ErrUnsigned. docs/hardened.md has the SQL for the logins, what it costs, and the way back. Defaults to false.
	Hardened bool

	// Engine is what holds the shared tables: PostgreSQL, or Citus, which distributes those of tenants over several
	// servers. Defaults to what the database of DSN is: Citus where it has the extension.
	Engine Engine

	// TenantInPrimaryKey has Migrate of gormstratum and of entstratum put the tenant column in front of the primary
	// keys of tenant-owned tables. Citus needs it and has it so in any case; on PostgreSQL it prepares for Citus, and
	// makes the unique key beside the primary key superfluous. Without it ent's migration takes the column out again,
	// and GORM's leaves it. Defaults to false: primary keys are as the ORM declares them.
	TenantInPrimaryKey bool

	// ConfigKeys are the keys that may be written to Config, each a Key. Others are refused with ErrConfigUnknown, and
	// values that are not of the type of their key with ErrConfigInvalid. Defaults to none: any key, with any JSON.
	ConfigKeys []ConfigKey

	// ConfigCache says how Config is kept in memory. Defaults to 32 MiB, current to within a notification's time.
	ConfigCache ConfigCache

	// KEK is what the keys of tenants are wrapped with, for encrypted fields and sensitive config: fieldcrypt.LocalKEK,
	// a keyfile, or a KMS by contrib/kms. Defaults to none: fields are neither encrypted nor decrypted, sensitive
	// config is neither set nor read, and Keys returns ErrNoKEK.
	KEK fieldcrypt.KEK

	// Keys say how long the keys of tenants stay in memory, and of how many.
	Keys KeyOptions

	// Limits keep one tenant from taking all connections, or the server's time. Defaults to no limits.
	Limits Limits

	// Logger hears about what is allowed but unwise, such as a superuser's DSN. Defaults to slog.Default.
	Logger *slog.Logger
}

const (
	defaultRolePrefix     = install.DefaultPrefix
	defaultSystemMaxConns = 4
	defaultPoolIdleTime   = 5 * time.Minute
	minDefaultConns       = 10
	connsPerCPU           = 4
)

func (o Options) withDefaults() Options {
	if o.OwnerDSN == "" {
		o.OwnerDSN = o.DSN
	}
	if o.SystemDSN == "" {
		o.SystemDSN = o.DSN
	}
	if o.RolePrefix == "" {
		o.RolePrefix = defaultRolePrefix
	}
	if o.MaxConns == 0 {
		o.MaxConns = max(minDefaultConns, connsPerCPU*runtime.GOMAXPROCS(0))
	}
	if o.SystemMaxConns == 0 {
		o.SystemMaxConns = defaultSystemMaxConns
	}
	if o.PoolIdleTime == 0 {
		o.PoolIdleTime = defaultPoolIdleTime
	}
	o.ConfigCache = o.ConfigCache.withDefaults(o.SystemDSN)
	o.Keys = o.Keys.withDefaults()
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

func (o Options) validate() error {
	switch {
	case o.DSN == "":
		return fmt.Errorf("%w: Options.DSN is empty (give the URL of the database, such as "+
			"postgres://app@localhost:5432/app)", ErrConfig)
	case o.MaxConns < 1 || o.SystemMaxConns < 1:
		return fmt.Errorf("%w: Options.MaxConns and Options.SystemMaxConns must be positive (leave them out "+
			"for the defaults)", ErrConfig)
	case o.MaxReplicaLag < 0:
		return fmt.Errorf("%w: Options.MaxReplicaLag must not be negative (leave it out for no bound)", ErrConfig)
	case o.PoolIdleTime < 0:
		return fmt.Errorf("%w: Options.PoolIdleTime must not be negative (leave it out for the default)", ErrConfig)
	}
	if err := errors.Join(o.Engine.validate(), o.Limits.Tenant.validate(), o.Keys.validate()); err != nil {
		return err
	}
	// All three, so that a mistake in the owner's, which Migrate alone uses, shows at once.
	for _, d := range []struct{ name, dsn string }{
		{"DSN", o.DSN}, {"OwnerDSN", o.OwnerDSN}, {"SystemDSN", o.SystemDSN},
	} {
		if _, err := parseDSN(d.name, d.dsn); err != nil {
			return err
		}
	}
	for _, dsn := range o.ReplicaDSNs {
		if _, err := parseDSN("ReplicaDSNs", dsn); err != nil {
			return err
		}
	}
	return o.ConfigCache.validate()
}

// parseDSN reads one of the DSNs. The parser's own error quotes the DSN, so it is not passed on.
func parseDSN(name, dsn string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("%w: Options.%s cannot be read (give a URL such as "+
			"postgres://app@localhost:5432/app, or keywords such as host=localhost dbname=app)", ErrConfig, name)
	}
	return config, nil
}

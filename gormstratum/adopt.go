package gormstratum

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/adopt"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// AdoptStep is how far tables have come on the way from a plain application's to tenant-owned ones, while it runs.
type AdoptStep = tables.Step

// The steps, in order. The plain version of the application works at each but the last, and at each but the first two
// it may be left for as long as you like.
const (
	// AdoptPlain tables know nothing of tenants. Adopt to here only looks whether each key has a tenant.
	AdoptPlain = tables.Plain
	// AdoptExpanded tables have the tenant column, and a trigger that fills it for new and changed rows.
	AdoptExpanded = tables.Expanded
	// AdoptFilled tables have a tenant in each row.
	AdoptFilled = tables.Filled
	// AdoptValidated tables have the keys, unique indexes and foreign keys per tenant, beside the plain ones. From here
	// on a row whose key has no tenant is refused.
	AdoptValidated = tables.Validated
	// AdoptSwitched tables serve the plain version and, through Stratum, the guarded one, on the same rows.
	AdoptSwitched = tables.Switched
	// AdoptSealed tables are as Migrate makes them. The plain version is refused.
	AdoptSealed = tables.Sealed
)

// AdoptKey says how the rows of a plain table tell whose they are.
type AdoptKey struct {
	// Column holds the key, such as account_id, of any type. The tenant of a key is the one whose ExternalID is the
	// key's text.
	Column string
	// Through names a foreign key, as GORM does, for a table without a key: a row belongs to the tenant of the row that
	// it refers to. Defaults to the first one that leads to a table with a key.
	Through string
	// LookupTable translates keys where they are not external ids themselves: the row whose LookupColumn is the key has
	// the external id in LookupExternal. Defaults to none.
	LookupTable, LookupColumn, LookupExternal string
}

// AdoptOptions say whose the rows are, and how gently to go.
type AdoptOptions struct {
	// To is the step to go to. Defaults to AdoptPlain, which changes nothing.
	To AdoptStep
	// Key is the key of tables. One that lacks its column belongs to the tenants of the table that it refers to.
	Key AdoptKey
	// Keys are the exceptions, by table: {"accounts": {Column: "id"}}.
	Keys map[string]AdoptKey
	// NullKeys is the tenant of rows whose key is NULL. Defaults to none: such rows are refused.
	NullKeys uuid.UUID
	// CreateTenants makes the tenant of a key that has none, named after the key, also of one that the plain version
	// makes up later on, when somebody signs up. Without it such a key's rows are refused from AdoptValidated on, so
	// that whoever makes up keys must create their tenants first. Not for keys with a LookupTable.
	CreateTenants bool
	// Parent is the tenant above those. Defaults to none: they are roots.
	Parent uuid.UUID
	// PlainLogin is the login of the plain version where it does not own the tables. It keeps seeing all rows until the
	// tables are sealed. Defaults to the owner.
	PlainLogin string
	// Batch is the most rows that are given their tenant in one transaction. There are fewer where the server is slow,
	// so that a batch takes about a third of LockTimeout. Defaults to 1,000.
	Batch int
	// Pause is the time between these transactions, for replicas to keep up. Defaults to none.
	Pause time.Duration
	// LockTimeout bounds how long a change waits for a lock that stops writers, and how long any statement takes while
	// it holds one. What is not had in time is tried again. Defaults to 80 ms.
	LockTimeout time.Duration
	// Progress is told of each statement before and after it, and of each batch of rows. Where it returns an error
	// Adopt stops with it, and can be called again. Defaults to silence.
	Progress func(AdoptEvent) error
}

// AdoptEvent is what AdoptOptions.Progress is told.
type AdoptEvent = adopt.Event

// AdoptStatus is how far a table has come, and what comes next.
type AdoptStatus = adopt.Status

// Adopt moves the tables of a running application under Stratum, one step or several, while they are written to. It
// takes a db with the plugin and the models as they will be, and works as the owner of the tables, with the login of
// core.Options.OwnerDSN. docs/adopting.md is the guide.
//
// No statement that stops writers waits longer than LockTimeout or holds its locks for longer than milliseconds; what
// takes long reads or writes beside them. The database itself is the only record of what has been done: whatever ends
// Adopt, calling it again goes on from there. The database's schema must be what the plain version's AutoMigrate makes
// of the same models without the tenant.
//
// Rows that violate a rule stop it with ErrReference, ErrDuplicate or ErrExistingRows, table and constraint, and a
// query that finds them; keys without a tenant with ErrKey. Writers do not notice. ErrAdoptRunning is returned while
// another process adopts, and ErrEncrypted for models with encrypted fields: they come afterwards.
func Adopt(ctx context.Context, db *gorm.DB, options AdoptOptions) error {
	config, err := adoptConfig(ctx, db, options)
	if err != nil {
		return err
	}
	if err := adopt.Forward(ctx, config, options.To); err != nil {
		return err
	}
	if options.To < AdoptSealed {
		return nil
	}
	// It finds nothing left to change, and records what the tables are.
	return Migrate(ctx, db, MigrateOptions{ExistingRows: options.NullKeys})
}

// AdoptScript returns what Adopt would run from here on, as SQL for psql, and changes nothing. After a script that
// seals the tables Migrate must be called once.
func AdoptScript(ctx context.Context, db *gorm.DB, options AdoptOptions) (string, error) {
	config, err := adoptConfig(ctx, db, options)
	if err != nil {
		return "", err
	}
	return adopt.Script(ctx, config, options.To)
}

// AdoptReport says which tenant-owned table is at which step, in the order of the models. options.To is not looked at.
func AdoptReport(ctx context.Context, db *gorm.DB, options AdoptOptions) ([]AdoptStatus, error) {
	config, err := adoptConfig(ctx, db, options)
	if err != nil {
		return nil, err
	}
	return adopt.Report(ctx, config)
}

// refuseEncrypted refuses models with encrypted columns: the plain version cannot read what is sealed, nor seal.
func (r *registry) refuseEncrypted() error {
	for _, name := range r.order {
		for _, column := range slices.Sorted(maps.Keys(r.tables[name].encrypted)) {
			return fmt.Errorf("%w: column %s is encrypted, and the plain version of the application cannot read it "+
				"(Adopt and Eject with models in the clear; when the tables are sealed, tag the field stratum:%q and "+
				"call EncryptInPlace)", ErrEncrypted, r.tables[name].encrypted[column], tagPlain)
		}
	}
	return nil
}

// adoptConfig is what Adopt and Eject hand to package adopt.
func adoptConfig(ctx context.Context, db *gorm.DB, options AdoptOptions) (adopt.Config, error) {
	p, err := pluginOf(db)
	if err != nil {
		return adopt.Config{}, err
	}
	if options.To > AdoptSealed {
		return adopt.Config{}, fmt.Errorf("%w: AdoptOptions.To is no step: %s", ErrModel, options.To)
	}
	if err := p.registry.refuseEncrypted(); err != nil {
		return adopt.Config{}, err
	}
	if p.st.Engine() == core.Citus {
		return adopt.Config{}, fmt.Errorf("%w: Adopt and Eject (their triggers would have to be on the workers; "+
			"adopt the tables before the database is Citus', or stop the application and use Migrate)",
			core.ErrEngine)
	}
	if err := p.st.Ping(ctx); err != nil {
		return adopt.Config{}, err
	}
	owner, err := p.ownerDB(db)
	if err != nil {
		return adopt.Config{}, err
	}
	list, err := describe(owner, p.registry)
	if err != nil {
		return adopt.Config{}, err
	}
	pool, err := p.st.OwnerDB(access.Token{})
	if err != nil {
		return adopt.Config{}, err
	}
	keys := make(map[string]tables.Key, len(options.Keys))
	for name, key := range options.Keys {
		if p.registry.tables[name] == nil {
			return adopt.Config{}, fmt.Errorf("%w: AdoptOptions.Keys names table %q, which no model has",
				ErrModel, name)
		}
		_, table := tables.SplitName(name)
		keys[table] = tables.Key(key)
	}
	return adopt.Config{
		DB: pool, SearchPath: p.st.SearchPath(access.Token{}), Batch: options.Batch, Pause: options.Pause,
		LockTimeout: options.LockTimeout, Progress: options.Progress,
		Online: tables.Online{
			Roles: p.st.Roles(access.Token{}), Tables: list, Key: tables.Key(options.Key), Keys: keys,
			NullKeys: options.NullKeys, PlainLogin: options.PlainLogin, CreateTenants: options.CreateTenants,
			Parent: options.Parent,
		},
	}, nil
}

package gormstratum

import (
	"errors"
	"fmt"

	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/access"
)

// Options tell the plugin what the application's tables are. A table that is in none of the lists is refused.
type Options struct {
	// Models are the application's models. One that embeds Tenant, or has a tenant column by TenantColumn or by the tag
	// stratum:"tenant", is tenant-owned; one that embeds OwnOrGlobal has rows of tenants and of everyone; one that
	// embeds Global is global. Join tables of many2many relations need not be listed.
	Models []any

	// TenantColumn is the tenant column of the models that declare none, and of join tables. Defaults to tenant_id. A
	// model has a field of the column, of type uuid.UUID:
	//
	//	OrgID uuid.UUID `gorm:"type:uuid;not null;default:stratum.tenant_id()"` // TenantColumn: "org_id"
	//
	// The type tag and the default are for those who run GORM's own AutoMigrate, too. What a model declares comes
	// first: one that embeds Tenant or OwnOrGlobal has the column tenant_id whatever TenantColumn is.
	TenantColumn string

	// GlobalUnique are the unique indexes that stay unique across tenants. All others become unique per tenant.
	GlobalUnique []GlobalUnique

	// Global are further global models, for types that cannot embed Global.
	Global []any

	// External are tables that are not Stratum's business, such as a job queue's. The rights of tenants on one may
	// follow its name: "river_job: SELECT, INSERT". Without rights, what you GRANT to the roles is what they may do.
	External []string
}

// GlobalUnique is a unique index, or unique column, of a tenant-owned model that Migrate leaves as GORM declares it,
// such as the serial number of a device that must not be registered by two tenants. It lets a tenant find out that some
// other one has a value: a duplicate is core.ErrDuplicateKey, without saying whose. So is a DO NOTHING that has skipped
// a struct for the sake of another tenant's row, and DO UPDATE on one is core.ErrCrossTenant. In raw SQL, DO NOTHING is
// silent.
type GlobalUnique struct {
	// Model is the model, also in Options.Models.
	Model any
	// Index is the index's or constraint's name as GORM has it, such as idx_devices_serial for the tag uniqueIndex or
	// uni_devices_serial for the tag unique. The model must have a unique index of that name.
	Index string
	// Reason says, in one line, why values must be unique across tenants. Migrate writes it into the index's comment.
	Reason string
}

// pluginName is the plugin's name in gorm.Config.Plugins.
const pluginName = "stratum"

// Plugin is what New returns, for db.Use.
type Plugin struct {
	st       *core.Stratum
	options  Options
	registry *registry
}

// New returns the plugin that puts st under a *gorm.DB:
//
//	db, err := gorm.Open(gormstratum.Open(st), &gorm.Config{})
//	err = db.Use(gormstratum.New(st, gormstratum.Options{Models: []any{&Invoice{}, &Country{}}}))
//
// A db that was opened in another way has its pool replaced: one that GORM opened is closed, one that the application
// passed in is left open. Sessions made from db before Use are served too, but not transactions that have begun. Call
// Use on the db that gorm.Open returned, and SetupJoinTable before it. At most one Options may be given; without it
// only raw SQL is possible. A plugin serves one db.
func New(st *core.Stratum, options ...Options) *Plugin {
	registerSerializer()
	p := &Plugin{st: st}
	if len(options) > 0 {
		p.options = options[0]
	}
	return p
}

// Name returns the plugin's name.
func (p *Plugin) Name() string { return pluginName }

// Initialize is called by db.Use. It replaces the pool, reads the models and registers the callbacks.
func (p *Plugin) Initialize(db *gorm.DB) error {
	if hasResolver(db) {
		return ErrResolver
	}
	// The callbacks of the first db would look up their tables in the second one's registry. dbresolver comes this way
	// too: it opens its replicas with all the plugins of the db.
	if p.registry != nil {
		return fmt.Errorf("gormstratum: the plugin is in use by another db (call gormstratum.New for each): %w",
			ErrPool)
	}
	if isSession(db) {
		return fmt.Errorf("%w: Use was called on a session or a transaction (call it on the *gorm.DB that gorm.Open "+
			"returned)", ErrPool)
	}
	dialector, err := wrapDialector(db.Dialector, p.st)
	if err != nil {
		return err
	}
	registry, err := readModels(db, p.st.Keys, p.options)
	if err != nil {
		return err
	}
	// From here on db is changed: a Use that was refused before can be repeated.
	if err := p.replacePool(db); err != nil {
		return err
	}
	if p.st.TableConfig(access.Token{}).TenantInPrimaryKey {
		registry.leadPrimaryKeys()
	}
	p.registry = registry
	db.Dialector = dialector
	p.scopeClauses(db)
	return p.register(db)
}

// register adds the callbacks. The pool is looked at before a transaction begins, and once more right before the
// statement, since another plugin may have changed it.
func (p *Plugin) register(db *gorm.DB) error {
	c := db.Callback()
	err := errors.Join(
		c.Create().Before("*").Register("stratum:pool", p.guardPool),
		c.Update().Before("*").Register("stratum:pool", p.guardPool),
		c.Delete().Before("*").Register("stratum:pool", p.guardPool),
		c.Create().After("gorm:save_before_associations").Before("gorm:create").
			Register("stratum:create", p.beforeCreate),
		c.Create().After("gorm:create").Before("gorm:save_after_associations").
			Register("stratum:conflict", p.checkConflict),
		c.Query().Before("gorm:query").Register("stratum:query", p.beforeQuery),
		c.Query().After("gorm:query").Register("stratum:subquery", p.afterQuery),
		c.Row().Before("gorm:row").Register("stratum:row", p.beforeQuery),
		c.Row().After("gorm:row").Register("stratum:row_error", p.afterRow),
		c.Raw().Before("gorm:raw").Register("stratum:raw", p.beforeRaw),
		c.Raw().After("gorm:raw").Register("stratum:raw_error", p.forget),
		c.Update().Before("gorm:update").Register("stratum:update", p.beforeUpdate),
		c.Update().After("gorm:update").Register("stratum:update_error", p.forget),
		c.Delete().Before("gorm:delete").Register("stratum:delete", p.beforeChange),
		c.Delete().After("gorm:delete").Register("stratum:delete_error", p.forget),
	)
	if err != nil {
		return fmt.Errorf("gormstratum: registering callbacks: %w", err)
	}
	return nil
}

// pluginOf returns the plugin that db uses.
func pluginOf(db *gorm.DB) (*Plugin, error) {
	if p, ok := db.Plugins[pluginName].(*Plugin); ok && p.registry != nil {
		return p, nil
	}
	return nil, ErrNotUsed
}

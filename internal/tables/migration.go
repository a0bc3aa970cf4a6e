package tables

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"slices"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/internal/install"
)

// Config says how to migrate.
type Config struct {
	// Roles are the roles that rows are shown to.
	Roles install.Roles
	// ExistingRows is the tenant that rows are given to which belong to none yet. Defaults to none: such rows are
	// refused with ErrExistingRows.
	ExistingRows uuid.UUID
	// Elsewhere says that the statements are for another database, which may have rows where this one has none. They
	// are given to ExistingRows unseen.
	Elsewhere bool
	// Citus says that the tables are spread over workers: those with a tenant column by it, and global ones with a
	// copy on each. Primary keys then have the tenant column, as TenantInPrimaryKey says.
	Citus bool
	// TenantInPrimaryKey puts the tenant column in front of the primary keys of owned tables. Without it one that is
	// there stays.
	TenantInPrimaryKey bool
	// Logger is told each statement. Defaults to silence.
	Logger *slog.Logger
}

// Migration changes tables in one transaction, which whoever began it commits or, after any error, rolls back. It is
// not for concurrent use.
type Migration struct {
	tx           *sql.Tx
	roles        install.Roles
	existingRows uuid.UUID
	elsewhere    bool
	citus        bool
	leadPrimary  bool // the tenant column leads primary keys
	log          *slog.Logger
	statements   []string
	script       []string // statements with their values
	findings     []Finding
	tenantKnown  bool // existingRows has been looked up
}

// New returns a migration in a transaction of the tables' owner. The isolation level must be READ COMMITTED: what a
// migration before this one has done is only seen by a later snapshot.
func New(tx *sql.Tx, config Config) *Migration {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Migration{
		tx: tx, roles: config.Roles, existingRows: config.ExistingRows, elsewhere: config.Elsewhere, log: config.Logger,
		citus: config.Citus, leadPrimary: config.Citus || config.TenantInPrimaryKey,
	}
}

// Prepare makes way for the ORM's migrator: rows that belong to no tenant are given one, and keys and indexes that are
// not led by the tenant column go. It skips tables that do not exist. From here to the end of the transaction the owner
// sees the rows of all tenants. A table that is being adopted online is refused: what is done here takes locks for as
// long as it takes. Errors are *TableError, install.ErrNotInstalled, and those of PostgreSQL.
func (m *Migration) Prepare(ctx context.Context, tables []Table) error {
	v, err := m.look(ctx, tables)
	if err != nil {
		return err
	}
	for _, t := range v.owned() {
		if t.rel.Adopting && !t.rel.Forced {
			return t.rel.refused(ErrAdopting, fillTrigger, "it is being adopted, and the version without tenants may "+
				"still be writing to it", "go on with gormstratum.Adopt until the table is sealed, or back with Eject")
		}
	}
	return inOrder(ctx, v, v.owned(), m.clearForeignKeys, m.clearKeys, m.tenantColumn)
}

// Finish does what is left once the ORM's migrator has made the tables: keys first, while rows are visible and can be
// validated, then policies and rights. Errors are as those of Prepare.
func (m *Migration) Finish(ctx context.Context, tables []Table) error {
	v, err := m.look(ctx, tables)
	if err != nil {
		return err
	}
	for _, t := range v.targets {
		if t.rel == nil {
			return &TableError{
				Table: t.name().String(), Finding: "it does not exist", kind: ErrMissing,
				Cure: "let the ORM's migrator make it, or take it off the list",
			}
		}
	}
	owned := v.owned()
	err = inOrder(ctx, v, owned, m.tenantColumn, m.primaryKeys, m.keys, m.globalUniques, m.referredKeys)
	if err != nil {
		return err
	}
	if err := m.distribute(ctx, v); err != nil {
		return err
	}
	if err := inOrder(ctx, v, owned, m.foreignKeys, m.protect); err != nil {
		return err
	}
	if err := inOrder(ctx, v, v.targets, m.grants, m.record); err != nil {
		return err
	}
	m.findings = findings(v, owned)
	return nil
}

// step brings one table nearer to what is wanted.
type step func(ctx context.Context, v *view, t *target) error

// inOrder takes each step for all tables before the next.
func inOrder(ctx context.Context, v *view, targets []*target, steps ...step) error {
	for _, take := range steps {
		for _, t := range targets {
			if err := take(ctx, v, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// Statements returns what was issued, in order. Values are left out.
func (m *Migration) Statements() []string { return slices.Clone(m.statements) }

// Script returns what was issued with the values in it, for a file that repeats it.
func (m *Migration) Script() []string { return slices.Clone(m.script) }

// Findings returns what the last Finish has found on owned tables that is not Stratum's and has a way past it.
func (m *Migration) Findings() []Finding { return slices.Clone(m.findings) }

// exec issues a statement about a table.
func (m *Migration) exec(ctx context.Context, r *relation, statement string, args ...any) error {
	m.statements, m.script = append(m.statements, statement), append(m.script, inline(statement, args))
	m.log.DebugContext(ctx, "stratum: migrating a table", "statement", statement)
	if _, err := m.tx.ExecContext(ctx, statement, args...); err != nil {
		return fmt.Errorf("stratum: table %s: %s: %w", r, statement, err)
	}
	return nil
}

// alter issues an ALTER TABLE.
func (m *Migration) alter(ctx context.Context, r *relation, subcommand string) error {
	return m.exec(ctx, r, "ALTER TABLE "+r.String()+" "+subcommand)
}

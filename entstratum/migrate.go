package entstratum

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"entgo.io/ent/dialect/sql/schema"
	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// MigrateOptions say how Migrate treats what is there already.
type MigrateOptions struct {
	// ExistingRows is the tenant that rows of a table without a tenant column are given to. Needed where there are
	// such rows; without it Migrate returns ErrExistingRows and changes nothing.
	ExistingRows uuid.UUID
	// Ent are options of ent's own migration, such as schema.WithDropIndex(true). Defaults to none.
	Ent []schema.MigrateOption
}

// Migrate brings the tables of a generated client to what its schemas and the boundary want. The generated
// ent.StratumMigrate(ctx, client) calls it. It has ent's own migration make tables and keys, in the shape that Desire
// has given them, and then puts the policies on. It works as the owner of the tables, with the login of
// core.Options.OwnerDSN, in one transaction, so that a failure changes nothing. A second run changes nothing either,
// and several processes may run it at once.
//
// Tables of a plain ent application are taken over: rows without a tenant are given to MigrateOptions.ExistingRows, and
// unique indexes that the schemas now declare with the tenant are replaced. Rows that refer to another tenant's make it
// fail, with the name of the constraint. Views that schemas define by entsql.View are made where there are none, and
// must check policies as whoever asks them. What it finds on a tenant-owned table that no schema declares, and that
// reaches across tenants, it leaves alone and tells core.Options.Logger. What each table is declared as is recorded in
// stratum.tables. Script prints what Migrate would do.
//
// client.Schema.Create is refused on a guarded client, whose tenants may not change tables. On a client of the owner,
// as ent.NewClient(ent.Driver(...)) with the DSN of core.Options.OwnerDSN, it changes nothing after Migrate, and
// neither does NamedDiff: the generated package migrate adds what ent has no words for. It makes no policies, and no
// foreign keys that compare tenants; those are Migrate's. Atlas's own loader of ent schemas (ent://) does not see the
// generated package, and is not for these tables.
func Migrate(ctx context.Context, st *core.Stratum, r *Registry, options MigrateOptions) error {
	m, err := newMigration(ctx, st, r)
	if err != nil {
		return err
	}
	owner, err := st.OwnerDB(access.Token{})
	if err != nil {
		return err
	}
	return inTransaction(ctx, owner, func(tx *sql.Tx) error {
		_, err := m.change(ctx, tx, options)
		return err
	})
}

// migration is what one Migrate does.
type migration struct {
	st       *core.Stratum
	registry *Registry
	wanted   []*schema.Table
	list     []tables.Table
	// elsewhere says that what is planned here runs on another database, with rows.
	elsewhere bool
}

// newMigration finds out what is wanted. It reads nothing of the tables yet. What ent is given is a copy, since ent
// writes to it.
func newMigration(ctx context.Context, st *core.Stratum, r *Registry) (*migration, error) {
	if err := st.Ping(ctx); err != nil {
		return nil, err
	}
	list, err := r.describe()
	if err != nil {
		return nil, err
	}
	copied, err := copyTables(r.wanted)
	if err != nil {
		return nil, err
	}
	if st.TableConfig(access.Token{}).TenantInPrimaryKey {
		leadPrimaryKeys(copied, r)
	}
	return &migration{st: st, registry: r, wanted: copied, list: list}, nil
}

// begin has names looked up where statements of tenants look them up. ent's migration makes tables in the first schema
// of the search_path, and is told so here: one of the same name further back is another table.
func (m *migration) begin(ctx context.Context, tx *sql.Tx) error {
	var first string
	err := tx.QueryRowContext(ctx, "SELECT coalesce((pg_catalog.current_schemas(false))[1], '') "+
		"FROM pg_catalog.set_config('search_path', $1, true)", m.st.SearchPath(access.Token{})).Scan(&first)
	if err != nil {
		return fmt.Errorf("entstratum: setting search_path: %w", err)
	}
	for i, t := range m.list {
		if t.Kind == tables.External {
			continue
		}
		known, _ := m.registry.Table(t.Name)
		if known.Schema != "" && known.Schema != first {
			return fmt.Errorf("%w: table %q is declared in schema %q, and ent makes tables in the first schema of the "+
				"search_path alone, which is %q (remove entsql.Schema, or put the schema first in "+
				"core.Options.SearchPath)",
				ErrDeclaration, t.Name, known.Schema, first)
		}
		m.list[i].Schema = first
		for j := range t.ForeignKeys {
			m.list[i].ForeignKeys[j].RefSchema = first
		}
	}
	return nil
}

// copyTables copies what ent's own function leaves out, too.
func copyTables(wanted []*schema.Table) ([]*schema.Table, error) {
	copied, err := schema.CopyTables(wanted)
	if err != nil {
		return nil, fmt.Errorf("entstratum: copying the tables: %w", err)
	}
	for i, t := range wanted {
		copied[i].Schema, copied[i].Comment, copied[i].Pos = t.Schema, t.Comment, t.Pos
	}
	return copied, nil
}

// inTransaction runs work as the owner. Prepare waits for another Migrate, and what follows must see what that one has
// committed.
func inTransaction(ctx context.Context, owner *sql.DB, work func(*sql.Tx) error) error {
	tx, err := owner.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return fmt.Errorf("entstratum: beginning the owner's transaction: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := work(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("entstratum: committing the owner's transaction: %w", err)
	}
	return nil
}

// change moves out of ent's way what must be, lets it migrate, and then makes what ent cannot and the policies, which
// come last, because they hide the rows that keys are checked against. It returns the statements that changed
// something.
func (m *migration) change(ctx context.Context, tx *sql.Tx, options MigrateOptions) ([]string, error) {
	if err := m.begin(ctx, tx); err != nil {
		return nil, err
	}
	config := m.st.TableConfig(access.Token{})
	config.ExistingRows, config.Elsewhere = options.ExistingRows, m.elsewhere
	t := tables.New(tx, config)
	if err := t.Prepare(ctx, m.list); err != nil {
		return nil, err
	}
	before := t.Script()
	drv := &ownerDriver{tx: entsql.Conn{ExecQuerier: tx}}
	atlas, err := schema.NewMigrate(drv, m.entOptions(options)...)
	if err != nil {
		return nil, fmt.Errorf("entstratum: ent's migration: %w", err)
	}
	if err := atlas.Create(ctx, m.wanted...); err != nil {
		return nil, fmt.Errorf("entstratum: ent's migration: %w", tables.Refusal(err))
	}
	if err := m.settleViews(ctx, tx, drv); err != nil {
		return nil, err
	}
	if err := t.Finish(ctx, m.list); err != nil {
		return nil, err
	}
	for _, f := range t.Findings() {
		m.st.Logger(access.Token{}).WarnContext(ctx, "entstratum: what no schema declares reaches across "+
			"tenants", "table", f.Table, "object", f.Object, "problem", f.Problem, "cure", f.Cure)
	}
	return slices.Concat(before, drv.statements, t.Script()[len(before):]), nil
}

// entOptions are the caller's options and ours.
func (m *migration) entOptions(options MigrateOptions) []schema.MigrateOption {
	return slices.Concat(options.Ent, []schema.MigrateOption{m.registry.Option()})
}

// ownerDriver is ent's driver in a transaction that is already begun. It notes what ent executes; what ent only reads
// it asks for by another method.
type ownerDriver struct {
	tx         entsql.Conn
	statements []string
}

// Exec notes the statement.
func (d *ownerDriver) Exec(ctx context.Context, query string, args, v any) error {
	d.statements = append(d.statements, query)
	return d.tx.Exec(ctx, query, args, v)
}

// Query passes the statement on.
func (d *ownerDriver) Query(ctx context.Context, query string, args, v any) error {
	return d.tx.Query(ctx, query, args, v)
}

// Tx returns the transaction that is there: whoever began it ends it.
func (d *ownerDriver) Tx(context.Context) (dialect.Tx, error) { return dialect.NopTx(d), nil }

// Close does nothing.
func (*ownerDriver) Close() error { return nil }

// Dialect is PostgreSQL's.
func (*ownerDriver) Dialect() string { return dialect.Postgres }

// describe returns the tables as package tables wants them.
func (r *Registry) describe() ([]tables.Table, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	list := make([]tables.Table, 0, len(r.wanted))
	for _, t := range r.wanted {
		known, ok := r.Table(t.Name)
		if !ok {
			return nil, fmt.Errorf("%w: table %q is not in its registry", ErrGenerated, t.Name)
		}
		list = append(list, r.describeTable(t, known))
	}
	externals, err := r.externals()
	return append(list, externals...), err
}

// check looks whether Desire has seen all tables, and all that they refer to.
func (r *Registry) check() error {
	for _, known := range r.Tables {
		if known.Class != ClassView && !slices.ContainsFunc(r.wanted, func(t *schema.Table) bool {
			return t.Name == known.Name
		}) {
			return fmt.Errorf("%w: table %q is in its registry alone", ErrGenerated, known.Name)
		}
	}
	for _, t := range r.wanted {
		for _, key := range t.ForeignKeys {
			if key.RefTable == nil {
				return fmt.Errorf("%w: foreign key %q refers to no table yet", ErrGenerated, key.Symbol)
			}
		}
	}
	return nil
}

func (r *Registry) describeTable(t *schema.Table, known Table) tables.Table {
	d := tables.Table{Schema: t.Schema, Name: t.Name, Kind: known.kind(), Column: known.Column}
	d.PrimaryKey = columnNames(t.PrimaryKey)
	if !d.Kind.HasTenant() {
		return d
	}
	d.Join = known.Join
	for _, u := range known.GlobalUnique {
		d.GlobalUniques = append(d.GlobalUniques, tables.GlobalUnique{Name: symbol(u.Name), Reason: u.Reason})
	}
	for _, index := range t.Indexes {
		names := columnNames(index.Columns)
		if len(names) == 0 || names[0] != known.Column || strings.HasSuffix(index.Name, tables.KeySuffix) {
			continue // package tables knows the keys that foreign keys refer to
		}
		described := tables.Index{Name: index.Name}
		if index.Unique && (index.Annotation == nil || index.Annotation.Where == "") {
			described.Unique = names[1:]
		}
		d.Indexes = append(d.Indexes, described)
	}
	for _, key := range t.ForeignKeys {
		d.ForeignKeys = append(d.ForeignKeys, r.describeKey(key))
	}
	return d
}

func (r *Registry) describeKey(key *schema.ForeignKey) tables.ForeignKey {
	d := tables.ForeignKey{
		Name: key.Symbol, RefSchema: key.RefTable.Schema, RefTable: key.RefTable.Name,
		Columns: columnNames(key.Columns), RefColumns: columnNames(key.RefColumns),
		OnDelete: string(key.OnDelete), OnUpdate: string(key.OnUpdate),
	}
	if other, ok := r.Table(key.RefTable.Name); ok && other.Class == ClassOwned {
		d.RefOwned, d.Columns, d.RefColumns = true, d.Columns[1:], d.RefColumns[1:]
	}
	return d
}

// FirstOption returns the first of the options that a generated function was given, or the defaults.
func FirstOption(options []MigrateOptions) MigrateOptions {
	if len(options) > 0 {
		return options[0]
	}
	return MigrateOptions{}
}

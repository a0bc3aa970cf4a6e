package gormstratum_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
	"gorm.io/gorm/schema"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// logDDL has the server itself record every change of its catalog, grants included.
func (d desk) logDDL(t *testing.T) {
	t.Helper()
	d.exec(t, d.AdminDSN, `
		CREATE SCHEMA log; GRANT USAGE ON SCHEMA log TO PUBLIC;
		CREATE TABLE log.ddl (tag text NOT NULL, query text NOT NULL);
		CREATE FUNCTION log.ddl() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
			BEGIN INSERT INTO log.ddl VALUES (tg_tag, current_query()); END $$;
		CREATE EVENT TRIGGER log_ddl ON ddl_command_end EXECUTE FUNCTION log.ddl();
		CREATE EVENT TRIGGER log_drop ON sql_drop EXECUTE FUNCTION log.ddl()`)
}

// settled holds that work changes nothing in the catalog.
func (d desk) settled(t *testing.T, work func() error) {
	t.Helper()
	d.exec(t, d.AdminDSN, "TRUNCATE log.ddl")
	require.NoError(t, work())
	require.Empty(t, d.texts(t, "SELECT tag || ': ' || query FROM log.ddl"))
}

// texts is a column of texts as the administrator reads it.
func (d desk) texts(t *testing.T, query string, args ...any) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.AdminDSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	rows, err := conn.Query(t.Context(), query, args...)
	require.NoError(t, err)
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return texts
}

// constraints are the definitions of a table's constraints and indexes by their names.
func (d desk) constraints(t *testing.T, table string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for _, text := range d.texts(t, `
		SELECT conname || '=' || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = $1::text::regclass
		UNION ALL SELECT c.relname || '=' || pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
		WHERE i.indrelid = $1::text::regclass AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid
			AND contype IN ('p', 'u'))`, table) {
		name, definition, _ := strings.Cut(text, "=")
		found[name] = definition
	}
	return found
}

func migrate(ctx context.Context, db *gorm.DB, rows uuid.UUID) error {
	return gormstratum.Migrate(ctx, db, gormstratum.MigrateOptions{ExistingRows: rows})
}

// used opens the database with the plugin and does not migrate.
func (d desk) used(t *testing.T, models []any, configure ...func(*gorm.Config)) *gorm.DB {
	t.Helper()
	config := &gorm.Config{Logger: logger.Discard}
	for _, c := range configure {
		c(config)
	}
	db, err := gorm.Open(gormstratum.Open(d.st), config)
	require.NoError(t, err)
	require.NoError(t, db.Use(gormstratum.New(d.st, gormstratum.Options{Models: models})))
	return db
}

func TestMigrateShapes(t *testing.T) {
	t.Parallel()
	for name, configure := range map[string]func(*gorm.Config){
		"default": func(*gorm.Config) {},
		"prefix":  func(c *gorm.Config) { c.NamingStrategy = schema.NamingStrategy{TablePrefix: "x_", SingularTable: true} },
		"no keys": func(c *gorm.Config) { c.DisableForeignKeyConstraintWhenMigrating = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newStratum(t)
			d.db = d.used(t, shapes(), configure)
			require.NoError(t, migrate(t.Context(), d.db, uuid.Nil))
			d.logDDL(t)
			d.settled(t, func() error { return migrate(t.Context(), d.db, uuid.Nil) })
			d.settled(t, func() error { return migrate(t.Context(), d.used(t, shapes(), configure), uuid.Nil) })
			useShapes(t, d)
			keys := d.value(t, "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace")
			require.Equal(t, name == "no keys", keys == 0, "%d foreign keys", keys)
			require.Zero(t, d.value(t, "SELECT count(*) FROM pg_constraint WHERE conname LIKE 'fk_%_notes'"),
				"a polymorphic relation has no foreign key, for it has many tables")
			require.Zero(t, d.value(t, `SELECT count(*) FROM pg_constraint c JOIN pg_class o ON o.oid = c.conrelid
				JOIN pg_class r ON r.oid = c.confrelid WHERE c.contype = 'f' AND o.relrowsecurity AND r.relrowsecurity
				AND (SELECT attname FROM pg_attribute WHERE attrelid = c.conrelid AND attnum = c.conkey[1]) <> 'tenant_id'`),
				"every key between tenant-owned tables begins with the tenant")
			d.settled(t, func() error { return migrate(t.Context(), d.db, uuid.Nil) })
		})
	}
}

// useShapes writes and reads every shape, as two tenants with the same values.
func useShapes(t *testing.T, d desk) {
	t.Helper()
	system := d.db.WithContext(asSystemContext(t))
	skill := Skill{Name: "law", Fields: []Field{{Name: "tax"}}}
	require.NoError(t, system.Create(&skill).Error)
	require.NoError(t, system.Create(&Country{Code: "CH"}).Error)
	for _, slug := range []string{"acme", "bolt"} {
		db := d.db.WithContext(d.tenant(t, slug))
		boss := Firm{Code: "B", Year: 2000, Slug: "boss", Email: "boss@example.org"}
		require.NoError(t, db.Create(&boss).Error)
		firm := Firm{
			Code: "A", Year: 2000, Slug: "firm", Email: "firm@example.org", Boss: &boss, Seal: Seal{ID: uuid.New()},
			Billing: &Address{City: "Bern"}, Partners: []Firm{boss}, Notes: []Memo{{Text: "hello"}},
		}
		require.NoError(t, db.Create(&firm).Error)
		again := Firm{Code: "A", Year: 2000, Slug: "again", Email: "again@example.org"}
		require.NoError(t, db.Clauses(clause.OnConflict{
			Columns: []clause.Column{{Name: "year"}, {Name: "code"}}, DoNothing: true,
		}).Create(&again).Error)
		again.Code, again.Email = "C", "FIRM@example.org"
		require.NoError(t, db.Clauses(clause.OnConflict{
			Columns:     []clause.Column{{Name: "lower(email)", Raw: true}},
			TargetWhere: clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "deleted_at IS NULL"}}},
			DoNothing:   true,
		}).Create(&again).Error)
		require.NoError(t, db.Omit("Skills.*").Model(&firm).Association("Skills").Append(&skill))
		branch := Branch{
			FirmID: firm.ID, Number: 1, CountryID: "CH", Deputy: &boss, Auditor: &boss, FirmSlug: &boss.Slug,
			Desks: []Place{{}, {}},
		}
		require.NoError(t, db.Create(&branch).Error)
		require.NoError(t, db.Create(&Ledger{Number: 1, Name: "main", Entries: []Entry{{Amount: 5}}}).Error)

		var found Firm
		require.NoError(t, db.Preload("Branches.Desks").Preload("Boss").Preload("Partners").Preload("Skills.Fields").
			Preload("Notes").Preload("Seal").Joins("Boss").First(&found, firm.ID).Error)
		require.Equal(t, "boss", found.Boss.Slug)
		require.Len(t, found.Partners, 1)
		require.Len(t, found.Skills[0].Fields, 1)
		require.Len(t, found.Notes, 1)
	}
}

// Tables may be in a schema that the search_path does not name.
func TestMigrateQualified(t *testing.T) {
	t.Parallel()
	d := newStratum(t)
	d.exec(t, d.OwnerDSN, "CREATE SCHEMA archive")
	models := []any{&archived{}, &page{}, &Task{}}
	d.db = d.used(t, models)
	require.NoError(t, migrate(t.Context(), d.db, uuid.Nil))
	d.logDDL(t)
	d.settled(t, func() error { return migrate(t.Context(), d.used(t, models), uuid.Nil) })
	for _, slug := range []string{"acme", "bolt"} {
		db := d.db.WithContext(d.tenant(t, slug))
		require.NoError(t, db.Create(&archived{Note: "n", Task: &Task{Name: "t"}, Pages: []page{{Text: "one"}}}).Error)
		var notes []archived
		require.NoError(t, db.Preload("Pages").Joins("Task").Find(&notes).Error)
		require.Len(t, notes, 1)
		require.Len(t, notes[0].Pages, 1)
		require.Equal(t, "t", notes[0].Task.Name)
		require.ErrorIs(t, db.Create(&archived{Note: "n"}).Error, core.ErrDuplicateKey)
	}
	for _, table := range []string{"archive.notes", "archive.pages"} {
		for name, definition := range d.constraints(t, table) {
			if !strings.HasPrefix(definition, "PRIMARY KEY") {
				require.Contains(t, definition, "(tenant_id, ", name)
			}
		}
	}
}

// withOption is a DSN with a setting for each of its connections.
func withOption(t *testing.T, dsn, key, value string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	query := u.Query()
	query.Set(key, value)
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	return u.String()
}

// A plain AutoMigrate, with GORM alone and the owner's login, finds nothing to do: what Stratum changed is in the tags
// of the embedded Tenant, under the names of GORM.
func TestPlainAutoMigrate(t *testing.T) {
	t.Parallel()
	d := newDesk(t, embedded())
	require.NoError(t, d.db.WithContext(d.tenant(t, "acme")).Create(&Parcel{
		Number: "P-1", Items: []Item{{}}, Labels: []Label{{Name: "fragile"}},
	}).Error)
	d.logDDL(t)
	open := func(dsn string) *gorm.DB {
		db, err := gorm.Open(postgres.Open(dsn), &gorm.Config{Logger: logger.Discard})
		require.NoError(t, err)
		t.Cleanup(func() {
			pool, err := db.DB()
			require.NoError(t, err)
			require.NoError(t, pool.Close())
		})
		return db
	}
	owner := open(withOption(t, d.OwnerDSN, "options", "-c stratum.owner=migrate"))
	d.settled(t, func() error { return owner.AutoMigrate(embedded()...) })
	d.settled(t, func() error { return migrate(t.Context(), d.db, uuid.Nil) })

	err := open(d.OwnerDSN).AutoMigrate(embedded()...)
	require.ErrorContains(t, err, "its owner does not see them", "without the option the owner is told so")

	require.NoError(t, migrate(t.Context(), d.used(t, []any{&Tag{}}), uuid.Nil))
	require.ErrorContains(t, owner.AutoMigrate(&Tag{}), "uni_tags_name", "the tag unique does not survive, as documented")
}

func TestAutoMigrateIsRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskModels())
	for _, ctx := range []context.Context{t.Context(), d.tenant(t, "acme"), asSystemContext(t)} {
		db := d.db.WithContext(ctx)
		m := db.Migrator()
		for name, err := range map[string]error{
			"AutoMigrate": db.AutoMigrate(&Ticket{}), "CreateTable": m.CreateTable(&Ticket{}),
			"DropTable": m.DropTable(&Ticket{}), "RenameTable": m.RenameTable("tickets", "x"),
			"AddColumn": m.AddColumn(&Ticket{}, "Title"), "DropColumn": m.DropColumn(&Ticket{}, "Title"),
			"AlterColumn": m.AlterColumn(&Ticket{}, "Title"), "RenameColumn": m.RenameColumn(&Ticket{}, "Title", "x"),
			"MigrateColumn": m.MigrateColumn(&Ticket{}, nil, nil), "Unique": m.MigrateColumnUnique(&Ticket{}, nil, nil),
			"CreateView": m.CreateView("v", gorm.ViewOption{}), "DropView": m.DropView("v"),
			"CreateConstraint": m.CreateConstraint(&Ticket{}, "c"), "DropConstraint": m.DropConstraint(&Ticket{}, "c"),
			"CreateIndex": m.CreateIndex(&Ticket{}, "Number"), "DropIndex": m.DropIndex(&Ticket{}, "Number"),
			"RenameIndex": m.RenameIndex(&Ticket{}, "a", "b"),
		} {
			require.ErrorIs(t, err, gormstratum.ErrAutoMigrate, name)
			require.ErrorContains(t, err, "call gormstratum.Migrate(ctx, db", name)
		}
		require.Error(t, db.Exec("ALTER TABLE tickets ADD COLUMN x int").Error)
	}
}

// After Migrate a login by itself sees nothing, and says why.
func TestLoginsWithoutScope(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskModels())
	require.NoError(t, d.db.WithContext(d.tenant(t, "acme")).Create(&Ticket{Number: "T-1"}).Error)
	for dsn, text := range map[string]string{
		d.DSN: "permission denied", d.SystemDSN: "permission denied", d.OwnerDSN: "its owner does not see them",
	} {
		conn, err := pgx.Connect(t.Context(), dsn)
		require.NoError(t, err)
		for _, statement := range []string{
			"SELECT * FROM tickets", "UPDATE tickets SET title = 'x'", "DELETE FROM tickets", "SELECT * FROM ticket_tags",
		} {
			_, err = conn.Exec(t.Context(), statement)
			if statement != "SELECT * FROM ticket_tags" || dsn != d.OwnerDSN { // the owner is told of rows, and there are none
				require.ErrorContains(t, err, text, statement)
			}
		}
		require.NoError(t, conn.Close(t.Context()))
	}
}

// What the models become is migrated, too.
func TestMigrateLaterModels(t *testing.T) {
	t.Parallel()
	d := newDesk(t, embedded())
	ctx := d.tenant(t, "acme")
	require.NoError(t, d.db.WithContext(ctx).Create(&Task{Name: "old"}).Error)
	d.logDDL(t)
	later := append(shapes(), laterModels()...)
	db := d.used(t, later)
	require.NoError(t, migrate(t.Context(), db, uuid.Nil))
	require.Contains(t, d.constraints(t, "tasks"), "idx_tasks_priority")
	require.Contains(t, d.constraints(t, "tasks")["idx_tasks_priority"], "(tenant_id, priority)")
	require.NoError(t, db.WithContext(ctx).Table("tasks").Create(map[string]any{"name": "new", "priority": 3}).Error)
	d.settled(t, func() error { return migrate(t.Context(), db, uuid.Nil) })
	d.settled(t, func() error { return migrate(t.Context(), d.db, uuid.Nil) }) // the older program, beside it
}

// A SetupJoinTable that comes too late would make a table without policies.
func TestLateJoinTable(t *testing.T) {
	t.Parallel()
	d := newStratum(t)
	db := d.used(t, []any{&Member{}, &Team{}})
	type LateMembership struct {
		gormstratum.Tenant
		MemberID uint `gorm:"primaryKey"`
		TeamID   uint `gorm:"primaryKey"`
	}
	require.NoError(t, db.SetupJoinTable(&Member{}, "Teams", &LateMembership{}))
	err := migrate(t.Context(), db, uuid.Nil)
	require.ErrorIs(t, err, gormstratum.ErrModel)
	require.ErrorContains(t, err, `join table "late_memberships" of Member.Teams was not there at db.Use`)
}

// Migrate wants other things of the models than the application does: its own schemas stay as they are.
func TestMigrateLeavesSchemas(t *testing.T) {
	t.Parallel()
	d := newStratum(t)
	db := d.used(t, shapes())
	describe := func() string {
		var text strings.Builder
		for _, model := range shapes() {
			stmt := &gorm.Statement{DB: db}
			require.NoError(t, stmt.Parse(model))
			for _, f := range stmt.Schema.Fields {
				fmt.Fprintln(&text, f.DBName, f.Tag, f.TagSettings, f.Unique, f.UniqueIndex, f.HasDefaultValue, f.DefaultValue, f.DataType)
			}
		}
		return text.String()
	}
	before := describe()
	require.NoError(t, migrate(t.Context(), db, uuid.Nil))
	require.Equal(t, before, describe())
}

func TestMigrateTenAtOnce(t *testing.T) {
	t.Parallel()
	d := newStratum(t)
	var group errgroup.Group
	for range 10 {
		db := d.used(t, deskModels())
		group.Go(func() error { return migrate(t.Context(), db, uuid.Nil) })
	}
	require.NoError(t, group.Wait())
	d.logDDL(t)
	d.settled(t, func() error { return migrate(t.Context(), d.used(t, deskModels()), uuid.Nil) })
}

// Isolation is what the login's default says, and Migrate needs READ COMMITTED: it waits for another one.
func TestMigrateUnderAnotherIsolation(t *testing.T) {
	t.Parallel()
	d := newStratum(t)
	d.exec(t, d.AdminDSN, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable', "+
		"current_database()); END $$")
	var group errgroup.Group
	for range 4 {
		db := d.used(t, deskModels())
		group.Go(func() error { return migrate(t.Context(), db, uuid.Nil) })
	}
	require.NoError(t, group.Wait())
	require.NoError(t, d.used(t, deskModels()).WithContext(d.tenant(t, "acme")).Create(&Ticket{Number: "T-1"}).Error)
}

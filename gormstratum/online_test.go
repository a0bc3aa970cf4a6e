package gormstratum_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
	"github.com/stratum-hq/stratum-go/gormstratum/internal/crm"
	"github.com/stratum-hq/stratum-go/gormstratum/internal/crm/guarded"
)

// crmKeys is how the ten models say whose their rows are: by account_id, or by their parents, and accounts by their id.
func crmKeys() gormstratum.AdoptOptions {
	return gormstratum.AdoptOptions{
		Key:  gormstratum.AdoptKey{Column: "account_id"},
		Keys: map[string]gormstratum.AdoptKey{"accounts": {Column: "id"}},
	}
}

// crmTables are the tables of the models, and the two that GORM makes for relations.
func crmTables() []string {
	return []string{
		"accounts", "roles", "users", "user_roles", "projects", "tags", "tasks", "task_tags", "comments", "invoices",
		"lines", "payments",
	}
}

// business is the application: its database, and its plain version's *gorm.DB.
type business struct {
	desk

	plain *gorm.DB
}

// newBusiness makes the application with rows in each table for a number of accounts, and a tenant for each account.
func newBusiness(t *testing.T, accounts, rows int) business {
	t.Helper()
	b := business{desk: newStratum(t)}
	b.plain = openPlain(t, b.OwnerDSN)
	require.NoError(t, b.plain.AutoMigrate(crm.Models()...))
	fillBusiness(t, b.plain, accounts, rows)
	b.createTenants(t, accounts)
	b.db = b.used(t, guardedModels())
	return b
}

// openPlain opens the plain version's *gorm.DB.
func openPlain(t *testing.T, dsn string) *gorm.DB {
	t.Helper()
	db, err := gorm.Open(postgres.Open(dsn), &gorm.Config{Logger: logger.Discard})
	require.NoError(t, err)
	pool, err := db.DB()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	return db
}

// fillBusiness makes rows: n in each of the ten tables, spread over the accounts.
func fillBusiness(t *testing.T, db *gorm.DB, accounts, n int) {
	t.Helper()
	statements := []string{
		"INSERT INTO accounts (name) SELECT 'account ' || g FROM generate_series(1, @accounts) g",
		"INSERT INTO roles (account_id, name) SELECT 1 + g % @accounts, 'role ' || g FROM generate_series(1, @n) g",
		"INSERT INTO users (account_id, email) SELECT 1 + g % @accounts, g || '@example.org' FROM generate_series(1, @n) g",
		"INSERT INTO user_roles (user_id, role_id) SELECT id, id FROM users WHERE id % 2 = 0",
		`INSERT INTO projects (account_id, code, owner_id) SELECT 1 + g % @accounts, 'P-' || g, g FROM generate_series(1, @n) g`,
		"INSERT INTO tags (account_id, name) SELECT 1 + g % @accounts, 'tag ' || g FROM generate_series(1, @n) g",
		"INSERT INTO tasks (project_id, title) SELECT g, 'task ' || g FROM generate_series(1, @n) g",
		"INSERT INTO task_tags (task_id, tag_id) SELECT id, id FROM tasks WHERE id % 2 = 0",
		"INSERT INTO comments (task_id, body) SELECT g, 'body ' || g FROM generate_series(1, @n) g",
		"INSERT INTO invoices (account_id, number) SELECT 1 + g % @accounts, 'I-' || g FROM generate_series(1, @n) g",
		"INSERT INTO lines (invoice_id, sku, quantity) SELECT g, 'sku', g FROM generate_series(1, @n) g",
		`INSERT INTO payments (account_id, invoice_id, reference, amount)
			SELECT 1 + g % @accounts, g, CASE WHEN g % 3 = 0 THEN '' ELSE 'R-' || g END, g FROM generate_series(1, @n) g`,
		"ANALYZE",
	}
	numbers := strings.NewReplacer("@accounts", strconv.Itoa(accounts), "@n", strconv.Itoa(n))
	for _, statement := range statements {
		require.NoError(t, db.Exec(numbers.Replace(statement)).Error)
	}
}

// createTenants makes the tenant of each account.
func (b business) createTenants(t *testing.T, accounts int) {
	t.Helper()
	tenants := make([]core.NewTenant, accounts)
	for i := range tenants {
		id := strconv.Itoa(i + 1)
		tenants[i] = core.NewTenant{Slug: "account-" + id, Name: "Account " + id, ExternalID: id}
	}
	_, err := b.st.Tenants.CreateBatch(t.Context(), tenants)
	require.NoError(t, err)
}

func (b business) adopt(t *testing.T, to gormstratum.AdoptStep) {
	t.Helper()
	options := crmKeys()
	options.To = to
	require.NoError(t, gormstratum.Adopt(t.Context(), b.db, options))
}

func (b business) eject(t *testing.T, to gormstratum.AdoptStep) {
	t.Helper()
	options := crmKeys()
	options.To = to
	require.NoError(t, gormstratum.Eject(t.Context(), b.db, options))
}

// catalog is everything that the way forth and back may change, but for rights on the schema.
func (b business) catalog(t *testing.T) []string {
	t.Helper()
	return b.texts(t, `
		SELECT format('%s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default)
			FROM information_schema.columns WHERE table_schema = 'public'
		UNION ALL SELECT format('%s %s %s %s', conrelid::regclass, conname, condeferrable, pg_get_constraintdef(oid))
			FROM pg_constraint WHERE connamespace = 'public'::regnamespace
		UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
		UNION ALL SELECT format('%s valid %s', indexrelid::regclass, indisvalid) FROM pg_index
			WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
		UNION ALL SELECT format('%s %s %s %s', relname, relrowsecurity, relforcerowsecurity,
			ARRAY(SELECT split_part(a::text, '/', 1) FROM unnest(relacl) a
				WHERE a::text NOT LIKE relowner::regrole::text || '=%' ORDER BY 1))
			FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')
		UNION ALL SELECT format('%s %s %s', tablename, policyname, qual) FROM pg_policies
		UNION ALL SELECT format('%s %s', tgrelid::regclass, tgname) FROM pg_trigger WHERE NOT tgisinternal
			AND tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
		UNION ALL SELECT proname || prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
		UNION ALL SELECT format('%s %s %s', table_name, class, tenant_column) FROM stratum.tables ORDER BY 1`)
}

// plainIsSettled holds that the plain version, started again, finds nothing to migrate.
func (b business) plainIsSettled(t *testing.T) {
	t.Helper()
	b.settled(t, func() error { return openPlain(t, b.OwnerDSN).AutoMigrate(crm.Models()...) })
}

// misplaced counts rows whose tenant is not that of their account, as the administrator sees them.
func (b business) misplaced(t *testing.T) int64 {
	t.Helper()
	tenant := "(SELECT s.id FROM stratum.tenants s WHERE s.external_id = %s::text)"
	keys := map[string]string{
		"accounts": "x.id", "lines": "(SELECT account_id FROM invoices p WHERE p.id = x.invoice_id)",
		"tasks":      "(SELECT account_id FROM projects p WHERE p.id = x.project_id)",
		"user_roles": "(SELECT account_id FROM users p WHERE p.id = x.user_id)",
		"task_tags":  "(SELECT p.account_id FROM projects p JOIN tasks t ON t.project_id = p.id WHERE t.id = x.task_id)",
		"comments":   "(SELECT p.account_id FROM projects p JOIN tasks t ON t.project_id = p.id WHERE t.id = x.task_id)",
	}
	counts := make([]string, 0, len(crmTables()))
	for _, table := range crmTables() {
		key := keys[table]
		if key == "" {
			key = "x.account_id"
		}
		counts = append(counts, "(SELECT count(*) FROM "+table+" x WHERE x.tenant_id IS DISTINCT FROM "+
			fmt.Sprintf(tenant, key)+")")
	}
	return b.value(t, "SELECT "+strings.Join(counts, " + "))
}

// accountContext is the context of an account's tenant.
func (b business) accountContext(t *testing.T, account int) context.Context {
	t.Helper()
	tenant, err := b.st.Tenants.ByExternalID(t.Context(), strconv.Itoa(account))
	require.NoError(t, err)
	return core.WithTenant(t.Context(), tenant.ID)
}

func steps() []gormstratum.AdoptStep {
	return []gormstratum.AdoptStep{
		gormstratum.AdoptExpanded, gormstratum.AdoptFilled, gormstratum.AdoptValidated, gormstratum.AdoptSwitched,
		gormstratum.AdoptSealed,
	}
}

// The way there and back, step by step: the plain version has nothing to migrate at any step but the last, and the end
// is what Migrate would have made.
func TestAdoptOnline(t *testing.T) {
	t.Parallel()
	b := newBusiness(t, 10, 200)
	b.logDDL(t)
	b.plainIsSettled(t)
	before := b.catalog(t)
	for _, step := range steps() {
		b.adopt(t, step)
		b.settled(t, func() error {
			options := crmKeys()
			options.To = step
			return gormstratum.Adopt(t.Context(), b.db, options)
		})
		if step < gormstratum.AdoptSealed {
			b.plainIsSettled(t)
			require.ErrorIs(t, gormstratum.Migrate(t.Context(), b.db, gormstratum.MigrateOptions{}), gormstratum.ErrAdopting)
		}
	}
	b.settled(t, func() error { return gormstratum.Migrate(t.Context(), b.db, gormstratum.MigrateOptions{}) })
	require.Zero(t, b.misplaced(t))

	for i := len(steps()) - 1; i >= 0; i-- {
		to := gormstratum.AdoptPlain
		if i > 0 {
			to = steps()[i-1]
		}
		b.eject(t, to)
		b.plainIsSettled(t)
	}
	require.Equal(t, before, b.catalog(t))
}

func guardedModels() []any { return guarded.Models() }

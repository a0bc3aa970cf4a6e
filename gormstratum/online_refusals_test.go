package gormstratum_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
	"github.com/stratum-hq/stratum-go/gormstratum/internal/crm"
	"github.com/stratum-hq/stratum-go/gormstratum/internal/crm/guarded"
)

// eventually waits until a count is not zero.
func (b business) eventually(t *testing.T, count string) {
	t.Helper()
	require.Eventually(t, func() bool { return b.value(t, count) > 0 }, time.Minute, 10*time.Millisecond, count)
}

// found runs the query that an error names and returns the number of rows that it finds.
func (b business) found(t *testing.T, err error) int {
	t.Helper()
	_, query, ok := strings.Cut(err.Error(), " with: ")
	require.True(t, ok, err)
	query, _, _ = strings.Cut(strings.TrimSuffix(query, ")"), "; then")
	return len(b.texts(t, "SELECT q::text FROM ("+query+") q"))
}

// A row that refers to another account's stops the adoption, which names table, constraint and a query for the row.
// Writers do not notice, and when it is corrected the adoption goes on.
func TestAdoptRefusesStrays(t *testing.T) {
	t.Parallel()
	b := newBusiness(t, 3, 60)
	b.exec(t, b.OwnerDSN, "UPDATE payments SET account_id = 1 + account_id % 3 WHERE id = 7")
	options := crmKeys()
	options.To = gormstratum.AdoptSealed
	err := gormstratum.Adopt(t.Context(), b.db, options)
	require.ErrorIs(t, err, gormstratum.ErrReference)
	require.ErrorContains(t, err, `table "public"."payments"`)
	require.ErrorContains(t, err, `"fk_invoices_payments"`)
	require.Equal(t, 1, b.found(t, err))
	require.NoError(t, b.plain.Create(&crm.Payment{AccountID: 3, InvoiceID: 2, Amount: 1}).Error)
	require.NoError(t, b.plain.Delete(&crm.Payment{}, 8).Error)

	b.exec(t, b.OwnerDSN, "UPDATE payments p SET account_id = i.account_id FROM invoices i WHERE i.id = p.invoice_id")
	require.NoError(t, gormstratum.Adopt(t.Context(), b.db, options))
	require.Zero(t, b.misplaced(t))
}

// Keys without a tenant, and rows without a key, are found before anything is changed.
func TestAdoptRefusesKeys(t *testing.T) {
	t.Parallel()
	b := newBusiness(t, 3, 60)
	b.exec(t, b.OwnerDSN, "UPDATE invoices SET account_id = 98 WHERE id IN (6, 7, 8); "+
		"UPDATE payments SET account_id = 98 WHERE invoice_id IN (6, 7, 8); UPDATE payments SET account_id = 99 WHERE id = 9")
	before := b.catalog(t)
	options := crmKeys()
	options.To = gormstratum.AdoptExpanded
	err := gormstratum.Adopt(t.Context(), b.db, options)
	require.ErrorIs(t, err, gormstratum.ErrKey)
	require.ErrorContains(t, err, `table "public"."invoices": 1 keys have no tenant`)
	require.ErrorContains(t, err, `table "public"."payments": 2 keys have no tenant`)
	require.ErrorContains(t, err, "Tenants.CreateBatch")
	require.NotContains(t, err.Error(), "98")
	var refused *gormstratum.TableError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 1, b.found(t, refused))
	require.Equal(t, before, b.catalog(t))

	options.CreateTenants = true
	options.To = gormstratum.AdoptFilled
	require.NoError(t, gormstratum.Adopt(t.Context(), b.db, options))
	require.Zero(t, b.misplaced(t))
	_, err = b.st.Tenants.ByExternalID(t.Context(), "99")
	require.NoError(t, err)
}

func TestAdoptNullKeys(t *testing.T) {
	t.Parallel()
	b := newBusiness(t, 3, 60)
	b.exec(t, b.OwnerDSN, "ALTER TABLE tags ALTER COLUMN account_id DROP NOT NULL; INSERT INTO tags (name) VALUES ('lost')")
	options := crmKeys()
	options.To = gormstratum.AdoptFilled
	err := gormstratum.Adopt(t.Context(), b.db, options)
	require.ErrorIs(t, err, gormstratum.ErrKey)
	require.ErrorContains(t, err, "1 rows have no key")
	require.ErrorContains(t, err, "AdoptOptions.NullKeys")

	first, err := b.st.Tenants.ByExternalID(t.Context(), "1")
	require.NoError(t, err)
	options.NullKeys = first.ID
	require.NoError(t, gormstratum.Adopt(t.Context(), b.db, options))
	require.Equal(t, int64(1), b.value(t, "SELECT count(*) FROM tags WHERE account_id IS NULL AND tenant_id = $1", first.ID))
	b.exec(t, b.OwnerDSN, "INSERT INTO tags (name) VALUES ('lost again')")
	require.Equal(t, int64(2), b.value(t, "SELECT count(*) FROM tags WHERE account_id IS NULL AND tenant_id = $1", first.ID))
}

// On the way back two tenants may have one value by now. The tables stay sealed and the tenants can work.
func TestEjectRefusesDuplicates(t *testing.T) {
	t.Parallel()
	b := newBusiness(t, 3, 60)
	b.adopt(t, gormstratum.AdoptSealed)
	for account := 1; account <= 2; account++ {
		require.NoError(t, b.db.WithContext(b.accountContext(t, account)).Create(&guarded.Invoice{Number: "same"}).Error)
	}
	sealed := b.catalog(t)
	err := gormstratum.Eject(t.Context(), b.db, crmKeys())
	require.ErrorIs(t, err, gormstratum.ErrDuplicate)
	require.ErrorContains(t, err, `"idx_invoices_number"`)
	require.NotContains(t, err.Error(), "same values: ")
	require.Equal(t, 1, b.found(t, err))
	require.Zero(t, b.value(t, "SELECT count(*) FROM pg_index WHERE NOT indisvalid"))
	require.NoError(t, b.db.WithContext(b.accountContext(t, 3)).Create(&guarded.Invoice{Number: "same"}).Error,
		"what the failed build left refuses nobody")
	require.Subset(t, b.catalog(t), sealed)
}

func TestAdoptDeclarations(t *testing.T) {
	t.Parallel()
	b := newBusiness(t, 3, 20)
	for text, change := range map[string]func(*gormstratum.AdoptOptions){
		"nothing says whose its rows are":        func(o *gormstratum.AdoptOptions) { o.Key.Column = "" },
		`names table "nowhere"`:                  func(o *gormstratum.AdoptOptions) { o.Keys["nowhere"] = gormstratum.AdoptKey{} },
		`it has no column "customer"`:            func(o *gormstratum.AdoptOptions) { o.Keys["tags"] = gormstratum.AdoptKey{Column: "customer"} },
		`there is no login "nobody"`:             func(o *gormstratum.AdoptOptions) { o.PlainLogin = "nobody" },
		"is no step":                             func(o *gormstratum.AdoptOptions) { o.To = 9 },
		`table "public"."comments": nothing say`: func(o *gormstratum.AdoptOptions) { o.Keys["comments"] = gormstratum.AdoptKey{Through: "fk_none"} },
	} {
		options := crmKeys()
		options.To = gormstratum.AdoptExpanded
		change(&options)
		before := b.catalog(t)
		require.ErrorContains(t, gormstratum.Adopt(t.Context(), b.db, options), text)
		require.Equal(t, before, b.catalog(t), text)
	}
	require.ErrorIs(t, gormstratum.Adopt(t.Context(), b.plain, crmKeys()), gormstratum.ErrNotUsed)
}

// Two at once would undo each other's work.
func TestAdoptTwice(t *testing.T) {
	t.Parallel()
	b := newBusiness(t, 3, 20)
	options := crmKeys()
	options.To = gormstratum.AdoptExpanded
	var second, report error
	options.Progress = func(e gormstratum.AdoptEvent) error {
		if e.Done && second == nil {
			second = errors.Join(second, gormstratum.Adopt(t.Context(), b.db, crmKeys()))
			_, report = gormstratum.AdoptReport(t.Context(), b.db, crmKeys())
		}
		return nil
	}
	require.NoError(t, gormstratum.Adopt(t.Context(), b.db, options))
	require.ErrorIs(t, second, gormstratum.ErrAdoptRunning)
	require.NoError(t, report, "a look is possible meanwhile")
}

// The trigger serves both versions, and trusts neither.
func TestAdoptTrigger(t *testing.T) {
	t.Parallel()
	b := newBusiness(t, 3, 20)
	b.adopt(t, gormstratum.AdoptSwitched)
	first, second := b.accountContext(t, 1), b.accountContext(t, 2)
	id, _ := core.TenantFrom(first)
	keyOf := "SELECT count(*) FROM tags WHERE name = $1 AND account_id = $2 AND tenant_id = (SELECT id FROM stratum.tenants WHERE external_id = $2::text)"

	require.NoError(t, b.db.WithContext(first).Create(&guarded.Tag{Name: "without a key"}).Error)
	require.Equal(t, int64(1), b.value(t, keyOf, "without a key", 1))
	require.NoError(t, b.db.WithContext(first).Create(&guarded.Tag{Name: "with it", AccountID: 1}).Error)
	require.Equal(t, int64(1), b.value(t, keyOf, "with it", 1))
	require.NoError(t, b.db.WithContext(first).Exec("INSERT INTO tags (name) VALUES ('raw')").Error)
	require.Equal(t, int64(1), b.value(t, keyOf, "raw", 1))
	require.NoError(t, b.plain.Exec("INSERT INTO tags (name, account_id) VALUES ('plain', 2)").Error)
	require.Equal(t, int64(1), b.value(t, keyOf, "plain", 2))

	for name, err := range map[string]error{
		"another's key":           b.db.WithContext(first).Create(&guarded.Tag{Name: "x", AccountID: 2}).Error,
		"an unknown key":          b.db.WithContext(first).Create(&guarded.Tag{Name: "x", AccountID: 77}).Error,
		"a move":                  b.db.WithContext(first).Model(&guarded.Tag{}).Where("name = 'raw'").Update("account_id", 2).Error,
		"a raw move":              b.db.WithContext(second).Exec("UPDATE tags SET account_id = 1 WHERE name = 'plain'").Error,
		"plain, unknown":          b.plain.Exec("INSERT INTO tags (name, account_id) VALUES ('x', 77)").Error,
		"plain, another's parent": b.plain.Exec("UPDATE tags SET tenant_id = ? WHERE name = 'plain'", id).Error,
	} {
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), id.String(), name)
	}
	require.NoError(t, b.plain.Exec("UPDATE tags SET account_id = 3 WHERE name = 'plain'").Error, "the plain version may move it")
	require.Equal(t, int64(1), b.value(t, keyOf, "plain", 3))
	saved := guarded.Tag{ID: b.value(t, "SELECT id FROM tags WHERE name = 'raw'"), Name: "saved"}
	require.NoError(t, b.db.WithContext(first).Save(&saved).Error, "Save writes account_id 0, which is none")
	require.Equal(t, int64(1), b.value(t, keyOf, "saved", 1))
	require.Zero(t, b.misplaced(t))
}

// The plain version may have a login that does not own the tables.
func TestAdoptPlainLogin(t *testing.T) {
	t.Parallel()
	b := newBusiness(t, 3, 20)
	login := b.Name + "_plain"
	b.exec(t, b.AdminDSN, "CREATE ROLE "+login+" LOGIN")
	t.Cleanup(func() {
		conn, err := pgx.Connect(t.Context(), b.AdminDSN)
		if err == nil {
			_, _ = conn.Exec(t.Context(), "DROP OWNED BY "+login+"; DROP ROLE "+login)
			_ = conn.Close(t.Context())
		}
	})
	b.exec(t, b.OwnerDSN, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "+login+
		"; GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO "+login)
	config, err := pgx.ParseConfig(b.AdminDSN)
	require.NoError(t, err)
	config.User, config.Password = login, ""
	before := b.catalog(t)
	works := func() error {
		conn, err := pgx.ConnectConfig(t.Context(), config)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(t.Context()) }()
		_, err = conn.Exec(t.Context(), "INSERT INTO tags (account_id, name) VALUES (1, gen_random_uuid()::text)")
		if err != nil {
			return err
		}
		var rows, all int64
		err = conn.QueryRow(t.Context(), "SELECT count(*) FROM tags").Scan(&rows)
		if all = b.value(t, "SELECT count(*) FROM tags"); err == nil && rows != all {
			return errors.New("it does not see all rows")
		}
		return err
	}
	options := crmKeys()
	options.PlainLogin = login
	for _, step := range steps() {
		options.To = step
		require.NoError(t, gormstratum.Adopt(t.Context(), b.db, options))
		if step < gormstratum.AdoptSealed {
			require.NoError(t, works(), step)
		}
	}
	var pgErr *pgconn.PgError
	require.ErrorAs(t, works(), &pgErr)
	require.Equal(t, "42501", pgErr.Code, "it is told, and does not read nothing")
	for i := len(steps()) - 2; i >= 0; i-- {
		options.To = steps()[i]
		require.NoError(t, gormstratum.Eject(t.Context(), b.db, options))
		require.NoError(t, works(), steps()[i])
	}
	options.To = gormstratum.AdoptPlain
	require.NoError(t, gormstratum.Eject(t.Context(), b.db, options))
	require.Equal(t, before, b.catalog(t))
}

// Keys may be translated by a table of the application, which may be tenant-owned itself.
func TestAdoptLookup(t *testing.T) {
	t.Parallel()
	b := newBusiness(t, 3, 30)
	for account := 1; account <= 3; account++ {
		name := fmt.Sprintf("account %d", account)
		_, err := b.st.Tenants.Create(t.Context(), core.NewTenant{Slug: fmt.Sprintf("by-name-%d", account), Name: name, ExternalID: name})
		require.NoError(t, err)
	}
	before := b.catalog(t)
	options := gormstratum.AdoptOptions{
		Key: gormstratum.AdoptKey{
			Column: "account_id", LookupTable: "accounts", LookupColumn: "id", LookupExternal: "name",
		},
		Keys: map[string]gormstratum.AdoptKey{"accounts": {Column: "name"}, "user_roles": {Through: "fk_user_roles_user"}},
	}
	misplaced := `SELECT count(*) FROM comments c JOIN tasks t ON t.id = c.task_id JOIN projects p ON p.id = t.project_id
		JOIN stratum.tenants s ON s.id = c.tenant_id WHERE s.external_id <> 'account ' || p.account_id`
	for _, step := range steps() {
		options.To = step
		require.NoError(t, gormstratum.Adopt(t.Context(), b.db, options))
		require.Zero(t, b.value(t, misplaced))
		if step == gormstratum.AdoptSwitched {
			third, err := b.st.Tenants.ByExternalID(t.Context(), "account 3")
			require.NoError(t, err)
			tag := guarded.Tag{Name: "new"}
			require.NoError(t, b.db.WithContext(core.WithTenant(t.Context(), third.ID)).Create(&tag).Error)
			require.Equal(t, int64(3), b.value(t, "SELECT account_id FROM tags WHERE name = 'new'"))
		}
	}
	options.To = gormstratum.AdoptPlain
	require.NoError(t, gormstratum.Eject(t.Context(), b.db, options))
	require.Equal(t, before, b.catalog(t))
}

// A writer that keeps a table to itself for a while is waited for with patience, and in no other writer's way for long.
func TestAdoptYields(t *testing.T) {
	t.Parallel()
	b := newBusiness(t, 3, 20)
	conn, err := pgx.Connect(t.Context(), b.OwnerDSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "UPDATE tags SET name = name || '!' WHERE id = 1")
	require.NoError(t, err)

	options, retries := crmKeys(), 0
	options.To = gormstratum.AdoptExpanded
	options.Progress = func(e gormstratum.AdoptEvent) error {
		if e.Retry == nil {
			return nil
		}
		// It has just given up waiting: nobody is behind it now, and it asks again later.
		if retries++; retries == 3 {
			return tx.Commit(t.Context())
		}
		return b.plain.Exec("UPDATE tags SET name = name || '?' WHERE id = 2").Error
	}
	require.NoError(t, gormstratum.Adopt(t.Context(), b.db, options))
	require.GreaterOrEqual(t, retries, 3)
}

// A row may move before it has a tenant itself, when rows that follow it have theirs already.
func TestAdoptMoveBeforeFill(t *testing.T) {
	t.Parallel()
	b := newBusiness(t, 3, 20)
	b.adopt(t, gormstratum.AdoptExpanded)
	task := crm.Task{ProjectID: 1, Title: "new", Comments: []crm.Comment{{Body: "new"}}}
	require.NoError(t, b.plain.Create(&task).Error)
	require.Equal(t, int64(1), b.value(t, "SELECT count(*) FROM projects WHERE id = 1 AND tenant_id IS NULL"))
	require.NoError(t, b.plain.Model(&crm.Project{ID: 1}).
		Updates(map[string]any{"account_id": 1, "owner_id": nil}).Error)
	b.adopt(t, gormstratum.AdoptFilled)
	require.Zero(t, b.misplaced(t))
	b.adopt(t, gormstratum.AdoptSealed)
}

package install_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/stratumtest"
)

// prove is the proof that an application gives: an HMAC as Go's standard library makes it.
func prove(tb testing.TB, db *stratumtest.Database, id uuid.UUID, role string) []byte {
	tb.Helper()
	mac := hmac.New(sha256.New, value[[]byte](tb, db.OwnerDSN, "SELECT proof_key FROM stratum.signing"))
	mac.Write(id[:])
	mac.Write([]byte(role))
	return mac.Sum(nil)
}

// admit enters in the long way and returns the epoch, 0 for none.
func admit(tb testing.TB, conn *pgx.Conn, id uuid.UUID) (epoch int64) {
	tb.Helper()
	var found *int64
	require.NoError(tb, conn.QueryRow(tb.Context(), "SELECT stratum.admit($1)", id).Scan(&found))
	if found != nil {
		epoch = *found
	}
	return epoch
}

func epochOf(tb testing.TB, db *stratumtest.Database) int64 {
	tb.Helper()
	return value[int64](tb, db.DSN, "SELECT pg_sequence_last_value('stratum.epoch')")
}

// A program of an older version knows enter alone.
func TestEnterServesOlderPrograms(t *testing.T) {
	t.Parallel()
	db, roles := installed(t)
	acme := createTenant(t, db, tenant{slug: "acme"})
	gone := createTenant(t, db, tenant{slug: "gone", status: "archived"})
	conn := connect(t, db.DSN)
	_, err := conn.Exec(t.Context(), "SELECT stratum.enter($1)", gone.id)
	require.Equal(t, "ST003", code(err))
	_, err = conn.Exec(t.Context(), "SELECT stratum.enter($1)", uuid.New())
	require.Equal(t, "ST002", code(err))
	tx := begin(t, conn, pgx.TxOptions{})
	_, err = tx.Exec(t.Context(), "SELECT stratum.enter($1), set_config('role', $2, true)", acme.id, roles.Tenant)
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "SELECT stratum.enter($1)", acme.id)
	require.Equal(t, "42501", code(err), "once in a transaction")
	require.NoError(t, tx.Rollback(t.Context()))
}

// The epoch changes with what concerns a tenant's status, and with nothing else: programs look again then.
func TestEpochTurns(t *testing.T) {
	t.Parallel()
	db, _ := installed(t)
	acme := createTenant(t, db, tenant{slug: "acme"})
	other := createTenant(t, db, tenant{slug: "other"})
	conn := connect(t, db.DSN)
	require.Equal(t, epochOf(t, db), admit(t, conn, acme.id))
	for _, change := range []struct {
		sql   string
		turns bool
	}{
		{"UPDATE stratum.tenants SET name = 'another', metadata = '{}'", false},
		{"UPDATE stratum.tenants SET status = status", false},
		{"UPDATE stratum.tenants SET status = 'suspended' WHERE slug = 'acme'", true},
		{"UPDATE stratum.tenants SET status = 'archived' WHERE slug = 'acme'", true},
		{"UPDATE stratum.tenants SET status = 'active'", true},
		{"SET session_replication_role = replica; UPDATE stratum.tenants SET status = 'suspended' WHERE slug = 'acme'", true},
		{"UPDATE stratum.tenants SET status = 'active'", true},
		{"UPDATE stratum.tenants SET id = gen_random_uuid() WHERE slug = 'acme'", true},
		{"UPDATE stratum.tenants SET status = 'moving' WHERE slug = 'acme'", true},
		{"DELETE FROM stratum.tenants WHERE slug = 'acme'", true},
		{"BEGIN; UPDATE stratum.tenants SET status = 'suspended'; ROLLBACK", false},
	} {
		before := epochOf(t, db)
		exec(t, db.AdminDSN, change.sql)
		require.Equal(t, change.turns, before != epochOf(t, db), change.sql)
		require.Equal(t, epochOf(t, db), admit(t, conn, other.id), change.sql)
	}
	before := epochOf(t, db)
	exec(t, db.OwnerDSN, "TRUNCATE stratum.tenants CASCADE")
	require.NotEqual(t, before, epochOf(t, db))
}

// While a change is on its way the epoch may be its own already, and the row not yet: what is seen then is not to be
// relied on.
func TestEpochIsWithheldWhileAChangeIsOnItsWay(t *testing.T) {
	t.Parallel()
	db, _ := installed(t)
	acme := createTenant(t, db, tenant{slug: "acme"})
	other := createTenant(t, db, tenant{slug: "other"})
	conn := connect(t, db.DSN)
	first := begin(t, connect(t, db.OwnerDSN), pgx.TxOptions{})
	_, err := first.Exec(t.Context(), "SET CONSTRAINTS ALL IMMEDIATE; "+
		"UPDATE stratum.tenants SET status = 'suspended' WHERE slug = 'acme'")
	require.NoError(t, err)
	require.Zero(t, admit(t, conn, acme.id), "the epoch is new, the status is not yet")

	// A second change waits for the first: or its epoch would be taken for the end of both.
	done := make(chan error, 1)
	second := connect(t, db.OwnerDSN)
	go func() {
		_, err := second.Exec(t.Context(), "UPDATE stratum.tenants SET status = 'suspended' WHERE slug = 'other'")
		done <- err
	}()
	require.Eventually(t, func() bool {
		return value[bool](t, db.AdminDSN, "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted "+
			"AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))")
	}, waitFor, tick)
	require.Zero(t, admit(t, conn, other.id))
	require.NoError(t, first.Commit(t.Context()))
	require.NoError(t, <-done)
	for _, id := range []uuid.UUID{acme.id, other.id} {
		_, err := conn.Exec(t.Context(), "SELECT stratum.admit($1)", id)
		require.Equal(t, "ST003", code(err))
	}
}

// An epoch from the future, as a database restored into another server has it, is never relied on.
func TestEpochOfAnotherServer(t *testing.T) {
	t.Parallel()
	db, _ := installed(t)
	acme := createTenant(t, db, tenant{slug: "acme"})
	exec(t, db.OwnerDSN, "SELECT setval('stratum.epoch', 1::bigint << 50)")
	conn := connect(t, db.DSN)
	require.Zero(t, admit(t, conn, acme.id))
	exec(t, db.OwnerDSN, "UPDATE stratum.tenants SET status = 'suspended'; UPDATE stratum.tenants SET status = 'active'")
	require.NotZero(t, admit(t, conn, acme.id), "the next change mends it")
}

// A signature is good for one process, one transaction, one tenant and one role.
func TestSignature(t *testing.T) {
	t.Parallel()
	db, roles := installed(t)
	exec(t, db.OwnerDSN, "SELECT stratum.require_signature(true)")
	exec(t, db.OwnerDSN, "SELECT stratum.require_signature(true)")
	acme, other := createTenant(t, db, tenant{slug: "acme"}), createTenant(t, db, tenant{slug: "other"})
	conn := connect(t, db.DSN)
	enterAs := func(tx pgx.Tx, proof []byte, role string) error {
		_, err := tx.Exec(t.Context(), "SELECT stratum.admit($1, $2, $3), set_config('role', $4, true)",
			acme.id, roles.Tenant, proof, role)
		return err
	}
	within := func(check func(tx pgx.Tx)) {
		tx := begin(t, conn, pgx.TxOptions{})
		check(tx)
		require.NoError(t, tx.Rollback(t.Context()))
	}
	tenantID := func(tx pgx.Tx) string {
		_, err := tx.Exec(t.Context(), "SELECT stratum.tenant_id()")
		return code(err)
	}
	proof := prove(t, db, acme.id, roles.Tenant)
	var signature string
	within(func(tx pgx.Tx) {
		require.NoError(t, enterAs(tx, proof, roles.Tenant))
		require.Empty(t, tenantID(tx))
		require.NoError(t, tx.QueryRow(t.Context(), "SELECT current_setting('stratum.signature')").Scan(&signature))
		require.Len(t, signature, 64)
	})
	for name, wrong := range map[string][]byte{
		"none": nil, "empty": {}, "short": proof[:31], "another tenant's": prove(t, db, other.id, roles.Tenant),
		"another role's": prove(t, db, acme.id, roles.Subtree),
	} {
		within(func(tx pgx.Tx) { require.Equal(t, "ST008", code(enterAs(tx, wrong, roles.Tenant)), name) })
	}
	for name, forge := range map[string]string{
		"another tenant": fmt.Sprintf("SELECT set_config('stratum.tenant', '%s', true)", other.id),
		"another role":   "SET LOCAL ROLE " + roles.Subtree,
		"no signature":   "SELECT set_config('stratum.signature', '', true)",
		"an earlier one": fmt.Sprintf("SELECT set_config('stratum.signature', '%s', true)", signature),
	} {
		within(func(tx pgx.Tx) {
			require.NoError(t, enterAs(tx, proof, roles.Tenant))
			_, err := tx.Exec(t.Context(), forge)
			require.NoError(t, err)
			require.Equal(t, "ST007", tenantID(tx), name)
		})
	}
	within(func(tx pgx.Tx) {
		require.NoError(t, enter(t.Context(), tx, acme.id, roles.Tenant))
		require.Equal(t, "ST007", tenantID(tx), "the unsigned way in leads nowhere")
	})
	within(func(tx pgx.Tx) { require.Equal(t, "ST001", tenantID(tx), "no tenant is no forgery") })

	exec(t, db.OwnerDSN, "SELECT stratum.renew_keys()")
	within(func(tx pgx.Tx) { require.Equal(t, "ST008", code(enterAs(tx, proof, roles.Tenant)), "renewed keys") })
	exec(t, db.OwnerDSN, "SELECT stratum.require_signature(false)")
	within(func(tx pgx.Tx) {
		require.NoError(t, enter(t.Context(), tx, acme.id, roles.Tenant))
		require.Empty(t, tenantID(tx), "and back")
	})
}

// Who may read or change what signatures rest on.
func TestSigningBelongsToTheOwner(t *testing.T) {
	t.Parallel()
	db, roles := installed(t)
	system := asSystem(t, db)
	_, err := system.Exec(t.Context(), "SELECT proof_key, required FROM stratum.signing")
	require.NoError(t, err)
	data := connect(t, db.DSN)
	tenantRole := connect(t, db.DSN)
	_, err = tenantRole.Exec(t.Context(), "SET ROLE "+roles.Tenant)
	require.NoError(t, err)
	for _, statement := range []string{
		"SELECT sign_inner FROM stratum.signing", "SELECT proof_outer FROM stratum.signing",
		"UPDATE stratum.signing SET required = false", "SELECT stratum.require_signature(false)",
		"SELECT stratum.renew_keys()", "SELECT stratum.key_block('', 1)", "SELECT nextval('stratum.epoch')",
		"SELECT setval('stratum.epoch', 1)",
	} {
		for _, conn := range []*pgx.Conn{system, data, tenantRole} {
			_, err := conn.Exec(t.Context(), statement)
			require.Equal(t, "42501", code(err), statement)
		}
	}
	for _, conn := range []*pgx.Conn{data, tenantRole} {
		_, err := conn.Exec(t.Context(), "SELECT proof_key FROM stratum.signing")
		require.Equal(t, "42501", code(err))
	}
}

// TestEpochAfterASavepoint: a rollback to a savepoint takes the lock back and leaves the epoch, which must not be taken
// for the lock.
func TestEpochAfterASavepoint(t *testing.T) {
	t.Parallel()
	db, _ := installed(t)
	for _, slug := range []string{"a", "b", "c"} {
		createTenant(t, db, tenant{slug: slug})
	}
	suspend := func(slug string) string {
		return "UPDATE stratum.tenants SET status = 'suspended' WHERE slug = '" + slug + "'; "
	}
	first := begin(t, connect(t, db.OwnerDSN), pgx.TxOptions{})
	_, err := first.Exec(t.Context(), "SET CONSTRAINTS ALL IMMEDIATE; SAVEPOINT s; "+suspend("a")+
		"ROLLBACK TO s; "+suspend("b"))
	require.NoError(t, err)
	done := make(chan error, 1)
	second := connect(t, db.OwnerDSN)
	go func() {
		_, err := second.Exec(t.Context(), suspend("c"))
		done <- err
	}()
	require.Eventually(t, func() bool {
		return value[bool](t, db.AdminDSN, "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted "+
			"AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))")
	}, waitFor, tick, "the second waits for the first")
	require.NoError(t, first.Commit(t.Context()))
	require.NoError(t, <-done)
}

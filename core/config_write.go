package core

import (
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stratum-hq/stratum-go/internal/config"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// All that changes stratum.config is in this file, and comes through write.
//
// Why nothing slips past a lock: a transaction first shares the tree's lock, which keeps Move away, so that the path it
// reads is the path until it ends. Then it takes the lock of the tenant it writes at, and one for each key in this
// tree: shared, or exclusively where it turns a lock on. So when it looks whether an ancestor has locked the key, who
// was about to has committed, or waits for it. Deleting a lock and turning it off need no more than the shared one:
// what they allow, nobody beneath has relied on. The order is the tree, one tenant, keys by number, and rows only with
// all of these, so that no two of them wait for each other.

// Classes of advisory locks, of the two-number kind as lockClass: "STCT" and "STCK" in ASCII. The second number is a
// hash; where two have the same, one waits without need.
const (
	lockConfigTenant = 0x53544354
	lockConfigKey    = 0x5354434B
)

type writeVerb int

const (
	verbSet writeVerb = iota
	verbDelete
	verbLock
	verbUnlock
)

// configWrite is one change on its way to the table.
type configWrite struct {
	key               string
	verb              writeVerb
	value             json.RawMessage // for verbSet; nil where the value stays
	locked, sensitive Switch
	ifVersion         int64
	ifAbsent          bool
	refused           error // what was found out before
}

// writeOp is an operation of one or more changes at a tenant.
type writeOp struct {
	name       string
	tenant     uuid.UUID
	bestEffort bool
}

// writeResult is a ConfigResult with what Lock wants to know.
type writeResult struct {
	ConfigResult
	shadowed int
}

func (c *Config) write(ctx context.Context, op writeOp, writes []configWrite) ([]writeResult, error) {
	if _, err := scope.Check(ctx); err != nil {
		return nil, operationError(op.name, err)
	}
	if !op.bestEffort {
		for _, w := range writes {
			if w.refused != nil {
				return nil, operationError(op.name, w.refused)
			}
		}
	}
	var (
		results []writeResult
		label   string
		err     error
		wanted  = &keysWantedError{}
	)
	sealer := c.sealer(op.tenant)
	for range maxKeyAttempts {
		results, label, err = c.attempt(ctx, op, writes, sealer)
		if !errors.As(err, &wanted) {
			break
		}
		sealer.find(ctx, wanted)
	}
	// Also where the connection was lost: the commit may have come through.
	if label != "" && c.committed != nil && !isConfigRefusal(err) {
		c.committed(label)
	}
	if err != nil {
		return nil, err
	}
	return results, nil
}

// attempt makes the changes in one transaction, and returns also the label of the tenant if it has come to them.
func (c *Config) attempt(
	ctx context.Context, op writeOp, writes []configWrite, sealer *configSealer,
) (results []writeResult, label string, err error) {
	err = c.tenants.transact(ctx, op.name, treeShared, func(s session) error {
		t, err := c.begin(ctx, s, op.tenant, writes)
		if err != nil {
			return err
		}
		label, t.sealer = t.path.Tenant().Label, sealer
		results, err = t.writeAll(ctx, op, writes)
		return err
	})
	return results, label, err
}

// configTx is a transaction that writes at one tenant.
type configTx struct {
	session
	sealer *configSealer
	path   *config.Snapshot // of the keys that are written
	own    map[string]*config.Entry
	viewer viewer
}

// begin locks, and then reads what the changes are decided on.
func (c *Config) begin(ctx context.Context, s session, tenant uuid.UUID, writes []configWrite) (*configTx, error) {
	path, _, err := s.configChain(ctx, tenant, nil)
	if err != nil {
		return nil, err
	}
	place := config.New(path, nil)
	caller := s.caller.scope()
	v, err := view(place, &caller)
	if err != nil {
		return nil, err
	}
	if status := Status(place.Tenant().Status); status == StatusArchived {
		return nil, &StateError{Operation: "change the config of", Status: status}
	}
	if err := s.lockConfig(ctx, place, writes); err != nil {
		return nil, err
	}
	path, entries, err := s.configChain(ctx, tenant, writes)
	if err != nil {
		return nil, err
	}
	c.mark(entries)
	t := &configTx{session: s, path: config.New(path, entries), own: make(map[string]*config.Entry), viewer: v}
	for i := range entries {
		if entries[i].Depth == len(path)-1 {
			t.own[entries[i].Key] = &entries[i]
		}
	}
	return t, nil
}

// scope is that of the caller: its tenant, or the system.
func (c caller) scope() scope.Scope {
	if c.isTenant() {
		return scope.Scope{Kind: scope.Tenant, Tenant: c.id}
	}
	return scope.Scope{Kind: scope.System}
}

// configChain returns the path of a tenant, and what is set on it of the keys that are written.
func (s session) configChain(
	ctx context.Context, tenant uuid.UUID, writes []configWrite,
) ([]config.Tenant, []config.Entry, error) {
	keys := make([]string, len(writes))
	for i, w := range writes {
		keys[i] = w.key
	}
	rows, err := s.tx.Query(ctx, strings.Replace(chainQuery, "$2::text = '' OR c.key = $2", "c.key = ANY($2)", 1),
		tenant, keys)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	path, entries, err := scanChain(rows)
	if err == nil && len(path) == 0 {
		err = ErrTenantNotFound
	}
	return path, entries, err
}

// lockConfig takes the locks of the tenant and of the keys, in the order that all take them.
func (s session) lockConfig(ctx context.Context, place *config.Snapshot, writes []configWrite) error {
	exclusive := make(map[int32]bool, len(writes))
	for _, w := range writes {
		n := lockNumber(place.Path()[0].Label, w.key)
		exclusive[n] = exclusive[n] || w.locked == On
	}
	numbers := make([]int32, 0, len(exclusive))
	for n := range exclusive {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	alone := make([]bool, len(numbers))
	for i, n := range numbers {
		alone[i] = exclusive[n]
	}
	const tenant = `SELECT pg_advisory_xact_lock($1, $2)`
	if _, err := s.tx.Exec(ctx, tenant, lockConfigTenant, lockNumber(place.Tenant().Label)); err != nil {
		return err
	}
	const keys = `SELECT CASE WHEN k.alone THEN pg_advisory_xact_lock($1, k.number)
		ELSE pg_advisory_xact_lock_shared($1, k.number) END FROM unnest($2::int[], $3::bool[]) AS k (number, alone)`
	_, err := s.tx.Exec(ctx, keys, lockConfigKey, numbers, alone)
	return err
}

func lockNumber(parts ...string) int32 {
	h := fnv.New32a()
	for _, part := range parts {
		_, _ = h.Write([]byte(part + "\n"))
	}
	return int32(h.Sum32()) //nolint:gosec // any number will do
}

// writeAll makes the changes one after the other. Where one is refused it stops, or goes on with the next.
func (t *configTx) writeAll(ctx context.Context, op writeOp, writes []configWrite) ([]writeResult, error) {
	results := make([]writeResult, len(writes))
	for i := range writes {
		result, err := t.contained(ctx, op.bestEffort, &writes[i])
		if err != nil && (!op.bestEffort || !isConfigRefusal(err)) {
			return nil, err
		}
		results[i] = result
		results[i].Key, results[i].Err = writes[i].key, err
	}
	return results, nil
}

// contained is one change, which with best effort must not abort the transaction of the others.
func (t *configTx) contained(ctx context.Context, bestEffort bool, w *configWrite) (result writeResult, err error) {
	if !bestEffort {
		return t.writeOne(ctx, w)
	}
	outer := t.tx
	defer func() { t.tx = outer }()
	err = pgx.BeginFunc(ctx, outer, func(savepoint pgx.Tx) error {
		t.tx = savepoint
		result, err = t.writeOne(ctx, w)
		return err
	})
	return result, err
}

// isConfigRefusal reports whether an error is about one key, and not about the transaction.
func isConfigRefusal(err error) bool {
	for _, refusal := range []error{
		ErrConfigLocked, ErrConfigConflict, ErrConfigNotFound, ErrConfigUnknown, ErrConfigInvalid, ErrConfigSensitive,
	} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}

func (t *configTx) writeOne(ctx context.Context, w *configWrite) (writeResult, error) {
	own := t.own[w.key]
	if err := t.check(w, own); err != nil {
		return writeResult{}, err
	}
	var result writeResult
	entry, err := t.apply(ctx, w, own)
	if err != nil {
		return writeResult{}, keyError(w.key, err)
	}
	result.Value = t.viewer.value(t.path, entry)
	if w.verb == verbLock {
		result.shadowed, err = t.countShadowed(ctx, w.key)
	}
	return result, err
}

// check returns why a change is refused.
func (t *configTx) check(w *configWrite, own *config.Entry) error {
	if w.refused != nil {
		return w.refused
	}
	if above := t.path.Lock(w.key); above != nil && (w.verb == verbSet || w.verb == verbLock) {
		return &ConfigLockedError{Key: w.key, Ancestor: t.viewer.source(t.path.Source(above), above.Depth)}
	}
	var version int64
	if own != nil {
		version = own.Version
	}
	if w.ifAbsent && own != nil || w.ifVersion != 0 && w.ifVersion != version {
		return &ConfigConflictError{Key: w.key, Version: version}
	}
	if own == nil && w.value == nil {
		return &ConfigError{Key: w.key, Err: ErrConfigNotFound}
	}
	return nil
}

// apply makes a change that was found to be allowed, and returns the entry as it is then, or was.
func (t *configTx) apply(ctx context.Context, w *configWrite, own *config.Entry) (*config.Entry, error) {
	if w.verb == verbDelete {
		const statement = `DELETE FROM stratum.config WHERE tenant_id = $1 AND key = $2`
		_, err := t.tx.Exec(ctx, statement, t.path.Tenant().ID, w.key)
		return own, err
	}
	entry := config.Entry{Key: w.key, Depth: len(t.path.Path()) - 1}
	if own != nil {
		entry = *own
	}
	if w.verb != verbSet && entry.Locked == w.locked.of(entry.Locked) {
		return &entry, nil // as it is wanted already
	}
	entry.Locked, entry.Sensitive = w.locked.of(entry.Locked), w.sensitive.of(entry.Sensitive)
	sealedWith, err := t.hold(&entry, w.value)
	if err != nil {
		return nil, err
	}
	return &entry, t.put(ctx, &entry, sealedWith)
}

// hold gives an entry a value, or with nil the one that it has: sealed where the entry is sensitive, and else as it is.
// It returns the version of the key that it was sealed with now, or 0.
func (t *configTx) hold(e *config.Entry, value json.RawMessage) (sealedWith uint32, err error) {
	switch {
	case value != nil:
	case e.Sensitive == (e.Sealed != nil):
		return 0, nil
	case e.Sealed != nil: // it was sensitive
		if value, err = t.sealer.open(e); err != nil {
			return 0, err
		}
	default:
		value = e.Value
	}
	if e.Value, e.Sealed = value, nil; e.Sensitive {
		e.Sealed, err = t.sealer.seal(e.Key, value)
		e.Value, sealedWith = nil, versionOf(e.Sealed)
	}
	return sealedWith, err
}

// put stores an entry, unless the key that it was sealed with now has been destroyed since it was found. Who destroys
// one version of a key waits for this transaction, see refuseUsedByConfig.
func (t *configTx) put(ctx context.Context, e *config.Entry, sealedWith uint32) error {
	const insert = `INSERT INTO stratum.config AS c (tenant_id, key, value, sealed, locked, sensitive)
		SELECT $1::uuid, $2::text, coalesce($3::text, 'null')::jsonb, $4::bytea, $5::boolean, $4 IS NOT NULL
		WHERE `
	const update = ` ON CONFLICT (tenant_id, key) DO UPDATE SET value = EXCLUDED.value, sealed = EXCLUDED.sealed,
			locked = EXCLUDED.locked, sensitive = EXCLUDED.sensitive, version = EXCLUDED.version,
			updated_at = EXCLUDED.updated_at
		RETURNING value, version, updated_at`
	condition := `$6::bigint = 0`
	if sealedWith > 0 {
		condition = liveKeySQL
	}
	var plain *string
	if e.Sealed == nil {
		text := string(e.Value)
		plain = &text
	}
	var value []byte
	err := t.tx.QueryRow(ctx, insert+condition+update, t.path.Tenant().ID, e.Key, plain, e.Sealed, e.Locked,
		int64(sealedWith)).Scan(&value, &e.Version, &e.UpdatedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return t.sealer.outdated()
	}
	e.Hold(value, e.Sealed)
	return err
}

// keyError gives the server's refusal of a value the name of the key.
func keyError(key string, err error) error {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && strings.HasPrefix(pgErr.Code, classData) {
		return &ConfigError{Key: key, Reason: "has a value that the database cannot store", Err: ErrConfigInvalid}
	}
	return err
}

// countShadowed returns how many tenants beneath have set the key for themselves.
func (t *configTx) countShadowed(ctx context.Context, key string) (n int, err error) {
	const query = `SELECT count(*) FROM stratum.tenants self
		JOIN stratum.tenants d ON d.path <@ self.path AND d.id <> self.id AND d.status <> 'archived'
		JOIN stratum.config c ON c.tenant_id = d.id AND c.key = $2
		WHERE self.id = $1`
	err = t.tx.QueryRow(ctx, query, t.path.Tenant().ID, key).Scan(&n)
	return n, err
}

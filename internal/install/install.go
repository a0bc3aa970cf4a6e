package install

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Options says what to install and how.
type Options struct {
	// Owner is a pool of at least two connections, over pgx's driver, of the login that will own the schema. A pooler
	// in transaction mode must have two for it as well, and no named prepared statements be used
	// (default_query_exec_mode=exec).
	Owner *sql.DB
	// Prefix is the prefix of the roles. Defaults to DefaultPrefix.
	Prefix string
	// DataLogin is the login that works for tenants. It is given the tenant, subtree and schema roles. Defaults to
	// none.
	DataLogin string
	// SystemLogin is the login that works across tenants. It is given the system role. Defaults to none.
	SystemLogin string
	// Logger is told what was done. Defaults to silence.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) plan() (plan, error) {
	roles, err := NewRoles(o.Prefix)
	if err != nil {
		return plan{}, err
	}
	p := plan{roles: roles, data: o.DataLogin, system: o.SystemLogin}
	for _, login := range p.logins() {
		if slices.Contains(roles.All(), login) {
			return plan{}, fmt.Errorf("stratum: the login %q has the name of a role that statements switch to "+
				"(rename the login, or configure another prefix for the roles than %q)", login, o.Prefix)
		}
	}
	return p, nil
}

// Migrate installs or upgrades the schema "stratum", the roles and their grants. Any number of processes may call it
// at once, on one database or on several of a cluster. Where all is in place it changes nothing and needs no
// privilege; a schema newer than this binary that still serves it is left alone.
//
// It returns a *PrivilegeError before anything is changed where its login lacks a privilege, a *LoginError where a
// login or a role cannot be made safe, ErrIncompatible for a schema too new, and ErrPrefix for another prefix.
func Migrate(ctx context.Context, opts Options) error {
	r, err := embedded()
	if err != nil {
		return err
	}
	return r.migrate(ctx, opts)
}

func (r release) migrate(ctx context.Context, opts Options) (err error) {
	opts = opts.withDefaults()
	p, err := opts.plan()
	if err != nil {
		return err
	}
	if opts.Owner == nil {
		return errors.New("stratum: Migrate has no connection (set Options.Owner)")
	}
	if opts.Owner.Stats().MaxOpenConnections == 1 {
		return errors.New("stratum: Migrate needs two connections (raise MaxOpenConns of the owner's pool)")
	}
	lock, err := takeLock(ctx, opts.Owner)
	if err != nil {
		return err
	}
	// A rollback releases the lock. Nothing was written in this transaction, so its error says nothing new.
	defer func() { _ = lock.Rollback() }()
	run := migrator{plan: p, release: r, options: opts, q: sqlQuerier{lock}}
	return run.run(ctx)
}

// takeLockSQL prepares the transaction that holds the lock. It is idle while others work, and its search_path is for
// what is looked up in it. The key is of two integers, apart from those of tenants that stratum.enter takes.
const (
	prepareLockSQL = `SET LOCAL search_path = pg_catalog, pg_temp;
		SELECT pg_catalog.set_config(s.name, '0', true) FROM pg_catalog.pg_settings s
		WHERE s.name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')`
	takeLockSQL = "SELECT pg_catalog.pg_try_advisory_xact_lock(1937011297, 1953853805)"
)

// takeLock lets one process at a time migrate a database. The lock belongs to a transaction, not to a session, so that
// it also holds behind a pooler. Who does not get it lets its connection go while waiting: those who wait could
// otherwise hold all of a pooler's connections, and the one with the lock would never get its second.
func takeLock(ctx context.Context, db *sql.DB) (*sql.Tx, error) {
	for pause := firstPause; ; pause = min(2*pause, maxPause/4) {
		tx, taken, err := tryLock(ctx, db)
		if err != nil {
			return nil, fmt.Errorf("stratum: waiting for another migration: %w", err)
		}
		if taken {
			return tx, nil
		}
		if err := wait(ctx, pause); err != nil {
			return nil, fmt.Errorf("stratum: waiting for another migration: %w", err)
		}
	}
}

// tryLock returns the transaction that holds the lock, or none.
func tryLock(ctx context.Context, db *sql.DB) (tx *sql.Tx, taken bool, err error) {
	// With a snapshot of its own for each command: what is read under the lock must be newer than the lock.
	tx, err = db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return nil, false, err
	}
	if _, err = tx.ExecContext(ctx, prepareLockSQL); err == nil {
		err = tx.QueryRowContext(ctx, takeLockSQL, pgx.QueryExecModeExec).Scan(&taken)
	}
	if err != nil {
		_ = tx.Rollback() // says the same again
		return nil, false, err
	}
	if !taken {
		return nil, false, tx.Rollback()
	}
	return tx, true, nil
}

// migrator is one call of Migrate that holds the lock.
type migrator struct {
	plan    plan
	release release
	options Options
	q       Querier
}

func (m migrator) run(ctx context.Context) error {
	f, missing, err := m.look(ctx)
	if err != nil {
		return err
	}
	if err := checkServer(f.ServerVersion); err != nil {
		return err
	}
	state, err := m.state(ctx)
	if err != nil {
		return err
	}
	if state.Version > m.release.version() {
		m.options.Logger.InfoContext(ctx, "stratum: the schema is newer than this binary and serves it",
			"version", state.Version, "binary", m.release.version())
		return nil
	}
	pending := state.Version < m.release.version()
	if pending {
		missing = append(missing, ownership(f)...)
	}
	if err := m.refuse(ctx, f, missing); err != nil {
		return err
	}
	if err := m.settle(ctx); err != nil || !pending {
		return err
	}
	return m.release.apply(ctx, m.options.Owner, newNames(m.plan.roles, quote(f.ltreeSchema())), m.options.Logger)
}

// state is what is installed, unless it is not for this binary to touch.
func (m migrator) state(ctx context.Context) (State, error) {
	state, err := ReadState(ctx, m.q)
	if err != nil {
		return State{}, err
	}
	if err := state.check(m.release.version()); errors.Is(err, ErrIncompatible) {
		return State{}, err
	}
	return state, state.CheckPrefix(m.plan.roles)
}

func checkServer(version int) error {
	if version < minServerVersion {
		return fmt.Errorf("stratum: PostgreSQL %d is too old (upgrade the server to 15 or newer)", version/10000)
	}
	return nil
}

// refuse finds what stands in the way before anything is changed.
func (m migrator) refuse(ctx context.Context, f facts, missing []Missing) error {
	if f.Ltree.Schema == "" && !f.Ltree.Available {
		return errors.New("stratum: the server has no extension ltree (install PostgreSQL's contrib modules on it, " +
			"such as the package postgresql-contrib)")
	}
	if len(missing) > 0 {
		return &PrivilegeError{Login: f.Login, Missing: missing}
	}
	return m.refuseLogins(ctx, f.Login)
}

// refuseLogins finds a role that exists already, or a login, that granting would not make safe. owner is the login of
// this connection.
func (m migrator) refuseLogins(ctx context.Context, owner string) error {
	err := m.refuseLogin(ctx, owner, check.unsoundRole)
	for _, login := range m.plan.logins() {
		if err == nil {
			err = m.refuseLogin(ctx, login, check.beforeMigrate)
		}
	}
	return err
}

func (m migrator) refuseLogin(ctx context.Context, login string, rule func(check) *finding) error {
	f, err := readLogin(ctx, m.q, login, m.plan.roles)
	if err != nil {
		return err
	}
	if found := rule(check{loginFacts: f, roles: m.plan.roles}); found != nil {
		return &LoginError{Login: login, Finding: found.text, Cure: found.cure}
	}
	return nil
}

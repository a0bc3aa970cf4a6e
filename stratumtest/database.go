package stratumtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/pgserver"
	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// maxName leaves room for the suffixes of roles within PostgreSQL's 63 bytes.
const maxName = 48

// Database is a database with a login for each part that an application plays. The logins carry the database's name,
// since roles belong to the whole server.
type Database struct {
	// Name is the name of the database, and the beginning of the names of its logins.
	Name string
	// DSN is for the application's data: a login that owns nothing, inherits nothing and is a member of nothing.
	DSN string
	// SystemDSN is for work across tenants: as DSN, so that what it may do is granted by name.
	SystemDSN string
	// OwnerDSN is for migrations: it owns the database and may create roles.
	OwnerDSN string
	// AdminDSN is for the test itself: a superuser, except where STRATUM_DATABASE_URL names a login that is none.
	AdminDSN string
}

// logins are the three roles of a database.
type logins struct {
	app, system, owner string
}

func loginsOf(database string) logins {
	return logins{app: database + "_app", system: database + "_system", owner: database + "_owner"}
}

// CreateDatabase makes an empty database with its logins. An empty name has one made up. A database of that name must
// not exist. Errors: ErrName, and those of PostgreSQL.
func (s *Server) CreateDatabase(ctx context.Context, name string) (*Database, error) {
	return s.createFrom(ctx, name, emptyTemplate, nil)
}

// createFrom copies a template, which is made on first use.
func (s *Server) createFrom(ctx context.Context, name, template string, prepare prepareFunc) (*Database, error) {
	if name == "" {
		name = s.nextName()
	}
	if len(name) > maxName {
		return nil, ErrName
	}
	from, err := s.template(ctx, template, prepare)
	if err != nil {
		return nil, err
	}
	database, err := s.create(ctx, name, "TEMPLATE "+sqltext.Quote(from)+s.strategy())
	if err != nil {
		return nil, err
	}
	if prepare == nil {
		return database, nil
	}
	if err := s.inherit(ctx, from, name); err != nil {
		return nil, errors.Join(err, s.drop(ctx, name))
	}
	return database, nil
}

// create makes the logins and the database, or nothing.
func (s *Server) create(ctx context.Context, name, options string) (*Database, error) {
	database, roles := s.describe(name)
	err := s.administer(ctx, "", func(conn *pgx.Conn) error {
		if err := execute(ctx, conn, roles); err != nil {
			return err
		}
		login := loginsOf(name)
		create := fmt.Sprintf("CREATE DATABASE %s OWNER %s %s",
			sqltext.Quote(name), sqltext.Quote(login.owner), options)
		if err := execute(ctx, conn, create); err != nil {
			drop := "DROP ROLE " + sqltext.QuoteEach([]string{login.app, login.system, login.owner})
			return errors.Join(err, execute(ctx, conn, drop))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("stratumtest: create database %q: %w", name, err)
	}
	// Only now: what is remembered is dropped, and a database of that name may have been somebody else's.
	s.remember(name)
	return database, nil
}

// describe returns the database's DSNs and the statements that make its logins.
func (s *Server) describe(name string) (database *Database, roles string) {
	login := loginsOf(name)
	database = &Database{Name: name, AdminDSN: s.pg.URL(name)}
	database.DSN, roles = s.login(name, login.app, "NOINHERIT")
	system, text := s.login(name, login.system, "NOINHERIT")
	database.SystemDSN, roles = system, roles+text
	// INHERIT, since the owner's right to create in the schema public comes from the role pg_database_owner.
	owner, text := s.login(name, login.owner, "INHERIT CREATEROLE")
	database.OwnerDSN, roles = owner, roles+text
	if !s.pg.Superuser() {
		// Who is no superuser must be a member of a role to give it a database.
		roles += fmt.Sprintf("GRANT %s TO CURRENT_USER;", sqltext.Quote(login.owner))
	}
	return database, roles
}

// login returns the DSN of a login and the statement that makes it, with a password where the server asks for one.
func (s *Server) login(database, role, attributes string) (dsn, statement string) {
	statement = fmt.Sprintf("CREATE ROLE %s LOGIN NOSUPERUSER %s", sqltext.Quote(role), attributes)
	if s.pg.Trusts() {
		return s.pg.URLFor(database, role, ""), statement + ";"
	}
	// Letters and digits, so it needs no quoting.
	password := rand.Text()
	return s.pg.URLFor(database, role, password), statement + " PASSWORD '" + password + "';"
}

// drop removes the database and its logins, and ends connections that are still open. Where this process made up the
// name it removes every role that begins with it and an underscore, hence also those that a test made by that rule.
func (s *Server) drop(ctx context.Context, name string) error {
	err := s.administer(ctx, "", func(conn *pgx.Conn) error {
		roles, err := s.rolesOf(ctx, conn, name)
		if err != nil {
			return err
		}
		if err := s.dropBeside(ctx, conn, name); err != nil {
			return err
		}
		return execute(ctx, conn, s.dropStatements(name, roles)...)
	})
	if err != nil {
		return fmt.Errorf("stratumtest: drop database %q: %w", name, err)
	}
	s.forget(name)
	return nil
}

// dropBeside drops the databases that tenants of the database have of their own, and the templates they were made from:
// they belong to its owner, or are named for its roles.
func (s *Server) dropBeside(ctx context.Context, conn *pgx.Conn, name string) error {
	if !strings.HasPrefix(name, s.prefix) {
		return nil
	}
	rows, _ := conn.Query(ctx, "SELECT d.datname FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba "+
		"WHERE (r.rolname = $1 OR starts_with(d.datname, $2 || '_')) AND d.datname <> $2", loginsOf(name).owner, name)
	beside, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, database := range beside {
		quoted := sqltext.Quote(database)
		err := execute(ctx, conn, "ALTER DATABASE "+quoted+" WITH IS_TEMPLATE false",
			"DROP DATABASE IF EXISTS "+quoted+" WITH (FORCE)")
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) dropStatements(name string, roles []string) []string {
	join, drop := make([]string, 0, len(roles)), make([]string, 0, 2*len(roles))
	for _, role := range roles {
		join = append(join, fmt.Sprintf("GRANT %s TO CURRENT_USER", sqltext.Quote(role)))
		// The role may hold rights on the server, or on the database that is administered from.
		drop = append(drop, "DROP OWNED BY "+sqltext.Quote(role), "DROP ROLE "+sqltext.Quote(role))
	}
	if s.pg.Superuser() {
		// Everybody else must be a member of a role to end its connections and to drop what it owns.
		join = nil
	}
	return slices.Concat(join, []string{"DROP DATABASE IF EXISTS " + sqltext.Quote(name) + " WITH (FORCE)"}, drop)
}

// rolesOf has the owner last: from PostgreSQL 16 on, its end takes away the memberships that it granted, and with them
// the right to drop the roles that it made.
func (s *Server) rolesOf(ctx context.Context, conn *pgx.Conn, name string) ([]string, error) {
	login := loginsOf(name)
	rows, _ := conn.Query(ctx,
		"SELECT rolname FROM pg_roles WHERE rolname = ANY($1) OR ($2 AND starts_with(rolname, $3)) "+
			"ORDER BY rolname = $4",
		[]string{login.app, login.system, login.owner}, strings.HasPrefix(name, s.prefix), name+"_", login.owner)
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// strategy is how databases are copied: as files where the server is one of ours. It has no fsync, so that the
// checkpoints which come with it cost nothing, and a copy through the log costs more.
func (s *Server) strategy() string {
	if s.pg.Source().Kind == pgserver.KindEnvironment {
		return " STRATEGY WAL_LOG"
	}
	return " STRATEGY FILE_COPY"
}

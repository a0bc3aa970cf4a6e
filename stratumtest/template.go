package stratumtest

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// emptyTemplate is the name of the template without anything in it.
const emptyTemplate = "empty"

// prepareFunc fills a template. It is given the template as a database with logins of its own and must leave no
// connection open. What the owner's login makes there belongs to the owner's login of each copy.
type prepareFunc func(ctx context.Context, database *Database) error

// template is made once for a server, by whoever needs it first, while the others wait.
type template struct {
	once sync.Once
	// name is that of the database.
	name string
	err  error
}

// template returns the name of the database to copy. The first caller's prepare counts: one name, one content.
func (s *Server) template(ctx context.Context, name string, prepare prepareFunc) (string, error) {
	s.mu.Lock()
	found, ok := s.templates[name]
	if !ok {
		found = &template{name: s.prefix + name}
		s.templates[name] = found
	}
	s.mu.Unlock()
	found.once.Do(func() {
		// Others wait for it too, so it does not end with the test that came first.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
		defer cancel()
		found.err = s.makeTemplate(ctx, found.name, prepare)
	})
	if found.err != nil {
		return "", fmt.Errorf("stratumtest: template %q: %w", name, found.err)
	}
	return found.name, nil
}

// makeTemplate starts from template0, which nobody has added to, and with the same locale on every server.
func (s *Server) makeTemplate(ctx context.Context, name string, prepare prepareFunc) error {
	database, err := s.create(ctx, name, "TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER libc LOCALE 'C'")
	if err != nil {
		return err
	}
	if prepare != nil {
		if err := prepare(ctx, database); err != nil {
			return err
		}
	}
	return s.administer(ctx, "", func(conn *pgx.Conn) error {
		return execute(ctx, conn,
			// The owner gives up the database itself, or the first copy's owner would be given it.
			"ALTER DATABASE "+sqltext.Quote(name)+" OWNER TO CURRENT_USER",
			// Autovacuum too stays out of a database that allows no connections, and a copy never waits for it.
			"ALTER DATABASE "+sqltext.Quote(name)+" ALLOW_CONNECTIONS false")
	})
}

// inherit gives the copy's owner what belongs to the template's.
func (s *Server) inherit(ctx context.Context, from, to string) error {
	return s.administer(ctx, to, func(conn *pgx.Conn) error {
		reassign := "REASSIGN OWNED BY " + sqltext.Quote(loginsOf(from).owner) + " TO " +
			sqltext.Quote(loginsOf(to).owner)
		if err := execute(ctx, conn, reassign); err != nil {
			return fmt.Errorf("stratumtest: hand database %q to its owner: %w", to, err)
		}
		return nil
	})
}

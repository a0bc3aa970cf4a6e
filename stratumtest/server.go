package stratumtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/pgserver"
)

// Options say how to run a server. The zero value is right for most programs.
type Options struct {
	// TCP has the server listen on a free port of 127.0.0.1, with a password, instead of on a unix socket.
	// Defaults to false.
	TCP bool
}

// Server is a PostgreSQL for a program outside of tests. It is safe for concurrent use.
type Server struct {
	pg *pgserver.Server
	// prefix begins the names of databases. Its random part keeps processes apart that share one server.
	prefix string

	mu        sync.Mutex
	count     int
	created   []string
	templates map[string]*template
}

// Start finds or starts a server and returns once it answers. ctx bounds the start alone: the server lives until Close
// or until this process ends, however it ends. Errors: one that matches ErrUnavailable, or that of ctx.
func Start(ctx context.Context, options Options) (*Server, error) {
	return start(ctx, pgserver.Config{TCP: options.TCP})
}

func start(ctx context.Context, config pgserver.Config) (*Server, error) {
	pg, err := pgserver.Start(ctx, config)
	if err != nil {
		return nil, err
	}
	return &Server{
		pg:        pg,
		prefix:    "st_" + strings.ToLower(rand.Text()[:8]) + "_",
		templates: map[string]*template{},
	}, nil
}

// Source tells in a line where the server came from, and its version.
func (s *Server) Source() string {
	return s.pg.Source().String()
}

// Close ends the server and removes its data. On a server named by STRATUM_DATABASE_URL it drops what this Server
// created and leaves the rest, within a minute and even if ctx has ended, as it has after Ctrl-C.
func (s *Server) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
	defer cancel()
	var errs []error
	if s.pg.Source().Kind == pgserver.KindEnvironment {
		for _, name := range s.names() {
			errs = append(errs, s.drop(ctx, name))
		}
	}
	return errors.Join(append(errs, s.pg.Close())...)
}

// names lists what was created and not dropped yet, the last one first: roles of an earlier database may have rights in a
// later one, and not the other way around.
func (s *Server) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := slices.Clone(s.created)
	slices.Reverse(names)
	return names
}

// nextName is a name that no other database of this or another process has.
func (s *Server) nextName() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	return fmt.Sprintf("%s%d", s.prefix, s.count)
}

func (s *Server) remember(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.created = append(s.created, name)
}

func (s *Server) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.created = slices.DeleteFunc(s.created, func(other string) bool { return other == name })
}

// administer runs statements as the administrator, in the database or, if that is empty, in the one to administer from.
// A connection for each call: none is kept, so that none holds up the copy of a template or lives to the end.
func (s *Server) administer(ctx context.Context, database string, do func(conn *pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, s.pg.URL(database))
	if err != nil {
		return fmt.Errorf("connect as administrator: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	return do(conn)
}

// execute runs each text as a simple query, since CREATE DATABASE must stand alone while others may come together.
func execute(ctx context.Context, conn *pgx.Conn, texts ...string) error {
	for _, text := range texts {
		if _, err := conn.PgConn().Exec(ctx, text).ReadAll(); err != nil {
			return err
		}
	}
	return nil
}

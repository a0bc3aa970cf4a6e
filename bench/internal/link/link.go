package link

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/stratum-hq/stratum-go/internal/pgbouncer"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// Kind names a way to the server.
type Kind string

// The ways.
const (
	// Unix is a unix socket.
	Unix Kind = "unix"
	// TCP is the loopback interface.
	TCP Kind = "tcp"
	// PgBouncer is a PgBouncer in transaction mode on a unix socket.
	PgBouncer Kind = "pgbouncer"
	// Slow is a network on which a round trip takes a millisecond.
	Slow Kind = "1ms"
)

// Kinds returns all ways.
func Kinds() []Kind { return []Kind{Unix, TCP, PgBouncer, Slow} }

// OneWay is how long the slow link holds back each direction.
const OneWay = 500 * time.Microsecond

// Pooled reports whether connections change hands after each transaction.
func (k Kind) Pooled() bool { return k == PgBouncer }

// Link is a way to a database. Close ends it.
type Link struct {
	// DSN and SystemDSN are two logins of the database by this way.
	DSN, SystemDSN string

	close func() error
}

// Open opens a way to a database, with at most conns connections behind a PgBouncer for each login. The database's
// server listens where Kind asks for: on TCP for TCP, on a unix socket for the others.
func Open(ctx context.Context, kind Kind, database *stratumtest.Database, conns int) (*Link, error) {
	switch kind {
	case Unix, TCP:
		return &Link{DSN: database.DSN, SystemDSN: database.SystemDSN, close: func() error { return nil }}, nil
	case PgBouncer:
		return openBouncer(ctx, database, conns)
	case Slow:
		return openSlow(ctx, database)
	default:
		return nil, fmt.Errorf("unknown link %q", kind)
	}
}

// Close ends what is between the two ends.
func (l *Link) Close() error { return l.close() }

func openBouncer(ctx context.Context, database *stratumtest.Database, conns int) (*Link, error) {
	dsns := []string{database.DSN, database.SystemDSN}
	bouncer, err := pgbouncer.Start(ctx, pgbouncer.Options{DSNs: dsns, PoolSize: conns})
	if err != nil {
		return nil, err
	}
	for i, dsn := range dsns {
		// Without names for prepared statements: before 1.21 PgBouncer gives one client's to another.
		if dsns[i], err = withParameter(bouncer.DSN(dsn), "default_query_exec_mode", "cache_describe"); err != nil {
			return nil, errors.Join(err, bouncer.Close())
		}
	}
	return &Link{DSN: dsns[0], SystemDSN: dsns[1], close: bouncer.Close}, nil
}

func openSlow(ctx context.Context, database *stratumtest.Database) (*Link, error) {
	delay, err := StartDelay(ctx, database.DSN, OneWay)
	if err != nil {
		return nil, err
	}
	l := &Link{close: delay.Close}
	if l.DSN, err = delay.DSN(database.DSN); err == nil {
		l.SystemDSN, err = delay.DSN(database.SystemDSN)
	}
	if err != nil {
		return nil, errors.Join(err, delay.Close())
	}
	return l, nil
}

func withParameter(dsn, name, value string) (string, error) {
	parsed, err := url.Parse(dsn)
	if err != nil {
		return "", errDSN
	}
	query := parsed.Query()
	query.Set(name, value)
	parsed.RawQuery = query.Encode()
	return parsed.String(), nil
}

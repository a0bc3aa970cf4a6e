//go:build unix

package pgserver

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
)

// plan is everything that is settled before a server runs.
type plan struct {
	from     installation
	dir      folder
	owner    *account
	endpoint endpoint
	// password is that of the superuser, and empty on a unix socket.
	password string
	// standbyOf is the DSN of the primary, or empty.
	standbyOf string
	// listen are the settings that say where the server is reached.
	listen []string
}

// settings suit a server whose data nobody needs after a crash of the machine, and that Stratum's tests can ask
// everything of: logical replication for online moves, and prepared transactions, which must be seen to be refused.
func settings() []string {
	return []string{
		"fsync=off",
		"full_page_writes=off",
		"max_connections=300",
		"max_prepared_transactions=20",
		"wal_level=logical",
		// Red Hat's packages turn the collector on, and errors here carry the log.
		"logging_collector=off",
	}
}

// newPlan prefers a unix socket: it needs no free port, and the folder's permissions guard it better than a password.
func newPlan(ctx context.Context, config Config, from installation) (plan, error) {
	owner, err := serverAccount(config.Account)
	if err != nil {
		return plan{}, err
	}
	dir, err := newFolder(config.dataDir, owner)
	if err != nil {
		return plan{}, err
	}
	planned := plan{from: from, dir: dir, owner: owner, standbyOf: config.StandbyOf}
	if !config.TCP && dir.fitsSocket() {
		planned.useSocket()
		return planned, nil
	}
	return planned, planned.useTCP(ctx)
}

// useSocket has no host listened on at all.
func (p *plan) useSocket() {
	port := strconv.Itoa(socketPort)
	p.endpoint = newEndpoint(url.Values{"host": {string(p.dir)}, "port": {port}}, "", url.User(superuser))
	p.listen = []string{"listen_addresses=", "unix_socket_directories=" + string(p.dir), "port=" + port}
}

// useTCP has the server ask for a password: every account of the machine reaches a loopback port, and a superuser of
// PostgreSQL may run programs.
func (p *plan) useTCP(ctx context.Context) error {
	address, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	p.password = rand.Text()
	p.endpoint = newEndpoint(url.Values{}, address.String(), url.UserPassword(superuser, p.password))
	p.listen = []string{
		"listen_addresses=" + address.IP.String(), "unix_socket_directories=", "port=" + strconv.Itoa(address.Port),
	}
	return nil
}

// prepare makes what must be there before the server's process.
func (p *plan) prepare() error {
	if err := p.dir.create(p.owner); err != nil {
		return err
	}
	if p.password == "" {
		return nil
	}
	if err := os.WriteFile(p.dir.password(), []byte(p.password), 0o600); err != nil {
		return fmt.Errorf("password file: %w", err)
	}
	if err := p.owner.give(p.dir.password()); err != nil {
		return fmt.Errorf("password file: %w", err)
	}
	return nil
}

// arguments are those of runnerScript.
func (p *plan) arguments() []string {
	all := slices.Concat(settings(), p.listen)
	// Without a password there is no address to listen on either. That every host is refused is a second lock.
	words := make([]string, 0, 5+2*len(all))
	words = append(words, p.from.binDir, p.dir.data())
	if p.password == "" {
		words = append(words, "reject", "")
	} else {
		words = append(words, "scram-sha-256", p.dir.password())
	}
	words = append(words, p.standbyOf)
	for _, setting := range all {
		words = append(words, "-c", setting)
	}
	return words
}

// newEndpoint sets sslmode, since a test's environment may hold a PGSSLMODE meant for another server.
func newEndpoint(query url.Values, address string, login *url.Userinfo) endpoint {
	query.Set("sslmode", "disable")
	dsn := url.URL{Scheme: "postgres", User: login, Host: address, Path: "/postgres", RawQuery: query.Encode()}
	return endpoint(dsn.String())
}

// freeAddress asks the system for a port that nobody listens on. It is free again on return, so somebody else may take
// it before the server does; run then takes another.
func freeAddress(ctx context.Context) (*net.TCPAddr, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("free port: %w", err)
	}
	defer func() { _ = listener.Close() }()
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return nil, fmt.Errorf("free port: unexpected address %s", listener.Addr())
	}
	return address, nil
}

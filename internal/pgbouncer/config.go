package pgbouncer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// port is part of the socket's name. Nobody else shares the folder, so it need not be free.
const port = 6432

// Options say what to run.
type Options struct {
	// DSNs are the logins that clients will use, as URLs of one database server. Required. They reach every database of
	// it.
	DSNs []string
	// PoolSize is how many connections to the server the clients of one login and database share. Defaults to 2, so
	// that they meet each other's connections.
	PoolSize int
	// Programs are the names or paths under which the program is looked for, the first that is there counts. Defaults
	// to where packagers put it, which is not in everybody's PATH.
	Programs []string
}

func (o Options) withDefaults() Options {
	if o.PoolSize == 0 {
		o.PoolSize = 2
	}
	if o.Programs == nil {
		o.Programs = []string{"pgbouncer", "/usr/sbin/pgbouncer", "/usr/local/sbin/pgbouncer"}
	}
	return o
}

// write makes the files that PgBouncer reads, in dir.
func (o Options) write(dir string) error {
	var databases, users strings.Builder
	wildcard := "" // other databases of the server: those of tenants
	for _, dsn := range o.DSNs {
		config, err := pgconn.ParseConfig(dsn)
		if err != nil {
			return ErrDSN // the parser's error quotes the DSN
		}
		fmt.Fprintf(&databases, "%s = host='%s' port=%d\n", config.Database, config.Host, config.Port)
		wildcard = fmt.Sprintf("* = host='%s' port=%d\n", config.Host, config.Port)
		fmt.Fprintf(&users, "%q %q\n", config.User, config.Password)
	}
	settings := fmt.Sprintf(`[databases]
%s
[pgbouncer]
pool_mode = transaction
unix_socket_dir = %s
listen_port = %d
auth_type = trust
auth_file = %s
default_pool_size = %d
max_client_conn = 500
server_login_retry = 1
log_connections = 0
log_disconnections = 0
`, databases.String()+wildcard, dir, port, filepath.Join(dir, "users"), o.PoolSize)
	if err := os.WriteFile(filepath.Join(dir, "users"), []byte(users.String()), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "settings"), []byte(settings), 0o600)
}

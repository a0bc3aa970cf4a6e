//go:build unix

package pgserver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// superuser is the login that initdb makes.
const superuser = "postgres"

// pollInterval is how long the start waits between two looks at a server that does not answer yet.
const pollInterval = 20 * time.Millisecond

// portAttempts is how often another free port is taken, since one that was free may be somebody else's a moment later.
const portAttempts = 3

// runnerScript waits until the watchdog knows this process, so that at no moment a server runs unwatched, and then
// turns into the server. Arguments: folder of the binaries, data, host authentication, password file, the DSN of the
// server that this one is a standby of, and then the server's own. Descriptor 3 stays open in every process of the
// server.
const runnerScript = `
read -r _ || exit 1
bin=$1 data=$2 host=$3 pwfile=$4 primary=$5
shift 5
if [ -n "$primary" ]; then
	"$bin/pg_basebackup" -d "$primary" -D "$data" -R -X stream -c fast --no-sync </dev/null || exit 1
else
	"$bin/initdb" -D "$data" -U postgres -E UTF8 --no-locale --no-sync --auth-local=trust --auth-host="$host" \
		${pwfile:+"--pwfile=$pwfile"} </dev/null || exit 1
fi
exec "$bin/postgres" -D "$data" "$@" </dev/null
`

// startBinaries runs the newest installation that starts. Without a server it tells what was tried.
func startBinaries(ctx context.Context, config Config) (*Server, []Attempt) {
	const source = "PostgreSQL binaries of this machine"
	usable, refused := locate(ctx, config)
	var tried []Attempt
	for _, reason := range refused {
		tried = append(tried, Attempt{Source: source, Err: reason})
	}
	for _, found := range usable {
		server, err := run(ctx, config, found, KindBinaries)
		if err == nil {
			return server, nil
		}
		tried = append(tried, Attempt{Source: source, Err: fmt.Errorf("%s: %w", found.binDir, err)})
	}
	if len(tried) == 0 {
		searched := append([]string{"PATH", "`pg_config --bindir`"}, config.BinDirs...)
		tried = append(tried, Attempt{Source: source, Err: errors.New("none in " + strings.Join(searched, ", "))})
	}
	return nil, tried
}

// run starts a server from an installation, anew where it lost the race for a free port.
func run(ctx context.Context, config Config, from installation, kind string) (*Server, error) {
	for attempt := 1; ; attempt++ {
		server, err := runOnce(ctx, config, from, kind)
		if err == nil || attempt == portAttempts || !strings.Contains(err.Error(), "Address already in use") {
			return server, err
		}
	}
}

// runOnce leaves nothing behind where it fails: whatever was started by then ends with the watchdog's work.
func runOnce(ctx context.Context, config Config, from installation, kind string) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, config.StartTimeout)
	defer cancel()
	planned, err := newPlan(ctx, config, from)
	if err != nil {
		return nil, err
	}
	running, err := startProcess(ctx, planned)
	if err != nil {
		return nil, err
	}
	facts, err := running.ready(ctx)
	if err == nil {
		err = facts.check()
	}
	if err != nil {
		return nil, errors.Join(err, running.close())
	}
	return newOwned(Server{
		source:    Source{Kind: kind, Version: facts.version, BinDir: from.binDir},
		endpoint:  planned.endpoint,
		folder:    string(planned.dir),
		trust:     planned.password == "",
		superuser: facts.superuser,
	}, running.close), nil
}

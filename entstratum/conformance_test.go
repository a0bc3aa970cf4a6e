package entstratum_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"entgo.io/ent"
	"entgo.io/ent/privacy"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/badge"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/comment"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/person"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/remark"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/tag"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/ticket"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/watcher"
	"github.com/stratum-hq/stratum-go/internal/conformance"
	"github.com/stratum-hq/stratum-go/internal/pgbouncer"
)

// enoughPaths is what the suite promises.
const enoughPaths = 300

// newConformance makes the suite's database: the desk's tables, and a default that the suite leaves to the server.
func newConformance(t *testing.T) desk {
	t.Helper()
	d := newDesk(t)
	d.exec(t, d.OwnerDSN, "ALTER TABLE watchers ALTER COLUMN since SET DEFAULT '2026-01-01'")
	return d
}

func TestConformance(t *testing.T) {
	t.Parallel()
	conform(t, newConformance(t))
}

// A context that says that ent's privacy layer allows everything ends the policies before the mixin's is asked.
func TestConformanceUnderAllow(t *testing.T) {
	t.Parallel()
	conform(t, newConformance(t), under(func(ctx context.Context) context.Context {
		return privacy.DecisionContext(ctx, privacy.Allow)
	}))
}

// under has a path taken with another context.
func under(change func(context.Context) context.Context) func(*conformance.Path) {
	return func(p *conformance.Path) {
		run := p.Run
		p.Run = func(ctx context.Context, x target) (any, error) { return run(change(ctx), x) }
	}
}

// connections are the logins, protocols and poolers that the suite runs over. Each is a change of core.Options.
func connections() map[string]func(*testing.T, desk) core.Options {
	return map[string]func(*testing.T, desk) core.Options{
		"superuser": func(_ *testing.T, d desk) core.Options {
			return core.Options{DSN: d.AdminDSN, Logger: quiet()}
		},
		"simple protocol": func(t *testing.T, d desk) core.Options {
			t.Helper()
			o := d.Options()
			o.DSN = withOption(t, d.DSN, "default_query_exec_mode", "simple_protocol")
			o.SystemDSN = withOption(t, d.SystemDSN, "default_query_exec_mode", "simple_protocol")
			return o
		},
		"hardened": func(_ *testing.T, d desk) core.Options {
			o := d.Options()
			o.Hardened = true
			return o
		},
		"PgBouncer": func(t *testing.T, d desk) core.Options {
			t.Helper()
			o := d.Options()
			o.DSN, o.SystemDSN = behindPooler(t, o.DSN, o.SystemDSN)
			return o
		},
		"hardened, PgBouncer": func(t *testing.T, d desk) core.Options {
			t.Helper()
			o := d.Options()
			o.Hardened = true
			o.DSN, o.SystemDSN = behindPooler(t, o.DSN, o.SystemDSN)
			return o
		},
	}
}

// behindPooler returns DSNs that lead through a PgBouncer in transaction mode.
func behindPooler(t *testing.T, dsn, systemDSN string) (pooledDSN, pooledSystemDSN string) {
	t.Helper()
	bouncer, err := pgbouncer.Start(t.Context(), pgbouncer.Options{DSNs: []string{dsn, systemDSN}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, bouncer.Close()) })
	return bouncer.DSN(dsn), bouncer.DSN(systemDSN)
}

func withOption(t *testing.T, dsn, key, value string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	query := u.Query()
	query.Set(key, value)
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	return u.String()
}

// The guarantee is that of the connection and the database, whatever the login and the protocol.
func TestConformanceOfConnections(t *testing.T) {
	t.Parallel()
	for name, options := range connections() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newConformance(t)
			d = d.openStratum(t, options(t, d))
			require.NoError(t, d.st.Migrate(t.Context()), "the hardened mode begins with it")
			conform(t, d, func(p *conformance.Path) {
				if strings.HasPrefix(name, "hardened") && refusedHardened(p.Name) {
					p.Tenant = core.ErrCommand
				}
			})
		})
	}
}

// refusedHardened reports whether the hardened mode refuses a path: see docs/hardened.md.
func refusedHardened(path string) bool {
	return path == "ExecContext, DO block" || path == "upsert, where"
}

// The boundary does not depend on the mixin: without its hook, its interceptor and its policy, as in a program whose
// client was made without them, every cell of the matrix is what it was. Only the system is refused by the database
// instead of by the hook.
func TestConformanceWithoutHooks(t *testing.T) {
	t.Parallel()
	d := newConformance(t)
	var kept recorder
	paths := allPaths(newClients(recording{entstratum.Driver(d.st), &kept}, d.st.DB()))
	conformBy(t, d, paths, under(withoutHooks), func(p *conformance.Path) {
		if errors.Is(p.System, entstratum.ErrTenantID) {
			p.System = core.ErrNoTenant
		}
		run := p.Run
		p.Run = func(ctx context.Context, x target) (any, error) { kept.path = p.Name; return run(ctx, x) }
	})
	require.NotEmpty(t, kept.statements)
	for _, s := range kept.statements {
		if !strings.HasPrefix(s.sql, "INSERT") && !strings.Contains(s.path, "tenant") { // which ask for it themselves
			require.NotContains(t, s.sql, `"tenant_id" = $`, "%s: the mixin has been at work", s.path)
		}
	}
}

// conform runs the suite over a client, each of whose paths change may change.
func conform(t *testing.T, d desk, change ...func(*conformance.Path)) {
	t.Helper()
	conformBy(t, d, allPaths(newClients(entstratum.Driver(d.st), d.st.DB())), change...)
}

func conformBy(t *testing.T, d desk, paths []conformance.Path, change ...func(*conformance.Path)) {
	t.Helper()
	for i := range paths {
		for _, c := range change {
			c(&paths[i])
		}
	}
	require.GreaterOrEqual(t, len(paths), enoughPaths)
	conformance.Run(t, conformance.Suite{Stratum: d.st, AdminDSN: d.AdminDSN, Paths: paths})
}

// bare marks a context under which nothing of the mixins runs.
type bare struct{}

func withoutHooks(ctx context.Context) context.Context { return context.WithValue(ctx, bare{}, true) }

func isBare(ctx context.Context) bool { return ctx.Value(bare{}) != nil }

// unlessBare wraps what the mixins have put into the generated packages, so that it does nothing under a context that
// says so. It is called once, before the tests: these are globals of the packages, and the tests are parallel.
func unlessBare() {
	for _, hooks := range [][]ent.Hook{
		badge.Hooks[:], comment.Hooks[:], person.Hooks[:], remark.Hooks[:], tag.Hooks[:], ticket.Hooks[:], watcher.Hooks[:],
	} {
		for i, hook := range hooks {
			hooks[i] = func(next ent.Mutator) ent.Mutator {
				hooked := hook(next)
				return ent.MutateFunc(func(ctx context.Context, m ent.Mutation) (ent.Value, error) {
					if isBare(ctx) {
						return next.Mutate(ctx, m)
					}
					return hooked.Mutate(ctx, m)
				})
			}
		}
	}
	for _, interceptors := range [][]ent.Interceptor{
		badge.Interceptors[:], comment.Interceptors[:], person.Interceptors[:], remark.Interceptors[:],
		tag.Interceptors[:], ticket.Interceptors[:], watcher.Interceptors[:],
	} {
		for i, interceptor := range interceptors {
			interceptors[i] = bareInterceptor{interceptor}
		}
	}
	for _, policy := range []*ent.Policy{
		&badge.Policy, &comment.Policy, &person.Policy, &remark.Policy, &tag.Policy, &ticket.Policy, &watcher.Policy,
	} {
		*policy = barePolicy{*policy}
	}
}

type bareInterceptor struct{ ent.Interceptor }

// Traverse does what the mixin's does.
func (i bareInterceptor) Traverse(ctx context.Context, q ent.Query) error {
	if traverser, ok := i.Interceptor.(ent.Traverser); ok && !isBare(ctx) {
		return traverser.Traverse(ctx, q)
	}
	return nil
}

type barePolicy struct{ ent.Policy }

// EvalQuery does what the mixin's does.
func (p barePolicy) EvalQuery(ctx context.Context, q ent.Query) error {
	if isBare(ctx) {
		return nil
	}
	return p.Policy.EvalQuery(ctx, q)
}

// EvalMutation does what the mixin's does.
func (p barePolicy) EvalMutation(ctx context.Context, m ent.Mutation) error {
	if isBare(ctx) {
		return nil
	}
	return p.Policy.EvalMutation(ctx, m)
}

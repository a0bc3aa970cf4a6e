package configcache_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/configcache"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// site is a database with a few tenants: a, beneath it b, and c beneath that; and beside them d.
type site struct {
	*stratumtest.Database

	ids, labels map[string]string
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{Database: stratumtest.NewDatabase(t), ids: map[string]string{}, labels: map[string]string{}}
	conn := s.connect(t)
	for _, n := range [][2]string{{"a", ""}, {"b", "a"}, {"c", "b"}, {"d", ""}} {
		s.addTenant(t, conn, n[0], n[1])
	}
	return s
}

func (s *site) addTenant(t *testing.T, conn *pgx.Conn, slug, parent string) {
	t.Helper()
	const statement = `INSERT INTO stratum.tenants (id, label, path, parent_id, slug, name)
		SELECT $1, n.label,
			(coalesce((SELECT path::text || '.' FROM stratum.tenants WHERE slug = $3), '') || n.label)::ltree,
			(SELECT id FROM stratum.tenants WHERE slug = $3), $2::text, 'x'
		FROM (SELECT stratum.base36(nextval('stratum.tenant_number')) AS label) n RETURNING label`
	id := uuid.NewString()
	var label string
	require.NoError(t, conn.QueryRow(t.Context(), statement, id, slug, parent).Scan(&label))
	s.ids[slug], s.labels[slug] = id, label
}

func (s *site) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, s.AdminDSN)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(ctx) })
	return conn
}

func (s *site) looker(t *testing.T) *configcache.Looker {
	t.Helper()
	conn := s.connect(t)
	l := &configcache.Looker{Read: func(
		ctx context.Context, fn func(rows pgx.Rows) error, query string, args ...any,
	) error {
		rows, err := conn.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		return fn(rows)
	}}
	_, lost, err := l.Look(t.Context())
	require.NoError(t, err)
	require.True(t, lost, "nothing is known at first")
	return l
}

// set is SQL that sets a key.
func (s *site) set(slug, key string) string {
	return fmt.Sprintf(`INSERT INTO stratum.config (tenant_id, key, value) VALUES ('%s', '%s', '1')
		ON CONFLICT (tenant_id, key) DO UPDATE SET version = EXCLUDED.version`, s.ids[slug], key)
}

// looked is what a look finds, as "slug key".
func (s *site) looked(t *testing.T, l *configcache.Looker) []string {
	t.Helper()
	changes, lost, err := l.Look(t.Context())
	require.NoError(t, err)
	require.False(t, lost)
	found := make([]string, len(changes))
	for i, c := range changes {
		slug := "*"
		for name, label := range s.labels {
			if c.Label == label {
				slug = name
				require.Equal(t, s.ids[name], c.Tenant.String())
			}
		}
		found[i] = slug + " " + c.Key
	}
	slices.Sort(found)
	return found
}

func exec(t *testing.T, conn *pgx.Conn, statements string) {
	t.Helper()
	_, err := conn.PgConn().Exec(t.Context(), statements).ReadAll()
	require.NoError(t, err, statements)
}

// manyKeys are told one by one, as far as that makes sense.
func manyKeys() []string {
	told := []string{"a ", "b "}
	for i := range 128 {
		told = append(told, fmt.Sprint("a k", i))
	}
	slices.Sort(told)
	return told
}

// TestWhatIsNoted says which statements are changes of config, and whose.
func TestWhatIsNoted(t *testing.T) {
	t.Parallel()
	many := func(n int, statement func(i int) string) string {
		all := make([]string, n)
		for i := range all {
			all[i] = statement(i)
		}
		return strings.Join(all, ";") + ";"
	}
	for name, test := range map[string]struct {
		before, statements func(s *site) string
		want               []string
	}{
		"nothing": {statements: func(*site) string { return "SELECT" }},
		"set":     {statements: func(s *site) string { return s.set("b", "k") }, want: []string{"b k"}},
		"set two": {
			statements: func(s *site) string { return s.set("b", "k") + ";" + s.set("a", "l") },
			want:       []string{"a l", "b k"},
		},
		"set none": {statements: func(*site) string { return "UPDATE stratum.config SET locked = true" }},
		"change twice": {
			before:     func(s *site) string { return s.set("b", "k") },
			statements: func(s *site) string { return s.set("b", "k") + ";" + s.set("b", "k") }, want: []string{"b k"},
		},
		"lock": {
			before:     func(s *site) string { return s.set("a", "k") },
			statements: func(*site) string { return "UPDATE stratum.config SET locked = true" }, want: []string{"a k"},
		},
		"delete": {
			before:     func(s *site) string { return s.set("a", "k") },
			statements: func(*site) string { return "DELETE FROM stratum.config" }, want: []string{"a k"},
		},
		"give to another": {
			before: func(s *site) string { return s.set("a", "k") },
			statements: func(s *site) string {
				return "UPDATE stratum.config SET key = 'l', tenant_id = '" + s.ids["d"] + "'"
			},
			want: []string{"a k", "d l"},
		},
		"rolled back": {
			statements: func(s *site) string {
				return "BEGIN; SAVEPOINT x; " + s.set("a", "k") + "; ROLLBACK TO x; " + s.set("d", "k") + "; COMMIT"
			},
			want: []string{"d k"},
		},
		"move": {
			statements: func(s *site) string {
				return `BEGIN; UPDATE stratum.tenants t SET parent_id = p.id, path = p.path || t.label
					FROM stratum.tenants p WHERE t.slug = 'b' AND p.slug = 'd';
					UPDATE stratum.tenants t SET path = p.path || t.label FROM stratum.tenants p
					WHERE t.slug = 'c' AND p.slug = 'b'; COMMIT`
			},
			want: []string{"b "},
		},
		"suspend": {
			statements: func(*site) string {
				return "UPDATE stratum.tenants SET status = 'suspended' WHERE slug = 'c'"
			},
			want: []string{"c "},
		},
		"archive": {
			statements: func(*site) string { return "UPDATE stratum.tenants SET status = 'archived' WHERE slug = 'd'" },
			want:       []string{"d "},
		},
		"rename": {
			statements: func(*site) string { return "UPDATE stratum.tenants SET slug = 'e' WHERE slug = 'c'" },
			want:       []string{"c "},
		},
		"another change": {statements: func(*site) string {
			return "UPDATE stratum.tenants SET name = 'y', status = status"
		}},
		"remove": {
			before: func(s *site) string { return s.set("d", "k") },
			statements: func(*site) string {
				return "SET session_replication_role = replica; DELETE FROM stratum.tenants WHERE slug = 'd'; " +
					"RESET session_replication_role"
			},
			want: []string{"d "},
		},
		"set by replication": {
			statements: func(s *site) string {
				return "SET session_replication_role = replica; " + s.set("d", "k") + "; RESET session_replication_role"
			},
			want: []string{"d k"},
		},
		"truncate config": {statements: func(*site) string { return "TRUNCATE stratum.config" }, want: []string{"* "}},
		"truncate tenants": {
			statements: func(*site) string { return "TRUNCATE stratum.tenants CASCADE" }, want: []string{"* "},
		},
		"many keys": {
			statements: func(s *site) string {
				keys := many(300, func(i int) string { return s.set("a", fmt.Sprint("k", i)) })
				return "BEGIN;" + keys + s.set("b", "k") + "; COMMIT"
			},
			want: manyKeys(),
		},
		"too many tenants": {
			statements: func(s *site) string {
				return many(400, func(i int) string {
					return fmt.Sprintf(`INSERT INTO stratum.tenants (id, label, path, slug, name)
						VALUES (gen_random_uuid(), 'x%d', 'x%[1]d', 'x%[1]d', 'x')`, i)
				}) + "UPDATE stratum.tenants SET slug = slug || 'y' WHERE slug LIKE 'x%'"
			},
			want: slices.Repeat([]string{"* "}, 257),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			conn := s.connect(t)
			if test.before != nil {
				exec(t, conn, test.before(s))
			}
			l := s.looker(t)
			exec(t, conn, test.statements(s))
			want := test.want
			if want == nil {
				want = []string{}
			}
			require.Equal(t, want, s.looked(t, l))
			require.Empty(t, s.looked(t, l), "once")
		})
	}
}

// TestLookSeesWhatCommitsLate: a transaction that began before the last look and commits after it is seen by the next,
// though others with higher numbers were seen before.
func TestLookSeesWhatCommitsLate(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	early, late := s.connect(t), s.connect(t)
	exec(t, early, "BEGIN; "+s.set("a", "early"))
	l := s.looker(t)
	exec(t, late, s.set("b", "late"))
	require.Equal(t, []string{"b late"}, s.looked(t, l))
	exec(t, late, s.set("b", "later"))
	exec(t, early, "COMMIT")
	require.Equal(t, []string{"a early", "b later"}, s.looked(t, l))
	require.Empty(t, s.looked(t, l))
}

// churn is SQL that changes 100 keys in each of n transactions.
func (s *site) churn(n int) string {
	return fmt.Sprintf(`DO $$ BEGIN FOR i IN 1..%d LOOP
		INSERT INTO stratum.config (tenant_id, key, value) SELECT '%s', 'k' || n, '1' FROM generate_series(1, 100) n
		ON CONFLICT (tenant_id, key) DO UPDATE SET version = EXCLUDED.version;
		COMMIT;
	END LOOP; END $$`, n, s.ids["a"])
}

func (s *site) noted(t *testing.T) (rows int) {
	t.Helper()
	const count = "SELECT count(*) FROM stratum.config_changes"
	require.NoError(t, s.connect(t).QueryRow(t.Context(), count).Scan(&rows))
	return rows
}

// TestTrimming: the log is bounded; who has not seen what is gone is told so, and nobody else.
func TestTrimming(t *testing.T) { //nolint:paralleltest // others' transactions
	s := newSite(t)
	conn := s.connect(t)
	old, current := s.looker(t), s.looker(t)
	for range 3 {
		exec(t, conn, s.churn(50))
		require.Len(t, s.looked(t, current), 5000)
	}
	require.Less(t, s.noted(t), 10_700)
	_, lost, err := old.Look(t.Context())
	require.NoError(t, err)
	require.True(t, lost)
	exec(t, conn, s.set("b", "k"))
	require.Equal(t, []string{"b k"}, s.looked(t, current), "nothing is missing")
	require.Equal(t, []string{"b k"}, s.looked(t, old), "it is lost once")
}

// TestTrimmingKeepsWhatIsNotCommitted: what a long transaction has changed is seen when it commits.
func TestTrimmingKeepsWhatIsNotCommitted(t *testing.T) { //nolint:paralleltest // others' transactions
	s := newSite(t)
	conn, long := s.connect(t), s.connect(t)
	l := s.looker(t)
	exec(t, long, "BEGIN; "+s.set("d", "long"))
	for range 3 {
		exec(t, conn, s.churn(50))
		require.Len(t, s.looked(t, l), 5000)
	}
	require.Equal(t, 15_000, s.noted(t), "it holds the trimming back")
	exec(t, long, "COMMIT")
	require.Equal(t, []string{"d long"}, s.looked(t, l))
	exec(t, conn, s.churn(5))
	require.Less(t, s.noted(t), 10_700)
}

// TestTrimmingDisturbsNobody: writers side by side all commit, whatever their isolation.
func TestTrimmingDisturbsNobody(t *testing.T) { //nolint:paralleltest // others' transactions
	s := newSite(t)
	exec(t, s.connect(t), s.churn(105))
	var all sync.WaitGroup
	for i, begin := range []string{
		"BEGIN", "BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ", "BEGIN ISOLATION LEVEL SERIALIZABLE",
	} {
		conn := s.connect(t)
		all.Go(func() {
			for n := range 600 {
				statements := fmt.Sprintf("%s; %s; COMMIT", begin, s.set("b", fmt.Sprintf("w%d.%d", i, n)))
				if _, err := conn.PgConn().Exec(t.Context(), statements).ReadAll(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	require.Less(t, s.noted(t), 12_000)
}

// TestAnotherServer: a snapshot means nothing to a server that was restored or has started anew.
func TestAnotherServer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	l := s.looker(t)
	l.Elsewhere()
	_, lost, err := l.Look(t.Context())
	require.NoError(t, err)
	require.True(t, lost)
	require.Empty(t, s.looked(t, l))
	// A dump from a server that has come further brings its changes and its horizon.
	exec(t, s.connect(t), `INSERT INTO stratum.config_changes (xid, label, key) VALUES ('999999999', 'x', '');
		INSERT INTO stratum.config_horizon (xid, source) VALUES ('999999999', 'another')`)
	require.Empty(t, s.looked(t, l), "not visible is not committed here")
}

// TestTooMuchNews: what is more than worth telling apart is everything.
func TestTooMuchNews(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	l := s.looker(t)
	exec(t, s.connect(t), `INSERT INTO stratum.config_changes (label, key)
		SELECT 'x' || n, '' FROM generate_series(1, 10001) n`)
	_, lost, err := l.Look(t.Context())
	require.NoError(t, err)
	require.True(t, lost)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

// A boundary with a hole in it must not pass: each test makes one, as the owner of the tables, and looks whether the
// attempts that should find it do.
func TestAttempts_noticeABrokenBoundary(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		sabotage []string
		found    []string // by these attempts
	}{
		"no row-level security on tickets": {
			[]string{"ALTER TABLE tickets DISABLE ROW LEVEL SECURITY"},
			[]string{
				"raw SELECT of everything", "raw UNION ALL", "Joins with another tenant's rows", "raw UPDATE",
				"raw INSERT ... SELECT of another's rows", "a connection that another tenant used",
				"a session made before db.Use",
			},
		},
		"no row-level security on comments": {
			[]string{"ALTER TABLE comments DISABLE ROW LEVEL SECURITY"},
			[]string{
				"raw SELECT in a CTE", "raw DELETE in a CTE", "Save of another's comment as an own one",
				"upsert on another's primary key",
			},
		},
		"a policy for everybody": {
			[]string{"CREATE POLICY everybody ON tickets USING (true)"},
			[]string{"raw SELECT by another tenant's id", "raw UPDATE ... FROM"},
		},
		"no row-level security on the join table": {
			[]string{"ALTER TABLE ticket_tags DISABLE ROW LEVEL SECURITY"},
			[]string{"raw DELETE"},
		},
		"a foreign key without the tenant": {
			[]string{
				"SET stratum.owner = 'migrate'", // or the owner sees no rows to check
				"ALTER TABLE comments DROP CONSTRAINT fk_tickets_comments",
				"ALTER TABLE comments ADD FOREIGN KEY (ticket_id) REFERENCES tickets (id)",
			},
			[]string{
				"a comment on another's ticket", "raw INSERT of such a comment", "moving an own comment to another's ticket",
			},
		},
		"the right to truncate": {
			[]string{"GRANT TRUNCATE ON ALL TABLES IN SCHEMA public TO stratum_tenant"},
			[]string{"TRUNCATE, which no policy covers"},
		},
		"the right to write countries": {
			[]string{"GRANT ALL ON countries TO stratum_tenant"},
			[]string{"Update of a country"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := smallConfig(t, nil)
			c.sabotage = func(ctx context.Context) error { return execute(ctx, c.ownerDSN, test.sabotage) }
			stdout, code := runSmall(t, c)
			require.Equal(t, exitFailed, code, stdout)
			for _, attempt := range test.found {
				require.Regexp(t, `(?m)^ *\d+  `+attempt+` \.+ LEAK: `, stdout)
			}
			require.Regexp(t, `(?m)^\d+ attempts, [1-9]\d* leaks`, stdout)
			require.Contains(t, stdout, errLeak.Error())
		})
	}
}

func execute(ctx context.Context, dsn string, statements []string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	for _, sql := range statements {
		_, execErr := conn.Exec(ctx, sql)
		err = errors.Join(err, execErr)
	}
	return errors.Join(err, conn.Close(ctx))
}

func TestAttempts_needTenantsToActAs(t *testing.T) {
	t.Parallel()
	stdout, code := runSmall(t, smallConfig(t, map[string]string{
		"tags.csv":        "tenant,name\nmid,vip\nleaf,vip\n", // none for side
		"ticket_tags.csv": "tenant,ticket,tag\n",
	}))
	require.Equal(t, exitInput, code, stdout)
	require.Contains(t, stdout, "tenants.csv: the attempts need")
}

func TestOutcome_judge(t *testing.T) {
	t.Parallel()
	own, other := uuid.New(), uuid.New()
	errExpected, errElse := errors.New("stratum: no (do this)"), errors.New("column does not exist")
	state := fmt.Errorf("exec: %w", &pgconn.PgError{Code: "2D000", Severity: "ERROR", Message: "no"})
	for name, test := range map[string]struct {
		want outcome
		got  evidence
		kind kind
		text string
	}{
		"refused":                 {refused(errExpected), evidence{err: errExpected}, held, "refused: stratum: no"},
		"refused with a state":    {refusedWith("2D000"), evidence{err: state}, held, "refused: exec: ERROR: no"},
		"another state":           {refusedWith("42501"), evidence{err: state}, unexpected, "UNEXPECTED: exec: ERROR: no (SQLSTATE 2D000)"},
		"another error":           {refused(errExpected), evidence{err: errElse}, unexpected, "UNEXPECTED: column does not exist"},
		"an error for nothing":    {nothing(), evidence{err: errElse}, unexpected, "UNEXPECTED: column does not exist"},
		"not refused":             {refused(errExpected), evidence{}, leaked, "LEAK: it was not refused"},
		"not refused by state":    {refusedWith("42501"), evidence{}, leaked, "LEAK: it was not refused"},
		"nothing":                 {nothing(), evidence{}, held, "nothing: 0 rows of others"},
		"rows of its own":         {ownRows(), evidence{rows: reached{own, own}}, held, "own rows only: 2, 0 of others"},
		"no rows of its own":      {ownRows(), evidence{}, unexpected, "UNEXPECTED: not even rows of its own"},
		"rows of others":          {nothing(), evidence{rows: reached{own, other}}, leaked, "LEAK: 1 rows of others"},
		"rows of others, refused": {refused(errExpected), evidence{rows: reached{other}, err: errExpected}, leaked, "LEAK: 1 rows of others"},
		"changed":                 {nothing(), evidence{changed: true}, leaked, "LEAK: rows have changed"},
		"changed though refused":  {refused(errExpected), evidence{err: errExpected, changed: true}, leaked, "LEAK: rows have changed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.got.own = own
			v := test.want.judge(test.got)
			require.Equal(t, test.kind, v.kind)
			require.Equal(t, test.text, v.describe(false))
		})
	}
}

func TestTally(t *testing.T) {
	t.Parallel()
	var count tally
	require.Regexp(t, `^  1  one \.+ nothing$`, count.line("one", verdict{text: "nothing"}))
	count.line("two", verdict{kind: leaked})
	require.Equal(t, "2 attempts, 1 leaks", count.total())
	count.line("three", verdict{kind: unexpected})
	require.Equal(t, "3 attempts, 1 leaks, 1 failed for another reason than they should", count.total())
}

// Names are what a reader of the output goes by.
func TestTopics_namesAreUnique(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, topic := range topics() {
		for _, attempt := range topic.attempts {
			require.Less(t, len(attempt.name), nameWidth, attempt.name)
			require.False(t, seen[attempt.name], attempt.name)
			seen[attempt.name] = true
		}
	}
}

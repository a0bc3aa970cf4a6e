package main

import (
	"context"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/examples/internal/attack"
	"github.com/stratum-hq/stratum-go/examples/internal/desk"
	"github.com/stratum-hq/stratum-go/examples/internal/desktest"
)

// A boundary with a hole in it must not pass: each test makes one, as the owner of the tables, and looks whether the
// attempts that should find it do.
func TestAttempts_noticeABrokenBoundary(t *testing.T) {
	t.Parallel()
	found := map[string][]string{ // by these attempts of ent, besides those with SQL
		"no row-level security on tickets": {
			"Modify with a join to another tenant's rows", "HasTicketsWith from countries",
			"counting tickets to order countries by", // UpdateOneID finds another's row, and has no key to open it
			"AddTickets of another's ticket to a country", "ClearTickets of a country",
		},
		"no row-level security on comments":       {"Modify with a UNION ALL", "upsert on another's primary key"},
		"a policy for everybody":                  {"Modify with a join to another tenant's rows"},
		"no row-level security on the join table": {"the join table by itself"},
		"a foreign key without the tenant": {
			"a comment on another's ticket", "moving an own comment to another's ticket",
		},
		"the right to truncate":        {},
		"the right to write countries": {"Update of a country", "upsert of a country"},
	}
	for _, sabotage := range desktest.Sabotages("comments_tickets_comments") {
		t.Run(sabotage.Name, func(t *testing.T) {
			t.Parallel()
			c := smallConfig(t, nil)
			c.Sabotage = func(ctx context.Context) error {
				return desktest.Execute(ctx, c.OwnerDSN, sabotage.Statements)
			}
			stdout, code := desktest.Run(t.Context(), program(), c)
			require.Equal(t, desk.ExitFailed, code, stdout)
			require.Contains(t, found, sabotage.Name)
			for _, attempt := range append(sabotage.Found, found[sabotage.Name]...) {
				require.Regexp(t, `(?m)^ *\d+  `+regexp.QuoteMeta(attempt)+` \.+ LEAK: `, stdout)
			}
			require.Regexp(t, `(?m)^\d+ attempts, [1-9]\d* leaks`, stdout)
			require.Contains(t, stdout, attack.ErrLeak.Error())
		})
	}
}

func TestAttempts_needTenantsToActAs(t *testing.T) {
	t.Parallel()
	stdout, code := desktest.Run(t.Context(), program(), smallConfig(t, map[string]string{
		"tags.csv":        "tenant,name\nmid,vip\nleaf,vip\n", // none for side
		"ticket_tags.csv": "tenant,ticket,tag\n",
	}))
	require.Equal(t, desk.ExitInput, code, stdout)
	require.Contains(t, stdout, "tenants.csv: the attempts need")
}

// Names are what a reader of the output goes by.
func TestTopics_namesAreUnique(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, topic := range (&scene{Scene: &attack.Scene{}, app: &app{}}).topics() {
		for _, attempt := range topic.Attempts {
			require.Less(t, len(attempt.Name), attack.NameWidth, attempt.Name)
			require.False(t, seen[attempt.Name], attempt.Name)
			seen[attempt.Name] = true
		}
	}
}

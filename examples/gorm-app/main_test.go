package main

import (
	"bytes"
	"context"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/examples/internal/desk"
	"github.com/stratum-hq/stratum-go/examples/internal/desktest"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

func TestMain(m *testing.M) { stratumtest.Main(m) }

// lastLine is the promise of the last line.
var lastLine = regexp.MustCompile(`(?m)^(\d+) attempts, (\d+) leaks\n\z`)

func TestRun(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	code := program().Run(t.Context(), nil, &stdout, &stderr)
	require.Zero(t, code, "%s\n%s", stdout.String(), stderr.String())
	require.Empty(t, stderr.String())

	count := lastLine.FindStringSubmatch(stdout.String())
	require.NotNil(t, count, stdout.String())
	attempts, err := strconv.Atoi(count[1])
	require.NoError(t, err)
	require.GreaterOrEqual(t, attempts, 272)
	require.Equal(t, "0", count[2])

	require.Regexp(t, `(?m)^Lighthouse Managed Services +\d+ +\d+ +\d+`, stdout.String())
	require.Regexp(t, `(?m)^        Spätschicht +\d+ +\d+ +\d+`, stdout.String(), "the fifth level is indented by four")
	require.Regexp(t, `(?m)^Lighthouse Managed Services +1029 +2130 +5064 .*tenant by tenant$`, stdout.String(),
		"the whole tree's tickets, wherever they are")
	require.Regexp(t, `(?m)^  Meseta Soporte .*at once$`, stdout.String(), "all of it is in the shared tables")
	require.Contains(t, stdout.String(), "39 tenants in shared tables, 12 with a schema of their own, 2 with a database")
	require.Contains(t, stdout.String(), "the tables are alike in 15 places; 0 failed")
	require.Contains(t, stdout.String(), `Settings of "Nordlys Seafood": 40 seats, "Nordlys Seafood" in #1b6f5c, `+
		"sessions of 30 minutes, second factor true")
	require.Regexp(t, `(?m)^max_seats for nordlys-seafood: 40 \(fjord-it is the nearest .*\)
TENANT +OUTCOME +LOCK +VALUE
\(default\) +overridden +- +5
lighthouse +overridden +- +\[withheld\]
fjord-it +holds +- +40
nordlys-seafood +unset +- +-$`, stdout.String())
	require.Regexp(t, `(?m)^lighthouse +holds +locked +{"second_factor": true`, stdout.String())
	require.Regexp(t, `(?m)^The requester of a ticket of "Nordlys Seafood"
  is stored as 0100000001[0-9a-f]{22}\.\.\. \(\d+ bytes\)
  is read as   (\S+@\S+)
  and " [A-Z.@-]+" finds [1-9]\d* tickets$`, stdout.String())
	require.Contains(t, stdout.String(), "sets a policy of its own: refused, lighthouse has locked security")
}

// Attempts find a hole in the boundary of a place of its own, too.
func TestAttempts_noticeABrokenPlace(t *testing.T) {
	t.Parallel()
	c := smallConfig(t, desktest.Mixed())
	stdout, code := desktest.Run(t.Context(), program(), c)
	require.Equal(t, desk.ExitOK, code, stdout)
	c.Sabotage = func(ctx context.Context) error {
		return desktest.Execute(ctx, c.OwnerDSN, desktest.OpenSchemas())
	}
	stdout, code = desktest.Run(t.Context(), program(), c)
	require.Equal(t, desk.ExitFailed, code, stdout)
	for _, attempt := range []string{
		"a schema by its name", "the shared tables by their name", "another's schema by its name",
	} {
		require.Regexp(t, `(?m)^ *\d+  `+attempt+` \.+ LEAK: `, stdout)
	}
}

func TestRun_verbose(t *testing.T) {
	t.Parallel()
	c := smallConfig(t, nil)
	c.Verbose = true
	stdout, code := desktest.Run(t.Context(), program(), c)
	require.Equal(t, desk.ExitOK, code, stdout)
	require.Contains(t, stdout, "set one with core.WithTenant(ctx, id)", "the cure")
}

// A second run on the same database finds everything there.
func TestRun_twice(t *testing.T) {
	t.Parallel()
	c := smallConfig(t, nil)
	first, code := desktest.Run(t.Context(), program(), c)
	require.Equal(t, desk.ExitOK, code, first)
	require.Contains(t, first, "loaded 6 tenants, 2 countries, 7 tickets")
	second, code := desktest.Run(t.Context(), program(), c)
	require.Equal(t, desk.ExitOK, code, second)
	require.Contains(t, second, "loaded 6 tenants, 2 countries, 0 tickets")
	_, firstReport, _ := strings.Cut(first, "Tickets of")
	_, secondReport, _ := strings.Cut(second, "Tickets of")
	require.Equal(t, firstReport, secondReport)
}

func TestRun_usage(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		code int
		says string
	}{
		"help":               {[]string{"-h"}, desk.ExitOK, "Usage: gorm-app"},
		"unknown flag":       {[]string{"-nix"}, desk.ExitInput, "-nix"},
		"argument":           {[]string{"nix"}, desk.ExitInput, "takes no arguments"},
		"system without dsn": {[]string{"-system-dsn", "postgres://x"}, desk.ExitInput, "go with -dsn"},
		"no such folder":     {[]string{"-data", "does-not-exist"}, desk.ExitInput, "countries.csv: no such file"},
		"broken dsn":         {[]string{"-dsn", "postgres://secret:secret@[/"}, desk.ExitFailed, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			require.Equal(t, test.code, program().Run(t.Context(), test.args, &stdout, &stderr))
			require.Contains(t, stderr.String(), test.says)
			require.NotContains(t, stderr.String(), "secret")
			require.Empty(t, stdout.String())
		})
	}
}

func TestRun_interrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	require.Equal(t, desk.ExitFailed, program().Run(ctx, nil, &stdout, &stderr))
	require.Contains(t, stderr.String(), context.Canceled.Error())
}

// What a slug may look like is core's to say; the line is found again.
func TestRun_refusesTenants(t *testing.T) {
	t.Parallel()
	stdout, code := desktest.Run(t.Context(), program(), smallConfig(t, map[string]string{
		"tenants.csv": desktest.Files(nil)["tenants.csv"] + "Not A Slug,Name,top,\n",
	}))
	require.Equal(t, desk.ExitInput, code, stdout)
	require.Contains(t, stdout, "tenants.csv:8: stratum: Slug must be")
}

// smallConfig is the small dataset, with some files replaced, and a database of the test's own.
func smallConfig(t *testing.T, replaced map[string]string) desk.Config {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, desktest.Write(folder, replaced))
	database := stratumtest.EmptyDatabase(t)
	require.NoError(t, desk.AllowDatabases(t.Context(), database))
	return desktest.Config(folder, database)
}

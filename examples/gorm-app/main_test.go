package main

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/stratumtest"
)

func TestMain(m *testing.M) { stratumtest.Main(m) }

// lastLine is the promise of the last line.
var lastLine = regexp.MustCompile(`(?m)^(\d+) attempts, (\d+) leaks\n\z`)

func TestRun(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), nil, &stdout, &stderr)
	require.Zero(t, code, "%s\n%s", stdout.String(), stderr.String())
	require.Empty(t, stderr.String())

	count := lastLine.FindStringSubmatch(stdout.String())
	require.NotNil(t, count, stdout.String())
	attempts, err := strconv.Atoi(count[1])
	require.NoError(t, err)
	require.GreaterOrEqual(t, attempts, 20)
	require.Equal(t, "0", count[2])

	require.Regexp(t, `(?m)^Lighthouse Managed Services +\d+ +\d+ +\d+`, stdout.String())
	require.Regexp(t, `(?m)^        Spätschicht +\d+ +\d+ +\d+`, stdout.String(), "the fifth level is indented by four")
	require.Regexp(t, `(?m)^Lighthouse Managed Services +1029 +2130 +5064 `, stdout.String(), "the whole tree's tickets")
}

func TestRun_verbose(t *testing.T) {
	t.Parallel()
	stdout, code := runSmall(t, smallConfig(t, nil), func(c *config) { c.verbose = true })
	require.Equal(t, exitOK, code, stdout)
	require.Contains(t, stdout, "set one with core.WithTenant(ctx, id)", "the cure")
}

// A second run on the same database finds everything there.
func TestRun_twice(t *testing.T) {
	t.Parallel()
	c := smallConfig(t, nil)
	first, code := runSmall(t, c)
	require.Equal(t, exitOK, code, first)
	require.Contains(t, first, "loaded 6 tenants, 2 countries, 7 tickets")
	second, code := runSmall(t, c)
	require.Equal(t, exitOK, code, second)
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
		"help":               {[]string{"-h"}, exitOK, "Usage: gorm-app"},
		"unknown flag":       {[]string{"-nix"}, exitInput, "-nix"},
		"argument":           {[]string{"nix"}, exitInput, "takes no arguments"},
		"system without dsn": {[]string{"-system-dsn", "postgres://x"}, exitInput, "go with -dsn"},
		"no such folder":     {[]string{"-data", "does-not-exist"}, exitInput, "countries.csv: no such file"},
		"broken dsn":         {[]string{"-dsn", "postgres://secret:secret@[/"}, exitFailed, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			require.Equal(t, test.code, run(t.Context(), test.args, &stdout, &stderr))
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
	require.Equal(t, exitFailed, run(ctx, nil, &stdout, &stderr))
	require.Contains(t, stderr.String(), context.Canceled.Error())
}

// small is a dataset with just what the attempts need: a line of three levels, a neighbour, and two tenants more.
func small() map[string]string {
	return map[string]string{
		"countries.csv": "code,name\nIE,Ireland\nNO,Norway\n",
		"tenants.csv": "slug,name,parent,external_id\n" +
			"top,Top,,org_top\nmid,Mid,top,\nleaf,Leaf,mid,\nside,Side,top,\nidle,Idle,top,\nnext,\"Next, \"\"2\"\"\",side,\n",
		"tags.csv": "tenant,name\ntop,vip\nmid,vip\nleaf,vip\nside,vip\nmid,slow\n",
		"tickets.csv": "tenant,number,subject,status,priority,requester,country,opened_at,closed_at\n" +
			"top,T-1,First,open,low,,IE,2025-01-01T10:00:00Z,\n" +
			"mid,T-1,First,open,normal,ann@example.org,NO,2025-01-02T10:00:00Z,\n" +
			"mid,T-2,\"Second, \"\"quoted\"\"\",closed,high,,,2025-01-03T10:00:00Z,2025-01-04T10:00:00Z\n" +
			"mid,T-3,  spaces  ,pending,urgent,,NO,2025-01-05T10:00:00Z,\n" +
			"leaf,T-1,First,open,low,,NO,2025-01-01T10:00:00Z,\n" +
			"side,T-1,First,closed,low,,IE,2025-01-01T10:00:00Z,2025-01-01T11:00:00Z\n" +
			"side,T-2,Second,open,low,,,2025-01-01T10:00:00Z,\n",
		"comments.csv": "tenant,ticket,author,body,written_at\n" +
			"top,T-1,ann,Hello,2025-01-01T11:00:00Z\n" +
			"mid,T-1,ann,\"two\nlines, a \"\"quote\"\" and ünïcode ✓\",2025-01-02T11:00:00Z\n" +
			"mid,T-1,bob,  spaces  ,2025-01-02T12:00:00Z\n" +
			"leaf,T-1,ann,Hello,2025-01-01T11:00:00Z\n" +
			"side,T-1,ann,Hello,2025-01-01T11:00:00Z\n",
		"ticket_tags.csv": "tenant,ticket,tag\ntop,T-1,vip\nmid,T-1,vip\nmid,T-2,vip\nmid,T-2,slow\nside,T-1,vip\n",
	}
}

// smallFiles writes the small dataset to a folder, with some files replaced.
func smallFiles(t *testing.T, replaced map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	files := small()
	maps.Copy(files, replaced)
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600))
	}
	return folder
}

// smallConfig is the small dataset and a database of the test's own, with the three logins.
func smallConfig(t *testing.T, replaced map[string]string) config {
	t.Helper()
	database := stratumtest.EmptyDatabase(t)
	return config{
		dataDir: smallFiles(t, replaced),
		dsn:     database.DSN, systemDSN: database.SystemDSN, ownerDSN: database.OwnerDSN,
	}
}

// runSmall runs the program with a config instead of flags.
func runSmall(t *testing.T, c config, changes ...func(*config)) (stdout string, code int) {
	t.Helper()
	for _, change := range changes {
		change(&c)
	}
	var out bytes.Buffer
	err := runDesk(t.Context(), c, &out)
	if err != nil {
		out.WriteString(err.Error())
	}
	return out.String(), exitCode(err)
}

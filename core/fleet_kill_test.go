package core_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// childJob tells a child of the test what to migrate.
const childJob = "STRATUM_TEST_FLEET"

// job is what a child does.
type job struct {
	DSN, SystemDSN, OwnerDSN string
	Files                    map[string]string
}

// childProgress is what a child says of itself.
type childProgress struct{ ended int }

// migratingChild migrates like any application would, until it is killed. It says how far it is.
func migratingChild(text string) int { return childCode(migrateAsChild(context.Background(), text)) }

func migrateAsChild(ctx context.Context, text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	st, err := core.Open(ctx, core.Options{DSN: j.DSN, SystemDSN: j.SystemDSN, OwnerDSN: j.OwnerDSN, NoCopies: true})
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }()
	options := core.FleetOptions{Progress: func(p core.FleetProgress) { fmt.Println(p.Ended()) }}
	if len(j.Files) > 0 {
		m, err := core.Goose(ctx, mapFS(j.Files), ".", core.GooseOptions{})
		if err != nil {
			return err
		}
		options.Migrations = []core.Migrations{m}
	}
	_, err = st.Fleet.Migrate(ctx, options)
	return err
}

// kill starts a child and kills it once it is far enough. It returns how far it had come.
func (e estate) kill(t *testing.T, files map[string]string, enough func(childProgress) bool) (ended int) {
	t.Helper()
	executable, err := os.Executable()
	require.NoError(t, err)
	o := e.Options()
	text, err := json.Marshal(job{DSN: o.DSN, SystemDSN: o.SystemDSN, OwnerDSN: o.OwnerDSN, Files: files})
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), executable)
	cmd.Env = append(os.Environ(), childJob+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, err := fmt.Sscan(lines.Text(), &ended); err == nil && enough(childProgress{ended: ended}) {
			break
		}
	}
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	return ended
}

// Killed at any moment, each target is at one step or the next, and whoever comes next does what is left, once.
func TestFleetKilled(t *testing.T) {
	t.Parallel()
	const schemas, databases, kills = 40, 4, 6
	e := newEstate(t)
	var batch []core.NewTenant
	for i := range schemas + databases {
		n := core.NewTenant{Name: "n", Slug: fmt.Sprintf("n-%d", i), Isolation: core.SchemaIsolation}
		if i >= schemas {
			n.Isolation = core.DatabaseIsolation
		}
		batch = append(batch, n)
	}
	tenants, err := e.st.Tenants.CreateBatch(t.Context(), batch)
	require.NoError(t, err)
	for _, tenant := range tenants {
		note(t, e.st, tenant.ID, "a")
	}
	files := map[string]string{}
	column := func(i int) string { return fmt.Sprintf("c%d", i) }
	for kill := range kills {
		// A column, and a change of rows that would show if it came twice.
		files[fmt.Sprintf("%05d_a.sql", 2*kill+1)] = "ALTER TABLE notes ADD COLUMN " + column(kill) + " text DEFAULT 'x';\n" +
			"ALTER TABLE marks ADD COLUMN " + column(kill) + " text DEFAULT 'x';"
		files[fmt.Sprintf("%05d_b.sql", 2*kill+2)] = "UPDATE notes SET body = body || " + column(kill) + ";"
		point := rand.IntN(schemas + databases)
		ended := e.kill(t, files, func(p childProgress) bool { return p.ended >= point })
		t.Logf("killed at %d of %d", ended, schemas+databases+1)
	}
	m, err := core.Goose(t.Context(), mapFS(files), ".", core.GooseOptions{})
	require.NoError(t, err)
	options := core.FleetOptions{Migrations: []core.Migrations{m}}
	report, err := e.st.Fleet.Migrate(t.Context(), options)
	require.NoError(t, err)
	require.Zero(t, report.Failed)
	for drift, err := range e.st.Fleet.Drift(t.Context()) {
		require.NoError(t, err)
		require.Fail(t, "drift", "%+v", drift)
	}
	for _, tenant := range tenants {
		requireNotes(t, e.st, tenant.ID, "a"+strings.Repeat("x", kills))
	}
	report, err = e.st.Fleet.Migrate(t.Context(), options)
	require.NoError(t, err)
	require.Zero(t, report.Done)
}

func mapFS(texts map[string]string) fstest.MapFS {
	files := fstest.MapFS{}
	for name, text := range texts {
		files[name] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + text)}
	}
	return files
}

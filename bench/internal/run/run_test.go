package run_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/bench/internal/link"
	"github.com/stratum-hq/stratum-go/bench/internal/run"
	"github.com/stratum-hq/stratum-go/bench/internal/variant"
	"github.com/stratum-hq/stratum-go/bench/internal/world"
)

// tiny is as little as there can be to measure.
func tiny(out, log io.Writer) run.Options {
	return run.Options{
		Links: []link.Kind{link.Unix}, Ops: []variant.Op{variant.PointRead}, Variants: variant.Kinds(),
		Time: time.Millisecond, Slice: time.Millisecond, Workers: 2, Counts: true, Repeats: 5,
		Size: world.Size{Tenants: 4, Rows: 25, BigRows: 1100, Schemas: 4},
		Out:  out, Log: log,
	}
}

// figures returns the values of the lines, all of which must have the report's form.
func figures(t *testing.T, out string) map[string]string {
	t.Helper()
	form := regexp.MustCompile(`^([a-z0-9/-]+)\t(-?\d+\.\d\d)\t(?:-|[<>=]=-?\d+(?:\.\d\d)?)\t(?:ok|short)$`)
	found := map[string]string{}
	for line := range strings.Lines(out) {
		parts := form.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		require.NotNil(t, parts, line)
		require.NotContains(t, found, parts[1], "once")
		found[parts[1]] = parts[2]
	}
	return found
}

// TestRun measures a little of everything: each variant on a link has its lines, with the goals where they belong.
func TestRun(t *testing.T) {
	t.Parallel()
	var out, log bytes.Buffer
	options := tiny(&out, &log)
	options.Links = []link.Kind{link.Unix, link.PgBouncer, link.Slow}
	options.Ops = []variant.Op{variant.PointRead, variant.Transaction}
	require.NoError(t, run.Run(t.Context(), options), "log: %s", &log)

	found := figures(t, out.String())
	for _, op := range options.Ops {
		for _, kind := range options.Variants {
			for _, way := range options.Links {
				for _, figure := range []string{"p50", "p99", "throughput"} {
					name := strings.Join([]string{string(op), string(way), string(kind), figure}, "/")
					if kind.Baseline() == kind || way.Pooled() && kind.NeedsSession() {
						require.NotContains(t, found, name)
					} else {
						require.Contains(t, found, name)
					}
				}
			}
		}
		// What is counted is no matter of luck.
		require.Equal(t, "1.00", found["round-trips/"+string(op)+"/guard"])
		require.Equal(t, "1.00", found["round-trips/"+string(op)+"/plugin"])
		require.Contains(t, found, "allocations/"+string(op)+"/plugin/more-by-statement")
	}
	require.Equal(t, "4.00", found["round-trips/point-read/set-local"])
	require.Equal(t, "3.00", found["round-trips/point-read/set-session"])
	require.Contains(t, found, "allocations/list/guard/more-by-row")
	require.Contains(t, out.String(), "point-read/1ms/plugin/p50\t"+found["point-read/1ms/plugin/p50"]+"\t<=1.03\t")
	require.Contains(t, out.String(), "point-read/unix/plugin/p50\t"+found["point-read/unix/plugin/p50"]+"\t<=1.25\t")
	require.Contains(t, out.String(), "point-read/unix/set-local/p50\t"+found["point-read/unix/set-local/p50"]+"\t-\tok")
	require.Contains(t, log.String(), "round-trips/point-read/plain-sql: 1.00")
	require.Contains(t, log.String(), "pgbouncer: set-session is left out")
}

// TestRunOverTCP: the baseline comes along with what is compared with it, and nothing else does.
func TestRunOverTCP(t *testing.T) {
	t.Parallel()
	var out, log bytes.Buffer
	options := tiny(&out, &log)
	options.Links, options.Variants, options.Counts = []link.Kind{link.TCP}, []variant.Kind{variant.Guard}, false
	require.NoError(t, run.Run(t.Context(), options), "log: %s", &log)
	require.Len(t, figures(t, out.String()), 3)
	require.Contains(t, log.String(), "point-read/tcp/plain-sql: p50")
	require.NotContains(t, log.String(), "plain-gorm")
}

func TestProfile(t *testing.T) {
	t.Parallel()
	var out, log, profile bytes.Buffer
	options := tiny(&out, &log)
	options.Variants, options.Profile = []variant.Kind{variant.Plugin}, &profile
	require.NoError(t, run.Run(t.Context(), options))
	require.Empty(t, out.String())
	require.NotEmpty(t, profile.Bytes())

	options.Variants = variant.Kinds()
	require.ErrorContains(t, run.Run(t.Context(), options), "a profile is of one variant")
}

func TestMainRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-links", "pigeon"}, `-links: "pigeon" is none of unix,tcp,pgbouncer,1ms`},
		{[]string{"-ops", "point-read,dance"}, `-ops: "dance" is none of`},
		{[]string{"-variants", ""}, `-variants: "" is none of`},
		{[]string{"-seconds", "0"}, "must be positive"},
		{[]string{"-workers", "0"}, "must be positive"},
		{[]string{"unix"}, "arguments without a flag"},
		{[]string{"-cpuprofile", filepath.Join(t.TempDir(), "none", "cpu")}, "no such file"},
	} {
		err := run.Main(t.Context(), c.args, io.Discard, io.Discard)
		require.ErrorContains(t, err, c.want, c.args)
	}
}

// TestMainNeedsOneOfEachForAProfile: the file is made, and the refusal comes before the server.
func TestMainNeedsOneOfEachForAProfile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "cpu")
	err := run.Main(t.Context(), []string{"-cpuprofile", file}, io.Discard, io.Discard)
	require.ErrorContains(t, err, "a profile is of one variant")
	_, err = os.Stat(file)
	require.NoError(t, err)
}

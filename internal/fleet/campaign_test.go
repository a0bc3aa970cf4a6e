package fleet_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/stratum-hq/stratum-go/internal/fleet"
)

// fleetSchemas is the number of schemas of TestCampaign. make fleet-1k runs with 1,000.
var fleetSchemas = flag.Int("fleet.schemas", 60, "schemas of TestCampaign")

const (
	campaignTables  = 10
	campaignWorkers = 2
	campaignRounds  = 3
	campaignPart    = 1000
)

// alters is a column more in each table, of the schema in search_path if none is named.
func alters(schema, column string) string {
	var b strings.Builder
	for t := range campaignTables {
		fmt.Fprintf(&b, "ALTER TABLE %sship_%d ADD COLUMN %s text;\n", schema, t+1, column)
	}
	return b.String()
}

// raw is what a script that knows each schema by name takes: a message for each, on two connections.
func (h harbour) raw(t *testing.T, column string) time.Duration {
	t.Helper()
	began := time.Now()
	queue := make(chan string, len(h.schemas))
	for _, s := range h.schemas {
		queue <- alters(s+".", column)
	}
	close(queue)
	g, ctx := errgroup.WithContext(t.Context())
	for range campaignWorkers {
		g.Go(func() error {
			conn, err := pgx.Connect(ctx, h.OwnerDSN)
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
			for text := range queue {
				if _, err := conn.PgConn().Exec(ctx, text).ReadAll(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	return time.Since(began)
}

func (h harbour) timed(t *testing.T, s fleet.Source) time.Duration {
	t.Helper()
	report, err := fleet.Run(t.Context(), fleet.Options{
		Targets: h.targets(), Sources: []fleet.Source{s}, PerServer: campaignWorkers,
	})
	require.NoError(t, err)
	require.Equal(t, len(h.schemas), report.Done)
	return report.Took
}

// widener is a model that grows by a column in each table.
type widener struct{ column string }

func (w widener) Hash(fleet.Target) string { return w.column }

func (w widener) Plan(_ context.Context, _ fleet.Querier, t fleet.Target) ([]string, error) {
	return strings.Split(strings.TrimSuffix(alters(t.Schema+".", w.column), ";\n"), ";\n"), nil
}

func (w widener) PlanMany(ctx context.Context, q fleet.Querier, targets []fleet.Target) ([][]string, error) {
	plans := make([][]string, len(targets))
	for i, t := range targets {
		plans[i], _ = w.Plan(ctx, q, t)
	}
	return plans, nil
}

// part is some of the schemas: what is compared is measured in turn, so that neighbours disturb all alike.
func (h harbour) part(i, of int) harbour {
	n := len(h.schemas)
	return harbour{Database: h.Database, schemas: h.schemas[i*n/of : (i+1)*n/of]}
}

// What a column in each table of each schema takes with a ledger, a lock and a canary, beside the bare statements.
func TestCampaign(t *testing.T) { //nolint:paralleltest // it measures
	h := newHarbour(t, *fleetSchemas, campaignTables)
	h.exec(t, campaignShared())
	texts := map[string]string{"00001_first.sql": up(alters("", "first"))}
	began := time.Now()
	h.timed(t, source(t, texts))
	t.Logf("%d schemas, %d tables each, %d workers; the first of all migrations %s", len(h.schemas), campaignTables,
		campaignWorkers, time.Since(began))
	parts := max(1, len(h.schemas)/campaignPart)
	ratios, total := map[string][]float64{}, map[string]time.Duration{}
	compare := func(name string, p harbour, s fleet.Source, column string) {
		before := p.raw(t, column+"1")
		took := p.timed(t, s)
		raw := (before + p.raw(t, column+"2")) / 2
		total[name+"-raw"] += raw
		total[name] += took
		ratios[name] = append(ratios[name], float64(raw)/float64(took))
	}
	for round := range campaignRounds {
		texts[fmt.Sprintf("%05d_next.sql", round+2)] = up(alters("", fmt.Sprintf("f%d", round)))
		s := source(t, texts)
		for i := range parts {
			compare("goose", h.part(i, parts), s, fmt.Sprintf("g%d_", round))
			compare("converge", h.part(i, parts), fleet.Converge("model", widener{fmt.Sprintf("c%d", round)}), fmt.Sprintf("d%d_", round))
		}
	}
	began = time.Now()
	report, err := fleet.Run(t.Context(), fleet.Options{Targets: h.targets(), Sources: []fleet.Source{source(t, texts)}})
	require.NoError(t, err)
	require.Equal(t, len(h.schemas), report.Skipped)
	t.Logf("a run with nothing to do %s", time.Since(began))
	for _, name := range []string{"goose", "converge"} {
		slices.Sort(ratios[name])
		t.Logf("all rounds: raw %s, %s %s", total[name+"-raw"], name, total[name])
		t.Logf("fleet-%s-vs-raw %.2f 0.90", name, ratios[name][len(ratios[name])/2])
	}
}

// campaignShared are the shared tables, which have the same names.
func campaignShared() string {
	var b strings.Builder
	for t := range campaignTables {
		fmt.Fprintf(&b, "CREATE TABLE public.ship_%d (id bigserial PRIMARY KEY);", t+1)
	}
	return b.String()
}

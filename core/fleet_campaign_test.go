package core_test

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// fleetSchemas is the number of schemas of TestFleetCampaign. make fleet-1k runs with 1,000.
var fleetSchemas = flag.Int("fleet.schemas", 40, "schemas of TestFleetCampaign")

const (
	campaignTables  = 10
	campaignWorkers = 2
	campaignPart    = 100
	campaignRounds  = 3
)

// shipDDL makes a table of the campaign in a schema: four indexes, a sequence, and a reference to the table before it.
// Raw is as it stands in the end, and else what Stratum makes into that.
func shipDDL(schema string, i int, raw bool) string {
	tenant, keys := " DEFAULT stratum.tenant_id()", ""
	if raw {
		tenant, keys = "", ", UNIQUE (tenant_id, id)"
		if i > 0 {
			keys += fmt.Sprintf(", FOREIGN KEY (tenant_id, before_id) REFERENCES %s.ship_%d (tenant_id, id)", schema, i-1)
		}
	}
	return fmt.Sprintf(`CREATE TABLE %[1]s.ship_%[2]d (id bigserial PRIMARY KEY, tenant_id uuid NOT NULL%[3]s, before_id bigint,
			name text NOT NULL, at timestamptz NOT NULL DEFAULT now()%[4]s);
		CREATE INDEX ship_%[2]d_name ON %[1]s.ship_%[2]d (tenant_id, name);
		CREATE INDEX ship_%[2]d_before ON %[1]s.ship_%[2]d (tenant_id, before_id);
		`, schema, i, tenant, keys)
}

func shipTables() []tables.Table {
	list := make([]tables.Table, campaignTables)
	for i := range list {
		list[i] = tables.Table{Name: fmt.Sprintf("ship_%d", i), PrimaryKey: []string{"id"}}
		if i > 0 {
			list[i].ForeignKeys = []tables.ForeignKey{{
				Name: fmt.Sprintf("fk_ship_%d", i), Columns: []string{"before_id"}, RefTable: fmt.Sprintf("ship_%d", i-1),
				RefColumns: []string{"id"}, RefOwned: true,
			}}
		}
	}
	return list
}

// campaign is an estate with a schema made by hand for each one made by Stratum.
type campaign struct {
	estate

	raw     int // schemas made by hand
	tenants []core.Tenant
}

func newCampaign(t *testing.T) *campaign {
	t.Helper()
	c := &campaign{estate: emptyEstate(t)}
	var ddl strings.Builder
	for i := range campaignTables {
		ddl.WriteString(shipDDL("public", i, false))
	}
	migrateEstate(t, c.OwnerDSN, ddl.String(), shipTables())
	return c
}

// byHand sends a message for each number on the workers' connections, as a script would that knows them all.
func (c *campaign) byHand(t *testing.T, from, to int, text func(i int) string) time.Duration {
	t.Helper()
	began := time.Now()
	var next atomic.Int64
	next.Store(int64(from))
	g, ctx := errgroup.WithContext(t.Context())
	for range campaignWorkers {
		g.Go(func() error {
			conn, err := pgx.Connect(ctx, c.OwnerDSN)
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
			for i := int(next.Add(1)) - 1; i < to; i = int(next.Add(1)) - 1 {
				if _, err := conn.PgConn().Exec(ctx, text(i)).ReadAll(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	return time.Since(began)
}

func (c *campaign) makeByHand(t *testing.T, n int) time.Duration {
	t.Helper()
	from := c.raw
	c.raw += n
	return c.byHand(t, from, c.raw, func(i int) string {
		schema := fmt.Sprintf("raw_%d", i)
		var b strings.Builder
		b.WriteString("CREATE SCHEMA " + schema + ";")
		for table := range campaignTables {
			b.WriteString(shipDDL(schema, table, true))
		}
		return b.String()
	})
}

func (c *campaign) makeTenants(t *testing.T, n int) time.Duration {
	t.Helper()
	batch := make([]core.NewTenant, n)
	for i := range batch {
		batch[i] = core.NewTenant{
			Name: "s", Slug: fmt.Sprintf("s-%d", len(c.tenants)+i), Isolation: core.SchemaIsolation,
		}
	}
	began := time.Now()
	made, err := c.st.Tenants.CreateBatch(t.Context(), batch)
	took := time.Since(began)
	require.NoError(t, err)
	for _, tenant := range made {
		require.Equal(t, core.StatusActive, tenant.Status)
	}
	c.tenants = append(c.tenants, made...)
	return took
}

// alters is a column more in each table of a schema.
func alters(schema, column string) string {
	var b strings.Builder
	for i := range campaignTables {
		fmt.Fprintf(&b, "ALTER TABLE %s.ship_%d ADD COLUMN %s text;", schema, i, column)
	}
	return b.String()
}

// peak is the most memory that was in use.
type peak struct{ bytes atomic.Uint64 }

func (p *peak) look(core.FleetProgress) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	for have := p.bytes.Load(); m.HeapInuse > have && !p.bytes.CompareAndSwap(have, m.HeapInuse); have = p.bytes.Load() {
	}
}

// provision makes both kinds in turn, since neighbours disturb both alike.
func (c *campaign) provision(t *testing.T, schemas int) {
	t.Helper()
	c.makeByHand(t, 2)
	c.makeTenants(t, 2) // statements are prepared and code is read in
	var ratios []float64
	var raw, own time.Duration
	for left := schemas - 2; left > 0; left -= campaignPart {
		n := min(left, campaignPart)
		half := n / 2
		by := c.makeByHand(t, half)
		took := c.makeTenants(t, n)
		by += c.makeByHand(t, n-half)
		ratios, raw, own = append(ratios, by.Seconds()/took.Seconds()), raw+by, own+took
	}
	slices.Sort(ratios)
	t.Logf("%d schemas of %d tables: by hand %s, by Stratum %s", schemas, campaignTables, raw, own)
	t.Logf("fleet-provision-vs-raw %.2f 0.90", ratios[len(ratios)/2])
}

// widen adds a column everywhere, by hand before and after.
func (c *campaign) widen(t *testing.T, column string, options core.FleetOptions) (ratio float64, report core.FleetReport, err error) {
	t.Helper()
	text := func(i int) string { return alters(fmt.Sprintf("raw_%d", i), column) }
	runAs(t, c.OwnerDSN, alters("public", column))
	raw := c.byHand(t, 0, c.raw/2, text)
	began := time.Now()
	report, err = c.st.Fleet.Migrate(t.Context(), options)
	took := time.Since(began)
	raw += c.byHand(t, c.raw/2, c.raw, text)
	t.Logf("a column more: by hand %s, by Fleet %s", raw, took)
	return raw.Seconds() / took.Seconds(), report, err
}

// What a fleet of schemas takes beside bare statements, with one target that fails.
func TestFleetCampaign(t *testing.T) { //nolint:paralleltest // it measures
	c := newCampaign(t)
	c.provision(t, *fleetSchemas)
	require.Zero(t, c.noDrift(t).Done, "what has been made is like the model")

	var heap peak
	options := core.FleetOptions{Progress: heap.look}
	var ratios []float64
	for round := range campaignRounds {
		ratio, report, err := c.widen(t, fmt.Sprintf("c%d", round), options)
		require.NoError(t, err)
		require.Equal(t, *fleetSchemas, report.Done)
		ratios = append(ratios, ratio)
	}
	slices.Sort(ratios)
	t.Logf("fleet-column-vs-raw %.2f 0.90", ratios[len(ratios)/2])
	began := time.Now()
	require.Zero(t, c.noDrift(t).Done)
	t.Logf("a run with nothing to do, and a look at all: %s", time.Since(began))

	poisoned := "t_" + c.tenants[len(c.tenants)/2].Label.String()
	runAs(t, c.OwnerDSN, "ALTER TABLE "+poisoned+".ship_3 ADD COLUMN spoilt int")
	_, report, err := c.widen(t, "spoilt", options)
	var failed *core.FleetError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, 1, report.Failed)
	require.Equal(t, *fleetSchemas-1, report.Done)
	require.Equal(t, "home/"+poisoned, failed.Failures[0].Target)
	runAs(t, c.OwnerDSN, "ALTER TABLE "+poisoned+".ship_3 DROP COLUMN spoilt")
	require.Equal(t, 1, c.noDrift(t).Done)

	runAs(t, c.OwnerDSN, alters("public", "killed"))
	killed := c.kill(t, nil, func(p childProgress) bool { return p.ended >= *fleetSchemas/3 })
	t.Logf("killed after %d of %d", killed, *fleetSchemas)
	report = c.noDrift(t)
	require.Equal(t, *fleetSchemas, report.Done+report.Skipped)
	t.Logf("the next run did %d", report.Done)
	t.Logf("the runner's heap at its peak: %d MiB", heap.bytes.Load()>>20)
}

// noDrift migrates, and looks that all are alike.
func (c *campaign) noDrift(t *testing.T) core.FleetReport {
	t.Helper()
	report, err := c.st.Fleet.Migrate(t.Context(), core.FleetOptions{})
	require.NoError(t, err)
	for drift, err := range c.st.Fleet.Drift(t.Context()) {
		require.NoError(t, err)
		require.Fail(t, "drift", "%+v", drift)
	}
	return report
}

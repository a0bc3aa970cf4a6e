package tables_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// devices declares two keys that are unique across tenants, one that is not, and a reference by one of the former.
func devices() []tables.Table {
	return []tables.Table{
		{
			Name:    "devices",
			Uniques: []tables.Unique{{Name: "uni_devices_name", Columns: []string{"name"}}},
			GlobalUniques: []tables.GlobalUnique{
				{Name: "idx_devices_serial", Reason: " the maker's numbers are worldwide "}, {Name: "uni_devices_imei", Reason: "law"},
			},
		},
		{Name: "parts", ForeignKeys: []tables.ForeignKey{reference("fk_parts_device", "device", "devices", "serial", true)}},
	}
}

const devicesDDL = `CREATE TABLE parts (id bigint PRIMARY KEY, device text);
	CREATE TABLE devices (id bigint PRIMARY KEY, serial text, name text, imei text CONSTRAINT uni_devices_imei UNIQUE);
	CREATE UNIQUE INDEX idx_devices_serial ON devices (serial);`

func (w world) comments(tb testing.TB) []string {
	tb.Helper()
	return value[[]string](tb, w.OwnerDSN, `SELECT coalesce(array_agg(d.description ORDER BY d.description), '{}')
		FROM pg_description d JOIN pg_index i ON i.indexrelid = d.objoid WHERE i.indrelid = 'devices'::regclass`)
}

func TestGlobalUniques(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.migrated(t, job{tables: devices(), orm: devicesDDL})
	require.Empty(t, m.Findings(), "they are unique across tenants on purpose")
	require.Equal(t, []string{
		"stratum: globally unique: law", "stratum: globally unique: the maker's numbers are worldwide",
	}, w.comments(t))
	require.Contains(t, w.constraints(t, "devices"), "uni_devices_imei UNIQUE (imei)")
	require.Contains(t, w.constraints(t, "devices"), "uni_devices_name UNIQUE (tenant_id, name)")

	acme := w.tenant(t, w.acme)
	acme.must(t, "INSERT INTO devices VALUES (1, 's', 'n', 'i')")
	require.NoError(t, acme.Commit(t.Context()))
	globex := w.tenant(t, w.globex)
	globex.must(t, "INSERT INTO devices VALUES (2, 't', 'n', 'j')")
	globex.fails(t, codeUnique, "INSERT INTO devices VALUES (3, 's', 'm', 'k')")
	globex.fails(t, codeUnique, "UPDATE devices SET imei = 'i'")
	globex.fails(t, codePrivilege, "INSERT INTO devices VALUES (3, 's', 'm', 'k') ON CONFLICT (serial) DO UPDATE SET name = 'x'")
	require.Zero(t, globex.must(t, "INSERT INTO devices VALUES (3, 's', 'm', 'k') ON CONFLICT (serial) DO NOTHING"),
		"PostgreSQL itself is silent")
	globex.fails(t, codeForeignKey, "INSERT INTO parts VALUES (1, 's')")
	globex.must(t, "INSERT INTO parts VALUES (1, 't')")
}

func TestGlobalUniqueReasonChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.migrated(t, job{tables: devices(), orm: devicesDDL})
	j := job{tables: devices()}
	j.tables[0].GlobalUniques[1].Reason = `another \ one`
	require.Equal(t, []string{`COMMENT ON INDEX "public"."uni_devices_imei" IS E'stratum: globally unique: another \\ one'`},
		w.migrated(t, j).Statements())
	require.Contains(t, w.comments(t), `stratum: globally unique: another \ one`)
}

// An index that was led by the tenant goes for the ORM to make it anew, and the other way round.
func TestGlobalUniqueIsTurnedAround(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	perTenant := devices()
	perTenant[0].GlobalUniques = nil
	perTenant[0].Indexes = []tables.Index{{Name: "idx_devices_serial"}}
	perTenant[0].Uniques = append(perTenant[0].Uniques, tables.Unique{Name: "uni_devices_imei", Columns: []string{"imei"}})
	w.exec(t, devicesDDL)
	led := job{tables: perTenant, orm: "CREATE UNIQUE INDEX idx_devices_serial ON devices (tenant_id, serial)"}
	across := job{tables: devices(), orm: "CREATE UNIQUE INDEX idx_devices_serial ON devices (serial);" +
		"ALTER TABLE devices ADD CONSTRAINT uni_devices_imei UNIQUE (imei)"}
	for range 2 {
		w.migrated(t, led)
		require.Contains(t, w.constraints(t, "devices"), "uni_devices_imei UNIQUE (tenant_id, imei)")
		require.Empty(t, w.comments(t))
		w.migrated(t, across)
		require.Contains(t, w.constraints(t, "devices"), "uni_devices_imei UNIQUE (imei)")
		require.Len(t, w.comments(t), 2)
	}
}

func TestGlobalUniqueRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, devicesDDL+"CREATE INDEX idx_plain ON devices (serial)")
	for want, change := range map[string]struct {
		kind    error
		uniques []tables.GlobalUnique
	}{
		`it has no unique index "idx_typo"`:  {tables.ErrMissing, []tables.GlobalUnique{{"idx_typo", "r"}}},
		`it has no unique index "idx_plain"`: {tables.ErrMissing, []tables.GlobalUnique{{"idx_plain", "r"}}},
		"needs a name and a reason":          {tables.ErrDeclaration, []tables.GlobalUnique{{"idx_devices_serial", "\t"}}},
		"is more than one line":              {tables.ErrDeclaration, []tables.GlobalUnique{{"idx_devices_serial", "a\nb"}}},
		"as unique per tenant and as":        {tables.ErrDeclaration, []tables.GlobalUnique{{"uni_devices_name", "r"}}},
	} {
		declared := devices()
		declared[0].GlobalUniques = change.uniques
		require.ErrorContains(t, w.refused(t, change.kind, job{tables: declared}), want)
	}
	declared := devices()
	declared[0].Kind = tables.Global
	declared[0].Uniques, declared = nil, declared[:1]
	require.ErrorContains(t, w.refused(t, tables.ErrDeclaration, job{tables: declared}), "declared for owned tables only")
}

// Tenant columns of different names stand in one key, and a key that names the other side's is refused.
func TestKeysBetweenTenantColumns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j := job{
		tables: []tables.Table{
			{Name: "firms", Column: "org_id"},
			{Name: "desks", Column: "owner", ForeignKeys: []tables.ForeignKey{reference("fk_desks_firm", "firm", "firms", "id", true)}},
		},
		orm: "CREATE TABLE firms (id bigint PRIMARY KEY); CREATE TABLE desks (id bigint PRIMARY KEY, firm bigint, of uuid)",
	}
	w.migrated(t, j)
	require.Contains(t, w.constraints(t, "desks"), "fk_desks_firm FOREIGN KEY (owner, firm) REFERENCES firms(org_id, id)")
	acme := w.tenant(t, w.acme)
	acme.must(t, "INSERT INTO firms VALUES (1)")
	require.NoError(t, acme.Commit(t.Context()))
	w.tenant(t, w.globex).fails(t, codeForeignKey, "INSERT INTO desks VALUES (1, 1)")
	j.orm = ""
	j.tables[1].ForeignKeys = []tables.ForeignKey{{
		Name: "fk", Columns: []string{"of", "firm"}, RefTable: "firms", RefColumns: []string{"org_id", "id"}, RefOwned: true,
	}}
	require.ErrorContains(t, w.refused(t, tables.ErrDeclaration, j), "refers to the tenant column of")
}

// The script has the values that the statements leave out.
func TestScriptHasValues(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE TABLE notes (id bigint PRIMARY KEY); INSERT INTO notes VALUES (1)")
	m := w.migrated(t, notes(w.acme))
	require.Len(t, m.Script(), len(m.Statements()))
	require.Contains(t, m.Script(),
		`UPDATE "public"."notes" SET "tenant_id" = '`+w.acme.String()+`' WHERE "tenant_id" IS NULL`)
	for i, statement := range m.Statements() {
		require.NotContains(t, statement, w.acme.String())
		if i > 1 {
			require.Equal(t, statement, m.Script()[i])
		}
	}
	require.Equal(t, `E'a\\''b'`, sqltext.Literal(`a\'b`))
}

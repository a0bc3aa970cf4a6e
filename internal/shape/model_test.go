package shape_test

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/shape"
)

// ownedSpecs are specs of tables of the schema public.
func ownedSpecs(names ...string) (specs []shape.Spec) {
	for _, name := range names {
		specs = append(specs, shape.Spec{Schema: "public", Name: name, Class: shape.Owned, TenantColumn: "tenant_id"})
	}
	return specs
}

func TestReadModelRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, `
		CREATE TABLE parted (tenant_id uuid) PARTITION BY HASH (tenant_id);
		CREATE TABLE part PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
		CREATE TABLE parent (tenant_id uuid);
		CREATE TABLE child () INHERITS (parent);
		CREATE TABLE ruled (tenant_id uuid);
		CREATE RULE nothing AS ON DELETE TO ruled DO INSTEAD NOTHING;
		CREATE TABLE bare (id int)`)
	for table, refusal := range map[string]struct {
		kind error
		text string
	}{
		"parted": {shape.ErrUnsupported, "is partitioned"},
		"part":   {shape.ErrUnsupported, "is a partition"},
		"parent": {shape.ErrUnsupported, "has tables that inherit from it"},
		"child":  {shape.ErrUnsupported, "inherits from another table"},
		"ruled":  {shape.ErrUnsupported, "has rewrite rules"},
		"bare":   {shape.ErrMissing, `has no tenant column "tenant_id"`},
		"none":   {shape.ErrMissing, "does not exist"},
	} {
		w.within(t, w.owner, func(tx *sql.Tx) {
			_, err := shape.ReadModel(t.Context(), tx, ownedSpecs(table))
			require.ErrorIs(t, err, refusal.kind, table)
			require.ErrorContains(t, err, refusal.text)
			var e *shape.TableError
			require.ErrorAs(t, err, &e)
			require.Equal(t, table, e.Table)
			require.NotEmpty(t, e.Cure)
		})
	}
}

func TestDiffTellsOfWhatItCannotCure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE TABLE a (tenant_id uuid)")
	want := w.created(t, w.model(t, ownedSpecs("a")), "t_1a")
	w.exec(t, "CREATE RULE nothing AS ON DELETE TO t_1a.a DO INSTEAD NOTHING")
	changes := shape.Diff(w.read(t, "t_1a"), want)
	require.Equal(t, []string{`table "a": want a plain table, have one that has rewrite rules`}, texts(changes))
	require.False(t, changes[0].Curable())
	require.NotEmpty(t, changes[0].Reason)
}

func TestModelRefusesKeysWithoutARange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, `
		CREATE TABLE small (tenant_id uuid, id smallserial);
		CREATE TABLE normal (tenant_id uuid, id int GENERATED ALWAYS AS IDENTITY);
		CREATE TABLE widened (tenant_id uuid, id serial);
		ALTER TABLE widened ALTER id TYPE bigint;
		CREATE TABLE backwards (tenant_id uuid, id bigint GENERATED ALWAYS AS IDENTITY (INCREMENT -1))`)
	r := w.residence("t_1a")
	refused := func(table string) {
		_, err := w.model(t, ownedSpecs(table)).InSchema(r)
		require.ErrorIs(t, err, shape.ErrKeys)
		require.ErrorContains(t, err, "make the column bigint or uuid")
		_, err = w.model(t, ownedSpecs(table)).InDatabase(r)
		require.ErrorIs(t, err, shape.ErrKeys)
		var e *shape.TableError
		require.ErrorAs(t, err, &e)
		require.Equal(t, []string{table, "id"}, []string{e.Table, e.Object})
	}
	refused("small")
	s := w.inSchema(t, w.model(t, ownedSpecs("normal", "widened", "backwards")), "t_1a")
	require.EqualValues(t, 1_000_000, s.Table("t_1a", "normal").Sequences[0].Start)
	widened := s.Table("t_1a", "widened").Sequences[0]
	require.Equal(t, "bigint", widened.Type)
	require.EqualValues(t, 1<<40, widened.Min)
	backwards := s.Table("t_1a", "backwards").Sequences[0]
	require.Equal(t, backwards.Max, backwards.Start)
	r.Keys.Int = shape.Range{}
	refused("normal")
}

func TestModelRefusesWhatCannotBeThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, `CREATE SCHEMA other; CREATE TABLE other.a (tenant_id uuid);
		CREATE TABLE outside (id int PRIMARY KEY); CREATE TABLE a (tenant_id uuid, id int REFERENCES outside)`)
	m := w.model(t, append(ownedSpecs("a"), shape.Spec{
		Schema: "other", Name: "a", Class: shape.Owned, TenantColumn: "tenant_id",
	}))
	_, err := m.InSchema(w.residence("t_1a"))
	require.ErrorIs(t, err, shape.ErrName)
	_, err = m.InDatabase(w.residence(""))
	require.ErrorIs(t, err, shape.ErrReference)
	require.ErrorContains(t, err, `"public"."outside"`)
}

func TestModelRefusesAnIncompleteResidence(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(r *shape.Residence){
		"no role for schemas": func(r *shape.Residence) { r.Roles.Schema = "" },
		"no tenant role":      func(r *shape.Residence) { r.Roles.Tenant = "" },
		"no owner":            func(r *shape.Residence) { r.Owner = "" },
		"no schema":           func(r *shape.Residence) { r.Schema = "" },
		"capital letters":     func(r *shape.Residence) { r.Schema = "T_1" },
		"a digit first":       func(r *shape.Residence) { r.Schema = "1t" },
		"no range":            func(r *shape.Residence) { r.Keys.Big = shape.Range{} },
		"a range from zero":   func(r *shape.Residence) { r.Keys.Big = shape.Range{Min: 0, Max: 9} },
		"too large":           func(r *shape.Residence) { r.Keys.Int = shape.Range{Min: 1, Max: 1 << 31} },
		"upside down":         func(r *shape.Residence) { r.Keys.Int = shape.Range{Min: 2, Max: 1} },
	} {
		r := world{roles: shape.Roles{Tenant: "t", Subtree: "b", System: "s", Schema: "c"}, login: "o"}.residence("t_1")
		_, err := shape.Model{}.InSchema(r)
		require.NoError(t, err)
		change(&r)
		_, err = shape.Model{}.InSchema(r)
		require.ErrorIs(t, err, shape.ErrResidence, name)
	}
}

package shape_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/shape"
)

func TestCreateInSchema(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.model(t, w.rich(t))
	want := w.created(t, m, "t_1a")
	equal(t, w.read(t, "t_1a"), want)
	require.Len(t, want.Tables, 6, "the global table stays where it is")
	other := w.created(t, m, "t_1b")
	equal(t, w.read(t, "t_1b"), other)
	require.NotEmpty(t, shape.Diff(want, other))
}

func TestConvergeFromNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want := w.inSchema(t, w.model(t, w.rich(t)), "t_1a")
	w.exec(t, "CREATE SCHEMA t_1a")
	w.execute(t, w.OwnerDSN, shape.Statements(shape.Diff(w.read(t, "t_1a"), want)))
	equal(t, w.read(t, "t_1a"), want)
	w.execute(t, w.OwnerDSN, shape.Statements(shape.Diff(w.read(t, "t_1a"), shape.Shape{})))
	require.Empty(t, w.read(t, "t_1a").Tables)
}

func TestCreateInDatabase(t *testing.T) {
	t.Parallel()
	w, there := newWorld(t), newWorld(t)
	r := w.residence("")
	r.Owner = there.login
	want, err := w.model(t, w.rich(t)).InDatabase(r)
	require.NoError(t, err)
	there.exec(t, aroundSQL)
	there.execute(t, there.OwnerDSN, shape.Create(want))
	have := there.read(t, "public")
	equal(t, have, want)
	require.Len(t, have.Tables, 7)

	countries := have.Table("public", "countries")
	require.Empty(t, countries.Triggers)
	require.Empty(t, countries.Sequences)
	for _, c := range countries.Constraints {
		require.NotEqual(t, "f", c.Type)
	}
	require.NotEmpty(t, countries.Indexes)
	for _, g := range countries.Grants {
		require.Equal(t, []string{"SELECT"}, g.Privileges)
	}
}

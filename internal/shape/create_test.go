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

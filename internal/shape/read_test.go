package shape_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/shape"
)

func TestReadManyTakesAsManyQueriesForOneAsForMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.model(t, w.rich(t))
	schemas := []string{"nobody_has_this"}
	count := func() int64 {
		var queries int64
		w.within(t, w.owner, func(tx *sql.Tx) {
			before := w.queries.Load()
			shapes, err := shape.ReadMany(t.Context(), tx, schemas, nil)
			require.NoError(t, err)
			queries = w.queries.Load() - before
			require.Len(t, shapes, len(schemas))
			for _, schema := range schemas[1:] {
				equal(t, shapes[schema], w.inSchema(t, m, schema))
			}
			require.Empty(t, shapes[schemas[0]].Tables)
		})
		return queries
	}
	one := count()
	for i := range 5 {
		schema := fmt.Sprintf("t_%d", i)
		w.created(t, m, schema)
		schemas = append(schemas, schema)
	}
	require.Equal(t, one, count())
	require.LessOrEqual(t, one, int64(5))
}

func TestReadFindsTheSameUnderAnySettingsAndKeepsThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want := w.created(t, w.model(t, w.rich(t)), "t_1a")
	w.within(t, w.owner, func(tx *sql.Tx) {
		settings := map[string]string{
			"search_path": "t_1a, public", "TimeZone": "Asia/Tokyo", "DateStyle": "German, DMY",
			"IntervalStyle": "iso_8601", "extra_float_digits": "-3", "bytea_output": "escape", "quote_all_identifiers": "on",
		}
		for name, value := range settings {
			_, err := tx.ExecContext(t.Context(), "SELECT set_config($1, $2, true)", name, value)
			require.NoError(t, err)
		}
		have, err := shape.Read(t.Context(), tx, "t_1a", nil)
		require.NoError(t, err)
		equal(t, have, want)
		for name, value := range settings {
			var now string
			require.NoError(t, tx.QueryRowContext(t.Context(), "SELECT current_setting($1)", name).Scan(&now))
			require.Equal(t, value, now, name)
		}
	})
}

func TestReadNeedsATransaction(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE TABLE a (id int)")
	conn, err := w.owner.Conn(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	_, err = shape.Read(t.Context(), conn, "public", nil)
	require.ErrorIs(t, err, shape.ErrTransaction)
}

func TestReadByName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE TABLE a (id int); CREATE TABLE b (id int)")
	w.within(t, w.owner, func(tx *sql.Tx) {
		s, err := shape.Read(t.Context(), tx, "public", &shape.Names{Tables: []string{"b", "c"}})
		require.NoError(t, err)
		require.Len(t, s.Tables, 1)
		require.NotNil(t, s.Table("public", "b"))
		s, err = shape.Read(t.Context(), tx, "public", &shape.Names{})
		require.NoError(t, err)
		require.Empty(t, s.Tables)
	})
}

func TestShapesTravelAsJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.rich(t)
	s := w.read(t, "public")
	text, err := json.Marshal(s)
	require.NoError(t, err)
	var back shape.Shape
	require.NoError(t, json.Unmarshal(text, &back))
	equal(t, back, s)
}

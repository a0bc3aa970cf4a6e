package places_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/bench/internal/link"
	"github.com/stratum-hq/stratum-go/bench/internal/places"
)

// TestRun measures a little of everything: each kind of tenant has its lines, with the goals.
func TestRun(t *testing.T) {
	t.Parallel()
	var out, log bytes.Buffer
	options := places.Options{Links: []link.Kind{link.TCP, link.Unix}, Rows: 10, Time: time.Millisecond, Databases: 1, Out: &out, Log: &log}
	require.NoError(t, places.Run(t.Context(), options), "log: %s", &log)
	for _, by := range []string{"tcp", "unix"} {
		for _, kind := range []string{"shared", "schema", "database"} {
			for _, op := range []string{"point-read", "insert", "update"} {
				require.Contains(t, out.String(), "places/"+by+"/"+kind+"/"+op+"\t")
			}
		}
	}
	require.Contains(t, out.String(), "places/new-database\t")
	require.Equal(t, 18, strings.Count(out.String(), "\t<=1.25\t"))
	require.Equal(t, 1, strings.Count(out.String(), "\t<=1.30\t")+strings.Count(out.String(), "\t<=1.3\t"))
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, places.Run(t.Context(), places.Options{}), "unknown links")
	few := places.Options{Links: []link.Kind{link.TCP}}
	require.ErrorContains(t, places.Run(t.Context(), few), "too little")
	require.Error(t, places.Main(t.Context(), []string{"-links", "pigeon"}, &bytes.Buffer{}, &bytes.Buffer{}))
	require.Error(t, places.Main(t.Context(), []string{"-rows", "x"}, &bytes.Buffer{}, &bytes.Buffer{}))
}

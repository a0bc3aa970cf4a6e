package fields_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/bench/internal/fields"
)

// TestRun measures a little of everything.
func TestRun(t *testing.T) {
	t.Parallel()
	var out, log bytes.Buffer
	require.NoError(t, fields.Run(t.Context(), fields.Options{Time: time.Millisecond, Out: &out, Log: &log}), "%s", &log)
	for _, size := range []string{"32", "256", "4096"} {
		for _, op := range []string{"seal", "open"} {
			for _, subject := range []string{"fieldcrypt", "column", "bound", "xaes", "tink"} {
				require.Contains(t, out.String(), "fields/"+op+"/"+size+"/"+subject+"\t")
			}
			require.Contains(t, out.String(), "fields/"+op+"/"+size+"/column/allocations\t0.00\t==0\tok")
		}
	}
	require.Contains(t, out.String(), "fields/index/column\t")
	require.Equal(t, 10, strings.Count(out.String(), "/allocations\t"))
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, fields.Run(t.Context(), fields.Options{}), "too little")
	require.Error(t, fields.Main(t.Context(), []string{"-time", "x"}, &bytes.Buffer{}, &bytes.Buffer{}))
}

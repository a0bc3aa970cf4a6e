package desk_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/examples/internal/desk"
)

// What is no terminal gets a line for each quarter, and no control characters.
func TestProgress_inALog(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	bar := desk.NewProgress(&out, 15, false)
	for ended := range 16 {
		bar.Draw(ended)
	}
	bar.Draw(16) // a second source, which begins anew
	bar.End()
	require.Equal(t, "  4 of 15 places\n  8 of 15 places\n  12 of 15 places\n  15 of 15 places\n", out.String())
}

func TestProgress_onATerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	bar := desk.NewProgress(&out, 4, true)
	bar.Draw(1)
	bar.Draw(4)
	bar.End()
	require.Equal(t, "\r  [##########..............................] 1 of 4"+
		"\r  [########################################] 4 of 4\n", out.String())
}

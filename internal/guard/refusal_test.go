package guard_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/guard"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// The refusals here are those that no other test is about; see internal/mutants.

// TestTranslateHardened has the refusals of a database that admits by signature.
func TestTranslateHardened(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]error{"ST007": guard.ErrUnsigned, "ST008": guard.ErrProof} {
		err := guard.Translate(&pgconn.PgError{Code: code, Detail: "secret"})
		require.ErrorIs(t, err, want)
		require.NotContains(t, err.Error(), "secret")
	}
}

// TestAnswerWithoutAResult has the server answer fewer statements than were thought to be in the text: what is there
// may be another statement's.
func TestAnswerWithoutAResult(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{mode: simpleProtocol})
	sc := scope.Scope{Kind: scope.Tenant, Tenant: h.acme}
	for _, text := range []string{"", ";", "-- nothing"} {
		h.raw(func(raw any) error {
			require.ErrorIs(t, guard.Smuggle(t.Context(), raw, sc, "SELECT 1", text), core.ErrProtocol, text)
			return nil
		})
	}
	require.Equal(t, "0", h.count(h.as(h.globex)), "the next statement is in order")
}

// TestRowOfAnotherWidth has a row that a description no longer fits.
func TestRowOfAnotherWidth(t *testing.T) {
	t.Parallel()
	row, err := guard.DecodeRow(2, "a", "b")
	require.NoError(t, err)
	require.Equal(t, "b", row[1])
	for _, values := range [][]string{nil, {"a"}, {"a", "b", "c"}} {
		_, err := guard.DecodeRow(2, values...)
		require.ErrorIs(t, err, core.ErrProtocol, len(values))
	}
}

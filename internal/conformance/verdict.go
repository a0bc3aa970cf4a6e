package conformance

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// outcome is what happened in one cell.
type outcome struct {
	path          Path
	caller        Caller
	err           error
	seen          string
	before, after map[uuid.UUID]string
	target        Target
}

// checkAllowed demands that the path works, or the suite would prove nothing: it shows or changes the target's rows,
// and nobody else's.
func (o outcome) checkAllowed(t *testing.T) {
	t.Helper()
	require.NoError(t, o.err)
	switch o.path.Effect {
	case Reads:
		require.Contains(t, o.seen, o.target.Secret, "the path returned nothing of its own tenant")
		require.Equal(t, o.before, o.after, "a path that reads has changed rows")
	case Writes:
		require.NotEqual(t, o.before[o.target.Tenant], o.after[o.target.Tenant], "the path changed nothing")
		o.checkOthers(t)
	}
}

// checkAnother demands that a tenant neither sees nor changes the target's rows. It may get an error or find nothing.
func (o outcome) checkAnother(t *testing.T) {
	t.Helper()
	// The texts of both tenants differ in this part alone, so that their own rows do not look like a leak.
	require.NotContains(t, o.seen, o.target.Secret, "LEAK: another tenant's row was returned")
	if o.err != nil {
		require.NotContains(t, o.err.Error(), o.target.Secret, "LEAK: an error shows another tenant's row")
		require.NotContains(t, o.err.Error(), o.target.Tenant.String(), "LEAK: an error shows another tenant's id")
	}
	require.Equal(t, o.before, o.after, "LEAK: rows were changed or linked")
}

// checkUntouched demands that a refused path has had no effect at all.
func (o outcome) checkUntouched(t *testing.T) {
	t.Helper()
	require.NotContains(t, o.seen, "secret-of-", "LEAK: a refused path returned rows")
	require.Equal(t, o.before, o.after, "LEAK: a refused path changed rows")
}

// checkOthers demands that the rows of everybody but the target are what they were.
func (o outcome) checkOthers(t *testing.T) {
	t.Helper()
	for tenant, rows := range o.before {
		if tenant != o.target.Tenant {
			require.Equal(t, rows, o.after[tenant], "LEAK: rows of a tenant that was not meant were changed")
		}
	}
}

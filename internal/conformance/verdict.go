package conformance

import (
	"errors"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// outcome is what happened in one cell.
type outcome struct {
	world         *world
	path          Path
	caller        Caller
	err           error
	seen          string
	before, after truth
	target        resident
}

func (o outcome) check(t *testing.T) {
	t.Helper()
	if o.path.Qualified && o.target.schema != public && o.caller != Nobody && o.caller != Suspended {
		o.checkQualified(t)
		return
	}
	switch o.caller {
	case Own:
		if o.path.Tenant != nil {
			require.ErrorIs(t, o.err, o.path.Tenant)
			o.checkUntouched(t)
			return
		}
		o.checkAllowed(t)
		o.checkAlone(t)
	case Another:
		o.checkAnother(t)
	case Nobody:
		require.ErrorIs(t, o.err, core.ErrNoTenant)
		o.checkUntouched(t)
	case Suspended:
		if o.path.Tenant == nil || !errors.Is(o.err, o.path.Tenant) { // whichever comes first
			require.ErrorIs(t, o.err, core.ErrTenantNotActive)
		}
		o.checkUntouched(t)
	case System:
		if o.path.System != nil {
			require.ErrorIs(t, o.err, o.path.System)
			o.checkUntouched(t)
			return
		}
		o.checkAllowed(t)
		if !o.target.shared { // where it sees what there is
			o.checkAlone(t)
		}
	}
}

// checkQualified demands that a path which names the shared tables does not lead a tenant there that has left them.
func (o outcome) checkQualified(t *testing.T) {
	t.Helper()
	require.Equal(t, Reads, o.path.Effect)
	switch {
	case o.caller == System:
		require.NoError(t, o.err)
	case o.caller == Own || o.world.other.schema != public:
		require.ErrorIs(t, o.err, core.ErrPermission)
	}
	require.NotContains(t, o.seen, o.target.Secret)
	require.Equal(t, o.before, o.after, "LEAK: a path that reads has changed rows")
	if o.caller != System {
		require.NotContains(t, o.seen, misplaced, "LEAK: a row of another place was returned")
	}
}

// checkAllowed demands that the path works, or the suite would prove nothing: it shows or changes the target's rows,
// and nobody else's.
func (o outcome) checkAllowed(t *testing.T) {
	t.Helper()
	require.NoError(t, o.err)
	own := o.target.holding()
	switch o.path.Effect {
	case Reads:
		require.Contains(t, o.seen, o.target.Secret, "the path returned nothing of its own tenant")
		require.Equal(t, o.before, o.after, "a path that reads has changed rows")
	case Writes:
		require.NotEqual(t, o.before[own], o.after[own], "the path changed nothing")
		o.checkOthers(t, own)
	}
}

// checkAlone demands that nothing was seen but rows of the target, at its place.
func (o outcome) checkAlone(t *testing.T) {
	t.Helper()
	for _, r := range o.world.residents() {
		if r.Tenant != o.target.Tenant {
			require.NotContains(t, o.seen, r.Secret, "LEAK: another tenant's row was returned")
		}
	}
	require.NotContains(t, o.seen, misplaced, "LEAK: a row of another place was returned")
}

// checkAnother demands that a tenant neither sees nor changes the target's rows. It may get an error or find nothing.
// In a place of its own it may also write: the target's ids are nobody's there.
func (o outcome) checkAnother(t *testing.T) {
	t.Helper()
	// The texts of both tenants differ in this part alone, so that their own rows do not look like a leak.
	require.NotContains(t, o.seen, o.target.Secret, "LEAK: another tenant's row was returned")
	require.NotContains(t, o.seen, misplaced, "LEAK: a row of another place was returned")
	if o.err != nil {
		require.NotContains(t, o.err.Error(), o.target.Secret, "LEAK: an error shows another tenant's row")
		require.NotContains(t, o.err.Error(), o.target.Tenant.String(), "LEAK: an error shows another tenant's id")
	}
	other := o.world.other
	if other.place == o.target.place {
		require.Equal(t, o.before, o.after, "LEAK: rows were changed or linked")
		return
	}
	o.checkOthers(t, other.holding())
	require.NotContains(t, o.after[other.holding()], o.target.Secret, "LEAK: another tenant's row was copied")
}

// checkUntouched demands that a refused path has had no effect at all.
func (o outcome) checkUntouched(t *testing.T) {
	t.Helper()
	require.NotContains(t, o.seen, secret, "LEAK: a refused path returned rows")
	require.NotContains(t, o.seen, misplaced, "LEAK: a refused path returned rows")
	require.Equal(t, o.before, o.after, "LEAK: a refused path changed rows")
}

// checkOthers demands that all rows are what they were, in every place, but those of the tenant that was meant at its
// own.
func (o outcome) checkOthers(t *testing.T, meant holding) {
	t.Helper()
	before, after := maps.Clone(o.before), maps.Clone(o.after)
	delete(before, meant)
	delete(after, meant)
	require.Equal(t, before, after, "LEAK: rows of a tenant or a place that was not meant were changed")
}

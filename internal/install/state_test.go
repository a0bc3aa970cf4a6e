package install_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

func TestReadStateOfAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	state, err := install.ReadState(t.Context(), connect(t, db.DSN))
	require.NoError(t, err)
	require.Equal(t, install.State{}, state)
	require.ErrorIs(t, state.Check(), install.ErrNotInstalled)
	require.ErrorContains(t, state.Check(), "st.Migrate(ctx)")
	require.NoError(t, state.CheckPrefix(rolesOf(t, db)))
}

// A schema of that name which the login may not use is no error, since Migrate has yet to open it.
func TestReadStateOfAClosedSchema(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	exec(t, db.OwnerDSN, "CREATE SCHEMA stratum")
	state, err := install.ReadState(t.Context(), connect(t, db.DSN))
	require.NoError(t, err)
	require.False(t, state.Installed)
}

func TestStateCheck(t *testing.T) {
	t.Parallel()
	const v = install.Version
	for name, tc := range map[string]struct {
		state install.State
		want  error
	}{
		"absent":                        {install.State{}, install.ErrNotInstalled},
		"its own":                       {install.State{Installed: true, Version: v, MinCompatible: v}, nil},
		"older":                         {install.State{Installed: true, Version: v - 1, MinCompatible: 1}, install.ErrOutdated},
		"newer that serves it":          {install.State{Installed: true, Version: v + 5, MinCompatible: v}, nil},
		"newer that does not":           {install.State{Installed: true, Version: v + 5, MinCompatible: v + 1}, install.ErrIncompatible},
		"in the middle of being made":   {install.State{Installed: true}, install.ErrOutdated},
		"older and yet too new for any": {install.State{Installed: true, Version: 1, MinCompatible: v + 1}, install.ErrIncompatible},
	} {
		err := tc.state.Check()
		if tc.want == nil {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorIs(t, err, tc.want, name)
	}
}

func TestStateCheckPrefix(t *testing.T) {
	t.Parallel()
	roles, err := install.NewRoles("mine")
	require.NoError(t, err)
	require.NoError(t, install.State{Installed: true, Prefix: "mine"}.CheckPrefix(roles))
	err = install.State{Installed: true, Prefix: "theirs"}.CheckPrefix(roles)
	require.ErrorIs(t, err, install.ErrPrefix)
	require.ErrorContains(t, err, `configure "theirs"`)
}

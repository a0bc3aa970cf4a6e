package stamp_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stratum-hq/stratum-go/internal/guard"
	"github.com/stratum-hq/stratum-go/internal/scope"
	"github.com/stratum-hq/stratum-go/internal/stamp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The whole table: kinds of scope x what the application has given x whether a row may be everyone's.
func TestSettle(t *testing.T) {
	t.Parallel()
	own, foreign := uuid.New(), uuid.New()
	tenant := scope.Scope{Kind: scope.Tenant, Tenant: own}
	subtree := scope.Scope{Kind: scope.Subtree, Tenant: own}
	system := scope.Scope{Kind: scope.System, Reason: "a test"}
	for name, test := range map[string]struct {
		scope    scope.Scope
		given    uuid.UUID
		everyone bool
		want     uuid.UUID
		errs     []error
	}{
		"tenant, nothing":                     {scope: tenant, want: own},
		"tenant, own":                         {scope: tenant, given: own, want: own},
		"tenant, foreign":                     {scope: tenant, given: foreign, errs: crossing()},
		"tenant, nothing, everyone's":         {scope: tenant, everyone: true, want: own},
		"tenant, own, everyone's":             {scope: tenant, given: own, everyone: true, want: own},
		"tenant, foreign, everyone's":         {scope: tenant, given: foreign, everyone: true, errs: crossing()},
		"subtree, nothing":                    {scope: subtree, want: own},
		"subtree, own":                        {scope: subtree, given: own, want: own},
		"subtree, another, such as a child's": {scope: subtree, given: foreign, errs: crossing()},
		"subtree, nothing, everyone's":        {scope: subtree, everyone: true, want: own},
		"subtree, foreign, everyone's":        {scope: subtree, given: foreign, everyone: true, errs: crossing()},
		"system, nothing":                     {scope: system, errs: []error{stamp.ErrTenantID}},
		"system, any":                         {scope: system, given: foreign, want: foreign},
		"system, nothing, everyone's":         {scope: system, everyone: true, want: uuid.Nil},
		"system, any, everyone's":             {scope: system, given: foreign, everyone: true, want: foreign},
	} {
		got, err := stamp.Settle(test.scope, test.given, test.everyone)
		if len(test.errs) == 0 {
			require.NoError(t, err, name)
			require.Equal(t, test.want, got, name)
			continue
		}
		for _, want := range test.errs {
			require.ErrorIs(t, err, want, name)
		}
		require.NotContains(t, err.Error(), foreign.String(), "no tenant's id in a text")
		require.NotContains(t, err.Error(), own.String())
	}
}

// Whoever has no scope gets as far as nothing: a row that is nobody's.
func TestSettleWithoutScope(t *testing.T) {
	t.Parallel()
	_, err := stamp.Settle(scope.Scope{}, uuid.New(), false)
	require.ErrorIs(t, err, guard.ErrCrossTenant)
	id, err := stamp.Settle(scope.Scope{}, uuid.Nil, false)
	require.NoError(t, err, "scope.Check has refused it before")
	require.Equal(t, uuid.Nil, id)
}

// crossing are what a foreign tenant's id is refused with.
func crossing() []error { return []error{stamp.ErrTenantID, guard.ErrCrossTenant} }

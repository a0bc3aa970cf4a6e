package install_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/install"
)

func TestNewRoles(t *testing.T) {
	t.Parallel()
	roles, err := install.NewRoles("")
	require.NoError(t, err)
	require.Equal(t, install.Roles{
		Tenant: "stratum_tenant", Subtree: "stratum_subtree", Schema: "stratum_schema", System: "stratum_system",
	}, roles)
	roles, err = install.NewRoles("acme_2")
	require.NoError(t, err)
	require.Equal(t, []string{"acme_2_tenant", "acme_2_subtree", "acme_2_schema", "acme_2_system"}, roles.All())
}

func TestNewRolesRefuses(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"Stratum", "1st", "_x", "a-b", `a"b`, "a b", "ä", "a\n", strings.Repeat("a", 42)} {
		_, err := install.NewRoles(prefix)
		require.ErrorContains(t, err, "no prefix for roles", prefix)
	}
	longest, err := install.NewRoles(strings.Repeat("a", 41))
	require.NoError(t, err)
	for _, name := range longest.All() {
		require.LessOrEqual(t, len(name), 63, "PostgreSQL would cut it")
	}
}

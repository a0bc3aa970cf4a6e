package install_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/install"
)

func TestConstantsAreThoseOfTheMigrations(t *testing.T) {
	t.Parallel()
	release, err := install.Embedded()
	require.NoError(t, err)
	version, minCompatible := install.Newest(release)
	require.Equal(t, install.Version, version)
	require.Equal(t, install.MinCompatible, minCompatible)
	require.LessOrEqual(t, install.MinCompatible, install.Version)
}

func TestMigrationsRender(t *testing.T) {
	t.Parallel()
	release, err := install.Embedded()
	require.NoError(t, err)
	roles, err := install.NewRoles("acme")
	require.NoError(t, err)
	texts, err := install.Render(release, roles, `"ext"`)
	require.NoError(t, err)
	for _, text := range texts {
		require.NotContains(t, text, "{{")
		plain := strings.NewReplacer("'stratum_copies'", "", "p.polname = 'stratum_system'", "").Replace(text)
		require.NotContains(t, plain, "stratum_", "but for a channel and the name of a policy")
		require.NotContains(t, text, "@ltree@", "the script's token")
		require.NotContains(t, text, "$migration$", "the script's quotes")
		require.NotContains(t, text, "$stratum$", "the script's quotes")
	}
	require.Contains(t, texts[1], `"ext".ltree`)
	require.Contains(t, texts[2], `TO "acme_subtree"`)

	broken := install.Extend(release, 1, "GRANT x TO {{.Tenant}}")
	_, err = install.Render(broken, roles, "ext")
	require.ErrorContains(t, err, `"next.sql"`)
	_, err = install.Render(install.Extend(release, 1, "{{"), roles, "ext")
	require.ErrorContains(t, err, `"next.sql"`)
}

func TestReadReleaseRefuses(t *testing.T) {
	t.Parallel()
	good := &fstest.MapFile{Data: []byte("-- min_compatible: 1\nSELECT 1;")}
	for name, tc := range map[string]struct {
		files fstest.MapFS
		want  string
	}{
		"a gap":                    {fstest.MapFS{"m/00001_a.sql": good, "m/00003_b.sql": good}, "number it 00002"},
		"a number twice":           {fstest.MapFS{"m/00001_a.sql": good, "m/00001_b.sql": good}, "number it 00002"},
		"no number":                {fstest.MapFS{"m/first.sql": good}, "has no number"},
		"a file without its claim": {fstest.MapFS{"m/00001_a.sql": {Data: []byte("SELECT 1;")}}, "min_compatible"},
		"no folder":                {fstest.MapFS{}, "reading migrations"},
	} {
		_, err := install.ReadRelease(tc.files, "m")
		require.ErrorContains(t, err, tc.want, name)
	}
}

package core_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// FuzzTenantsSlug shows that Go and the database agree on what a slug is: Rename refuses before it looks for a tenant,
// and the table's own constraint is asked by its text.
func FuzzTenantsSlug(f *testing.F) {
	forest := newForest(f)
	var constraint string
	require.NoError(f, forest.admin.QueryRow(f.Context(), `SELECT pg_get_expr(conbin, conrelid) FROM pg_constraint
		WHERE conname = 'tenants_slug_check' AND conrelid = 'stratum.tenants'::regclass`).Scan(&constraint))
	for _, slug := range []string{
		"", "a", "acme", "a-_9", "A", "1a", "-a", "a b", "a.b", "ä", "a\n", "\na", "a\r\n", "aK", "a\u212a", "a\u0660",
		strings.Repeat("a", 63), strings.Repeat("a", 64), strings.Repeat("a", 63) + "\n", "a\x00", "a\xff",
	} {
		f.Add(slug)
	}
	f.Fuzz(func(t *testing.T, slug string) {
		_, err := forest.Rename(t.Context(), unknownID, slug)
		inGo := !errors.Is(err, core.ErrInvalidTenant)
		if inGo {
			require.ErrorIs(t, err, core.ErrTenantNotFound)
		}
		if !utf8.ValidString(slug) || strings.ContainsRune(slug, 0) {
			require.False(t, inGo) // PostgreSQL could not even be asked
			return
		}
		var inDatabase bool
		query := `SELECT ` + constraint + ` FROM (SELECT $1::text COLLATE "C" AS slug) AS t`
		require.NoError(t, forest.admin.QueryRow(t.Context(), query, slug).Scan(&inDatabase))
		require.Equal(t, inDatabase, inGo)
	})
}

// FuzzTenantsText shows that any text is either refused in Go or kept by the database as it is, and never an error of
// the database's own.
func FuzzTenantsText(f *testing.F) {
	forest := newForest(f)
	for _, text := range []string{"Acme", "", " ", "ä", "\x00", "\xff", `\u0000`, `\\u0000`, "\u2028", "\ufffd", "'\"\\", "{}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		given := core.NewTenant{
			Name: text, Slug: forest.slug(), ExternalID: text, Metadata: map[string]any{text: []any{text}},
		}
		created, err := forest.Create(t.Context(), given)
		if err != nil {
			require.True(t, errors.Is(err, core.ErrInvalidTenant) || errors.Is(err, core.ErrTenantExists), "%v", err)
			var refused *core.DatabaseError
			require.NotErrorAs(t, err, &refused)
			return
		}
		require.Equal(t, given.Name, created.Name)
		require.Equal(t, given.ExternalID, created.ExternalID)
		require.Equal(t, given.Metadata, created.Metadata)
	})
}

package gormstratum_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// isolations are all of them.
func isolations() []core.Isolation {
	return []core.Isolation{core.SharedIsolation, core.SchemaIsolation, core.DatabaseIsolation}
}

func TestIsolations(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskModels())
	for _, isolation := range isolations() {
		tenant, err := d.st.Tenants.Create(t.Context(), core.NewTenant{
			Name: string(isolation), Slug: string(isolation), Isolation: isolation,
		})
		require.NoError(t, err)
		require.Equal(t, core.StatusActive, tenant.Status)
		require.Equal(t, isolation, tenant.Isolation)
		ctx := core.WithTenant(t.Context(), tenant.ID)
		ticket := Ticket{Number: "T-1", Title: "of " + string(isolation)}
		require.NoError(t, d.db.WithContext(ctx).Create(&ticket).Error)
		var found []Ticket
		require.NoError(t, d.db.WithContext(ctx).Find(&found).Error)
		require.Len(t, found, 1)
		require.Equal(t, "of "+string(isolation), found[0].Title)
	}
}

// Rows that nobody would find are not written, and a search that would pass over some is refused.
func TestSystemKnowsWhoLivesElsewhere(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskModels())
	numbers, err := core.NewLookup[string](d.st, "ticket by number", "SELECT title FROM tickets WHERE number = $1")
	require.NoError(t, err)
	system := d.db.WithContext(core.AsSystem(t.Context(), "test"))
	near, err := d.st.Tenants.Create(t.Context(), core.NewTenant{Name: "Near", Slug: "near"})
	require.NoError(t, err)
	require.NoError(t, system.Exec("INSERT INTO tickets (tenant_id, number, title) VALUES (?, '1', 'here')", near.ID).Error)
	title, err := numbers.One(t.Context(), "1")
	require.NoError(t, err)
	require.Equal(t, "here", title)
	for _, isolation := range isolations()[1:] {
		far, err := d.st.Tenants.Create(t.Context(), core.NewTenant{
			Name: "Far", Slug: "far-" + string(isolation), Isolation: isolation,
		})
		require.NoError(t, err)
		insert := "INSERT INTO tickets (tenant_id, number, title) VALUES (?, '2', 'there')"
		require.ErrorIs(t, system.Exec(insert, far.ID).Error, core.ErrElsewhere)
		require.ErrorIs(t, system.Exec("UPDATE tickets SET tenant_id = ?", far.ID).Error, core.ErrElsewhere)
		there := d.db.WithContext(core.AsSystemAt(t.Context(), "test", far.ID))
		require.NoError(t, there.Exec(insert, far.ID).Error)
		var count int64
		require.NoError(t, there.Raw("SELECT count(*) FROM tickets").Scan(&count).Error)
		require.EqualValues(t, 1, count)
		_, err = numbers.One(t.Context(), "1")
		require.ErrorIs(t, err, core.ErrLookupElsewhere)
	}
}

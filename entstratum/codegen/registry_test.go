package codegen_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/migrate"
)

// TestRegistry: what is generated for the desk. See internal/desk/schema.
func TestRegistry(t *testing.T) {
	t.Parallel()
	owned := func(table, entity string) entstratum.Table {
		return entstratum.Table{Name: table, Entity: entity, Class: entstratum.ClassOwned, Column: "tenant_id"}
	}
	join := func(table string) entstratum.Table {
		t := owned(table, "")
		t.Join = true
		return t
	}
	badges, people := owned("badges", "Badge"), owned("people", "Person")
	badges.GlobalUnique = []entstratum.UniqueIndex{
		{Name: "badges_serial_key", Reason: "a serial number is printed on one badge"},
	}
	people.Fields = []entstratum.Field{{Name: "title", Column: "title", Personal: true}}
	require.Equal(t, []entstratum.Table{
		badges, owned("comments", "Comment"),
		{Name: "countries", Entity: "Country", Class: entstratum.ClassGlobal},
		people, owned("remarks", "Remark"), owned("tags", "Tag"),
		{Name: "templates", Entity: "Template", Class: entstratum.ClassMixed, Column: "tenant_id"},
		owned("tickets", "Ticket"), owned("watchers", "Watcher"), join("ticket_tags"), join("ticket_relations"),
	}, migrate.StratumTables.Tables)
	require.Equal(t, []string{"river_job: SELECT, INSERT"}, migrate.StratumTables.External)
}

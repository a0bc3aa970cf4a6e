package codegen_test

import (
	"testing"

	"entgo.io/ent/entc/load"
	"entgo.io/ent/schema/field"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/entstratum"
)

// refusal is a graph, and what is found wrong with it: all of it, in order.
type refusal struct {
	name     string
	schemas  []*load.Schema
	at       target
	findings []string
}

func refuse(t *testing.T, refusals []refusal) {
	t.Helper()
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, r.findings, findings(t, r.at.check(t, r.schemas...)))
		})
	}
}

func TestRefuseClass(t *testing.T) {
	t.Parallel()
	refuse(t, []refusal{
		{
			name: "one without a class",
			schemas: []*load.Schema{
				of(t, "Ticket", field.String("a").Unique().Annotations(entstratum.GlobalUnique("a"))), owned(t, "Person"),
			},
			findings: []string{"Ticket: it is neither tenant-owned nor global"},
		},
		{
			name:    "all of them",
			schemas: []*load.Schema{of(t, "Ticket"), of(t, "Person")},
			findings: []string{
				"Person: it is neither tenant-owned nor global",
				"Ticket: it is neither tenant-owned nor global",
			},
		},
		{
			name:     "owned and global",
			schemas:  []*load.Schema{owned(t, "Ticket", entstratum.Global())},
			findings: []string{`Ticket: it is declared as ["global" "owned"] at once`},
		},
		{
			name:     "a class that there is not",
			schemas:  []*load.Schema{of(t, "Ticket", entstratum.Annotation{Classes: []entstratum.Class{"shared"}})},
			findings: []string{"Ticket: it is neither tenant-owned nor global"},
		},
		{
			name:     "a view of everything",
			schemas:  []*load.Schema{owned(t, "Ticket"), viewOf(t, "Report", field.String("name"))},
			findings: []string{"Report: a view shows the rows of all tenants unless it checks policies as whoever asks it"},
		},
		{
			name:     "a view with a mixin",
			schemas:  []*load.Schema{owned(t, "Ticket"), viewOf(t, "Report", entstratum.Mixin{})},
			findings: []string{"Report: a view shows the rows of all tenants unless it checks policies as whoever asks it"},
		},
		{
			name:     "a global view",
			schemas:  []*load.Schema{owned(t, "Ticket"), viewOf(t, "Report", entstratum.Global(), field.String("name"))},
			findings: []string{"Report: a view shows the rows of all tenants unless it checks policies as whoever asks it"},
		},
		{
			name:     "a table that is declared as a view",
			schemas:  []*load.Schema{of(t, "Ticket", entstratum.SecurityInvoker())},
			findings: []string{"Ticket: it is no view"},
		},
		{
			name: "all is well",
			schemas: []*load.Schema{
				owned(t, "Ticket"), mixed(t, "Template"), viewOf(t, "Report", entstratum.SecurityInvoker(), field.String("name")),
				global(t, "Country", field.Int("tenant_id"), field.String("code").Unique()),
			},
		},
	})
}

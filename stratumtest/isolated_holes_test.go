package stratumtest_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// Each hole fails the test, with the name of the path that goes through it.
func TestAssertIsolatedFindsHoles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		hole  string
		model any
		paths []string
	}{
		"policy dropped": {
			"DROP POLICY stratum_tenant ON tasks", &Task{},
			[]string{`has no rows for path "Find by primary key": gormstratum: making a row of Task`},
		},
		"policy that shows all": {
			"DROP POLICY stratum_tenant ON tasks; CREATE POLICY stratum_tenant ON tasks TO stratum_tenant USING (true)", &Task{},
			[]string{
				"Raw SELECT, as another tenant: LEAK: the row was returned",
				"database/sql SELECT, as another tenant: LEAK: the row was returned",
				"Exec DELETE, as another tenant: LEAK: rows were changed",
			},
		},
		"policy that lets rows be given away": {
			"DROP POLICY stratum_tenant ON labels; CREATE POLICY stratum_tenant ON labels TO stratum_tenant " +
				"USING (tenant_id = stratum.tenant_id()) WITH CHECK (true)", &Label{},
			[]string{
				"database/sql INSERT with the tenant's id, as another tenant: LEAK: rows were changed, removed or added",
			},
		},
		"row-level security off": {
			"ALTER TABLE tasks DISABLE ROW LEVEL SECURITY", &Task{},
			[]string{
				"row-level security of tasks, gormstratum: it is off (ALTER TABLE \"tasks\" ENABLE ROW LEVEL SECURITY",
				"Raw SELECT, as another tenant: LEAK: the row was returned",
				"Exec UPDATE, as another tenant: LEAK: rows were changed",
			},
		},
		"owner not bound": {
			"ALTER TABLE tasks NO FORCE ROW LEVEL SECURITY", &Task{},
			[]string{"row-level security of tasks, gormstratum: it does not bind the table's owner"},
		},
		"unique index without the tenant": {
			"CREATE UNIQUE INDEX codes ON projects (code)", &Project{},
			[]string{"unique value of the other tenant in codes, as another tenant: LEAK: a value of this tenant"},
		},
		"unique index without the tenant, of a reference": {
			"CREATE UNIQUE INDEX one_cover ON covers (project_id)", &Cover{},
			[]string{"unique value of the other tenant in one_cover, gormstratum: the key leaves out the tenant"},
		},
		"foreign key without the tenant": {
			"ALTER TABLE tasks DROP CONSTRAINT fk_projects_tasks, ADD CONSTRAINT loose FOREIGN KEY (project_id) " +
				"REFERENCES projects (id)", &Task{},
			[]string{"reference to the other tenant's row by loose, as another tenant: LEAK: a row of another tenant refers"},
		},
		"foreign key of a child without the tenant": {
			"ALTER TABLE tasks DROP CONSTRAINT fk_projects_tasks, ADD CONSTRAINT loose FOREIGN KEY (project_id) " +
				"REFERENCES projects (id)", &Project{},
			[]string{"row of Tasks that refers to the row, as another tenant: LEAK"},
		},
		"join table not protected": {
			"ALTER TABLE project_labels DISABLE ROW LEVEL SECURITY", &Project{},
			[]string{
				"row-level security of project_labels",
				"Raw SELECT of the join table of Labels, as another tenant: LEAK",
			},
		},
		"join table's foreign keys without the tenant": {
			"ALTER TABLE project_labels DROP CONSTRAINT fk_project_labels_project, ADD CONSTRAINT loose FOREIGN KEY " +
				"(project_id) REFERENCES projects (id)", &Project{},
			[]string{
				"foreign key loose of project_labels, gormstratum: it leaves out the tenant",
				"INSERT into the join table of Labels, as another tenant: LEAK",
				"Association Append of Labels, as another tenant: LEAK",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProjects(t)
			p.exec(t, test.hole)
			r := record(t, p.db, test.model)
			for _, path := range test.paths {
				require.Contains(t, r.failure(), path)
			}
		})
	}
}

// What cannot be looked at says so at once.
func TestAssertIsolatedRefuses(t *testing.T) {
	t.Parallel()
	p := newProjects(t)
	plain := &gorm.DB{Config: &gorm.Config{}}
	type Event struct{ ID int }
	type Stranger struct{ ID int }
	for name, test := range map[string]struct {
		db, model any
		options   stratumtest.IsolationOptions
		text      string
	}{
		"nil":               {db: nil, model: &Task{}, text: "needs the application's database handle with Stratum in use"},
		"no handle":         {db: p.st, model: &Task{}, text: "not a *core.Stratum"},
		"empty handle":      {db: &gorm.DB{}, model: &Task{}, text: "needs the application's database handle"},
		"without plugin":    {db: plain, model: &Task{}, text: `it has no plugin "stratum"`},
		"global model":      {db: p.db, model: &Currency{}, text: "Currency is global: its rows are every tenant's"},
		"external table":    {db: p.db, model: &Event{}, text: "Event is external: it is not Stratum's business"},
		"undeclared model":  {db: p.db, model: &Stranger{}, text: "Stranger is not declared (add it to Options.Models"},
		"no pointer":        {db: p.db, model: Task{}, text: "is not a pointer to a model (pass &Invoice{})"},
		"undeclared parent": {db: p.db, model: &Task{}, options: stratumtest.IsolationOptions{Related: []any{&Stranger{}}}, text: "Stranger is not declared"},
		"unknown path": {
			db: p.db, model: &Task{}, options: stratumtest.IsolationOptions{Skip: map[string]string{"Dance": "none"}},
			text: `IsolationOptions.Skip names "Dance", which is no path of Task`,
		},
		"row that the database refuses": {
			db: p.db, model: &Project{Status: "lost"}, text: "set the fields that need particular values in the model",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := record(t, test.db, test.model, test.options)
			require.Len(t, r.failures, 1)
			require.Contains(t, r.failure(), test.text)
		})
	}
}

// Values set in the model are used, and a Sample is asked for each row.
func TestAssertIsolatedTemplates(t *testing.T) {
	t.Parallel()
	p := newProjects(t)
	p.exec(t, "ALTER TABLE projects ADD CHECK (budget BETWEEN 70000 AND 80000), ADD CHECK (code ~ '^P[0-9a-f]{6}$')")
	sample := func() any { return &Project{Code: "P" + uuid.NewString()[:6], Status: "open", Budget: 70001} }
	require.Contains(t, record(t, p.db, &Project{Budget: 70001}).failure(), "violates check constraint")
	stratumtest.AssertIsolated(t, p.db, &Project{}, stratumtest.IsolationOptions{Sample: sample})
	// Two rows of a tenant would have the same code.
	related := stratumtest.IsolationOptions{Related: []any{sample()}}
	require.Contains(t, record(t, p.db, &Cover{}, related).failure(), "duplicate key")
}

// The application's rows are what they were, and nothing of the tenants is left.
func TestAssertIsolatedLeavesNothing(t *testing.T) {
	t.Parallel()
	p := newProjects(t)
	acme, err := p.st.Tenants.Create(t.Context(), core.NewTenant{Name: "Acme", Slug: "acme"})
	require.NoError(t, err)
	ctx := core.WithTenant(t.Context(), acme.ID)
	require.NoError(t, p.db.WithContext(core.AsSystem(ctx, "a test")).Create(&Currency{Code: "CHF"}).Error)
	mine := Project{Code: "P-1", Status: "open", Currency: "CHF", Tasks: []Task{{}}, Labels: []Label{{ID: uuid.New()}}}
	require.NoError(t, p.db.WithContext(ctx).Create(&mine).Error)
	before := p.rows(t)
	for _, model := range []any{&Project{}, &Task{}} {
		stratumtest.AssertIsolated(t, p.db, model)
	}
	p.exec(t, "DROP POLICY stratum_tenant ON tasks; CREATE POLICY stratum_tenant ON tasks TO stratum_tenant USING (true)")
	require.NotEmpty(t, record(t, p.db, &Task{}).failures)
	require.Equal(t, before, p.rows(t), "also where there is a hole")
	page, err := p.st.Tenants.List(t.Context(), core.ListOptions{})
	require.NoError(t, err)
	for _, tenant := range page.Tenants {
		require.Equal(t, tenant.ID != acme.ID, tenant.Status == core.StatusArchived)
	}
}

// rows are those of all tables, read as the system.
func (p projects) rows(t *testing.T) string {
	t.Helper()
	var text string
	require.NoError(t, p.st.DB().QueryRowContext(core.AsSystem(t.Context(), "a test"), `
		SELECT string_agg(line, E'\n' ORDER BY line) FROM (SELECT x::text AS line FROM projects x
		UNION ALL SELECT x::text FROM tasks x UNION ALL SELECT x::text FROM covers x UNION ALL
		SELECT x::text FROM labels x UNION ALL SELECT x::text FROM project_labels x UNION ALL
		SELECT x::text FROM currencies x) AS lines`).Scan(&text))
	return text
}

// A session with conditions, or with PrepareStmt, is only where the plugin is found.
func TestAssertIsolatedTakesAnySession(t *testing.T) {
	t.Parallel()
	p := newProjects(t)
	session := p.db.Session(&gorm.Session{PrepareStmt: true, SkipDefaultTransaction: true}).Where("1 = 0")
	require.True(t, stratumtest.AssertIsolated(t, session, &Label{}).Isolated())
	require.IsType(t, &gormstratum.Plugin{}, p.db.Plugins["stratum"])
}

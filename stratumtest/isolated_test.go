package stratumtest_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// The models of a project tool: keys of both kinds, a tree, all kinds of relations, and columns that are particular.
type (
	Currency struct {
		gormstratum.Global
		Code string `gorm:"primaryKey;size:3"`
	}
	Project struct {
		gormstratum.Tenant
		ID       uint64
		Code     string `gorm:"size:8;uniqueIndex"`
		ParentID *uint64
		Parent   *Project
		Status   string `gorm:"check:status IN ('open', 'closed')"`
		Budget   int64
		Currency string    `gorm:"size:3"`
		Money    *Currency `gorm:"foreignKey:Currency"`
		Tasks    []Task
		Cover    *Cover
		Labels   []Label `gorm:"many2many:project_labels"`
		Deleted  gorm.DeletedAt
	}
	Task struct {
		gormstratum.Tenant
		ID        uuid.UUID `gorm:"type:uuid;primaryKey;default:gen_random_uuid()"`
		ProjectID uint64    `gorm:"not null"`
		Project   *Project
		Due       time.Time
		Done      bool
	}
	Cover struct {
		gormstratum.Tenant
		ID        uint64
		ProjectID uint64 `gorm:"uniqueIndex"`
		Image     []byte
	}
	Label struct {
		gormstratum.Tenant
		ID   uuid.UUID `gorm:"type:uuid;primaryKey"`
		Name string    `gorm:"unique"`
	}
)

// recorder is a test that may fail without failing the one around it.
type recorder struct {
	testing.TB
	ctx      context.Context //nolint:containedctx // A test carries its context.
	failures []string
	logged   []string
}

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) Log(args ...any)          { r.logged = append(r.logged, fmt.Sprint(args...)) }
func (r *recorder) Error(args ...any)        { r.failures = append(r.failures, fmt.Sprint(args...)) }

// Fatal ends the goroutine, as that of a test does.
func (r *recorder) Fatal(args ...any) {
	r.Error(args...)
	runtime.Goexit()
}

func (r *recorder) failure() string { return strings.Join(r.failures, "\n") }

// record runs AssertIsolated as a test of its own.
func record(t *testing.T, db, model any, options ...stratumtest.IsolationOptions) *recorder {
	t.Helper()
	r := &recorder{ctx: t.Context()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		stratumtest.AssertIsolated(r, db, model, options...)
	}()
	<-done
	return r
}

// projects is a migrated database of the project tool.
type projects struct {
	*stratumtest.Database
	st *core.Stratum
	db *gorm.DB
}

func newProjects(t *testing.T) projects {
	t.Helper()
	p := projects{}
	p.st, p.Database = stratumtest.Open(t)
	db, err := gorm.Open(gormstratum.Open(p.st), &gorm.Config{Logger: logger.Discard})
	require.NoError(t, err)
	require.NoError(t, db.Use(gormstratum.New(p.st, gormstratum.Options{
		Models:   []any{&Project{}, &Task{}, &Cover{}, &Label{}, &Currency{}},
		External: []string{"events"},
	})))
	p.exec(t, "CREATE TABLE events (id int)")
	require.NoError(t, gormstratum.Migrate(t.Context(), db, gormstratum.MigrateOptions{}))
	p.db = db
	return p
}

// exec breaks something, as the owner.
func (p projects) exec(t *testing.T, statements string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.OwnerDSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	_, err = conn.PgConn().Exec(t.Context(), "SET stratum.owner = 'migrate';"+statements).ReadAll()
	require.NoError(t, err, statements)
}

func TestAssertIsolated(t *testing.T) {
	t.Parallel()
	p := newProjects(t)
	for name, model := range map[string]any{
		"a tree with relations": &Project{}, "belongs to": &Task{}, "has one": &Cover{}, "many2many": &Label{},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := stratumtest.AssertIsolated(t, p.db, model)
			require.True(t, report.Isolated())
			require.Greater(t, len(report.Tried()), 25)
		})
	}
}

// The report names every path, and why one was not tried.
func TestIsolationReport(t *testing.T) {
	t.Parallel()
	p := newProjects(t)
	report := stratumtest.AssertIsolated(t, p.db, &Label{}, stratumtest.IsolationOptions{
		Skip: map[string]string{"Exec DELETE": "labels are kept"},
	})
	skipped := map[string]string{}
	for _, path := range report.Paths {
		if path.Skipped != "" {
			skipped[path.Name] = path.Skipped
			require.Empty(t, path.Callers, path.Name)
		}
	}
	require.Equal(t, "labels are kept", skipped["Exec DELETE"])
	require.Equal(t, "no relation", skipped["relations"])
	require.Equal(t, "no column that any value may be written to", skipped["Save"])
	require.Contains(t, report.String(), "not tried  Exec DELETE: labels are kept")
	require.Contains(t, report.String(), "isolated   Raw SELECT")
	for _, path := range report.Paths {
		if path.Name == "Raw SELECT" {
			require.Equal(t, []string{"own tenant", "another tenant", "no tenant"}, path.Callers)
		}
	}
	for _, name := range []string{
		"Find by primary key", "Find behind a widening Or", "Count", "Rows", "Table without a model", "database/sql SELECT",
		"Create with the tenant's id", "Delete by primary key", "Exec UPDATE of the tenant column",
		"unique value of the other tenant in uni_labels_name", "row-level security of labels",
	} {
		require.Contains(t, report.Tried(), name)
	}
}

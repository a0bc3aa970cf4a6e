package stratumtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/isolation"
)

// IsolationOptions help AssertIsolated with models whose valid rows it cannot make up. The zero value is for usual
// models.
type IsolationOptions struct {
	// Sample returns a pointer to a new valid value of the model, another each time: for models with columns that are
	// unique and of a particular form. Its tenant is left empty. Defaults to none: the model passed to AssertIsolated
	// is the template.
	Sample func() any
	// Related are templates for the models that rows of the model refer to, such as &Customer{Kind: "company"}.
	Related []any
	// Skip names paths that this model does not allow even its own tenant, each with the reason, such as
	// {"Delete by primary key": "a trigger keeps the ledger"}. They are in the report as not tried.
	Skip map[string]string
}

// AssertIsolated fails the test unless rows of a model are out of reach of other tenants on every path that the ORM and
// plain SQL offer:
//
//	func TestInvoicesAreIsolated(t *testing.T) {
//		stratumtest.AssertIsolated(t, db, &Invoice{Currency: "CHF"})
//	}
//
// db is the application's handle with Stratum in use, such as the *gorm.DB after db.Use or the client of
// ent.OpenStratum, on a database that has been migrated and whose login for SystemDSN works. model is a pointer to a
// tenant-owned model, such as &ent.Invoice{}; what is set in it is set in each row that is made, for columns that take
// particular values. The rest is filled in by type, and so are rows that a row refers to.
//
// It makes two tenants, takes each path as the tenant whose row is aimed at, as the other one and without a tenant, and
// compares the rows of both before and after, read as the system. A path that does not work for its own tenant fails
// the test, too, since it would prove nothing. All statements name rows of these two tenants or are reads: other rows,
// and other tests on the same database, are left alone. At the end the rows are removed and the tenants archived.
//
// The report, which says for each path as whom it was tried, or why it was not, is logged and returned; it is nil where
// nothing could be tried.
func AssertIsolated(tb testing.TB, db, model any, options ...IsolationOptions) *IsolationReport {
	tb.Helper()
	var o IsolationOptions
	if len(options) > 0 {
		o = options[0]
	}
	w, err := newIsolationWorld(tb.Context(), db, isolation.Options{Model: model, Sample: o.Sample, Related: o.Related})
	if err != nil {
		tb.Fatal(err)
		return nil
	}
	defer func() {
		if err := w.close(context.WithoutCancel(tb.Context())); err != nil {
			tb.Log(fmt.Errorf("stratumtest: removing the rows of AssertIsolated: %w", err))
		}
	}()
	report, err := w.run(tb.Context(), o.Skip)
	if err != nil {
		tb.Fatal(err)
		return nil
	}
	if report.Isolated() {
		tb.Log(report.String())
	} else {
		tb.Error(report.String())
	}
	return report
}

// isolator is what an adapter's handle on the database knows.
type isolator interface {
	// Stratum returns the handle underneath.
	Stratum(access.Token) *core.Stratum
	// Isolation describes a model. db is what was passed to AssertIsolated, ctx the system's.
	Isolation(ctx context.Context, _ access.Token, db any, options isolation.Options) (*isolation.Subject, error)
}

// errHandle is returned for a db that AssertIsolated finds nothing of Stratum's in.
var errHandle = errors.New("stratumtest: AssertIsolated needs the application's database handle with Stratum in use " +
	"(for GORM the *gorm.DB after db.Use(gormstratum.New(st, ...)), for ent the client of ent.OpenStratum(st))")

// isolatorOf looks into an ORM's handle for Stratum's part without compiling the ORM: a client of ent's has a generated
// method, a *gorm.DB has its plugins in the map Plugins, by their names.
func isolatorOf(db any) (isolator, error) {
	if found, ok := db.(isolator); ok {
		return found, nil
	}
	v := reflect.ValueOf(db)
	if generated, ok := db.(interface{ StratumIsolation() any }); ok && (v.Kind() != reflect.Pointer || !v.IsNil()) {
		if found, ok := generated.StratumIsolation().(isolator); ok {
			return found, nil
		}
	}
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("%w, not a %T", errHandle, db)
	}
	field, ok := v.Elem().Type().FieldByName("Plugins")
	if !ok || field.Type.Kind() != reflect.Map {
		return nil, fmt.Errorf("%w, not a %T", errHandle, db)
	}
	plugins, err := v.Elem().FieldByIndexErr(field.Index)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errHandle, err)
	}
	plugin := plugins.MapIndex(reflect.ValueOf("stratum"))
	if !plugin.IsValid() || !plugin.CanInterface() {
		return nil, fmt.Errorf("%w: it has no plugin \"stratum\"", errHandle)
	}
	found, ok := plugin.Interface().(isolator)
	if !ok {
		return nil, fmt.Errorf("%w: its plugin \"stratum\" is a %T", errHandle, plugin.Interface())
	}
	return found, nil
}

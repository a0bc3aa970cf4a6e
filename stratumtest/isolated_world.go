package stratumtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/isolation"
)

// isolationCaller is on whose behalf a path is taken.
type isolationCaller string

// The callers, as the report names them.
const (
	asOwn     isolationCaller = "own tenant"
	asAnother isolationCaller = "another tenant"
	asNobody  isolationCaller = "no tenant"
)

// isolationWorld is a model with two tenants that have rows of it.
type isolationWorld struct {
	st      *core.Stratum
	subject *isolation.Subject
	target  uuid.UUID // whose rows are aimed at
	other   uuid.UUID
	tenants []uuid.UUID // that were made

	rows  map[string]isolationRows // by the relation that they have a row of
	truth isolationTruth           // as of the last look
}

// isolationRows are fresh rows: two of the target, of which the second is for whoever aims at the first.
type isolationRows struct {
	target, beside, others isolation.Row
}

// isolationTruth is the text of all rows of a tenant in the tables that paths reach.
type isolationTruth map[uuid.UUID]string

func newIsolationWorld(ctx context.Context, db any, options isolation.Options) (*isolationWorld, error) {
	adapter, err := isolatorOf(db)
	if err != nil {
		return nil, err
	}
	w := &isolationWorld{st: adapter.Stratum(access.Token{}), rows: make(map[string]isolationRows)}
	if w.subject, err = adapter.Isolation(asTester(ctx), access.Token{}, db, options); err != nil {
		return nil, err
	}
	for _, id := range []*uuid.UUID{&w.target, &w.other} {
		slug := "isolated-" + strings.ToLower(rand.Text())
		tenant, err := w.st.Tenants.Create(asTester(ctx), core.NewTenant{Name: "AssertIsolated", Slug: slug})
		if err != nil {
			return nil, errors.Join(err, w.close(ctx))
		}
		*id = tenant.ID
		w.tenants = append(w.tenants, tenant.ID)
	}
	return w, nil
}

// asTester is for the ground truth and for cleaning up.
func asTester(ctx context.Context) context.Context {
	return core.AsSystem(ctx, "stratumtest.AssertIsolated")
}

func (w *isolationWorld) context(ctx context.Context, caller isolationCaller) context.Context {
	switch caller {
	case asOwn:
		return core.WithTenant(ctx, w.target)
	case asAnother:
		return core.WithTenant(ctx, w.other)
	case asNobody:
	}
	return core.WithTenant(ctx, uuid.Nil) // whatever ctx says
}

// fresh returns rows that no path has changed.
func (w *isolationWorld) fresh(ctx context.Context, with string) (isolationRows, error) {
	if rows, ok := w.rows[with]; ok {
		return rows, nil
	}
	var rows isolationRows
	var err error
	if rows.target, err = w.subject.Seed(w.context(ctx, asOwn), with); err != nil {
		return rows, err
	}
	if rows.beside, err = w.subject.Seed(w.context(ctx, asOwn), with); err != nil {
		return rows, err
	}
	if rows.others, err = w.subject.Seed(w.context(ctx, asAnother), with); err != nil {
		return rows, err
	}
	if w.truth, err = w.look(ctx); err != nil {
		return rows, err
	}
	w.rows[with] = rows
	return rows, nil
}

// look reads the ground truth.
func (w *isolationWorld) look(ctx context.Context) (isolationTruth, error) {
	truth := make(isolationTruth)
	for _, id := range w.tenants {
		queries := make([]string, 0, len(w.subject.Reached))
		for _, t := range w.subject.Reached {
			queries = append(queries, fmt.Sprintf("SELECT '%s ' || x::text AS line FROM %s x WHERE x.%s = $1",
				strings.ReplaceAll(t.Name, "'", "''"), t.Name, t.Column))
		}
		query := "SELECT coalesce(string_agg(line, E'\\n' ORDER BY line), '') FROM (" +
			strings.Join(queries, " UNION ALL ") + ") AS lines"
		var text string
		if err := w.st.DB().QueryRowContext(asTester(ctx), query, id).Scan(&text); err != nil {
			return nil, fmt.Errorf("stratumtest: reading the rows as the system: %w", err)
		}
		truth[id] = text
	}
	return truth, nil
}

// close removes the tenants' rows, and what was made beside them, and archives the tenants.
func (w *isolationWorld) close(ctx context.Context) error {
	err := w.clean(ctx)
	err = errors.Join(err, w.subject.Close(asTester(ctx)))
	for _, id := range w.tenants {
		err = errors.Join(err, w.st.Tenants.Archive(asTester(ctx), id))
	}
	return err
}

// clean goes over the tables until all rows are gone: which table refers to which is the database's to say.
func (w *isolationWorld) clean(ctx context.Context) error {
	for {
		var removed int64
		var errs []error
		for _, t := range w.subject.Owned {
			for _, id := range w.tenants {
				statement := "DELETE FROM " + t.Name + " WHERE " + t.Column + " = $1"
				result, err := w.st.DB().ExecContext(asTester(ctx), statement, id)
				if err != nil {
					errs = append(errs, err)
					continue
				}
				n, _ := result.RowsAffected() // pgx knows it
				removed += n
			}
		}
		if len(errs) == 0 || removed == 0 {
			return errors.Join(errs...)
		}
	}
}

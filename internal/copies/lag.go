package copies

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// TableLag is how far the copy of a table is behind.
type TableLag struct {
	Table
	// Never says that nothing was ever copied from this source, or that the source's columns have changed since: there
	// is no telling how much is missing.
	Never bool
	// Changes is the number of committed transactions that the copy lacks, or that may not be told from those it lacks.
	Changes int64
	// Age is how long ago the oldest of them made its change. It is 0 for a copy that lacks none.
	Age time.Duration
	// Rows is how many the copy has, as of RefreshedAt.
	Rows int64
	// RefreshedAt is when the copy was last written or compared, by the target's clock.
	RefreshedAt time.Time
}

// Current tells whether the copy lacks nothing.
func (l TableLag) Current() bool { return !l.Never && l.Changes == 0 }

// Lag says for each table how far the target is behind the source. It waits for nobody and reads no table that is
// copied. source and target may be connections of any login that may read the tables copies are recorded in, such as
// the system role. Errors: a *TableError of ErrMissing, ErrNotInstalled, and those of PostgreSQL.
func Lag(ctx context.Context, source *pgx.Conn, target Target, tables []Table) ([]TableLag, error) {
	r := refresh{pairs: newPairs(tables, target.Schemas)}
	if len(r.pairs) == 0 {
		return nil, nil
	}
	var err error
	// The target first: what is copied meanwhile only makes it look further behind than it is.
	if r.to, err = begin(ctx, target.Conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}); err != nil {
		return nil, err
	}
	defer rollback(ctx, r.to)
	if err := readMarkers(ctx, r.to, r.pairs); err != nil {
		return nil, err
	}
	r.from, err = begin(ctx, source, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, err
	}
	defer rollback(ctx, r.from)
	if err := r.compare(ctx); err != nil {
		return nil, err
	}
	lags := make([]TableLag, len(r.pairs))
	for i, p := range r.pairs {
		lags[i] = TableLag{Table: p.Table, Changes: r.lacking[p].changes, Age: r.lacking[p].age}
		if p.marker == nil || p.marker.source != r.now.source || p.marker.shape != p.from.Digest {
			lags[i].Never = true
		}
		if p.marker != nil {
			lags[i].Rows, lags[i].RefreshedAt = p.marker.rows, p.marker.at
		}
	}
	return lags, nil
}

package copies

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// merge makes the copies equal to what was staged, in one statement for all tables: foreign keys are checked at its
// end, whatever the order in which tables refer to each other, and in circles too. Within a table rows go before
// others change and come, so that a unique value may pass from one row to another.
//
// It may also pass in a circle. An UPDATE then fails, depending on the order in which it meets the rows; such rows are
// removed and inserted instead.
func (r *refresh) merge(ctx context.Context, changed []*pair) error {
	err := r.try(ctx, changed)
	code := sqlState(err)
	if code != codeUnique && code != codeExclusion {
		return mergeError(err)
	}
	again := false
	for _, p := range changed {
		// Where something refers to the table with an action of its own, that would befall the rows that refer to it.
		p.wholesale = len(p.to.Key) > 0 && !p.to.Actions
		again = again || p.wholesale
	}
	if again {
		err = r.try(ctx, changed)
	}
	return mergeError(err)
}

func mergeError(err error) error {
	if err == nil {
		return nil
	}
	refused := refusal(err)
	var known *TableError
	if errors.As(refused, &known) {
		return refused
	}
	return fmt.Errorf("stratum: writing copies: %w", err)
}

// try runs the statement so that the transaction outlives its failure.
func (r *refresh) try(ctx context.Context, changed []*pair) error {
	point, err := r.to.Begin(ctx)
	if err != nil {
		return err
	}
	counts := make([]int64, 3*len(changed))
	into := make([]any, len(counts))
	for i := range counts {
		into[i] = &counts[i]
	}
	if err := point.QueryRow(ctx, mergeSQL(changed), pgx.QueryExecModeExec).Scan(into...); err != nil {
		return errors.Join(err, point.Rollback(ctx))
	}
	if err := point.Commit(ctx); err != nil {
		return err
	}
	r.count(counts)
	return nil
}

// count adds to the report what was written.
func (r *refresh) count(counts []int64) {
	at := 0
	for i, p := range r.pairs {
		if !p.changed {
			continue
		}
		done, c := &r.done[i], counts[3*at:]
		done.Rows, done.Deleted, done.Updated, done.Inserted = p.staged, c[0], c[1], c[2]
		at++
	}
}

func mergeSQL(changed []*pair) string {
	parts, counts := make([]string, 0, 3*len(changed)), make([]string, 0, len(changed))
	for i, p := range changed {
		gone, kept, come := "gone"+strconv.Itoa(i), "kept"+strconv.Itoa(i), "come"+strconv.Itoa(i)
		parts = append(parts,
			gone+" AS ("+p.deleteSQL()+" RETURNING 1)",
			kept+" AS ("+p.updateSQL(after(gone))+")",
			come+" AS ("+p.insertSQL(after(gone)+after(kept))+" RETURNING 1)")
		counts = append(counts, number(gone)+", "+number(kept)+", "+number(come))
	}
	return "WITH " + strings.Join(parts, ",\n") + "\nSELECT " + strings.Join(counts, ", ")
}

func number(part string) string { return "(SELECT pg_catalog.count(*) FROM " + part + ")" }

// after has a part begin when another has ended: its number is known only then.
func after(part string) string { return " AND " + number(part) + " >= 0" }

// mine are the rows of the copy that are anybody's business here.
func (p *pair) mine() string {
	if p.TenantColumn == "" {
		return "true"
	}
	return "t." + sqltext.Quote(p.TenantColumn) + " IS NULL"
}

// match joins a row of the copy with the staged one of the same key.
func (p *pair) match() string {
	parts := make([]string, len(p.to.Key))
	for i, k := range p.to.Key {
		parts[i] = "s." + sqltext.Quote(k.Name) + " " + k.Operator + " t." + sqltext.Quote(k.Name)
	}
	return strings.Join(parts, " AND ")
}

// same compares what is stored, byte by byte: every type can be, and values that are merely equal, such as 1.0 and
// 1.00, are not the same.
func (p *pair) same() string {
	row := func(alias string) string {
		list := make([]string, 0, len(p.to.Columns))
		for _, c := range p.written() {
			list = append(list, alias+"."+sqltext.Quote(c.Name))
		}
		// The cast keeps the parser from comparing column by column.
		return "ROW(" + strings.Join(list, ", ") + ")::pg_catalog.record"
	}
	return row("s") + " OPERATOR(pg_catalog.*=) " + row("t")
}

// kept finds a row of one side on the other.
func (p *pair) kept(table string) string {
	condition := p.match()
	if p.wholesale {
		condition += " AND " + p.same()
	}
	return "EXISTS (SELECT FROM " + table + " WHERE " + condition
}

func (p *pair) deleteSQL() string {
	statement := "DELETE FROM " + p.copy() + " t WHERE " + p.mine()
	if len(p.to.Key) == 0 {
		return statement
	}
	return statement + " AND NOT " + p.kept(p.stage+" s") + ")"
}

func (p *pair) updateSQL(when string) string {
	var set []string
	for _, c := range p.written() {
		// The key is set too: a key that is equal may still be another text. An identity that takes no values is part
		// of the key, and is the same where it is equal.
		if !c.Always {
			set = append(set, sqltext.Quote(c.Name)+" = s."+sqltext.Quote(c.Name))
		}
	}
	if len(p.to.Key) == 0 || len(set) == 0 || p.wholesale {
		return "SELECT 1 WHERE false"
	}
	return "UPDATE " + p.copy() + " t SET " + strings.Join(set, ", ") + " FROM " + p.stage + " s WHERE " + p.mine() +
		" AND " + p.match() + " AND NOT " + p.same() + when + " RETURNING 1"
}

func (p *pair) insertSQL(when string) string {
	list := names(p.written())
	statement := "INSERT INTO " + p.copy() + " (" + sqltext.QuoteEach(list) + ") OVERRIDING SYSTEM VALUE SELECT " +
		sqltext.QuoteEach(list) + " FROM " + p.stage + " s WHERE true"
	if len(p.to.Key) > 0 {
		statement += " AND NOT " + p.kept(p.copy()+" t") + " AND " + p.mine() + ")"
	}
	return statement + when
}

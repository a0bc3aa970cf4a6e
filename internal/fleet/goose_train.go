package fleet

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

func (g *gooseSource) batch() int { return trainLength }

// prepare looks at the ledgers of a batch in one message, and sends the migrations that are missing as a train.
func (g *gooseSource) prepare(ctx context.Context, s *session, opts Options, targets []Target) prepared {
	if opts.DryRun {
		return nil
	}
	known := prepared{}
	var ready []waiting
	for i, book := range g.looks(ctx, s, targets) {
		pending, err := g.pending(book.applied)
		switch {
		case !book.read || err != nil:
		case len(pending) == 0:
			known[targets[i].ID] = planned{settled: true}
		case allOf(pending):
			ready = append(ready, waiting{&visit{target: targets[i], opts: opts, session: s}, pending, book.last})
		}
	}
	sendTrain(ctx, s, opts, g.couple(ctx, s, ready), known)
	return known
}

func allOf(pending []*version) bool {
	for _, m := range pending {
		if !m.joins {
			return false
		}
	}
	return true
}

// waiting is a target whose migrations may share a message.
type waiting struct {
	visit   *visit
	pending []*version
	last    int64
}

// couple makes a train of those that have all tables which their migrations name.
func (g *gooseSource) couple(ctx context.Context, s *session, all []waiting) []wagon {
	open, err := g.open(ctx, s, all)
	if err != nil {
		return nil // each visit finds the error again
	}
	var train []wagon
	for _, w := range all {
		if open[w.visit.target.Schema] {
			continue
		}
		for i, m := range w.pending {
			body := g.insertNext(w.visit.target, m, w.last+int64(i)+1) + m.whole
			train = append(train, wagon{visit: w.visit, body: body, last: i == len(w.pending)-1})
		}
	}
	return train
}

// insertNext is the row of a version. It divides by zero unless it gets the id that follows the last one that was seen:
// a row that somebody else has written since has that, whether committed or not.
func (g *gooseSource) insertNext(t Target, m *version, id int64) string {
	return fmt.Sprintf("INSERT INTO %s (version_id, is_applied) VALUES (%d, true) RETURNING 1 / (id = %d)::int;\n",
		g.table(t), m.number, id)
}

// book is what a ledger says: the versions, and the id of the last row.
type book struct {
	read    bool
	applied []int64
	last    int64
}

// looks reads the ledgers of a batch, as far as they are there.
func (g *gooseSource) looks(ctx context.Context, s *session, targets []Target) []book {
	books := make([]book, len(targets))
	const before = cleared - 1
	for next := 0; next < len(targets); {
		var b strings.Builder
		b.WriteString(clearSQL)
		for _, t := range targets[next:] {
			b.WriteString(g.lookSQL(t) + ";")
		}
		results, err := s.send(ctx, b.String())
		for i := before; i < len(results); i++ {
			if read, err := readBook(results[i]); err == nil {
				books[next+i-before] = read
			}
		}
		if err == nil || sqlState(err) != codeUndefinedTable {
			return books
		}
		next += max(len(results)-before, 0) + 1
	}
	return books
}

func (g *gooseSource) lookSQL(t Target) string { return "SELECT id, version_id FROM " + g.table(t) }

func readBook(r *pgconn.Result) (book, error) {
	b := book{read: true, applied: make([]int64, len(r.Rows))}
	for i, row := range r.Rows {
		id, err := strconv.ParseInt(string(row[0]), 10, 64)
		if err == nil {
			b.applied[i], err = strconv.ParseInt(string(row[1]), 10, 64)
		}
		if err != nil {
			return book{}, fmt.Errorf("stratum: reading a ledger: %w", err)
		}
		b.last = max(b.last, id)
	}
	return b, nil
}

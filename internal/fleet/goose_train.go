package fleet

import (
	"context"
	"fmt"
	"strings"
)

// trainLength is how many targets share a message at most. A round trip costs as much as a change of two tables.
const trainLength = 32

func (g *gooseSource) batch() int { return trainLength }

// prepare looks at the ledgers of a batch in one message, and sends the migrations that are missing in another: a
// transaction for each, so that nothing is locked for longer. The ledger is looked at once more in it, under the
// target's lock. Whatever fails is left to visit, which looks again.
func (g *gooseSource) prepare(ctx context.Context, s *session, opts Options, targets []Target) prepared {
	if opts.DryRun {
		return nil
	}
	known := prepared{}
	var train []wagon
	for i, applied := range g.looks(ctx, s, targets) {
		pending, err := g.pending(applied)
		switch {
		case applied == nil || err != nil:
		case len(pending) == 0:
			known[targets[i].ID] = planned{settled: true}
		default:
			train = g.couple(train, &visit{target: targets[i], opts: opts, session: s}, pending)
		}
	}
	for _, w := range g.run(ctx, s, opts, train) {
		known[w.target.ID] = planned{settled: true, worked: true}
	}
	return known
}

// looks returns the versions in each ledger, nil where there is none.
func (g *gooseSource) looks(ctx context.Context, s *session, targets []Target) [][]int64 {
	all := make([][]int64, len(targets))
	for next := 0; next < len(targets); {
		var b strings.Builder
		b.WriteString(clearSQL)
		for _, t := range targets[next:] {
			b.WriteString("SELECT version_id FROM " + g.table(t) + ";")
		}
		results, err := s.send(ctx, b.String())
		const before = cleared - 1
		for i := before; i < len(results); i++ {
			// One that cannot be read is none.
			all[next+i-before], _ = versionsOf(results[i])
		}
		if err == nil || sqlState(err) != codeUndefinedTable {
			return all
		}
		next += max(len(results)-before, 0) + 1
	}
	return all
}

// wagon is one transaction of a train.
type wagon struct {
	target Target
	text   string
	last   bool // of its target
}

// couple adds a target's migrations, if all of them may share a message.
func (g *gooseSource) couple(train []wagon, v *visit, pending []*version) []wagon {
	for _, m := range pending {
		if !m.joins {
			return train
		}
	}
	for i, m := range pending {
		train = append(train, wagon{
			target: v.target, text: "BEGIN; SELECT " + v.settings(true) + "1 / " + v.lock("pg_try_advisory_xact_lock") + "::int;\n" +
				g.insertOnce(v.target, m) + m.whole + "COMMIT;\n", last: i == len(pending)-1,
		})
	}
	return train
}

// insertOnce is the row of a version. It divides by zero where it is there already.
func (g *gooseSource) insertOnce(t Target, m *version) string {
	return fmt.Sprintf("INSERT INTO %[1]s (version_id, is_applied) SELECT %[2]d, "+
		"1 / (NOT EXISTS (SELECT FROM %[1]s WHERE version_id = %[2]d))::int = 1;\n", g.table(t), m.number)
}

// run sends a train, again without the target that has stopped it, and returns the wagons that end a target's work.
func (g *gooseSource) run(ctx context.Context, s *session, opts Options, train []wagon) (arrived []wagon) {
	for len(train) > 0 {
		var b strings.Builder
		for _, w := range train {
			b.WriteString(w.text)
		}
		results, err := s.send(ctx, b.String())
		committed := 0
		for _, r := range results {
			if r.CommandTag.String() == "COMMIT" {
				committed++
			}
		}
		for _, w := range train[:min(committed, len(train))] {
			if w.last {
				arrived = append(arrived, w)
			}
		}
		if err == nil || opts.StopOnError || s.rollback(ctx) != nil || s.pg.IsClosed() {
			return arrived
		}
		stopped := train[committed].target.ID
		for train = train[committed:]; len(train) > 0 && train[0].target.ID == stopped; {
			train = train[1:]
		}
	}
	return arrived
}

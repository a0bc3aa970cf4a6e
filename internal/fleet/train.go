package fleet

import (
	"context"
	"slices"
	"strings"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// trainLength is how many targets share a message at most. A round trip costs as much as a change of two tables.
const trainLength = 32

// wagon is one transaction of a train: a message with a transaction for each of several targets, so that they share the
// round trip and nothing is locked for longer. Each transaction fails where somebody else has the target's lock, or was
// there since its ledger was looked at.
type wagon struct {
	visit *visit
	body  string
	last  bool // of its target
}

// beginSQL is a wagon's begin. What is not awaited is on disk when a later commit is awaited.
func (v *visit) beginSQL(awaited bool) string {
	wait := ""
	if !awaited {
		wait = "pg_catalog.set_config('synchronous_commit', 'off', true), "
	}
	return "BEGIN; SELECT " + v.settings(true) + wait + "1 / " + v.lock("pg_try_advisory_xact_lock") + "::int;\n"
}

func textOf(train []wagon) string {
	var b strings.Builder
	for i, w := range train {
		b.WriteString(w.visit.beginSQL(i == len(train)-1) + w.body + "COMMIT;\n")
	}
	return b.String()
}

// flushSQL is a commit that is awaited.
const flushSQL = "SELECT pg_catalog.pg_logical_emit_message(true, 'stratum', '')"

// send sends a train, again without the target that has stopped it, and adds to known whose work is done. Whatever
// failed is left to a visit, which looks again.
func sendTrain(ctx context.Context, s *session, opts Options, train []wagon, known prepared) {
	for len(train) > 0 {
		results, err := s.send(ctx, textOf(train))
		committed := 0
		for _, r := range results {
			if r.CommandTag.String() == "COMMIT" {
				committed++
			}
		}
		committed = min(committed, len(train))
		if err != nil && committed > 0 && !flushed(ctx, s) {
			return
		}
		for _, w := range train[:committed] {
			if w.last {
				known[w.visit.target.ID] = planned{settled: true, worked: true}
			}
		}
		if err == nil || committed == len(train) || opts.StopOnError || !s.usable(ctx) {
			return
		}
		stopped := train[committed].visit
		train = train[committed:]
		train = train[slices.IndexFunc(append(train, wagon{}), func(w wagon) bool { return w.visit != stopped }):]
	}
}

// flushed makes sure that what was committed without waiting is on disk.
func flushed(ctx context.Context, s *session) bool {
	if !s.usable(ctx) {
		return false
	}
	_, err := s.send(ctx, flushSQL)
	return err == nil
}

// joins reports whether a statement may share its message with those of other targets: it is one, and leaves nothing on
// the connection.
func joins(statement string) bool {
	c := sqltext.Inspect(statement)
	if c.Broken || c.Statements != 1 || c.Session != "" {
		return false
	}
	switch c.Word {
	case "CREATE":
		return !slices.ContainsFunc(c.Next, func(w string) bool { return w == "TEMP" || w == "TEMPORARY" })
	case "ALTER", "DROP", "COMMENT", "GRANT", "REVOKE", "INSERT", "UPDATE", "DELETE":
		return true
	}
	return false
}

func allJoin(statements []string) bool {
	return !slices.ContainsFunc(statements, func(s string) bool { return !joins(s) })
}

package fleet

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// A name that a migration of a schema does not find there is looked for further along its search_path: a table that is
// missing in the schema would have its shared namesake changed instead, for every tenant.

// namesakesSQL finds the tables further along the search_path whose names a migration has. It is given the search_path,
// a schema, and a condition on names.
const namesakesSQL = `SELECT pg_catalog.set_config('search_path', %[1]s, true);
SELECT o.oid::text, o.relname FROM pg_catalog.pg_class o
WHERE o.relkind IN ('r', 'p', 'v', 'm', 'S') %[3]s AND o.relnamespace = ANY (ARRAY(
	SELECT f.oid FROM pg_catalog.pg_namespace f
	WHERE f.nspname = ANY (pg_catalog.current_schemas(false)) AND f.nspname <> %[2]s))`

// byIndexSQL is for one message: statistics of the catalog lag behind where many schemas have just been made.
const byIndexSQL = "SELECT pg_catalog.set_config('enable_seqscan', 'off', true); "

// namesake is a table further along a search_path.
type namesake struct{ oid, name string }

// namesakes are those of a migration.
func (g *gooseSource) namesakes(ctx context.Context, s *session, t Target, m *version) ([]namesake, error) {
	if t.Kind != KindSchema || g.opts.Outside {
		return nil, nil
	}
	condition := ""
	if !m.function() {
		condition = "AND o.relname = ANY (ARRAY[" + strings.Join(m.words, ", ") + "]::name[])"
	}
	query := fmt.Sprintf(namesakesSQL, sqltext.Literal(t.searchPath()), sqltext.Literal(t.Schema), condition)
	if s.pg.PgConn().TxStatus() == idle {
		query = byIndexSQL + query // in a transaction it would be there for the migration too
	}
	results, err := s.send(ctx, query)
	if err != nil {
		return nil, err
	}
	last := results[len(results)-1]
	found := make([]namesake, len(last.Rows))
	for i, row := range last.Rows {
		found[i] = namesake{oid: string(row[0]), name: string(row[1])}
	}
	return found, nil
}

// lackingSQL finds which of some schemas have not got all of some names.
const lackingSQL = byIndexSQL + `SELECT n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname IN (%s) AND %d > (
	SELECT count(*) FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid AND c.relname = ANY (ARRAY[%s]::name[]))`

// lacking are the schemas in which a name of the migration would be looked for further along.
func lacking(ctx context.Context, s *session, schemas []string, of []namesake) (map[string]bool, error) {
	names := make([]string, 0, len(of))
	for _, o := range of {
		names = append(names, sqltext.Literal(o.name))
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 || len(schemas) == 0 {
		return nil, nil
	}
	lacking := fmt.Sprintf(lackingSQL, strings.Join(schemas, ", "), len(names), strings.Join(names, ", "))
	found, err := s.send(ctx, lacking)
	if err != nil {
		return nil, err
	}
	lack := map[string]bool{}
	for _, row := range found[1].Rows {
		lack[string(row[0])] = true
	}
	return lack, nil
}

// open are the schemas of a batch in which one of the migrations would go further along. What is further along is
// looked at once for each connection.
func (g *gooseSource) open(ctx context.Context, s *session, all []waiting) (map[string]bool, error) {
	var schemas []string
	var of []namesake
	for _, w := range all {
		schemas = append(schemas, sqltext.Literal(w.visit.target.Schema))
		for _, m := range w.pending {
			if _, known := s.namesakes[m]; !known {
				found, err := g.namesakes(ctx, s, w.visit.target, m)
				if err != nil {
					return nil, err
				}
				s.namesakes[m] = found
			}
			of = append(of, s.namesakes[m]...)
		}
	}
	return lacking(ctx, s, schemas, of)
}

// wordsOf are the names in statements, and much that is none, as literals.
func wordsOf(statements []string) []string {
	name := regexp.MustCompile(`"(?:[^"]|"")+"|[\pL_][\pL\pN_$]*`)
	var words []string
	for _, s := range statements {
		for _, w := range name.FindAllString(s, -1) {
			if w[0] == '"' {
				w = strings.ReplaceAll(w[1:len(w)-1], `""`, `"`)
			} else {
				w = strings.ToLower(w)
			}
			words = append(words, sqltext.Literal(w))
		}
	}
	slices.Sort(words)
	return slices.Compact(words)
}

// touchedSQL finds which of some tables this transaction has changed, dropped ones too. Reading them, and referring to
// them with a foreign key, is no change.
const touchedSQL = `SELECT DISTINCT l.relation::regclass::text FROM pg_catalog.pg_locks l
WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation' AND l.relation IN (%s)
	AND l.mode IN ('RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', 'ExclusiveLock', 'AccessExclusiveLock')`

// within runs what is in a target's transaction, and refuses it if tables outside of the target have changed.
func (g *gooseSource) within(ctx context.Context, v *visit, m *version, do func() error) error {
	outside, err := g.namesakes(ctx, v.session, v.target, m)
	if err != nil {
		return err
	}
	if err := do(); err != nil || len(outside) == 0 {
		return err
	}
	ids := make([]string, len(outside))
	for i, o := range outside {
		ids[i] = o.oid
	}
	found, err := v.session.send(ctx, fmt.Sprintf(touchedSQL, strings.Join(ids, ", ")))
	if err != nil {
		return err
	}
	if len(found[0].Rows) > 0 {
		return fmt.Errorf("%w: %s", ErrOutside, strings.Join(names(found[0]), ", "))
	}
	return nil
}

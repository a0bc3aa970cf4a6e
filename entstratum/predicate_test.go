package entstratum_test

import (
	"context"
	"regexp"
	"strings"
	"sync"
	"testing"

	entgo "entgo.io/ent"
	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"entgo.io/ent/entql"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/comment"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/intercept"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/predicate"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/ticket"
)

// statementLog notes the statements that ent sends outside transactions.
type statementLog struct {
	dialect.Driver

	mu         sync.Mutex
	statements []string
}

func (r *statementLog) note(query string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.statements = append(r.statements, query)
}

// take returns what was noted since the last call.
func (r *statementLog) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { r.statements = nil }()
	return r.statements
}

// Query notes the statement.
func (r *statementLog) Query(ctx context.Context, query string, args, v any) error {
	r.note(query)
	return r.Driver.Query(ctx, query, args, v)
}

// Exec notes the statement.
func (r *statementLog) Exec(ctx context.Context, query string, args, v any) error {
	r.note(query)
	return r.Driver.Exec(ctx, query, args, v)
}

// Tx notes the statements of the transaction, too.
func (r *statementLog) Tx(ctx context.Context) (dialect.Tx, error) {
	tx, err := r.Driver.Tx(ctx)
	return loggedTx{tx, r}, err
}

// loggedTx is a transaction whose statements are noted.
type loggedTx struct {
	dialect.Tx

	log *statementLog
}

// Query notes the statement.
func (t loggedTx) Query(ctx context.Context, query string, args, v any) error {
	t.log.note(query)
	return t.Tx.Query(ctx, query, args, v)
}

// Exec notes the statement.
func (t loggedTx) Exec(ctx context.Context, query string, args, v any) error {
	t.log.note(query)
	return t.Tx.Exec(ctx, query, args, v)
}

// narrowing is a desk in which two tenants have a ticket T-1 with a comment and a tag each.
type narrowing struct {
	desk

	log     *statementLog
	ctx     context.Context //nolint:containedctx // the tenant's
	other   context.Context //nolint:containedctx // another tenant's
	ticket  *ent.Ticket     // the tenant's
	foreign *ent.Ticket
}

func newNarrowing(t *testing.T) narrowing {
	t.Helper()
	n := narrowing{desk: newDesk(t)}
	n.ctx, n.other = n.tenant(t, "acme"), n.tenant(t, "bolt")
	n.ticket, n.foreign = n.fill(t, n.ctx), n.fill(t, n.other)
	n.log = &statementLog{Driver: entstratum.Driver(n.st)}
	n.client = ent.NewClient(ent.Driver(n.log))
	return n
}

func (n narrowing) fill(t *testing.T, ctx context.Context) *ent.Ticket { //nolint:revive // t comes first in tests
	t.Helper()
	tag := n.client.Tag.Create().SetName("vip").SaveX(ctx)
	made, err := n.client.Ticket.Create().SetNumber("T-1").SetTitle("a").AddTags(tag).Save(ctx)
	require.NoError(t, err)
	n.client.Comment.Create().SetTicket(made).SetBody("b").SaveX(ctx)
	return made
}

// conditionOf finds the condition on the tenant that a table's statement ends its WHERE with.
var conditionOf = map[string]*regexp.Regexp{
	ticket.Table:  regexp.MustCompile(`^"tickets"\."tenant_id" = \$\d+$`),
	comment.Table: regexp.MustCompile(`^"comments"\."tenant_id" = \$\d+$`),
}

// held reports whether the WHERE of a statement is the tenant's condition, or another in parentheses and it.
func held(statement, table string) bool {
	where := whereOf(statement)
	if strings.HasPrefix(where, "(") {
		rest, ok := strings.CutPrefix(where[closing(where):], " AND ")
		if !ok || !strings.HasPrefix(rest, "(") {
			return false
		}
		end := closing(rest)
		where = rest[1:end-1] + rest[end:]
	}
	for _, end := range []string{" ORDER BY ", " GROUP BY ", " LIMIT ", " FOR UPDATE"} {
		where, _, _ = strings.Cut(where, end)
	}
	return conditionOf[table].MatchString(where)
}

// whereOf is what stands behind the WHERE that is in no parentheses.
func whereOf(statement string) string {
	const word = " WHERE "
	for at := 0; at < len(statement); at++ {
		switch {
		case statement[at] == '(':
			at += closing(statement[at:]) - 1
		case strings.HasPrefix(statement[at:], word):
			return statement[at+len(word):]
		}
	}
	return ""
}

// closing is where the parenthesis that a text begins with has been closed.
func closing(text string) int {
	depth := 0
	for i, r := range text {
		switch r {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}

func TestHeld(t *testing.T) {
	t.Parallel()
	for statement, want := range map[string]bool{
		`SELECT 1`: false,
		`SELECT 1 FROM "tickets" WHERE "tickets"."tenant_id" = $1`:                        true,
		`SELECT 1 FROM "tickets" WHERE "tickets"."tenant_id" = $1 LIMIT 2`:                true,
		`SELECT 1 FROM "tickets" WHERE (a) AND ("tickets"."tenant_id" = $1)`:              true,
		`SELECT 1 FROM "tickets" WHERE (a OR (b)) AND ("tickets"."tenant_id" = $1) LIMIT`: false,
		`SELECT 1 FROM "tickets" WHERE (a) AND ("tickets"."tenant_id" = $1) OR (b)`:       false,
		`SELECT 1 FROM "tickets" WHERE (a) OR (b) AND ("tickets"."tenant_id" = $1)`:       false,
		`SELECT 1 FROM "tickets" WHERE "tickets"."tenant_id" = $1 OR "a" = $2`:            false,
	} {
		require.Equal(t, want, held(statement, ticket.Table), statement)
	}
}

// or widens whatever conditions there are by then.
func or(s *sql.Selector) { s.Or().Where(sql.ExprP("1 = 1")) }

// Whatever an application does to a query, the condition on the tenant stands behind it, and cannot be widened.
func TestPredicates(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	text := func(condition string) predicate.Ticket {
		return func(s *sql.Selector) { s.Where(sql.ExprP(condition)) }
	}
	for name, build := range map[string]func(q *ent.TicketQuery){
		"no condition":         func(*ent.TicketQuery) {},
		"one":                  func(q *ent.TicketQuery) { q.Where(ticket.Title("a")) },
		"Or":                   func(q *ent.TicketQuery) { q.Where(ticket.Or(ticket.Title("a"), ticket.Title("b"))) },
		"Not":                  func(q *ent.TicketQuery) { q.Where(ticket.Not(ticket.Title("x"))) },
		"s.Or before":          func(q *ent.TicketQuery) { q.Where(func(s *sql.Selector) { s.Or() }, ticket.Title("a")) },
		"s.Or after":           func(q *ent.TicketQuery) { q.Where(ticket.Title("a"), func(s *sql.Selector) { s.Or() }) },
		"s.Not after":          func(q *ent.TicketQuery) { q.Where(ticket.Title("a"), func(s *sql.Selector) { s.Not() }) },
		"s.Or and a condition": func(q *ent.TicketQuery) { q.Where(ticket.Title("x"), or) },
		"text":                 func(q *ent.TicketQuery) { q.Where(text("title = 'x' OR title = 'a'")) },
		"text in lines":        func(q *ent.TicketQuery) { q.Where(text("title = 'x'\nOR\ntitle = 'a'")) },
		"text with tabs":       func(q *ent.TicketQuery) { q.Where(text("title = 'x'\tor\ttitle = 'a'"), ticket.Number("T-1")) },
		"condition replaced":   func(q *ent.TicketQuery) { q.Where(func(s *sql.Selector) { s.SetP(nil) }) },
		"entql": func(q *ent.TicketQuery) {
			q.Filter().Where(entql.Or(entql.FieldEQ("title", "x"), entql.FieldEQ("title", "a")))
		},
		"edge":                        func(q *ent.TicketQuery) { q.Where(ticket.HasComments(), or) },
		"order":                       func(q *ent.TicketQuery) { q.Order(ticket.ByTitle(sql.OrderDesc())) },
		"order that adds a condition": func(q *ent.TicketQuery) { q.Order(func(s *sql.Selector) { or(s); s.OrderBy("title") }) },
		"order by neighbours":         func(q *ent.TicketQuery) { q.Where(ticket.Title("a")).Order(or) },
		"Modify":                      func(q *ent.TicketQuery) { q.Modify(or) },
		"Modify, condition replaced":  func(q *ent.TicketQuery) { q.Modify(func(s *sql.Selector) { s.SetP(nil) }) },
		"Modify, condition changed": func(q *ent.TicketQuery) {
			q.Modify(func(s *sql.Selector) { s.SetP(sql.Or(sql.EQ(s.C("title"), "x"), sql.EQ(s.C("title"), "a"))) })
		},
		"ForUpdate": func(q *ent.TicketQuery) { q.Where(or).ForUpdate() },
		"Limit":     func(q *ent.TicketQuery) { q.Where(ticket.Title("a"), or).Limit(5).Offset(0) },
		"Unique":    func(q *ent.TicketQuery) { q.Where(ticket.Title("a"), or).Unique(true) },
	} {
		n.everyEnd(t, name, build)
	}
}

// everyEnd runs a query in each way that ent has, and looks at each statement and at what was found.
func (n narrowing) everyEnd(t *testing.T, what string, build func(*ent.TicketQuery)) {
	t.Helper()
	for name, run := range map[string]func(*ent.TicketQuery) (int, error){
		"All":   func(q *ent.TicketQuery) (int, error) { all, err := q.All(n.ctx); return len(all), err },
		"Clone": func(q *ent.TicketQuery) (int, error) { all, err := q.Clone().All(n.ctx); return len(all), err },
		"IDs":   func(q *ent.TicketQuery) (int, error) { all, err := q.IDs(n.ctx); return len(all), err },
		"Select": func(q *ent.TicketQuery) (int, error) {
			all, err := q.Select(ticket.FieldTitle).Strings(n.ctx)
			return len(all), err
		},
		"path": func(q *ent.TicketQuery) (int, error) { all, err := q.QueryComments().IDs(n.ctx); return len(all), err },
	} {
		name = what + ", " + name
		q := n.client.Ticket.Query()
		build(q)
		found, err := run(q)
		require.NoError(t, err, name)
		require.Equal(t, 1, found, name)
		statements := n.log.take()
		require.Len(t, statements, 1, name)
		if strings.HasSuffix(name, ", path") {
			require.True(t, held(statements[0], comment.Table), statements[0])
			_, inner, _ := strings.Cut(statements[0], ` JOIN (`)
			inner, _, _ = strings.Cut(inner, `) AS "t1"`)
			require.True(t, held(inner, ticket.Table), inner)
			continue
		}
		require.True(t, held(statements[0], ticket.Table), name+": "+statements[0])
	}
}

// Interceptors run around the query, and policies behind the mixin's: what they add stands before the condition, too.
func TestPredicatesOfInterceptors(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	n.client.Ticket.Intercept(
		intercept.TraverseTicket(func(_ context.Context, q *ent.TicketQuery) error {
			q.Where(ticket.Title("x"), or)
			return nil
		}),
		ent.InterceptFunc(func(next ent.Querier) ent.Querier {
			return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
				q.(*ent.TicketQuery).Where(or) //nolint:forcetypeassert // it is the interceptor of this type
				return next.Query(ctx, q)
			})
		}),
	)
	n.everyEnd(t, "interceptors", func(*ent.TicketQuery) {})
}

// Every statement of a query that loads edges is narrowed, and every one that counts or groups.
func TestPredicatesOfEnds(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	q := func() *ent.TicketQuery { return n.client.Ticket.Query().Where(ticket.Title("x"), or) }
	for name, run := range map[string]func() error{
		"Count":   func() error { v, err := q().Count(n.ctx); require.Equal(t, 1, v); return err },
		"Exist":   func() error { v, err := q().Exist(n.ctx); require.True(t, v); return err },
		"First":   func() error { _, err := q().First(n.ctx); return err },
		"Only":    func() error { _, err := q().Only(n.ctx); return err },
		"FirstID": func() error { _, err := q().FirstID(n.ctx); return err },
		"Get":     func() error { _, err := n.client.Ticket.Get(n.ctx, n.ticket.ID); return err },
		"Int":     func() error { _, err := q().Aggregate(ent.Count()).Int(n.ctx); return err },
		"GroupBy": func() error {
			_, err := q().GroupBy(ticket.FieldStatus).Aggregate(ent.As(ent.Count(), "n")).Strings(n.ctx)
			return ignoreColumns(err)
		},
		"Scan": func() error {
			var rows []struct{ Title string }
			return q().Select(ticket.FieldTitle).Scan(n.ctx, &rows)
		},
	} {
		require.NoError(t, run(), name)
		statements := n.log.take()
		require.Len(t, statements, 1, name)
		require.True(t, held(statements[0], ticket.Table), name+": "+statements[0])
	}
	_, err := q().WithComments(func(q *ent.CommentQuery) { q.Where(or) }).WithTags().All(n.ctx)
	require.NoError(t, err)
	for _, statement := range n.log.take() {
		require.Regexp(t, `WHERE (\(.*\) AND \()?"(tickets|comments|tags)"."tenant_id" = \$\d+\)?$`, statement)
	}
}

// ignoreColumns leaves out that a scan found more columns than it wanted: it is the statement that is looked at.
func ignoreColumns(err error) error {
	if err != nil && strings.Contains(err.Error(), "column") {
		return nil
	}
	return err
}

// The tenant is read when a query runs, and not when it is built.
func TestQueryOfSeveralTenants(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	q := n.client.Ticket.Query().Where(ticket.Number("T-1"), or)
	comments := n.client.Ticket.Query().QueryComments()
	update := n.client.Ticket.Update().SetTitle("z")
	for range 2 {
		for _, ctx := range []context.Context{n.ctx, n.other} {
			found, err := q.Only(ctx)
			require.NoError(t, err)
			require.Equal(t, tenantOf(t, ctx), found.TenantID)
			require.Equal(t, 1, q.CountX(ctx))
			require.Equal(t, tenantOf(t, ctx), comments.OnlyX(ctx).TenantID)
			changed, err := update.Save(ctx)
			require.NoError(t, err)
			require.Equal(t, 1, changed)
		}
	}
	require.Equal(t, 2, q.CountX(asSystem(t)))
	require.Equal(t, 2, update.SaveX(asSystem(t)), "nothing of a tenant is left in the mutation")
	_, err := q.All(t.Context())
	require.ErrorIs(t, err, core.ErrNoTenant)
	none := n.client.Ticket.Delete().Where(ticket.Title("none"))
	require.Zero(t, none.ExecX(n.ctx))
	deleted := n.client.Ticket.Delete()
	for _, ctx := range []context.Context{n.ctx, n.other} {
		n.client.Comment.Delete().ExecX(ctx)
		require.Equal(t, 1, deleted.ExecX(ctx))
	}
}

// Only one tenant has a condition: the policies know what a subtree and the system see.
func TestNoPredicate(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	for want, ctx := range map[int]context.Context{1: core.WithSubtree(t.Context(), tenantOf(t, n.ctx)), 2: asSystem(t)} {
		all, err := n.client.Ticket.Query().All(ctx)
		require.NoError(t, err)
		require.Len(t, all, want)
		for _, statement := range n.log.take() {
			require.NotContains(t, statement, "WHERE")
		}
	}
	_, err := n.client.Ticket.Query().All(core.WithTenant(t.Context(), uuid.Nil))
	require.ErrorIs(t, err, core.ErrNoTenant)
	require.Empty(t, n.log.take(), "nothing was sent")
}

// Changes are narrowed behind what hooks add, and a policy or a hook may add to them after the mixin.
func TestPredicatesOfChanges(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	require.NoError(t, n.client.Comment.Update().Where(comment.Body("x"), func(s *sql.Selector) { or(s) }).
		SetBody("y").Exec(n.ctx))
	_, err := n.client.Comment.Delete().Where(func(s *sql.Selector) { s.Where(sql.ExprP("1 = 2\nOR\n1 = 3")) }).Exec(n.ctx)
	require.NoError(t, err)
	for _, statement := range n.log.take() {
		require.True(t, held(statement, comment.Table), statement)
	}
	require.NoError(t, n.client.Ticket.UpdateOneID(n.ticket.ID).Where(or).SetTitle("y").Exec(n.ctx))
	statement := n.log.take()[0]
	require.Regexp(t, `WHERE "id" = \$2 AND \(\(1 = 1\) AND \("tickets"\."tenant_id" = \$3\)\)$|`+
		`WHERE "id" = \$2 AND \(1 = 1\) AND \("tickets"\."tenant_id" = \$3\)$`, statement)
	require.Equal(t, 2, n.client.Comment.Query().CountX(asSystem(t)))
	require.Equal(t, 1, n.client.Comment.Query().Where(comment.Body("b")).CountX(asSystem(t)), "the other's is as it was")
}

var _ entgo.Interceptor = ent.InterceptFunc(nil)

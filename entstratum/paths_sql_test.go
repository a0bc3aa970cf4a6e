package entstratum_test

import (
	"context"
	stdsql "database/sql"
	"errors"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/comment"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/intercept"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/ticket"
	"github.com/stratum-hq/stratum-go/internal/conformance"
)

const (
	titleSQL = "SELECT title FROM tickets WHERE id = $1 OR true"
	takeSQL  = "UPDATE tickets SET title = 'taken' WHERE id = $1"
)

// rawPaths run SQL of the application's own.
func rawPaths(c *ent.Client) []conformance.Path {
	query := func(text string) read {
		return func(ctx context.Context, _ target) (any, error) { return scanned(c.QueryContext(ctx, text)) }
	}
	exec := func(text string, args func(x target) []any) write {
		return func(ctx context.Context, x target) error {
			_, err := c.ExecContext(ctx, text, args(x)...)
			return err
		}
	}
	one := func(x target) []any { return []any{x.Ticket} }
	return append(reading(map[string]read{
		"QueryContext": func(ctx context.Context, x target) (any, error) {
			return scanned(c.QueryContext(ctx, titleSQL, x.Ticket))
		},
		"QueryContext, Debug": func(ctx context.Context, x target) (any, error) {
			return scanned(c.Debug().QueryContext(ctx, titleSQL, x.Ticket))
		},
		"QueryContext, CTE": query("WITH t AS (SELECT * FROM tickets) SELECT t.title FROM t JOIN comments c ON c.ticket_id = t.id"),
		"QueryContext, recursive CTE": query("WITH RECURSIVE r AS (SELECT id, title FROM remarks WHERE parent_id IS NULL " +
			"UNION ALL SELECT x.id, x.title FROM remarks x JOIN r ON x.parent_id = r.id) SELECT title FROM r"),
		"QueryContext, LATERAL":    query("SELECT c.body FROM tickets t, LATERAL (SELECT body FROM comments WHERE ticket_id = t.id) c"),
		"QueryContext, function":   query("SELECT query_to_xml('SELECT title FROM tickets', true, false, '')::text"),
		"QueryContext, join table": query("SELECT g.title FROM ticket_tags tt JOIN tags g ON g.id = tt.tag_id"),
		"Query of the selector": func(ctx context.Context, _ target) (any, error) {
			text, args := sql.Dialect(dialect.Postgres).Select(ticket.FieldTitle).From(sql.Table(ticket.Table)).Query()
			return scanned(c.QueryContext(ctx, text, args...))
		},
	}), writing(map[string]write{
		"ExecContext": exec(takeSQL, one),
		"ExecContext, UPDATE FROM": exec("UPDATE comments SET body = t.number FROM tickets t "+
			"WHERE t.id = comments.ticket_id AND t.id = $1", one),
		"ExecContext, DELETE USING": exec("DELETE FROM comments USING tickets t WHERE t.id = comments.ticket_id AND t.id = $1", one),
		"ExecContext, MERGE": exec("MERGE INTO tickets t USING (SELECT $1::uuid AS id) s ON t.id = s.id "+
			"WHEN MATCHED THEN UPDATE SET title = 'taken'", one),
		"ExecContext, INSERT from a SELECT": exec("INSERT INTO comments (tenant_id, id, ticket_id, body) "+
			"SELECT tenant_id, gen_random_uuid(), id, title FROM tickets WHERE id = $1", one),
		"ExecContext, ON CONFLICT": exec("INSERT INTO tickets (tenant_id, id, number) VALUES ($1, $2, 'T-1') "+
			"ON CONFLICT (tenant_id, number) DO UPDATE SET title = 'taken'",
			func(x target) []any { return []any{x.Tenant, x.Ticket} }),
		"ExecContext, join table": exec("INSERT INTO ticket_tags (tenant_id, ticket_id, tag_id) VALUES ($1, $2, $3)",
			func(x target) []any { return []any{x.Tenant, x.Ticket, x.Spare} }),
		"ExecContext, DO block": func(ctx context.Context, x target) error {
			_, err := c.ExecContext(ctx, "DO $$ BEGIN UPDATE tickets SET title = 'taken' WHERE id = '"+
				x.Ticket.String()+"'; END $$")
			return err
		},
		"ExecContext, two writes in one": exec("WITH a AS (UPDATE tickets SET title = 'taken' WHERE id = $1 RETURNING id) "+
			"DELETE FROM comments WHERE ticket_id IN (SELECT id FROM a)", one),
		"QueryContext, UPDATE RETURNING": func(ctx context.Context, x target) error {
			_, err := scanned(c.QueryContext(ctx, takeSQL+" RETURNING title", x.Ticket))
			return err
		},
	})...)
}

// poolPaths go round ent, to the pool of its driver.
func poolPaths(pool *stdsql.DB) []conformance.Path {
	return reading(map[string]read{
		"pool, QueryContext": func(ctx context.Context, x target) (any, error) {
			return scanned(pool.QueryContext(ctx, titleSQL, x.Ticket))
		},
		"pool, a client of one's own on it": func(ctx context.Context, _ target) (any, error) {
			return ent.NewClient(ent.Driver(sql.OpenDB(dialect.Postgres, pool))).Ticket.Query().All(ctx)
		},
		"pool, prepared": func(ctx context.Context, x target) (any, error) {
			stmt, err := pool.PrepareContext(ctx, titleSQL)
			if err != nil {
				return nil, err
			}
			defer func() { _ = stmt.Close() }() // it is lazy: there is nothing to close
			return scanned(stmt.QueryContext(ctx, x.Ticket))
		},
	})
}

// transactionPaths read in transactions.
func transactionPaths(c *ent.Client) []conformance.Path {
	byID := func(tx *ent.Client, x target) *ent.TicketQuery { return tx.Ticket.Query().Where(ticket.ID(x.Ticket)) }
	return reading(map[string]read{
		"Tx and Rollback": func(ctx context.Context, x target) (any, error) {
			tx, err := c.Tx(ctx)
			if err != nil {
				return nil, err
			}
			defer func() { _ = tx.Rollback() }()
			return byID(tx.Client(), x).WithComments().All(ctx)
		},
		"BeginTx, read-only": func(ctx context.Context, x target) (any, error) {
			tx, err := c.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: stdsql.LevelSerializable})
			if err != nil {
				return nil, err
			}
			defer func() { _ = tx.Rollback() }()
			return byID(tx.Client(), x).All(ctx)
		},
		"Tx of Debug": func(ctx context.Context, x target) (any, error) {
			tx, err := c.Debug().Tx(ctx)
			if err != nil {
				return nil, err
			}
			defer func() { _ = tx.Rollback() }()
			return byID(tx.Client(), x).All(ctx)
		},
		"entity of a Tx, unwrapped": func(ctx context.Context, x target) (any, error) {
			var v *ent.Ticket
			err := withTx(ctx, c, func(tx *ent.Tx) (err error) {
				v, err = byID(tx.Client(), x).Only(ctx)
				return err
			})
			if err != nil {
				return found(v, err)
			}
			return v.Unwrap().QueryComments().All(ctx)
		},
		"hook of a commit that reads": func(ctx context.Context, x target) (seen any, err error) {
			err = withTx(ctx, c, func(tx *ent.Tx) error {
				tx.OnCommit(func(next ent.Committer) ent.Committer {
					return ent.CommitFunc(func(_ context.Context, tx *ent.Tx) error {
						if err := next.Commit(ctx, tx); err != nil {
							return err
						}
						seen, err = byID(c, x).All(ctx)
						return err
					})
				})
				return nil
			})
			return seen, err
		},
		"rolled back to a savepoint": func(ctx context.Context, x target) (seen any, err error) {
			err = withTx(ctx, c, func(tx *ent.Tx) error {
				for _, text := range []string{
					"SAVEPOINT s", "UPDATE tickets SET title = 'gone' WHERE id = '" + x.Ticket.String() + "'",
					"ROLLBACK TO SAVEPOINT s",
				} {
					if _, err := tx.ExecContext(ctx, text); err != nil {
						return err
					}
				}
				seen, err = byID(tx.Client(), x).All(ctx)
				return err
			})
			return seen, err
		},
		"cursor": func(ctx context.Context, _ target) (seen any, err error) {
			err = withTx(ctx, c, func(tx *ent.Tx) error {
				if _, err := tx.ExecContext(ctx, "DECLARE c CURSOR FOR SELECT title FROM tickets"); err != nil {
					return err
				}
				seen, err = scanned(tx.QueryContext(ctx, "FETCH ALL FROM c"))
				return err
			})
			return seen, err
		},
		"QueryContext of a Tx": func(ctx context.Context, x target) (seen any, err error) {
			err = withTx(ctx, c, func(tx *ent.Tx) error {
				seen, err = scanned(tx.QueryContext(ctx, titleSQL, x.Ticket))
				return err
			})
			return seen, err
		},
	})
}

// transactionWritePaths write in transactions.
func transactionWritePaths(c *ent.Client) []conformance.Path {
	return writing(map[string]write{
		"Tx and Commit": func(ctx context.Context, x target) error {
			return withTx(ctx, c, func(tx *ent.Tx) error {
				if err := tx.Ticket.Update().Where(ticket.ID(x.Ticket)).SetTitle("taken").Exec(ctx); err != nil {
					return err
				}
				_, err := tx.Comment.Delete().Where(comment.TicketID(x.Ticket)).Exec(ctx)
				return err
			})
		},
		"ExecContext of a Tx": func(ctx context.Context, x target) error {
			return withTx(ctx, c, func(tx *ent.Tx) error { _, err := tx.ExecContext(ctx, takeSQL, x.Ticket); return err })
		},
		"Client of a Tx, and a Tx of that": func(ctx context.Context, x target) error {
			return withTx(ctx, c, func(tx *ent.Tx) error {
				if _, err := tx.Client().Tx(ctx); !errors.Is(err, ent.ErrTxStarted) {
					return err
				}
				return tx.Client().Ticket.Update().Where(ticket.ID(x.Ticket)).SetTitle("taken").Exec(ctx)
			})
		},
		"BeginTx and Commit": func(ctx context.Context, x target) error {
			tx, err := c.BeginTx(ctx, &sql.TxOptions{Isolation: stdsql.LevelRepeatableRead})
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback() }() // after Commit it has nothing to do
			if _, err := tx.Comment.Delete().Where(comment.ID(x.Comment)).Exec(ctx); err != nil {
				return err
			}
			return tx.Commit()
		},
	})
}

// makeNosy gives a client hooks and interceptors that read and write on their own.
func makeNosy(c *ent.Client) {
	c.Ticket.Intercept(
		intercept.TraverseTicket(func(_ context.Context, q *ent.TicketQuery) error {
			q.Where(func(s *sql.Selector) { s.Or().Where(sql.ExprP("true")).Or() })
			return nil
		}),
		ent.InterceptFunc(func(next ent.Querier) ent.Querier {
			return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
				if _, err := c.Comment.Query().All(ctx); err != nil {
					return nil, err
				}
				return next.Query(ctx, q)
			})
		}),
	)
	c.Comment.Use(func(next ent.Mutator) ent.Mutator {
		return ent.MutateFunc(func(ctx context.Context, m ent.Mutation) (ent.Value, error) {
			change, ok := m.(*ent.CommentMutation)
			if id, has := change.ID(); ok && has && m.Op().Is(ent.OpUpdateOne) {
				body, err := change.OldBody(ctx)
				if err != nil {
					return nil, err
				}
				err = change.Client().Ticket.Update().Where(ticket.HasCommentsWith(comment.ID(id))).SetTitle(body).Exec(ctx)
				if err != nil {
					return nil, err
				}
			}
			return next.Mutate(ctx, m)
		})
	})
	c.Tag.Use(func(next ent.Mutator) ent.Mutator {
		return ent.MutateFunc(func(ctx context.Context, m ent.Mutation) (ent.Value, error) {
			change, ok := m.(*ent.TagMutation)
			if !ok {
				return next.Mutate(ctx, m)
			}
			ids, err := change.IDs(ctx)
			if err != nil {
				return nil, err
			}
			for _, id := range ids {
				if err := change.Client().Ticket.Update().RemoveTagIDs(id).Exec(ctx); err != nil {
					return nil, err
				}
			}
			return next.Mutate(ctx, m)
		})
	})
}

// nosyReadPaths read with interceptors of the application's.
func nosyReadPaths(c *ent.Client) []conformance.Path {
	return reading(map[string]read{
		"interceptors, All": func(ctx context.Context, _ target) (any, error) { return c.Ticket.Query().All(ctx) },
		"interceptors, Count": func(ctx context.Context, x target) (any, error) {
			n, err := c.Ticket.Query().Where(ticket.TitleHasSuffix(x.Secret)).QueryComments().Where(comment.ID(x.Comment)).Count(ctx)
			return told(x, n, err)
		},
		"interceptors, traversal": func(ctx context.Context, _ target) (any, error) {
			return c.Ticket.Query().QueryComments().QueryTicket().Select(ticket.FieldTitle).Strings(ctx)
		},
		"interceptors, WithTicket": func(ctx context.Context, _ target) (any, error) {
			rows, err := c.Comment.Query().WithTicket().All(ctx)
			return each(rows, err, func(v *ent.Comment) any { return v.Edges.Ticket })
		},
	})
}

// nosyWritePaths write with hooks of the application's.
func nosyWritePaths(c *ent.Client) []conformance.Path {
	return writing(map[string]write{
		"hook that reads the old value": func(ctx context.Context, x target) error {
			return c.Comment.UpdateOneID(x.Comment).SetBody("taken").Exec(ctx)
		},
		"hook that asks for the ids": func(ctx context.Context, x target) error {
			return c.Tag.UpdateOneID(x.Tag).SetTitle("taken").Exec(ctx)
		},
		"hook that asks for the ids, in a transaction": func(ctx context.Context, x target) error {
			return withTx(ctx, c, func(tx *ent.Tx) error { return tx.Tag.DeleteOneID(x.Spare).Exec(ctx) })
		},
	})
}

// isCast reports whether the server could not read a value as the type that it was cast to.
func isCast(err error) bool {
	refused := new(pgconn.PgError)
	return errors.As(err, &refused) && refused.Code == "22P02"
}

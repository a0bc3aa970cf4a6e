package entstratum_test

import (
	"context"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/badge"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/comment"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/person"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/tag"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/ticket"
	"github.com/stratum-hq/stratum-go/internal/conformance"
)

// linkPaths add to M2M edges: ent writes the rows of join tables itself, no hook sees them, and the tenant in them is the
// column's default. The system has none.
func linkPaths(c *ent.Client) []conformance.Path {
	return refusing(core.ErrNoTenant, writing(map[string]write{
		"AddTagIDs": func(ctx context.Context, x target) error {
			return c.Ticket.UpdateOneID(x.Ticket).AddTagIDs(x.Spare).Exec(ctx)
		},
		"AddTags": func(ctx context.Context, x target) error {
			return c.Ticket.UpdateOneID(x.Ticket).AddTags(&ent.Tag{ID: x.Spare}).Exec(ctx)
		},
		"AddTagIDs of an Update": func(ctx context.Context, x target) error {
			return c.Ticket.Update().Where(ticket.ID(x.Ticket)).AddTagIDs(x.Spare).Exec(ctx)
		},
		"AddTicketIDs": func(ctx context.Context, x target) error {
			return c.Tag.UpdateOneID(x.Spare).AddTicketIDs(x.Ticket).Exec(ctx)
		},
		"ClearTags and AddTagIDs": func(ctx context.Context, x target) error {
			return c.Ticket.UpdateOneID(x.Ticket).ClearTags().AddTagIDs(x.Spare).Exec(ctx)
		},
		"AddTagIDs and another change": func(ctx context.Context, x target) error {
			return c.Ticket.UpdateOneID(x.Ticket).SetTitle("taken").AddTagIDs(x.Spare).Exec(ctx)
		},
	}))
}

// unlinkPaths take edges away.
func unlinkPaths(c *ent.Client) []conformance.Path {
	return writing(map[string]write{
		"RemoveTagIDs": func(ctx context.Context, x target) error {
			return c.Ticket.UpdateOneID(x.Ticket).RemoveTagIDs(x.Tag).Exec(ctx)
		},
		"RemoveTicketIDs": func(ctx context.Context, x target) error {
			return c.Tag.Update().Where(tag.ID(x.Tag)).RemoveTicketIDs(x.Ticket).Exec(ctx)
		},
		"ClearTags":    func(ctx context.Context, x target) error { return c.Ticket.UpdateOneID(x.Ticket).ClearTags().Exec(ctx) },
		"ClearTickets": func(ctx context.Context, x target) error { return c.Tag.UpdateOneID(x.Tag).ClearTickets().Exec(ctx) },
		"RemoveCommentIDs": func(ctx context.Context, x target) error {
			return c.Ticket.UpdateOneID(x.Ticket).RemoveCommentIDs(x.Comment).Exec(ctx)
		},
		"ClearComments": func(ctx context.Context, x target) error {
			return c.Ticket.UpdateOneID(x.Ticket).ClearComments().Exec(ctx)
		},
		"ClearComments of an Update": func(ctx context.Context, x target) error {
			return c.Ticket.Update().Where(ticket.ID(x.Ticket)).ClearComments().Exec(ctx)
		},
		"ClearTicket": func(ctx context.Context, x target) error {
			return c.Comment.UpdateOneID(x.Comment).ClearTicket().Exec(ctx)
		},
		"ClearBadge": func(ctx context.Context, x target) error {
			return c.Person.UpdateOneID(x.Person).ClearBadge().Exec(ctx)
		},
		"ClearPerson": func(ctx context.Context, x target) error { return c.Badge.UpdateOneID(x.Badge).ClearPerson().Exec(ctx) },
		"ClearPersonID": func(ctx context.Context, x target) error {
			return c.Badge.UpdateOneID(x.Badge).ClearPersonID().Exec(ctx)
		},
		"ClearParent": func(ctx context.Context, x target) error {
			return c.Remark.UpdateOneID(x.Reply).ClearParent().Exec(ctx)
		},
		"ClearReplies": func(ctx context.Context, x target) error {
			return c.Remark.UpdateOneID(x.Remark).ClearReplies().Exec(ctx)
		},
		"RemoveReplyIDs": func(ctx context.Context, x target) error {
			return c.Remark.UpdateOneID(x.Remark).RemoveReplyIDs(x.Reply).Exec(ctx)
		},
	})
}

// setPaths move rows of the target along O2M, M2O and O2O edges and edges to the same table.
func setPaths(c *ent.Client) []conformance.Path {
	free := func(ctx context.Context, x target, then func(tx *ent.Tx) error) error {
		return withTx(ctx, c, func(tx *ent.Tx) error {
			if err := tx.Comment.Update().Where(comment.ID(x.Comment)).ClearTicket().Exec(ctx); err != nil {
				return err
			}
			if err := tx.Badge.Update().Where(badge.ID(x.Badge)).ClearPerson().Exec(ctx); err != nil {
				return err
			}
			return then(tx)
		})
	}
	return writing(map[string]write{
		"AddReplyIDs": func(ctx context.Context, x target) error {
			return withTx(ctx, c, func(tx *ent.Tx) error {
				if err := tx.Remark.UpdateOneID(x.Reply).ClearParent().Exec(ctx); err != nil {
					return err
				}
				return tx.Remark.UpdateOneID(x.Reply).AddReplyIDs(x.Remark).Exec(ctx)
			})
		},
		"SetParentID": func(ctx context.Context, x target) error {
			return c.Remark.UpdateOneID(x.Remark).SetParentID(x.Reply).Exec(ctx)
		},
		"SetOwnerID, a field that is no edge": func(ctx context.Context, x target) error {
			return c.Remark.UpdateOneID(x.Remark).SetOwnerID(x.Ticket).Exec(ctx)
		},
		"SetTicketID": func(ctx context.Context, x target) error {
			return free(ctx, x, func(tx *ent.Tx) error {
				return tx.Comment.UpdateOneID(x.Comment).SetTicketID(x.Ticket).SetBody("taken").Exec(ctx)
			})
		},
		"AddCommentIDs": func(ctx context.Context, x target) error {
			return free(ctx, x, func(tx *ent.Tx) error {
				return tx.Ticket.UpdateOneID(x.Ticket).AddCommentIDs(x.Comment).SetTitle("taken").Exec(ctx)
			})
		},
		"AddCommentIDs of an Update": func(ctx context.Context, x target) error {
			return free(ctx, x, func(tx *ent.Tx) error {
				return tx.Ticket.Update().Where(ticket.ID(x.Ticket)).AddCommentIDs(x.Comment).SetTitle("taken").Exec(ctx)
			})
		},
		"SetBadgeID": func(ctx context.Context, x target) error {
			return free(ctx, x, func(tx *ent.Tx) error {
				return tx.Person.UpdateOneID(x.Person).SetBadgeID(x.Badge).SetTitle("taken").Exec(ctx)
			})
		},
		"SetPersonID": func(ctx context.Context, x target) error {
			return free(ctx, x, func(tx *ent.Tx) error {
				return tx.Badge.UpdateOneID(x.Badge).SetPersonID(x.Person).SetTitle("taken").Exec(ctx)
			})
		},
	})
}

// foreignLinkPaths link a row of the caller's own, made for it, with the target's: in each direction, of each kind.
func foreignLinkPaths(c *ent.Client) []conformance.Path {
	ticketOf := func(ctx context.Context, then func(tx *ent.Tx, mine *ent.Ticket) error) error {
		return withTx(ctx, c, func(tx *ent.Tx) error {
			mine, err := tx.Ticket.Create().SetNumber("T-mine").Save(ctx)
			if err != nil {
				return err
			}
			return then(tx, mine)
		})
	}
	return refusing(entstratum.ErrTenantID, writing(map[string]write{
		"one's own ticket, a foreign tag": func(ctx context.Context, x target) error {
			return ticketOf(ctx, func(_ *ent.Tx, mine *ent.Ticket) error {
				return mine.Update().AddTagIDs(x.Spare).Exec(ctx)
			})
		},
		"one's own tickets, a foreign tag": func(ctx context.Context, x target) error {
			return ticketOf(ctx, func(tx *ent.Tx, mine *ent.Ticket) error {
				return tx.Ticket.Update().Where(ticket.ID(mine.ID)).AddTagIDs(x.Tag).Exec(ctx)
			})
		},
		"a foreign tag, one's own ticket": func(ctx context.Context, x target) error {
			return ticketOf(ctx, func(tx *ent.Tx, mine *ent.Ticket) error {
				return tx.Tag.UpdateOneID(x.Spare).AddTicketIDs(mine.ID).Exec(ctx)
			})
		},
		"a foreign ticket, one's own comment": func(ctx context.Context, x target) error {
			return withTx(ctx, c, func(tx *ent.Tx) error {
				mine, err := tx.Comment.Create().Save(ctx)
				if err != nil {
					return err
				}
				return tx.Ticket.UpdateOneID(x.Ticket).AddCommentIDs(mine.ID).Exec(ctx)
			})
		},
		"one's own comments, a foreign ticket": func(ctx context.Context, x target) error {
			return withTx(ctx, c, func(tx *ent.Tx) error {
				mine, err := tx.Comment.Create().Save(ctx)
				if err != nil {
					return err
				}
				return tx.Comment.Update().Where(comment.ID(mine.ID)).SetTicketID(x.Ticket).Exec(ctx)
			})
		},
		"one's own remark, a foreign parent": func(ctx context.Context, x target) error {
			return withTx(ctx, c, func(tx *ent.Tx) error {
				mine, err := tx.Remark.Create().Save(ctx)
				if err != nil {
					return err
				}
				return mine.Update().SetParentID(x.Remark).Exec(ctx)
			})
		},
		"one's own remark, foreign replies": func(ctx context.Context, x target) error {
			return withTx(ctx, c, func(tx *ent.Tx) error {
				mine, err := tx.Remark.Create().Save(ctx)
				if err != nil {
					return err
				}
				return mine.Update().AddReplyIDs(x.Remark).Exec(ctx)
			})
		},
		"one's own badge, a foreign person": func(ctx context.Context, x target) error {
			return withTx(ctx, c, func(tx *ent.Tx) error {
				if err := tx.Person.Update().Where(person.ID(x.Person)).ClearBadge().Exec(ctx); err != nil {
					return err
				}
				mine, err := tx.Badge.Create().Save(ctx)
				if err != nil {
					return err
				}
				return mine.Update().SetPersonID(x.Person).Exec(ctx)
			})
		},
		"one's own person, a foreign badge": func(ctx context.Context, x target) error {
			return withTx(ctx, c, func(tx *ent.Tx) error {
				if err := tx.Badge.Update().Where(badge.ID(x.Badge)).ClearPerson().Exec(ctx); err != nil {
					return err
				}
				return tx.Person.Create().SetBadgeID(x.Badge).Exec(ctx)
			})
		},
		"one's own person watches a foreign ticket": func(ctx context.Context, x target) error {
			return withTx(ctx, c, func(tx *ent.Tx) error {
				mine, err := tx.Person.Create().Save(ctx)
				if err != nil {
					return err
				}
				return mine.Update().AddWatchedIDs(x.Ticket).Exec(ctx)
			})
		},
		"a foreign person watches one's own ticket": func(ctx context.Context, x target) error {
			return ticketOf(ctx, func(tx *ent.Tx, mine *ent.Ticket) error {
				return tx.Person.UpdateOneID(x.Person).AddWatchedIDs(mine.ID).Exec(ctx)
			})
		},
	}))
}

// throughPaths change edges whose rows have a schema of their own, from both sides.
func throughPaths(c *ent.Client) []conformance.Path {
	return append(writing(map[string]write{
		"RemoveWatchedIDs": func(ctx context.Context, x target) error {
			return c.Person.UpdateOneID(x.Person).RemoveWatchedIDs(x.Ticket).Exec(ctx)
		},
		"RemoveWatcherIDs": func(ctx context.Context, x target) error {
			return c.Ticket.UpdateOneID(x.Ticket).RemoveWatcherIDs(x.Person).Exec(ctx)
		},
		"ClearWatched": func(ctx context.Context, x target) error {
			return c.Person.UpdateOneID(x.Person).ClearWatched().Exec(ctx)
		},
		"ClearWatchers": func(ctx context.Context, x target) error {
			return c.Ticket.UpdateOneID(x.Ticket).ClearWatchers().Exec(ctx)
		},
	}), refusing(core.ErrNoTenant, writing(map[string]write{
		"ClearWatchers and AddWatcherIDs": func(ctx context.Context, x target) error {
			return c.Ticket.UpdateOneID(x.Ticket).ClearWatchers().AddWatcherIDs(x.Person).Exec(ctx)
		},
		"ClearWatched and AddWatchedIDs": func(ctx context.Context, x target) error {
			return c.Person.Update().Where(person.ID(x.Person)).ClearWatched().AddWatchedIDs(x.Ticket).Exec(ctx)
		},
	}))...)
}

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent"
	"github.com/stratum-hq/stratum-go/examples/internal/attack"
)

// scene is who takes part in the attempts, with their rows as ent has them.
type scene struct {
	*attack.Scene
	*app

	me, other, child party
}

// party is a tenant's rows, one of each kind.
type party struct {
	ticket  *ent.Ticket
	comment *ent.Comment
	tag     *ent.Tag
}

// Topics are all attempts. Most act as one ordinary tenant, who is taken to know every id there is.
func (a *app) Topics(ctx context.Context, cast *attack.Scene) ([]attack.Topic, error) {
	s, err := a.scene(ctx, cast)
	if err != nil {
		return nil, err
	}
	topics := s.topics()
	if cast.Apart.There() {
		apart, err := a.apartTopics(ctx, s)
		return append(topics, apart...), err
	}
	return topics, nil
}

// scene reads the rows of those who take part.
func (a *app) scene(ctx context.Context, cast *attack.Scene) (*scene, error) {
	s := &scene{Scene: cast, app: a}
	err := errors.Join(
		a.read(ctx, cast.Me, &s.me), a.read(ctx, cast.Other, &s.other), a.read(ctx, cast.Child, &s.child))
	if err != nil {
		return nil, fmt.Errorf("read rows for the attempts: %w", err)
	}
	return s, nil
}

func (s *scene) topics() []attack.Topic {
	return []attack.Topic{
		{Title: "Without a tenant", As: attack.AsNobody, Attempts: s.tenantlessAttempts()},
		{Title: "Reading another tenant's rows", As: s.AsMe, Attempts: s.readAttempts()},
		{Title: "Going along edges", As: s.AsMe, Attempts: s.edgeAttempts()},
		{Title: "Changing another tenant's rows", As: s.AsMe, Attempts: s.changeAttempts()},
		{Title: "Upserts", As: s.AsMe, Attempts: s.upsertAttempts()},
		{Title: "Writing rows in another tenant's name", As: s.AsMe, Attempts: s.forgeAttempts()},
		{Title: "Linking own rows with another tenant's", As: s.AsMe, Attempts: s.linkAttempts()},
		{Title: "Raw SQL that gets out of its statement", As: s.AsMe, Attempts: s.Commands()},
		{Title: "Raw SQL that changes who it runs as", As: s.AsMe, Attempts: s.Roles()},
		{
			Title: "Sharing connections, transactions and prepared statements",
			As:    s.AsMe, Attempts: s.sessionAttempts(),
		},
		{Title: "Clients and contexts made to get around", As: s.AsMe, Attempts: s.clientAttempts()},
		{Title: "Up and down the tree of tenants", As: s.AsMe, Attempts: s.treeAttempts()},
		{Title: "Global tables and the registry of tenants", As: s.AsMe, Attempts: s.globalAttempts()},
	}
}

// read reads the rows of somebody who takes part.
func (a *app) read(ctx context.Context, of attack.Party, into *party) (err error) {
	ctx = core.AsSystemAt(ctx, "read rows for the attempts", of.Tenant.ID)
	if into.ticket, err = a.client.Ticket.Get(ctx, of.Ticket); err != nil {
		return err
	}
	if into.comment, err = a.client.Comment.Get(ctx, of.Comment); err != nil {
		return err
	}
	into.tag, err = a.client.Tag.Get(ctx, of.Tag)
	return err
}

// tickets, comments and tags return whose rows a query has found.
func tickets(rows []*ent.Ticket, err error) (attack.Reached, error) {
	return owners(rows, func(t *ent.Ticket) uuid.UUID { return t.TenantID }), missing(err)
}

func comments(rows []*ent.Comment, err error) (attack.Reached, error) {
	return owners(rows, func(c *ent.Comment) uuid.UUID { return c.TenantID }), missing(err)
}

func tags(rows []*ent.Tag, err error) (attack.Reached, error) {
	return owners(rows, func(t *ent.Tag) uuid.UUID { return t.TenantID }), missing(err)
}

func owners[T any](rows []T, owner func(T) uuid.UUID) attack.Reached {
	got := make(attack.Reached, 0, len(rows))
	for _, row := range rows {
		got = append(got, owner(row))
	}
	return got
}

// one is a single row as a list. ent returns nil beside an error.
func one[T any](row *T, err error) ([]*T, error) {
	if err != nil {
		return nil, err
	}
	return []*T{row}, nil
}

// missing leaves out ent's error for a row that is not there: that is what an attempt is to find.
func missing(err error) error {
	if ent.IsNotFound(err) {
		return nil
	}
	return err
}

// changes returns the rows of one owner that a statement has changed.
func changes(owner attack.Party) func(n int, err error) (attack.Reached, error) {
	return func(n int, err error) (attack.Reached, error) { return attack.Changed(int64(n), owner), missing(err) }
}

// errConstraint is the sentinel for what ent finds out by itself: that an update has reached fewer rows than it names.
var errConstraint = errors.New("ent: one of the rows cannot be linked")

// constraint is errConstraint for an error of ent's own.
func constraint(err error) error {
	if ent.IsConstraintError(err) {
		return fmt.Errorf("%w: %w", errConstraint, err)
	}
	return missing(err)
}

// errUndo ends a transaction that is not to be committed.
var errUndo = errors.New("undo")

// undone runs fn in a transaction and takes it back.
func undone(
	ctx context.Context, client *ent.Client, fn func(tx *ent.Client) (attack.Reached, error),
) (got attack.Reached, err error) {
	err = inTx(ctx, client, func(tx *ent.Client) (err error) {
		if got, err = fn(tx); err == nil {
			err = errUndo
		}
		return err
	})
	if errors.Is(err, errUndo) {
		err = nil
	}
	return got, err
}

// counted are n rows, of which as many as the tenant has are its own.
func (s *scene) counted(n, own int) attack.Reached {
	return append(attack.Changed(int64(min(n, own)), s.Me), attack.Changed(int64(n-own), s.Other)...)
}

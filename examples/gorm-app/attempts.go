package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/examples/internal/attack"
)

// scene is who takes part in the attempts, with their rows as models.
type scene struct {
	*attack.Scene
	*app

	me, other, child party
}

// party is a tenant's rows, one of each kind.
type party struct {
	ticket  Ticket
	comment Comment
	tag     Tag
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
	return s, errors.Join(
		a.read(ctx, cast.Me, &s.me), a.read(ctx, cast.Other, &s.other), a.read(ctx, cast.Child, &s.child))
}

func (s *scene) topics() []attack.Topic {
	return []attack.Topic{
		{Title: "Without a tenant", As: attack.AsNobody, Attempts: s.tenantlessAttempts()},
		{Title: "Reading another tenant's rows", As: s.AsMe, Attempts: s.readAttempts()},
		{Title: "Changing another tenant's rows", As: s.AsMe, Attempts: s.changeAttempts()},
		{Title: "Writing rows in another tenant's name", As: s.AsMe, Attempts: s.forgeAttempts()},
		{Title: "Linking own rows with another tenant's", As: s.AsMe, Attempts: s.linkAttempts()},
		{Title: "Raw SQL that gets out of its statement", As: s.AsMe, Attempts: s.Commands()},
		{Title: "Raw SQL that changes who it runs as", As: s.AsMe, Attempts: s.Roles()},
		{
			Title: "Sharing connections, transactions and prepared statements",
			As:    s.AsMe, Attempts: s.sessionAttempts(),
		},
		{Title: "Up and down the tree of tenants", As: s.AsMe, Attempts: s.treeAttempts()},
		{Title: "Global tables and the registry of tenants", As: s.AsMe, Attempts: s.globalAttempts()},
	}
}

// read reads the rows of somebody who takes part.
func (a *app) read(ctx context.Context, of attack.Party, into *party) error {
	db := a.db.WithContext(core.AsSystemAt(ctx, "read rows for the attempts", of.Tenant.ID))
	for model, id := range map[any]uuid.UUID{&into.ticket: of.Ticket, &into.comment: of.Comment, &into.tag: of.Tag} {
		if err := db.First(model, "id = ?", id).Error; err != nil {
			return fmt.Errorf("read rows for the attempts: %w", err)
		}
	}
	return nil
}

// owned is a model that embeds Tenant.
type owned interface{ owner() uuid.UUID }

func (t Ticket) owner() uuid.UUID  { return t.TenantID }
func (c Comment) owner() uuid.UUID { return c.TenantID }
func (t Tag) owner() uuid.UUID     { return t.TenantID }

// find runs a query for models and returns whose rows it found.
func find[T owned](query *gorm.DB) (attack.Reached, error) {
	var rows []T
	err := query.Find(&rows).Error
	return ownersOf(rows), err
}

// ownersOf returns the owner of each row.
func ownersOf[T owned](rows []T) attack.Reached {
	owners := make(attack.Reached, 0, len(rows))
	for _, row := range rows {
		owners = append(owners, row.owner())
	}
	return owners
}

// owners runs a query whose one column is the tenant_id of rows.
func owners(query *gorm.DB) (owners attack.Reached, err error) {
	err = query.Scan((*[]uuid.UUID)(&owners)).Error
	return owners, err
}

// change returns what a statement has changed, which can only have been rows of one owner.
func change(result *gorm.DB, owner attack.Party) (attack.Reached, error) {
	return attack.Changed(result.RowsAffected, owner), result.Error
}

// errUndo ends a transaction that is not to be committed.
var errUndo = errors.New("undo")

// undone runs fn in a transaction and takes it back.
func undone(db *gorm.DB, fn func(tx *gorm.DB) (attack.Reached, error)) (got attack.Reached, err error) {
	err = db.Transaction(func(tx *gorm.DB) (err error) {
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

package main

import (
	"context"
	"slices"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent/country"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent/ticket"
	"github.com/stratum-hq/stratum-go/examples/internal/attack"
)

// treeAttempts go from a tenant to its parent, its child and others without having the right to.
func (s *scene) treeAttempts() []attack.Attempt {
	return slices.Concat([]attack.Attempt{
		attack.Try("a child's rows without WithSubtree", attack.Nothing(), s.childWithoutSubtree),
		attack.Try("the parent's rows with WithSubtree", attack.Nothing(), s.parentWithSubtree),
		attack.Try("another's rows with WithSubtree", attack.Nothing(), s.otherWithSubtree),
		attack.Try("Update of a child's row with WithSubtree", attack.Nothing(), s.updateWithSubtree),
		attack.Try("UpdateOne of a child's row with WithSubtree", attack.Nothing(), s.updateOneWithSubtree),
		attack.Try("Delete of a child's row with WithSubtree", attack.Nothing(), s.deleteWithSubtree),
		attack.Try("Create for a child with WithSubtree", attack.Refused(core.ErrCrossTenant), s.createWithSubtree),
		attack.Try("AddTags to a child's row with WithSubtree", attack.Refused(core.ErrForeignKey), s.linkWithSubtree),
	}, s.Subtrees(), s.Tenants())
}

// globalAttempts write what all tenants read, and read what belongs to Stratum.
func (s *scene) globalAttempts() []attack.Attempt {
	return slices.Concat([]attack.Attempt{
		attack.Try("Create of a country", attack.Refused(core.ErrPermission), s.createCountry),
		attack.Try("upsert of a country", attack.Refused(core.ErrPermission), s.upsertCountry),
		attack.Try("Update of a country", attack.Refused(core.ErrPermission), s.updateCountry),
		attack.Try("UpdateOneID of a country", attack.Refused(core.ErrPermission), s.updateOneCountry),
		attack.Try("Delete of a country", attack.Refused(core.ErrPermission), s.deleteCountry),
	}, s.Registry())
}

func (s *scene) childWithoutSubtree(ctx context.Context) (attack.Reached, error) {
	return tickets(s.client.Ticket.Query().Where(ticket.TenantID(s.Child.Tenant.ID)).All(ctx))
}

func (s *scene) parentWithSubtree(ctx context.Context) (attack.Reached, error) {
	return tickets(s.client.Ticket.Query().Where(ticket.TenantID(s.Parent.Tenant.ID)).All(s.Subtree(ctx)))
}

func (s *scene) otherWithSubtree(ctx context.Context) (attack.Reached, error) {
	return tickets(s.client.Ticket.Query().Where(ticket.TenantID(s.Other.Tenant.ID)).All(s.Subtree(ctx)))
}

func (s *scene) updateWithSubtree(ctx context.Context) (attack.Reached, error) {
	return changes(s.Child)(s.client.Ticket.Update().Where(ticket.ID(s.Child.Ticket)).
		SetSubject("changed").Save(s.Subtree(ctx)))
}

func (s *scene) updateOneWithSubtree(ctx context.Context) (attack.Reached, error) {
	return tickets(one(s.child.ticket.Update().SetSubject("changed").Save(s.Subtree(ctx))))
}

func (s *scene) deleteWithSubtree(ctx context.Context) (attack.Reached, error) {
	return changes(s.Child)(s.client.Ticket.Delete().Where(ticket.ID(s.Child.Ticket)).Exec(s.Subtree(ctx)))
}

func (s *scene) createWithSubtree(ctx context.Context) (attack.Reached, error) {
	return tags(one(s.client.Tag.Create().SetName("forged").SetTenantID(s.Child.Tenant.ID).Save(s.Subtree(ctx))))
}

// linkWithSubtree ties an own tag to a ticket that may be read, and not written.
func (s *scene) linkWithSubtree(ctx context.Context) (attack.Reached, error) {
	return tickets(one(s.client.Ticket.UpdateOneID(s.Child.Ticket).AddTags(s.me.tag).Save(s.Subtree(ctx))))
}

func (s *scene) createCountry(ctx context.Context) (attack.Reached, error) {
	return nil, s.client.Country.Create().SetID("XX").SetName("Nowhere").Exec(ctx)
}

func (s *scene) upsertCountry(ctx context.Context) (attack.Reached, error) {
	return nil, s.client.Country.Create().SetID("IE").SetName("Nowhere").
		OnConflictColumns(country.FieldID).UpdateNewValues().Exec(ctx)
}

func (s *scene) updateCountry(ctx context.Context) (attack.Reached, error) {
	return nil, s.client.Country.Update().Where(country.ID("IE")).SetName("Nowhere").Exec(ctx)
}

func (s *scene) updateOneCountry(ctx context.Context) (attack.Reached, error) {
	return nil, s.client.Country.UpdateOneID("IE").SetName("Nowhere").Exec(ctx)
}

func (s *scene) deleteCountry(ctx context.Context) (attack.Reached, error) {
	_, err := s.client.Country.Delete().Exec(ctx)
	return nil, err
}

package main

import (
	"context"
	"slices"

	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/examples/internal/attack"
	"github.com/stratum-hq/stratum-go/examples/internal/dataset"
)

// readAttempts look for rows of another tenant, by their ids and by conditions that are too wide.
func (s *scene) readAttempts() []attack.Attempt {
	return slices.Concat([]attack.Attempt{
		attack.Try("Find by another tenant's id", attack.Nothing(), s.findByID),
		attack.Try("Where tenant_id is another's", attack.Nothing(), s.whereTenant),
		attack.Try("Where(...).Or(1 = 1)", attack.OwnRows(), s.orAlways),
		attack.Try("Where with a line break before OR 1=1", attack.OwnRows(), s.orBehindLineBreak),
		attack.Try("a condition with a quote injected", attack.OwnRows(), s.injectedQuote),
		attack.Try("Not(...) another tenant", attack.OwnRows(), s.notOwn),
		attack.Try("Unscoped", attack.OwnRows(), s.unscoped),
		attack.Try("a sub-query over another tenant", attack.Nothing(), s.subQuery),
		attack.Try("a sub-query in FROM", attack.OwnRows(), s.fromSubQuery),
		attack.Try("Joins with another tenant's rows", attack.Nothing(), s.joinOthers),
		attack.Try("Preload by another tenant's ticket", attack.Nothing(), s.preloadOther),
		attack.Try("Association(Comments) of another's ticket", attack.Nothing(), s.associationFind),
		attack.Try("the join table of another's ticket", attack.Nothing(), s.joinTable),
		attack.Try("FindInBatches over everything", attack.OwnRows(), s.findInBatches),
		attack.Try("Rows, one after the other", attack.OwnRows(), s.iterateRows),
	}, s.Reads())
}

func (s *scene) findByID(ctx context.Context) (attack.Reached, error) {
	return find[Ticket](s.db.WithContext(ctx).Where("id = ?", s.other.ticket.ID))
}

func (s *scene) whereTenant(ctx context.Context) (attack.Reached, error) {
	return find[Ticket](s.db.WithContext(ctx).Where("tenant_id = ?", s.Other.Tenant.ID))
}

func (s *scene) orAlways(ctx context.Context) (attack.Reached, error) {
	return find[Ticket](s.db.WithContext(ctx).Where("status = ?", dataset.StatusOpen).Or("1 = 1"))
}

// orBehindLineBreak gets around GORM's parentheses, which it adds only around a literal " OR ".
func (s *scene) orBehindLineBreak(ctx context.Context) (attack.Reached, error) {
	return find[Ticket](s.db.WithContext(ctx).Where("status = 'none'\nOR\n1=1"))
}

// injectedQuote is what an application does that builds conditions out of input.
func (s *scene) injectedQuote(ctx context.Context) (attack.Reached, error) {
	input := "T-1' OR '1'='1"
	return find[Ticket](s.db.WithContext(ctx).Where("number = '" + input + "'"))
}

func (s *scene) notOwn(ctx context.Context) (attack.Reached, error) {
	return find[Ticket](s.db.WithContext(ctx).Not("tenant_id = ?", s.Other.Tenant.ID))
}

func (s *scene) unscoped(ctx context.Context) (attack.Reached, error) {
	return find[Comment](s.db.WithContext(ctx).Unscoped())
}

func (s *scene) subQuery(ctx context.Context) (attack.Reached, error) {
	theirs := s.db.Model(&Ticket{}).Select("id").Where("tenant_id = ?", s.Other.Tenant.ID)
	return find[Comment](s.db.WithContext(ctx).Where("ticket_id IN (?)", theirs))
}

func (s *scene) fromSubQuery(ctx context.Context) (attack.Reached, error) {
	all := s.db.Model(&Ticket{})
	return owners(s.db.WithContext(ctx).Table("(?) AS everything", all).Select("everything.tenant_id"))
}

// joinOthers looks for tickets that have the same number elsewhere; every tenant has a T-1001.
func (s *scene) joinOthers(ctx context.Context) (attack.Reached, error) {
	return owners(s.db.WithContext(ctx).Model(&Ticket{}).Select("others.tenant_id").
		Joins("JOIN tickets AS others ON others.number = tickets.number AND others.tenant_id <> tickets.tenant_id"))
}

func (s *scene) preloadOther(ctx context.Context) (attack.Reached, error) {
	tickets := []Ticket{{ID: s.other.ticket.ID}}
	err := s.db.WithContext(ctx).Preload("Comments").Preload("Tags").Find(&tickets, "id = ?", s.other.ticket.ID).Error
	return ownersOf(tickets), err
}

func (s *scene) associationFind(ctx context.Context) (attack.Reached, error) {
	ticket := Ticket{ID: s.other.comment.TicketID}
	var comments []Comment
	err := s.db.WithContext(ctx).Model(&ticket).Association("Comments").Find(&comments)
	return ownersOf(comments), err
}

func (s *scene) joinTable(ctx context.Context) (attack.Reached, error) {
	return owners(s.db.WithContext(ctx).Table("ticket_tags").Select("tenant_id").
		Where("tenant_id = ?", s.Other.Tenant.ID))
}

func (s *scene) findInBatches(ctx context.Context) (got attack.Reached, err error) {
	var batch []Ticket
	err = s.db.WithContext(ctx).FindInBatches(&batch, 50, func(*gorm.DB, int) error {
		got = append(got, ownersOf(batch)...)
		return nil
	}).Error
	return got, err
}

func (s *scene) iterateRows(ctx context.Context) (got attack.Reached, err error) {
	rows, err := s.db.WithContext(ctx).Model(&Tag{}).Rows()
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err has what matters
	for rows.Next() {
		var tag Tag
		if err := s.db.ScanRows(rows, &tag); err != nil {
			return got, err
		}
		got = append(got, tag.owner())
	}
	return got, rows.Err()
}

package main

import (
	"context"

	"gorm.io/gorm"
)

// readAttempts look for rows of another tenant, by their ids and by conditions that are too wide.
func readAttempts() []attempt {
	return []attempt{
		{"Find by another tenant's id", nothing(), findByID},
		{"Where tenant_id is another's", nothing(), whereTenant},
		{"Where(...).Or(1 = 1)", ownRows(), orAlways},
		{"Where with a line break before OR 1=1", ownRows(), orBehindLineBreak},
		{"a condition with a quote injected", ownRows(), injectedQuote},
		{"Not(...) another tenant", ownRows(), notOwn},
		{"Unscoped", ownRows(), unscoped},
		{"a sub-query over another tenant", nothing(), subQuery},
		{"a sub-query in FROM", ownRows(), fromSubQuery},
		{"Joins with another tenant's rows", nothing(), joinOthers},
		{"Preload by another tenant's ticket", nothing(), preloadOther},
		{"Association(Comments) of another's ticket", nothing(), associationFind},
		{"the join table of another's ticket", nothing(), joinTable},
		{"FindInBatches over everything", ownRows(), findInBatches},
		{"Rows, one after the other", ownRows(), iterateRows},
		{"raw SELECT by another tenant's id", nothing(), rawByID},
		{"raw SELECT of everything", ownRows(), rawEverything},
		{"raw UNION ALL", ownRows(), rawUnion},
		{"raw SELECT in a CTE", nothing(), rawCTE},
		{"raw correlated sub-query", nothing(), rawCorrelated},
		{"ctid of all rows", ownRows(), rawTID},
	}
}

func findByID(ctx context.Context, s *scene) (reached, error) {
	return find[Ticket](s.db.WithContext(ctx).Where("id = ?", s.other.ticket.ID))
}

func whereTenant(ctx context.Context, s *scene) (reached, error) {
	return find[Ticket](s.db.WithContext(ctx).Where("tenant_id = ?", s.other.tenant.ID))
}

func orAlways(ctx context.Context, s *scene) (reached, error) {
	return find[Ticket](s.db.WithContext(ctx).Where("status = ?", StatusOpen).Or("1 = 1"))
}

// orBehindLineBreak gets around GORM's parentheses, which it adds only around a literal " OR ".
func orBehindLineBreak(ctx context.Context, s *scene) (reached, error) {
	return find[Ticket](s.db.WithContext(ctx).Where("status = 'none'\nOR\n1=1"))
}

// injectedQuote is what an application does that builds conditions out of input.
func injectedQuote(ctx context.Context, s *scene) (reached, error) {
	input := "T-1' OR '1'='1"
	return find[Ticket](s.db.WithContext(ctx).Where("number = '" + input + "'"))
}

func notOwn(ctx context.Context, s *scene) (reached, error) {
	return find[Ticket](s.db.WithContext(ctx).Not("tenant_id = ?", s.other.tenant.ID))
}

func unscoped(ctx context.Context, s *scene) (reached, error) {
	return find[Comment](s.db.WithContext(ctx).Unscoped())
}

func subQuery(ctx context.Context, s *scene) (reached, error) {
	theirs := s.db.Model(&Ticket{}).Select("id").Where("tenant_id = ?", s.other.tenant.ID)
	return find[Comment](s.db.WithContext(ctx).Where("ticket_id IN (?)", theirs))
}

func fromSubQuery(ctx context.Context, s *scene) (reached, error) {
	all := s.db.Model(&Ticket{})
	return owners(s.db.WithContext(ctx).Table("(?) AS everything", all).Select("everything.tenant_id"))
}

// joinOthers looks for tickets that have the same number elsewhere; every tenant has a T-1001.
func joinOthers(ctx context.Context, s *scene) (reached, error) {
	return owners(s.db.WithContext(ctx).Model(&Ticket{}).Select("others.tenant_id").
		Joins("JOIN tickets AS others ON others.number = tickets.number AND others.tenant_id <> tickets.tenant_id"))
}

func preloadOther(ctx context.Context, s *scene) (reached, error) {
	tickets := []Ticket{{ID: s.other.ticket.ID}}
	err := s.db.WithContext(ctx).Preload("Comments").Preload("Tags").Find(&tickets, "id = ?", s.other.ticket.ID).Error
	return ownersOf(tickets), err
}

func associationFind(ctx context.Context, s *scene) (reached, error) {
	ticket := Ticket{ID: s.other.comment.TicketID}
	var comments []Comment
	err := s.db.WithContext(ctx).Model(&ticket).Association("Comments").Find(&comments)
	return ownersOf(comments), err
}

func joinTable(ctx context.Context, s *scene) (reached, error) {
	return owners(s.db.WithContext(ctx).Table("ticket_tags").Select("tenant_id").
		Where("tenant_id = ?", s.other.tenant.ID))
}

func findInBatches(ctx context.Context, s *scene) (got reached, err error) {
	var batch []Ticket
	err = s.db.WithContext(ctx).FindInBatches(&batch, 50, func(*gorm.DB, int) error {
		got = append(got, ownersOf(batch)...)
		return nil
	}).Error
	return got, err
}

func iterateRows(ctx context.Context, s *scene) (got reached, err error) {
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

func rawByID(ctx context.Context, s *scene) (reached, error) {
	return owners(s.db.WithContext(ctx).Raw("SELECT tenant_id FROM tickets WHERE id = ?", s.other.ticket.ID))
}

func rawEverything(ctx context.Context, s *scene) (reached, error) {
	return owners(s.db.WithContext(ctx).Raw("SELECT tenant_id FROM tickets"))
}

func rawUnion(ctx context.Context, s *scene) (reached, error) {
	return owners(s.db.WithContext(ctx).Raw(
		"SELECT tenant_id FROM tags WHERE tenant_id = ? UNION ALL SELECT tenant_id FROM tickets", s.me.tenant.ID))
}

func rawCTE(ctx context.Context, s *scene) (reached, error) {
	return owners(s.db.WithContext(ctx).Raw(
		"WITH theirs AS MATERIALIZED (SELECT * FROM comments WHERE tenant_id = ?) SELECT tenant_id FROM theirs",
		s.other.tenant.ID))
}

func rawCorrelated(ctx context.Context, s *scene) (reached, error) {
	return owners(s.db.WithContext(ctx).Raw(`SELECT t.tenant_id FROM countries c
		CROSS JOIN LATERAL (SELECT tenant_id FROM tickets WHERE tenant_id = ? AND country_code = c.code) t`,
		s.other.tenant.ID))
}

// rawTID looks by the place of a row in the table's file.
func rawTID(ctx context.Context, s *scene) (reached, error) {
	return owners(s.db.WithContext(ctx).Raw("SELECT tenant_id FROM tickets WHERE ctid > '(0,0)'"))
}

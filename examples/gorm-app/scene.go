package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
)

// scene is who takes part in the attempts, and the application that they use.
type scene struct {
	*desk
	me     party // who attempts
	other  party // a tenant elsewhere in the tree
	parent party // of me
	child  party // of me

	before string // the fingerprint of all tables
}

// party is a tenant with one row of each kind.
type party struct {
	tenant  core.Tenant
	ticket  Ticket
	comment Comment
	tag     Tag
}

// newScene finds four tenants that have tickets, comments and tags.
func (d *desk) newScene(ctx context.Context) (*scene, error) {
	tree, err := d.tree(ctx, uuid.Nil)
	if err != nil {
		return nil, err
	}
	parties, err := d.parties(ctx, tree)
	if err != nil {
		return nil, err
	}
	s := &scene{desk: d}
	if !s.cast(parties, leaves(tree)) {
		const reason = "the attempts need a tenant with a parent and a child, and another one beside them, all with " +
			"tickets, comments and tags"
		return nil, &inputError{file: "tenants.csv", reason: reason}
	}
	_, err = s.changed(ctx)
	return s, err
}

// parties returns the tenants that can take part, in the order of the tree.
func (d *desk) parties(ctx context.Context, tree []core.Tenant) ([]party, error) {
	db := d.db.WithContext(core.AsSystem(ctx, "choose tenants for the attempts"))
	var parties []party
	for _, tenant := range tree {
		p := party{tenant: tenant}
		rows := db.Where("tenant_id = ?", tenant.ID).Session(&gorm.Session{})
		err := rows.Order("number").First(&p.ticket).Error
		if err == nil {
			err = rows.Order("written_at").First(&p.comment).Error
		}
		if err == nil {
			err = rows.Order("name").First(&p.tag).Error
		}
		if errors.Is(err, gorm.ErrRecordNotFound) || tenant.Status != core.StatusActive {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("choose tenants for the attempts: %w", err)
		}
		parties = append(parties, p)
	}
	return parties, nil
}

// leaves are the tenants without children, which are the ones that can be suspended by themselves.
func leaves(tree []core.Tenant) map[uuid.UUID]bool {
	leaf := map[uuid.UUID]bool{}
	for _, tenant := range tree { // parents come first
		leaf[tenant.ID] = true
		delete(leaf, tenant.ParentID)
	}
	return leaf
}

// cast gives out the roles, and reports whether there is somebody for each.
func (s *scene) cast(parties []party, leaf map[uuid.UUID]bool) bool {
	byID := map[uuid.UUID]party{}
	for _, p := range parties {
		byID[p.tenant.ID] = p
	}
	for _, child := range parties {
		me, hasParent := byID[child.tenant.ParentID]
		parent, hasGrandparent := byID[me.tenant.ParentID]
		if !leaf[child.tenant.ID] || !hasParent || !hasGrandparent {
			continue
		}
		for _, other := range parties {
			if !other.tenant.Path.IsAncestorOf(me.tenant.Path) && !me.tenant.Path.IsAncestorOf(other.tenant.Path) {
				s.me, s.parent, s.child, s.other = me, parent, child, other
				return true
			}
		}
	}
	return false
}

// fingerprintSQL adds up a hash of every row there is, tenants included.
const fingerprintSQL = `SELECT concat_ws(' ',
	(SELECT sum(hash_record_extended(r, 0)) FROM countries r),
	(SELECT sum(hash_record_extended(r, 0)) FROM tickets r),
	(SELECT sum(hash_record_extended(r, 0)) FROM comments r),
	(SELECT sum(hash_record_extended(r, 0)) FROM tags r),
	(SELECT sum(hash_record_extended(r, 0)) FROM ticket_tags r),
	(SELECT sum(hashtextextended(concat_ws(' ', id, path, slug, status), 0)) FROM stratum.tenants))`

// changed reports whether any row of any tenant differs from the last time it was called. It looks as the system, from
// another connection with another login. Attempts that rightly change rows of their own take that back.
func (s *scene) changed(ctx context.Context) (bool, error) {
	var now string
	ctx = core.AsSystem(context.WithoutCancel(ctx), "compare the tables after an attempt")
	err := s.db.WithContext(ctx).Raw(fingerprintSQL).Scan(&now).Error
	changed := now != s.before
	s.before = now
	return changed, err
}

// owned is a model that embeds Tenant.
type owned interface{ owner() uuid.UUID }

func (t Ticket) owner() uuid.UUID  { return t.TenantID }
func (c Comment) owner() uuid.UUID { return c.TenantID }
func (t Tag) owner() uuid.UUID     { return t.TenantID }

// find runs a query for models and returns whose rows it found.
func find[T owned](query *gorm.DB) (reached, error) {
	var rows []T
	err := query.Find(&rows).Error
	return ownersOf(rows), err
}

// ownersOf returns the owner of each row.
func ownersOf[T owned](rows []T) reached {
	owners := make(reached, 0, len(rows))
	for _, row := range rows {
		owners = append(owners, row.owner())
	}
	return owners
}

// owners runs a query whose one column is the tenant_id of rows.
func owners(query *gorm.DB) (owners reached, err error) {
	err = query.Scan((*[]uuid.UUID)(&owners)).Error
	return owners, err
}

// change returns what a statement has changed, which can only have been rows of one owner.
func change(result *gorm.DB, owner party) (reached, error) {
	return slices.Repeat(reached{owner.tenant.ID}, int(max(result.RowsAffected, 0))), result.Error
}

// errUndo ends a transaction that is not to be committed.
var errUndo = errors.New("undo")

// undone runs fn in a transaction and takes it back.
func undone(db *gorm.DB, fn func(tx *gorm.DB) (reached, error)) (got reached, err error) {
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

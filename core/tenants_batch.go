package core

import (
	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/ltree"
)

// batch is a list of new tenants that passed every check that needs no database. Nothing changes it afterwards,
// because an operation may be tried again.
type batch struct {
	tenants  []NewTenant // each with an ID; ParentSlug is left only where it names one outside the batch
	metadata []string    // of each, as JSON
	index    map[uuid.UUID]int
}

// spot is where one tenant of a batch goes.
type spot struct {
	parent uuid.UUID
	label  ltree.Label
	path   ltree.Path
}

// newBatch copies tenants, gives each an id, and checks every field. Its errors are *BatchErrors.
func newBatch(tenants []NewTenant) (*batch, error) {
	b := &batch{
		tenants:  make([]NewTenant, 0, len(tenants)),
		metadata: make([]string, 0, len(tenants)),
		index:    make(map[uuid.UUID]int, len(tenants)),
	}
	bySlug := make(map[string]uuid.UUID, len(tenants))
	for i, n := range tenants {
		if err := b.add(n, bySlug); err != nil {
			return nil, &BatchError{Index: i, Slug: n.Slug, Err: err}
		}
	}
	return b, nil
}

// add appends n; bySlug has the ids of the tenants before it.
func (b *batch) add(n NewTenant, bySlug map[string]uuid.UUID) error {
	metadata, err := n.validate()
	if err != nil {
		return err
	}
	if n.ID == uuid.Nil {
		// Version 7 grows with time, also within a millisecond, so that the order of ids is the order of the batch.
		if n.ID, err = uuid.NewV7(); err != nil {
			return err
		}
	}
	if id, ok := bySlug[n.ParentSlug]; ok {
		n.Parent, n.ParentSlug = id, ""
	}
	bySlug[n.Slug] = n.ID
	b.index[n.ID] = len(b.tenants)
	b.tenants = append(b.tenants, n)
	b.metadata = append(b.metadata, metadata)
	return nil
}

// isBefore reports whether id is that of a tenant that comes before number i.
func (b *batch) isBefore(id uuid.UUID, i int) bool {
	at, ok := b.index[id]
	return ok && at < i
}

// parentsElsewhere returns what names the parents that are not in the batch.
func (b *batch) parentsElsewhere() (ids []uuid.UUID, slugs []string) {
	for i, n := range b.tenants {
		switch {
		case n.ParentSlug != "":
			slugs = append(slugs, n.ParentSlug)
		case n.Parent != uuid.Nil && !b.isBefore(n.Parent, i):
			ids = append(ids, n.Parent)
		}
	}
	return ids, slugs
}

// place returns where each tenant goes, given the parents that are not in the batch and the keys that are in use. Its
// errors are *BatchErrors, for the first tenant that is at fault.
func (b *batch) place(elsewhere []Tenant, used keySet, labels []ltree.Label, who caller) ([]spot, error) {
	known := newParents(elsewhere)
	spots := make([]spot, 0, len(b.tenants))
	for i, n := range b.tenants {
		at, err := known.beneath(n, labels[i], who)
		if err == nil {
			err = used.take(n)
		}
		if err != nil {
			return nil, &BatchError{Index: i, Slug: n.Slug, Err: err}
		}
		spots = append(spots, at)
		known.byID[n.ID] = Tenant{ID: n.ID, Path: at.path, Status: StatusActive}
	}
	return spots, nil
}

// parents are the tenants that new ones may be put beneath.
type parents struct {
	byID   map[uuid.UUID]Tenant
	bySlug map[string]Tenant
}

func newParents(tenants []Tenant) parents {
	p := parents{byID: make(map[uuid.UUID]Tenant), bySlug: make(map[string]Tenant)}
	for _, t := range tenants {
		p.byID[t.ID], p.bySlug[t.Slug] = t, t
	}
	return p
}

// beneath returns the spot of n, which gets this label.
func (p parents) beneath(n NewTenant, label ltree.Label, who caller) (spot, error) {
	parent, err := p.of(n, who)
	if err != nil {
		return spot{}, err
	}
	if parent.Depth() >= MaxDepth {
		return spot{}, ErrDepth
	}
	path, err := parent.Path.Append(label)
	return spot{parent: parent.ID, label: label, path: path}, err
}

// of returns n's parent, or the zero Tenant for a root.
func (p parents) of(n NewTenant, who caller) (Tenant, error) {
	if n.Parent == uuid.Nil && n.ParentSlug == "" {
		return Tenant{}, who.checkRoots()
	}
	parent, ok := p.byID[n.Parent]
	if n.ParentSlug != "" {
		parent, ok = p.bySlug[n.ParentSlug]
	}
	if !ok {
		return Tenant{}, ErrTenantNotFound
	}
	return parent, parent.checkIsActiveParent("create a tenant beneath")
}

// keySet is keys that are in use.
type keySet struct {
	ids                map[uuid.UUID]bool
	slugs, externalIDs map[string]bool
}

func newKeySet() keySet {
	return keySet{ids: make(map[uuid.UUID]bool), slugs: make(map[string]bool), externalIDs: make(map[string]bool)}
}

func (k keySet) add(id uuid.UUID, slug, externalID string) {
	k.ids[id], k.slugs[slug] = true, true
	if externalID != "" { // any number of tenants have none
		k.externalIDs[externalID] = true
	}
}

// take adds the keys of n, or returns an *ExistsError when one is in use. Its order is that of the table's indexes.
func (k keySet) take(n NewTenant) error {
	switch {
	case k.ids[n.ID]:
		return &ExistsError{Field: "ID"}
	case k.slugs[n.Slug]:
		return &ExistsError{Field: "Slug"}
	case k.externalIDs[n.ExternalID]:
		return &ExistsError{Field: "ExternalID"}
	}
	k.add(n.ID, n.Slug, n.ExternalID)
	return nil
}

// rows are a batch in columns, which is how an INSERT of any number of rows has a fixed number of parameters.
type rows struct {
	ids, parents                                       []uuid.UUID
	labels, paths, slugs, externalIDs, names, metadata []string
}

func (b *batch) rows(spots []spot) rows {
	r := rows{metadata: b.metadata}
	for _, n := range b.tenants {
		r.ids = append(r.ids, n.ID)
		r.slugs = append(r.slugs, n.Slug)
		r.externalIDs = append(r.externalIDs, n.ExternalID)
		r.names = append(r.names, n.Name)
	}
	for _, at := range spots {
		r.parents = append(r.parents, at.parent)
		r.labels = append(r.labels, at.label.String())
		r.paths = append(r.paths, at.path.String())
	}
	return r
}

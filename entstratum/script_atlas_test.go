package entstratum_test

import (
	"context"
	"slices"

	atlas "ariga.io/atlas/sql/migrate"
)

// revisions are Atlas's notes of what it has run.
type revisions struct{ list []*atlas.Revision }

func (*revisions) Ident() *atlas.TableIdent { return &atlas.TableIdent{} }

func (r *revisions) ReadRevisions(context.Context) ([]*atlas.Revision, error) { return r.list, nil }

func (r *revisions) ReadRevision(_ context.Context, version string) (*atlas.Revision, error) {
	if i := slices.IndexFunc(r.list, func(one *atlas.Revision) bool { return one.Version == version }); i >= 0 {
		return r.list[i], nil
	}
	return nil, atlas.ErrRevisionNotExist
}

func (r *revisions) WriteRevision(_ context.Context, one *atlas.Revision) error {
	r.list = slices.DeleteFunc(r.list, func(other *atlas.Revision) bool { return other.Version == one.Version })
	r.list = append(r.list, one)
	return nil
}

func (*revisions) DeleteRevision(context.Context, string) error { return nil }

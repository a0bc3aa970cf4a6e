package attack

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/core"
)

// placesOf names each place by a tenant that lives there: the shared tables, and schemas and databases of tenants.
func placesOf(tree []core.Tenant) []uuid.UUID {
	places := []uuid.UUID{uuid.Nil}
	for _, tenant := range tree {
		if tenant.Isolation != core.SharedIsolation {
			places = append(places, tenant.ID)
		}
	}
	return places
}

// The fingerprint adds up a hash of every row there is, tenants included.
const (
	fingerprintSQL = `SELECT concat_ws(' ',
		(SELECT sum(hash_record_extended(r, 0)) FROM countries r),
		(SELECT sum(hash_record_extended(r, 0)) FROM tickets r),
		(SELECT sum(hash_record_extended(r, 0)) FROM comments r),
		(SELECT sum(hash_record_extended(r, 0)) FROM tags r),
		(SELECT sum(hash_record_extended(r, 0)) FROM ticket_tags r))`
	tenantsSQL = `SELECT coalesce(sum(hashtextextended(concat_ws(' ', id, path, slug, status, isolation, placement), 0)), 0)
		FROM stratum.tenants`
)

// changed reports whether any row of any tenant differs from the last time it was called, wherever it is. It looks as
// the system, from another connection with another login. Attempts that rightly change rows of their own take that back.
func (s *Scene) changed(ctx context.Context) (bool, error) {
	const reason = "compare the tables after an attempt"
	ctx = context.WithoutCancel(ctx)
	var now strings.Builder
	look := func(ctx context.Context, query string) error {
		var sum string
		err := s.st.DB().QueryRowContext(ctx, query).Scan(&sum)
		now.WriteString(sum + "\n")
		return err
	}
	if err := look(core.AsSystem(ctx, reason), tenantsSQL); err != nil {
		return false, err
	}
	for _, tenant := range s.places {
		if err := look(core.AsSystemAt(ctx, reason, tenant), fingerprintSQL); err != nil {
			return false, err
		}
	}
	changed := now.String() != s.before
	s.before = now.String()
	return changed, nil
}

package configcache

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/config"
)

// Reader runs one SELECT as the system, in a single round trip.
type Reader func(ctx context.Context, fn func(rows pgx.Rows) error, query string, args ...any) error

// Change is what somebody has changed. Its zero value is everything.
type Change struct {
	// Label is that of the tenant at which it was changed: all beneath it may have another config. Empty for all.
	Label string
	// Tenant is that tenant.
	Tenant uuid.UUID
	// Key is the key that was changed. Empty where it may be any, as when a tenant has moved.
	Key string
}

// Concerns tells whether a snapshot may be outdated by the change.
func (c Change) Concerns(s *config.Snapshot) bool {
	return c.Label == "" || slices.Contains(s.Labels(), c.Label)
}

// parseChange reads the payload of a notification: label, tenant and key. What cannot be read may be anything.
func parseChange(payload string) Change {
	parts := strings.Split(payload, " ")
	if len(parts) != 3 || parts[0] == "" {
		return Change{}
	}
	tenant, err := uuid.Parse(parts[1])
	if err != nil {
		return Change{}
	}
	return Change{Label: parts[0], Tenant: tenant, Key: parts[2]}
}

// mark is a moment of the database: what a snapshot sees.
type mark struct {
	source   string // the server since its start, the line of its history, the database
	snapshot string
}

// news are what has happened since a mark.
type news struct {
	mark    mark
	lost    bool // there is no telling what has changed
	changes []Change
}

// A start of the server is a new source: where commits do not wait for the disk, a crash takes some back, and gives
// their transaction ids out again. What is not visible now came with a dump from another server.
//
// It runs with whatever search_path, since it is prepared before that is set.
const newsSQL = `WITH now AS MATERIALIZED (
		SELECT pg_catalog.pg_current_snapshot() AS snapshot, stratum.config_source() AS source,
			pg_catalog.pg_postmaster_start_time()::text AS start
	)
	SELECT n.source || '/' || n.start, n.snapshot::text, EXISTS (
			SELECT FROM stratum.config_horizon h
			WHERE h.source = n.source AND h.xid > pg_catalog.pg_snapshot_xmin($1::text::pg_snapshot)),
		c.label, c.tenant_id, c.key
	FROM now n LEFT JOIN stratum.config_changes c ON c.xid >= pg_catalog.pg_snapshot_xmin($1::text::pg_snapshot)
		AND NOT pg_catalog.pg_visible_in_snapshot(c.xid, $1::text::pg_snapshot)
		AND pg_catalog.pg_visible_in_snapshot(c.xid, n.snapshot)
	LIMIT $2`

// maxNews is how many changes are worth telling apart.
const maxNews = 10_000

// ask says what has happened since a mark. With none it says that nothing is known.
func ask(ctx context.Context, read Reader, since mark) (news, error) {
	found := news{lost: since.snapshot == ""}
	var snapshot *string
	if !found.lost {
		snapshot = &since.snapshot
	}
	err := read(ctx, func(rows pgx.Rows) error { return found.scan(rows, since) }, newsSQL, snapshot, maxNews+1)
	if err != nil {
		return news{}, fmt.Errorf("stratum: looking for changes of config: %w", err)
	}
	if found.lost = found.lost || len(found.changes) > maxNews; found.lost {
		found.changes = nil
	}
	return found, nil
}

func (n *news) scan(rows pgx.Rows, since mark) error {
	var (
		trimmed    bool
		label, key *string
		tenant     *uuid.UUID
	)
	into := []any{&n.mark.source, &n.mark.snapshot, &trimmed, &label, &tenant, &key}
	_, err := pgx.ForEachRow(rows, into, func() error {
		n.lost = n.lost || trimmed || n.mark.source != since.source
		if label == nil {
			return nil
		}
		change := Change{Label: *label, Key: *key}
		if tenant != nil {
			change.Tenant = *tenant
		}
		n.changes = append(n.changes, change)
		return nil
	})
	return err
}

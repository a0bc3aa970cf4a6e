package provision

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Site is what a database is.
type Site struct {
	// Registry names the registry that it belongs to.
	Registry uuid.UUID
	// Placement is the placement that it is, or is at.
	Placement string
	// Label is that of the tenant whose database it is. Shared is set where it is nobody's but everyone's.
	Label  string
	Shared bool
}

// SiteSQL reads the site, in the order of its fields.
const SiteSQL = `SELECT registry, placement, coalesce(label, ''), label IS NULL FROM stratum.site`

// ReadSite reads what the database is.
func ReadSite(ctx context.Context, tx *sql.Tx) (s Site, err error) {
	if err = tx.QueryRowContext(ctx, SiteSQL).Scan(&s.Registry, &s.Placement, &s.Label, &s.Shared); err != nil {
		return s, fmt.Errorf("stratum: reading what the database is: %w", err)
	}
	return s, nil
}

// Settle says what the database is, from now on. One that belongs to another registry, or to another tenant, is
// refused.
func (s Site) Settle(ctx context.Context, tx *sql.Tx) error {
	found, err := ReadSite(ctx, tx)
	if err != nil {
		return err
	}
	if found == s {
		return nil
	}
	fresh, err := isFresh(ctx, tx, found)
	if err != nil {
		return err
	}
	template := found.Registry == s.Registry && !found.Shared && found.Label == ""
	// The registry's own database is fresh too while it is empty, and must stay what it is.
	if !template && (!fresh || found.Registry == s.Registry) {
		return fmt.Errorf("%w: the database belongs to another application or another tenant (give it one of its own)",
			ErrForeign)
	}
	label := sql.NullString{String: s.Label, Valid: !s.Shared}
	if _, err := tx.ExecContext(ctx, "UPDATE stratum.site SET registry = $1, placement = $2, label = $3",
		s.Registry.String(), s.Placement, label); err != nil {
		return fmt.Errorf("stratum: saying what the database is: %w", err)
	}
	// A copy of a template has the template's keys: whoever knew one database's could sign for all.
	if _, err := tx.ExecContext(ctx, "SELECT stratum.renew_keys()"); err != nil {
		return fmt.Errorf("stratum: making the keys of the database: %w", err)
	}
	const known = `INSERT INTO stratum.placements (name) VALUES ($1) ON CONFLICT DO NOTHING`
	if _, err := tx.ExecContext(ctx, known, s.Placement); err != nil {
		return fmt.Errorf("stratum: saying what the database is: %w", err)
	}
	return nil
}

// isFresh reports whether nobody has used the database yet: it is a registry without tenants and tables.
func isFresh(ctx context.Context, tx *sql.Tx, found Site) (fresh bool, err error) {
	const query = `SELECT NOT EXISTS (SELECT FROM stratum.tenants) AND NOT EXISTS (SELECT FROM stratum.tables)`
	if err := tx.QueryRowContext(ctx, query).Scan(&fresh); err != nil {
		return false, fmt.Errorf("stratum: looking whether the database is used: %w", err)
	}
	return fresh && found.Shared && found.Placement == "home", nil
}

// Resident is what a satellite knows of a tenant.
type Resident struct {
	ID        uuid.UUID
	Label     string
	Isolation string
	Placement string
	Status    string
	// ChangedAt is when the registry last changed the tenant. A satellite that knows more recent news keeps them: of
	// two programs that tell it, either may come first. Defaults to now.
	ChangedAt time.Time
}

// ResidentSQL tells a satellite of a tenant, or of its new status. A satellite knows neither the tree nor names: each
// tenant is a root there, and is called by its label. See Resident.Args.
const ResidentSQL = `INSERT INTO stratum.tenants AS t
		(id, label, path, slug, name, isolation, placement, status, updated_at)
	VALUES ($1, $2, $3, $4, $2, $5, $6, $7, coalesce($8::timestamptz, clock_timestamp()))
	ON CONFLICT (id) DO UPDATE SET status = excluded.status, isolation = excluded.isolation,
		placement = excluded.placement, updated_at = excluded.updated_at
	WHERE t.updated_at < excluded.updated_at`

// Args are the arguments of ResidentSQL.
func (r Resident) Args() []any {
	var changed *time.Time
	if !r.ChangedAt.IsZero() {
		changed = &r.ChangedAt
	}
	return []any{r.ID.String(), r.Label, r.Label, "t-" + r.Label, r.Isolation, r.Placement, r.Status, changed}
}

// Save tells the satellite of tx.
func (r Resident) Save(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, ResidentSQL, r.Args()...); err != nil {
		return fmt.Errorf("stratum: telling the database of its tenant: %w", err)
	}
	return nil
}

func isNoRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }

package core

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/internal/provision"
	"github.com/stratum-hq/stratum-go/internal/shape"
	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// template returns the database from which those of tenants are copied on a server, and makes it where there is none of
// the model's shape. Its name has the shape and the owner in it, so that nothing has to be compared:
// two placements may be on one server and belong to two logins.
func (b *builder) template(ctx context.Context, p Placement, model shape.Model) (string, error) {
	extras, err := b.readExtras(ctx)
	if err != nil {
		return "", err
	}
	registry, err := b.st.registry.get(ctx, b.st)
	if err != nil {
		return "", err
	}
	owner, err := b.st.ownerOf(ctx, p)
	if err != nil {
		return "", err
	}
	var login string
	if err := owner.QueryRowContext(ctx, `SELECT current_user`).Scan(&login); err != nil {
		return "", fmt.Errorf("stratum: looking for the owner: %w", err)
	}
	prefix := b.st.databasePrefix(registry) + "tpl_"
	name := prefix + extras.Hash(model, install.Version, login)
	ready, err := isTemplate(ctx, owner, name)
	if err != nil || ready {
		return name, err
	}
	// The lock is held by a transaction that does nothing else: databases cannot be made in one.
	err = underLock(ctx, owner, []string{"template"}, func() error {
		if ready, err := isTemplate(ctx, owner, name); err != nil || ready {
			return err
		}
		return b.makeTemplate(ctx, p, owner, newTemplate{name: name, prefix: prefix, model: model, extras: extras})
	})
	return name, err
}

func isTemplate(ctx context.Context, owner *sql.DB, name string) (ready bool, err error) {
	const query = `SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1 AND datistemplate)`
	if err := owner.QueryRowContext(ctx, query, name).Scan(&ready); err != nil {
		return false, fmt.Errorf("stratum: looking for the template: %w", err)
	}
	return ready, nil
}

// newTemplate is a template that is to be made.
type newTemplate struct {
	name, prefix string
	model        shape.Model
	extras       provision.Extras
}

// makeTemplate makes it, and then drops those of other shapes. What is no template yet is the rest of a crash.
func (b *builder) makeTemplate(ctx context.Context, p Placement, owner *sql.DB, t newTemplate) error {
	if err := provision.DropDatabase(ctx, owner, t.name); err != nil {
		return err
	}
	if _, err := provision.Create(ctx, owner, t.name, "template1"); err != nil {
		return err
	}
	if err := b.fillTemplate(ctx, p, t); err != nil {
		return err
	}
	// From here on nobody connects to it, or a copy could not be made.
	_, err := owner.ExecContext(ctx, "ALTER DATABASE "+sqltext.Quote(t.name)+
		" WITH IS_TEMPLATE true ALLOW_CONNECTIONS false")
	if err != nil {
		return fmt.Errorf("stratum: finishing the template: %w", err)
	}
	return dropTemplates(ctx, owner, t)
}

func (b *builder) fillTemplate(ctx context.Context, p Placement, t newTemplate) (err error) {
	registry, err := b.st.registry.get(ctx, b.st)
	if err != nil {
		return err
	}
	db := b.st.ownerDatabase(p, t.name)
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := b.st.installAt(ctx, p, db); err != nil {
		return err
	}
	if err := t.extras.Make(ctx, db, b.st.roles, schemasOf(t.model)); err != nil {
		return err
	}
	if err := noteExtras(ctx, db, t.extras.Hash(t.model, install.Version, "")); err != nil {
		return err
	}
	err = inOwnerTx(ctx, db, func(tx *sql.Tx) error {
		return provision.Satellite{
			Site: provision.Site{Registry: registry, Placement: p.Name}, Roles: b.st.roles,
		}.Make(ctx, tx, t.model)
	})
	if err != nil {
		return err
	}
	return b.refresh(ctx, db, t.model)
}

// dropTemplates drops those of other shapes. One that is being copied stays, for the next time.
func dropTemplates(ctx context.Context, owner *sql.DB, t newTemplate) error {
	const query = `SELECT coalesce(pg_catalog.array_to_json(pg_catalog.array_agg(datname::text)), '[]')::text
		FROM pg_catalog.pg_database
		WHERE pg_catalog.starts_with(datname::text, $1) AND datname <> $2
			AND pg_catalog.pg_get_userbyid(datdba) = current_user`
	old, err := readNames(ctx, owner, query, t.prefix, t.name)
	if err != nil {
		return fmt.Errorf("stratum: looking for older templates: %w", err)
	}
	for _, name := range old {
		if _, err := owner.ExecContext(ctx,
			"ALTER DATABASE "+sqltext.Quote(name)+" WITH IS_TEMPLATE false"); err != nil {
			continue // somebody else is at it
		}
		_, _ = owner.ExecContext(ctx, "DROP DATABASE IF EXISTS "+sqltext.Quote(name)) // in use, or gone
	}
	return nil
}

// readNames reads a list of names that a query returns as JSON.
func readNames(ctx context.Context, db *sql.DB, query string, args ...any) (names []string, err error) {
	var text string
	if err := db.QueryRowContext(ctx, query, args...).Scan(&text); err != nil {
		return nil, err
	}
	return names, json.Unmarshal([]byte(text), &names)
}

package core

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/config"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// lineQuery begins a statement that reads config: line has the tenants from the root to $1. As where tenants are read,
// labels are keys of the ancestors, and no function of ltree's is named.
const lineQuery = `WITH line AS MATERIALIZED (
		SELECT id, label, slug, status, array_length(string_to_array(path::text, '.'), 1)::int - 1 AS depth
		FROM stratum.tenants WHERE label = ANY(
			(SELECT string_to_array(self.path::text, '.') FROM stratum.tenants self WHERE self.id = $1)::text[]))`

// tenantRows are the tenants of line in the columns of entryRows, with the label for the key and a depth below zero:
// columns of their own would be sent with each entry too. One statement returns both, so that a move in between cannot
// mix two paths.
const (
	tenantRows = ` SELECT -1 - depth, label, pg_catalog.to_jsonb(pg_catalog.concat_ws(' ', id, status, slug)),
		false, NULL::bytea, 0::bigint, 'epoch'::timestamptz FROM line UNION ALL `
	entryRows = `SELECT l.depth, c.key, c.value, c.locked, ` + sealedColumn + `, c.version, c.updated_at `
)

// sealedColumn is NULL where an entry is not sensitive. One that is and has nothing sealed, which no program writes, is
// taken for one that cannot be opened.
const sealedColumn = `CASE WHEN c.sensitive THEN coalesce(c.sealed, '') END`

// chainQuery returns line and what its tenants have set, or what they have set of the key $2 where that is not empty.
const chainQuery = lineQuery + tenantRows + entryRows + `FROM line l
	JOIN stratum.config c ON c.tenant_id = l.id WHERE $2::text = '' OR c.key = $2`

// resolvedQuery returns line, what $1 has set, and of each key the one entry further up that may hold: the others are
// not worth sending, nor looking at twice. What $1 has set itself gives way to locks alone, so that for its keys
// nothing but locks is compared. Of the rest the greatest rank is taken, and then the entry that has it.
const resolvedQuery = lineQuery + `, best AS MATERIALIZED (
		SELECT c.key, max(` + config.RankSQL + `) AS rank FROM line l JOIN stratum.config c ON c.tenant_id = l.id
		LEFT JOIN stratum.config own ON own.tenant_id = $1 AND own.key = c.key
		WHERE l.id <> $1 AND ` + config.TakesPartSQL + ` AND (c.locked OR own.key IS NULL) GROUP BY c.key)` +
	tenantRows + entryRows + `FROM line l JOIN stratum.config c ON c.tenant_id = l.id WHERE l.id = $1 UNION ALL ` +
	entryRows + `FROM best b JOIN line l ON l.depth = ` + config.DepthSQL + `
		JOIN stratum.config c ON c.tenant_id = l.id AND c.key = b.key`

// load returns the resolved config of a tenant, or ErrTenantNotFound, in one round trip to the registry. It does not
// ask who wants to know.
func (c *Config) load(ctx context.Context, tenant uuid.UUID) (*config.Snapshot, error) {
	path, entries, err := c.fetch(ctx, resolvedQuery, tenant)
	if err != nil {
		return nil, err
	}
	return config.New(path, entries), nil
}

// chain returns all that is set on the path of a tenant, of one key or of all, for the caller of ctx.
func (c *Config) chain(
	ctx context.Context, tenant uuid.UUID, key string,
) (*config.Snapshot, []config.Entry, viewer, error) {
	sc, err := scope.Check(ctx)
	if err != nil {
		return nil, nil, viewer{}, err
	}
	path, entries, err := c.fetch(ctx, chainQuery, tenant, key)
	if err != nil {
		return nil, nil, viewer{}, err
	}
	s := config.New(path, entries)
	v, err := view(s, &sc)
	return s, entries, v, err
}

func (c *Config) fetch(
	ctx context.Context, query string, args ...any,
) (path []config.Tenant, entries []config.Entry, err error) {
	err = c.read(ctx, func(rows pgx.Rows) (err error) {
		path, entries, err = scanChain(rows)
		return err
	}, query, args...)
	if err == nil && len(path) == 0 {
		err = ErrTenantNotFound
	}
	c.mark(entries)
	return path, entries, statementError(ctx, err)
}

// mark has entries of keys that are declared sensitive be treated so, also where they were written before they were.
func (c *Config) mark(entries []config.Entry) {
	if len(c.secret) == 0 {
		return
	}
	for i := range entries {
		if c.secret[entries[i].Key] {
			entries[i].Sensitive = true
		}
	}
}

// commonEntries is room for what many tenants have, to be had at once.
const commonEntries = 128

// scanChain reads the rows of tenantRows and entryRows, in whatever order they come.
func scanChain(rows pgx.Rows) (path []config.Tenant, entries []config.Entry, err error) {
	var (
		e             config.Entry
		value, sealed []byte
		into          = []any{&e.Depth, &e.Key, &value, &e.Locked, &sealed, &e.Version, &e.UpdatedAt}
	)
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, nil, err
		}
		if e.Depth >= 0 {
			if entries == nil {
				entries = make([]config.Entry, 0, commonEntries)
			}
			e.Hold(value, sealed)
			entries = append(entries, e)
			continue
		}
		depth := -1 - e.Depth
		for len(path) <= depth {
			path = append(path, config.Tenant{})
		}
		if path[depth], err = parseTenant(e.Key, value); err != nil {
			return nil, nil, err
		}
	}
	return path, entries, rows.Err()
}

// parseTenant reads what tenantRows says of a tenant. Neither an id nor a status has a space.
func parseTenant(label string, value []byte) (config.Tenant, error) {
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		return config.Tenant{}, err
	}
	id, rest, _ := strings.Cut(text, " ")
	status, slug, _ := strings.Cut(rest, " ")
	parsed, err := uuid.Parse(id)
	return config.Tenant{ID: parsed, Label: label, Status: status, Slug: slug}, err
}

func sortByKey(values []ConfigValue) {
	slices.SortFunc(values, func(a, b ConfigValue) int { return strings.Compare(a.Key, b.Key) })
}

// pinned is a snapshot that a ctx has with it, attached to the scope in which it was allowed.
type pinned struct {
	of       *Config
	tenant   uuid.UUID
	snapshot *config.Snapshot
}

// Pin returns a ctx that has the resolved config of its tenant with it: what is read of that tenant under the ctx comes
// from there, without a look at the database or a cache, and stays the same however it is changed meanwhile, by this
// ctx too. It is meant for one request. The config of other tenants, and under a scope that is put into the ctx later,
// is read as without Pin. Errors are those of Get.
func (c *Config) Pin(ctx context.Context) (context.Context, error) {
	tenant, err := tenantOf(ctx)
	if err != nil {
		return nil, operationError("pin config", err)
	}
	s, _, err := c.snapshot(ctx, tenant)
	if err != nil {
		return nil, operationError("pin config", err)
	}
	return scope.Attach(ctx, &pinned{of: c, tenant: tenant, snapshot: s}), nil
}

// pinnedIn returns the snapshot of a tenant that ctx has with it, or nil.
func pinnedIn(ctx context.Context, c *Config, tenant uuid.UUID) *config.Snapshot {
	_, attached := scope.Look(ctx)
	if p, ok := attached.(*pinned); ok && p.of == c && p.tenant == tenant {
		return p.snapshot
	}
	return nil
}

// tenantOf returns the tenant that ctx names: AsSystem is none.
func tenantOf(ctx context.Context) (uuid.UUID, error) {
	sc, err := scope.Check(ctx)
	if err != nil {
		return uuid.Nil, err
	}
	if sc.Kind == scope.System {
		return uuid.Nil, ErrNoTenant
	}
	return sc.Tenant, nil
}

package copies

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// Bits of pg_trigger.tgtype.
const (
	onRow      = 1
	onInsert   = 4
	onDelete   = 8
	onUpdate   = 16
	onTruncate = 32
)

// trigger is one that writes changes down.
type trigger struct {
	Name string
	// Type is pg_trigger.tgtype.
	Type int
	// When is its condition, or empty.
	When string
}

// triggers are those of a table. On a mixed one they look at each row, and the condition costs a tenant's writes next
// to nothing; on a global one, and for TRUNCATE, they come once a statement.
func (t Table) triggers() []trigger {
	truncated := trigger{Name: "stratum_truncated", Type: onTruncate}
	if t.TenantColumn == "" {
		return []trigger{{Name: "stratum_changed", Type: onInsert | onUpdate | onDelete}, truncated}
	}
	column := sqltext.Quote(t.TenantColumn)
	return []trigger{
		{Name: "stratum_changed_insert", Type: onRow | onInsert, When: "NEW." + column + " IS NULL"},
		{
			Name: "stratum_changed_update", Type: onRow | onUpdate,
			When: "OLD." + column + " IS NULL OR NEW." + column + " IS NULL",
		},
		{Name: "stratum_changed_delete", Type: onRow | onDelete, When: "OLD." + column + " IS NULL"},
		truncated,
	}
}

// create is for the table itself or for a partition of it. ENABLE ALWAYS: rows that replication brings count as well.
func (t Table) create(g trigger, on string) []string {
	var events []string
	for bit, event := range map[int]string{
		onInsert: "INSERT", onUpdate: "UPDATE", onDelete: "DELETE", onTruncate: "TRUNCATE",
	} {
		if g.Type&bit != 0 {
			events = append(events, event)
		}
	}
	slices.Sort(events)
	each, when := "STATEMENT", ""
	if g.Type&onRow != 0 {
		each = "ROW"
	}
	if g.When != "" {
		when = " WHEN (" + g.When + ")"
	}
	return []string{
		"CREATE TRIGGER " + g.Name + " AFTER " + strings.Join(events, " OR ") + " ON " + on + " FOR EACH " + each +
			when +
			" EXECUTE FUNCTION stratum.note_change(" + sqltext.Literal(t.Schema) + ", " + sqltext.Literal(t.Name) + ")",
		"ALTER TABLE " + on + " ENABLE ALWAYS TRIGGER " + g.Name,
	}
}

// installed is a table or a partition with the triggers of Stratum's that it has.
type installed struct {
	Index    int // of the table it is, or is a part of
	Name     string
	Part     bool
	Triggers []struct {
		Name, Definition string
		Type             int
		Sound            bool // enabled always, with the table's arguments
	}
}

// has tells whether a trigger is as it would be made.
func (i installed) has(g trigger) bool {
	for _, found := range i.Triggers {
		if found.Name != g.Name || found.Type != g.Type || !found.Sound {
			continue
		}
		// The server prints names unquoted where it can, and its own parentheses.
		printed := strings.NewReplacer("(", "", ")", "", `"`, "").Replace(found.Definition)
		wanted := strings.NewReplacer("NEW.", "new.", "OLD.", "old.", `"`, "").Replace(g.When)
		return g.When == "" || strings.Contains(printed, "WHEN "+wanted+" EXECUTE")
	}
	return false
}

// Install makes the triggers by which changes of tables are written down, in a transaction of the tables' owner. Where
// all are in place it issues no DDL; else it announces so. Errors: a *TableError of ErrMissing, and those of PostgreSQL.
func Install(ctx context.Context, tx *sql.Tx, tables []Table) error {
	return settle(ctx, tx, tables, Table.triggers)
}

// Remove drops the triggers that Install made, from tables that nobody has copies of any more.
func Remove(ctx context.Context, tx *sql.Tx, tables []Table) error {
	return settle(ctx, tx, tables, func(Table) []trigger { return nil })
}

func settle(ctx context.Context, tx *sql.Tx, tables []Table, wanted func(Table) []trigger) error {
	found, err := look(ctx, tx, tables)
	if err != nil {
		return err
	}
	for i, t := range tables {
		whole := slices.IndexFunc(found, func(f installed) bool { return f.Index == i && !f.Part })
		if whole < 0 {
			return &TableError{
				Table: t.String(), Finding: "the source has no such table", Cure: "migrate the source",
				kind: ErrMissing,
			}
		}
	}
	same := true
	for _, f := range found {
		t := tables[f.Index]
		for _, statement := range t.changes(f, wanted(t)) {
			same = false
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("stratum: watching table %s for its copies: %w", t, err)
			}
		}
	}
	if same {
		return nil
	}
	return Announce(ctx, tx)
}

// Announce tells whoever follows to look at the tables' columns again, and at all targets.
func Announce(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, "SELECT pg_catalog.pg_notify('stratum.copies', '')"); err != nil {
		return fmt.Errorf("stratum: telling the follower of tables: %w", err)
	}
	return nil
}

// changes are what makes the triggers of a table, or of a part of it, what they ought to be.
func (t Table) changes(f installed, wanted []trigger) []string {
	// The server clones a row's trigger for the partitions, and it alone may drop the clones.
	if f.Part {
		wanted = slices.DeleteFunc(slices.Clone(wanted), func(g trigger) bool { return g.Type&onRow != 0 })
	}
	var drop, create []string
	for _, found := range f.Triggers {
		kept := slices.ContainsFunc(wanted, func(g trigger) bool { return g.Name == found.Name && f.has(g) })
		if !kept {
			drop = append(drop, "DROP TRIGGER "+found.Name+" ON "+f.Name)
		}
	}
	for _, g := range wanted {
		if !f.has(g) {
			create = append(create, t.create(g, f.Name)...)
		}
	}
	return append(drop, create...)
}

const installedSQL = `
SELECT coalesce(json_agg(json_build_object(
	'Index', w.i - 1, 'Part', part.relid <> c.oid,
	'Name', (SELECT format('%I.%I', pn.nspname, pc.relname) FROM pg_catalog.pg_class pc
		JOIN pg_catalog.pg_namespace pn ON pn.oid = pc.relnamespace WHERE pc.oid = part.relid),
	'Triggers', (SELECT json_agg(json_build_object('Name', g.tgname, 'Type', g.tgtype,
			'Definition', pg_catalog.pg_get_triggerdef(g.oid),
			'Sound', g.tgenabled = 'A' AND g.tgargs = pg_catalog.convert_to(w.schema, 'UTF8') || '\x00'::bytea ||
				pg_catalog.convert_to(w.name, 'UTF8') || '\x00'::bytea))
		FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_proc p ON p.oid = g.tgfoid
		WHERE g.tgrelid = part.relid AND g.tgparentid = 0
			AND p.proname = 'note_change' AND p.pronamespace = 'stratum'::regnamespace)
) ORDER BY w.i, part.level), '[]')::text
FROM (
	SELECT x.schema, x.name, x.i FROM ROWS FROM (json_to_recordset($1::json) AS (schema text, name text))
		WITH ORDINALITY AS x (schema, name, i)
) w
JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name AND c.relkind IN ('r', 'p')
CROSS JOIN LATERAL (
	SELECT t.relid, t.level FROM pg_catalog.pg_partition_tree(c.oid) t
	UNION SELECT c.oid, 0
) part`

func look(ctx context.Context, tx *sql.Tx, tables []Table) ([]installed, error) {
	type name struct {
		Schema string `json:"schema"`
		Name   string `json:"name"`
	}
	wanted := make([]name, len(tables))
	for i, t := range tables {
		wanted[i] = name{t.Schema, t.Name}
	}
	list, err := json.Marshal(wanted)
	if err != nil {
		return nil, err
	}
	var text []byte
	if err := tx.QueryRowContext(ctx, installedSQL, string(list)).Scan(&text); err != nil {
		return nil, fmt.Errorf("stratum: looking for triggers of copies: %w", err)
	}
	var found []installed
	if err := json.Unmarshal(text, &found); err != nil {
		return nil, fmt.Errorf("stratum: looking for triggers of copies: %w", err)
	}
	return found, nil
}

package copies

import (
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// Table is a table of the source that others have copies of.
type Table struct {
	// Schema and Name are the table's in the source.
	Schema, Name string
	// TenantColumn is the tenant's column of a mixed table: only rows without a tenant are copied, and only such rows
	// of the target are touched. Empty for a global table, which is copied whole.
	TenantColumn string
}

func (t Table) String() string { return sqltext.Quote(t.Schema, t.Name) }

// Target is where copies are.
type Target struct {
	// Conn is a connection of the copies' owner, for this call alone. After an error it may be closed.
	Conn *pgx.Conn
	// Schemas are the schemas that the tables of a source's schema have their copies in. A schema that is not named has
	// its copies in one of the same name.
	Schemas map[string]string
}

// schemas translates names of schemas of the source.
type schemas map[string]string

func (s schemas) of(name string) string {
	if mapped, ok := s[name]; ok {
		return mapped
	}
	return name
}

// pair is a table and its copy.
type pair struct {
	Table

	from, to   *shape
	marker     *marker // nil where nothing was ever copied
	changed    bool
	stage      string
	staged     int64
	wholesale  bool // rows that differ are removed and inserted
	copySchema string
}

// copy is the name of the copy.
func (p *pair) copy() string { return sqltext.Quote(p.copySchema, p.Name) }

// newPairs is in the tables' order, with none twice.
func newPairs(tables []Table, names schemas) []*pair {
	pairs := make([]*pair, 0, len(tables))
	for _, t := range tables {
		if !slices.ContainsFunc(pairs, func(p *pair) bool { return p.Schema == t.Schema && p.Name == t.Name }) {
			pairs = append(pairs, &pair{Table: t, copySchema: names.of(t.Schema)})
		}
	}
	return pairs
}

// columns splits tables into the arrays that queries take.
func columns(pairs []*pair, schemaOf func(*pair) string) (names struct{ schemas, tables []string }) {
	for _, p := range pairs {
		names.schemas = append(names.schemas, schemaOf(p))
		names.tables = append(names.tables, p.Name)
	}
	return names
}

func sourceSchema(p *pair) string { return p.Schema }
func copySchema(p *pair) string   { return p.copySchema }

package entstratum

import (
	"database/sql/driver"
	"fmt"
	"strings"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/internal/fields"
	"github.com/stratum-hq/stratum-go/internal/scope"
	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// fullBits is the length from which on a blind index is found by the value alone.
const fullBits = 128

// conditions rewrites conditions on searchable columns to their blind indexes. What it does not know it leaves alone:
// the watcher refuses that. A blind index is one tenant's.
func (s *statement) conditions() error {
	for at := 0; at < len(s.words); at++ {
		r, ok := fields.ReferenceAt(s.words, at)
		if !ok {
			continue
		}
		at = r.Last
		found := s.names.Find(r.Qualifier, r.Name)
		if s.handled[r.First] || len(found) != 1 || !found[0].Searchable || !fields.MayPrecede(s.text(r.First-1)) ||
			r.Qualifier == "" && s.names.HasPlain("", r.Name) {
			continue
		}
		c, ok := fields.ComparisonAt(s.words, r.Last+1)
		if !ok || !fields.MayFollow(s.text(c.Last+1)) || !s.isOneTenants(c) {
			continue
		}
		if err := s.lookUp(s.fields.column(found[0]), r, c); err != nil {
			return err
		}
		at = c.Last
	}
	return nil
}

// ByIndex is the value of a condition that looks in the blind index of a name, where a column has several:
//
//	client.Card.Query().Where(card.NumberEQ... // the first index
//	client.Card.Query().Where(sql.FieldEQ(card.FieldNumber, entstratum.ByIndex("last4", "4242")))
func ByIndex(name string, value any) any { return byIndex{name: &name, value: value} }

// ofTenant is the value of a condition on one tenant's rows, whoever asks.
func ofTenant(tenant, value any) any {
	id, _ := fields.AsUUID(tenant) // none where there is none
	return byIndex{value: value, tenant: id}
}

// byIndex never prints its value, and no driver takes it.
type byIndex struct {
	name   *string   // of the index, or nil for the first
	tenant uuid.UUID // or none for that of ctx
	value  any
}

// Value refuses: nothing has looked for the index.
func (byIndex) Value() (driver.Value, error) {
	return nil, fmt.Errorf("%w: the value of entstratum.ByIndex is for a condition on an encrypted column, as in "+
		"sql.FieldEQ(card.FieldNumber, entstratum.ByIndex(name, value))", ErrEncrypted)
}

// Format hides the value.
func (byIndex) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[encrypted]")) }

// lookUp puts a condition on the blind index in the place of one on the column. Rows without a value stay unknown, as
// they are in SQL, also where it is negated.
func (s *statement) lookUp(c *encryptedColumn, r fields.Reference, found fields.Comparison) error {
	l := &search{column: c, index: c.indexes()[0], tenant: s.scope.Tenant}
	marks := make([]string, len(found.Marks))
	for i, mark := range found.Marks {
		n, err := s.parameter(mark)
		if err != nil {
			return err
		}
		marks[i] = s.text(mark)
		if err := s.indexOf(l, n); err != nil {
			return err
		}
	}
	index := l.index
	qualifier := s.sql[s.words[r.First].Start:s.words[r.Last].Start]
	column := qualifier + quote(c.field.IndexColumn(index.Name()))
	condition := column + " IN (" + strings.Join(marks, ", ") + ")"
	if index.Bits() < fullBits {
		rows, err := s.matching(l)
		if err != nil {
			return err
		}
		condition += " AND (" + s.isOneOf(c, qualifier, rows) + " OR " + column + " IS NULL)"
	}
	if condition = "(" + condition + ")"; found.Negated {
		condition = "NOT " + condition
	}
	s.replace(r.First, found.Last, condition)
	s.handled[r.First] = true
	return nil
}

// search is what a condition looks for.
type search struct {
	column  *encryptedColumn
	index   *fieldcrypt.Index
	named   bool // by ByIndex
	tenant  uuid.UUID
	values  [][]byte // encoded
	indexes []any
}

// isOneTenants reports whether a comparison is for rows of one tenant, with whose key blind indexes are computed.
func (s *statement) isOneTenants(c fields.Comparison) bool {
	for _, mark := range c.Marks {
		value, _ := s.valueOf("", []string{""}, []item{{mark, mark}})
		by, ok := value.(byIndex)
		if s.scope.Kind != scope.Tenant && (!ok || by.tenant == uuid.Nil) {
			return false
		}
	}
	return true
}

// indexOf puts the blind index of a value in its place. NULL is equal to nothing.
func (s *statement) indexOf(l *search, n int) error {
	c, value := l.column, s.args[n]
	if by, ok := value.(byIndex); ok {
		if value = by.value; by.tenant != uuid.Nil {
			l.tenant = by.tenant
		}
		if by.name != nil {
			index := c.sealed.Column().Index(*by.name)
			if index == nil || l.named && index != l.index || len(l.values) > 0 && !l.named {
				return fmt.Errorf("%w: column %s has no index %q, or the condition names several", ErrEncrypted, c,
					*by.name)
			}
			l.index, l.named = index, true
		}
	}
	encoded, err := c.encode(value)
	if err == nil && encoded == nil {
		s.args[n] = nil
		return nil
	}
	var blind []byte
	if err == nil {
		blind, err = c.sealed.Index(s.ctx, l.tenant, l.index, nil, encoded)
	}
	if err != nil {
		return fmt.Errorf("condition on column %s: %w", c, err)
	}
	s.args[n] = blind
	l.values, l.indexes = append(l.values, encoded), append(l.indexes, blind)
	return nil
}

// rowText is a row's primary key as a text, whatever types it has.
func rowText(t *encryptedTable, qualifier string) string {
	columns := make([]string, len(t.PrimaryKey))
	for i, name := range t.PrimaryKey {
		columns[i] = qualifier + quote(name)
	}
	return "ROW(" + strings.Join(columns, ", ") + ")::text"
}

// isOneOf writes that a row is one of those that were found. Where there are none it is false, and not unknown.
func (s *statement) isOneOf(c *encryptedColumn, qualifier string, rows []string) string {
	if len(rows) == 0 {
		return "FALSE"
	}
	marks := make([]string, len(rows))
	for i, row := range rows {
		marks[i] = s.add(row)
	}
	return rowText(s.fields.tables[c.Table.Name], qualifier) + " IN (" + strings.Join(marks, ", ") + ")"
}

// matching returns the keys of the rows that have the values in truth, where the index is so short that others are
// found too. It reads before the statement, in its transaction where it is in one, so that whatever the statement does
// with the condition, it does to those.
func (s *statement) matching(l *search) (keys []string, err error) {
	if len(l.values) == 0 {
		return nil, nil
	}
	c := l.column
	t := s.fields.tables[c.Table.Name]
	marks := make([]string, len(l.indexes))
	for i := range marks {
		marks[i] = fmt.Sprintf("$%d", i+1)
	}
	query := "SELECT " + rowText(t, "") + ", " + quote(c.Name)
	if c.PrimaryKey {
		query += ", " + sqltext.QuoteEach(t.PrimaryKey)
	}
	query += " FROM " + t.known.quoted() + " WHERE " + quote(c.field.IndexColumn(l.index.Name())) + " IN (" +
		strings.Join(marks, ", ") + ")"
	rows := &sql.Rows{}
	if err := s.fields.query(s.ctx, s.conn, query, l.indexes, rows); err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells more
	return l.read(rows, len(t.PrimaryKey))
}

// read returns the keys of the rows that have one of the values.
func (l *search) read(rows *sql.Rows, parts int) (keys []string, err error) {
	var key string
	var value any
	into := []any{&key, &value}
	for range parts {
		if l.column.PrimaryKey {
			into = append(into, new(any)) // it was for whoever opens the row
		}
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		same, err := l.column.isIn(l.index, value, l.values)
		if err != nil {
			return nil, err
		}
		if same {
			keys = append(keys, key)
		}
	}
	return keys, rows.Err()
}

// isIn reports whether a value is one of some.
func (c *encryptedColumn) isIn(index *fieldcrypt.Index, value any, encoded [][]byte) (bool, error) {
	have, err := c.encode(value)
	if err != nil || have == nil {
		return false, err
	}
	for _, want := range encoded {
		if same, err := index.Same(have, want); same || err != nil {
			return same, err
		}
	}
	return false, nil
}

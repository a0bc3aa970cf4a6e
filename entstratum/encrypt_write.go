package entstratum

import (
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/internal/fields"
)

// insertion is an INSERT into a table with encrypted columns.
type insertion struct {
	*statement

	table   *encryptedTable
	columns []string
	named   []item // the columns
	rows    [][]item
	target  []string // of ON CONFLICT
}

// insert seals the new rows of an INSERT, and what ON CONFLICT assigns.
func (s *statement) insert() error {
	r, ok := fields.ReferenceAt(s.words, 2)
	if s.text(0) != "INSERT" || s.text(1) != "INTO" || !ok {
		return nil
	}
	t := s.fields.find(r.Qualifier, r.Name)
	if t == nil {
		return nil
	}
	i := &insertion{statement: s, table: t}
	at := r.Last + 1
	if s.text(at) == "AS" {
		at += 2
	}
	switch s.text(at) {
	case "(":
	case "DEFAULT":
		return nil
	default:
		return fmt.Errorf("%w: an INSERT into %q does not name its columns, some of which are encrypted (name them)",
			ErrEncrypted, t.Name)
	}
	i.named, at = s.list(at)
	for _, column := range i.named {
		i.columns = append(i.columns, s.name(column))
	}
	if s.text(at) == "OVERRIDING" {
		at += 3
	}
	if s.text(at) != "VALUES" {
		return nil // the watcher refuses it, where it has encrypted columns
	}
	for at++; s.text(at) == "("; {
		var row []item
		row, at = s.list(at)
		if i.rows = append(i.rows, row); s.text(at) == "," {
			at++
		}
	}
	if err := i.seal(); err != nil {
		return err
	}
	return i.conflict(at)
}

// seal seals column by column.
func (i *insertion) seal() error {
	for at, name := range i.columns {
		c, err := i.table.writes(name)
		if err != nil {
			return err
		}
		if c == nil {
			continue
		}
		i.handled[i.named[at].first] = true
		for _, index := range c.indexes() {
			i.put(i.named[len(i.named)-1].last, ", "+quote(c.field.IndexColumn(index.Name())))
		}
		for _, row := range i.rows {
			if err := i.sealInRow(c, at, row); err != nil {
				return err
			}
		}
	}
	return nil
}

// sealInRow seals one value, and puts its blind indexes behind the row's values.
func (i *insertion) sealInRow(c *encryptedColumn, at int, row []item) error {
	if at >= len(row) {
		return nil // the server refuses it
	}
	tenant, err := i.tenantOfRow(i.table, i.columns, row)
	if err != nil {
		return err
	}
	var key []byte
	if c.PrimaryKey {
		if key, err = i.primaryKey(row); err != nil {
			return fmt.Errorf("%w: column %s is bound to the row's primary key, which the statement must have as a "+
				"parameter: %w", ErrEncrypted, c, err)
		}
	}
	written, err := i.sealItem(c, row[at], tenant, key)
	if err != nil {
		return err
	}
	for _, text := range written {
		i.put(row[len(row)-1].last, ", "+text)
	}
	return nil
}

// primaryKey returns that of a new row, which the statement must have.
func (i *insertion) primaryKey(row []item) ([]byte, error) {
	parts := make([]any, len(i.table.PrimaryKey))
	for n, name := range i.table.PrimaryKey {
		parts[n], _ = i.valueOf(name, i.columns, row)
	}
	return fieldcrypt.PrimaryKey(nil, parts...)
}

// writes returns the encrypted column that is to be written. A blind index is not for the application to write.
func (t *encryptedTable) writes(name string) (*encryptedColumn, error) {
	if c := t.indexOf(name); c != nil {
		return nil, fmt.Errorf("%w: column %q of %q is a blind index and is written along with its column (leave it "+
			"out)", ErrEncrypted, name, t.Name)
	}
	return t.columns[name], nil
}

// sealItem seals a value in its place, and returns what its blind indexes are.
func (s *statement) sealItem(c *encryptedColumn, value item, tenant uuid.UUID, key []byte) ([]string, error) {
	text := s.text(value.first)
	null := make([]string, len(c.indexes()))
	for i := range null {
		null[i] = "NULL"
	}
	switch {
	case value.first != value.last:
	case text == "NULL" || text == "DEFAULT": // which an encrypted column has not
		return null, nil
	case fields.IsParameter(text):
		n, err := s.parameter(value.first)
		if err != nil {
			return nil, err
		}
		encoded, err := c.encode(s.args[n])
		if err != nil {
			return nil, err
		}
		if encoded == nil {
			s.args[n] = nil
			return null, nil
		}
		return s.sealEncoded(c, n, tenant, encoded, key)
	}
	return nil, fmt.Errorf("%w: column %s cannot take an expression or a sub-query, whose value only the database "+
		"knows (read the value first, and give that as a parameter)", ErrEncrypted, c)
}

// sealEncoded puts a sealed value in the place of an argument, and adds arguments for its blind indexes.
func (s *statement) sealEncoded(
	c *encryptedColumn, n int, tenant uuid.UUID, encoded, key []byte,
) (indexes []string, err error) {
	sealed, err := c.sealed.Seal(s.ctx, tenant, nil, encoded, key)
	if err != nil {
		return nil, fmt.Errorf("column %s: %w", c, err)
	}
	s.args[n] = sealed
	for _, index := range c.indexes() {
		blind, err := c.sealed.Index(s.ctx, tenant, index, nil, encoded)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", c, err)
		}
		indexes = append(indexes, s.add(blind))
	}
	return indexes, nil
}

// conflict has ON CONFLICT look at blind indexes, and seals what it assigns.
func (i *insertion) conflict(at int) error {
	if i.text(at) != "ON" || i.text(at+1) != "CONFLICT" {
		return nil
	}
	if at += 2; i.text(at) == "(" {
		var named []item
		named, at = i.list(at)
		for _, column := range named {
			name := i.name(column)
			i.target = append(i.target, name)
			if c := i.table.columns[name]; c != nil && len(c.indexes()) > 0 {
				i.handled[column.first] = true
				i.replace(column.first, column.last, quote(c.field.IndexColumn(c.indexes()[0].Name())))
			}
		}
	}
	for ; at < len(i.words); at++ {
		if i.text(at) == "DO" && i.text(at+1) == "UPDATE" && i.text(at+2) == "SET" {
			return (&assignments{statement: i.statement, table: i.table, upsert: i}).read(at + 3)
		}
	}
	return nil
}

// update seals the assignments of an UPDATE.
func (s *statement) update() error {
	if s.text(0) != "UPDATE" {
		return nil
	}
	at := 1
	if s.text(at) == "ONLY" {
		at++
	}
	r, ok := fields.ReferenceAt(s.words, at)
	if !ok {
		return nil
	}
	t := s.fields.find(r.Qualifier, r.Name)
	if t == nil {
		return nil
	}
	for at = r.Last + 1; at < len(s.words) && s.text(at) != "SET"; at++ {
		continue
	}
	return (&assignments{statement: s, table: t}).read(at + 1)
}

// assignments are those of a SET.
type assignments struct {
	*statement

	table  *encryptedTable
	upsert *insertion // whose ON CONFLICT they are of, or nil
}

// read seals one after the other. What is no column = value is left for the watcher to refuse.
func (a *assignments) read(at int) error {
	for {
		r, ok := fields.ReferenceAt(a.words, at)
		if !ok || a.text(r.Last+1) != "=" {
			return nil
		}
		value := a.value(r.Last + 2)
		c, err := a.table.writes(r.Name)
		if err != nil {
			return err
		}
		if c != nil {
			if err := a.assign(c, value); err != nil {
				return err
			}
			a.handled[r.First] = true
		}
		if at = value.last + 2; a.text(at-1) != "," {
			return nil
		}
	}
}

// value reads up to the next assignment, or the end of all.
func (a *assignments) value(first int) item {
	depth := 0
	for at := first; at < len(a.words); at++ {
		switch a.text(at) {
		case "(", "[":
			depth++
		case ")", "]":
			depth--
		case ",", "WHERE", "FROM", "RETURNING", ";":
			if depth == 0 {
				return item{first, at - 1}
			}
		}
	}
	return item{first, len(a.words) - 1}
}

// assign seals one.
func (a *assignments) assign(c *encryptedColumn, value item) error {
	if r, ok := fields.ReferenceAt(a.words, value.first); ok && r.Last == value.last && a.upsert != nil &&
		r.Name == c.Name && (r.Qualifier == "excluded" || r.Qualifier == a.table.Name) {
		return a.copies(c, r)
	}
	tenant, err := a.tenantOfRows(c)
	if err != nil {
		return err
	}
	var key []byte
	if text := a.text(value.first); c.PrimaryKey && text != "NULL" && text != "DEFAULT" {
		if key, err = a.primaryKey(c); err != nil {
			return err
		}
	}
	written, err := a.sealItem(c, value, tenant, key)
	if err != nil {
		return err
	}
	for n, text := range written {
		a.put(value.last, ", "+quote(c.field.IndexColumn(c.indexes()[n].Name()))+" = "+text)
	}
	return nil
}

// copies has the blind indexes taken from where the value is: the row that is there, or the one that was to be
// inserted, which is sealed already. With its primary key in it, it fits no row of another.
func (a *assignments) copies(c *encryptedColumn, from fields.Reference) error {
	if c.PrimaryKey && from.Qualifier == "excluded" && !sameNames(a.upsert.target, a.table.PrimaryKey) {
		return fmt.Errorf("%w: column %s is bound to the row's primary key, and the row that is there may have "+
			"another than the new one (use the columns of the primary key as the target of ON CONFLICT, or set the "+
			"column by UpdateOneID)", ErrEncrypted, c)
	}
	a.handled[from.First] = true
	for _, index := range c.indexes() {
		name := quote(c.field.IndexColumn(index.Name()))
		a.put(from.Last, ", "+name+" = "+quote(from.Qualifier)+"."+name)
	}
	return nil
}

func sameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// primaryKey returns that of the one row which an UPDATE concerns: its WHERE must begin with it, as ent's UpdateOne
// writes it, and have no OR beside it.
func (a *assignments) primaryKey(c *encryptedColumn) ([]byte, error) {
	refused := fmt.Errorf("%w: column %s is bound to the row's primary key, which the statement does not have (update "+
		"the rows one by one, with UpdateOneID)", ErrEncrypted, c)
	at := a.where()
	if a.upsert != nil || at < 0 {
		return nil, refused
	}
	parts := make([]any, len(a.table.PrimaryKey))
	for range parts {
		r, ok := fields.ReferenceAt(a.words, at+1)
		n := slices.Index(a.table.PrimaryKey, r.Name)
		if !ok || n < 0 || a.text(r.Last+1) != "=" || !fields.IsParameter(a.text(r.Last+2)) {
			return nil, refused
		}
		value, ok := a.valueOf("", []string{""}, []item{{r.Last + 2, r.Last + 2}})
		if !ok || !fields.MayFollow(a.text(r.Last+3)) {
			return nil, refused
		}
		parts[n], at = value, r.Last+3
	}
	return fieldcrypt.PrimaryKey(nil, parts...)
}

// where returns the word WHERE of the statement, or -1 where there is none, or an OR in it that is in no parentheses.
func (s *statement) where() int {
	found, depth := -1, 0
	for at := range s.words {
		switch s.text(at) {
		case "(", "[":
			depth++
		case ")", "]":
			depth--
		case "WHERE":
			if depth == 0 && found < 0 {
				found = at
			}
		case "OR":
			if depth == 0 && found >= 0 {
				return -1
			}
		}
	}
	return found
}

package fieldcrypt

import (
	"cmp"
	"fmt"
	"sync"
)

// ColumnOptions declare an encrypted column.
type ColumnOptions struct {
	// Table and Column are its labels, at most 255 bytes each. They are bound into each value, so they stay when table
	// or column are renamed; no two columns may have the same. Required.
	Table, Column string
	// Alg is how new values are sealed. Both open whatever this is, so that it can be changed. Defaults to AES256GCM.
	Alg Alg
	// PrimaryKey binds the row's primary key into each value, so that it is worth nothing in another row. It is for
	// keys that the application assigns, and that never change. Values sealed without are not opened with it, and the
	// other way round. Defaults to false.
	PrimaryKey bool
	// Indexes are the column's blind indexes. Defaults to none.
	Indexes []IndexOptions
}

// Column is an encrypted column. It has no keys, and is safe for concurrent use. Declare it once: a Ring keeps derived
// keys for each.
type Column struct {
	table, column string
	alg           Alg
	primaryKey    bool
	indexes       []*Index

	uses      [2]columnUse // by algorithm, from 1
	scratches sync.Pool    // *scratch
}

// columnUse is a column with one of the algorithms: its address is what a Ring keeps derived keys under.
type columnUse struct{ _ byte }

// scratch is where the authenticated fields are put together with a primary key.
type scratch struct{ bytes []byte }

// maxLabel is the most bytes a label may have.
const maxLabel = 255

// NewColumn checks a declaration. It returns ErrColumn for one that makes no sense.
func NewColumn(o ColumnOptions) (*Column, error) {
	c := &Column{table: o.Table, column: o.Column, alg: cmp.Or(o.Alg, AES256GCM), primaryKey: o.PrimaryKey}
	for _, label := range []string{c.table, c.column} {
		if label == "" || len(label) > maxLabel {
			return nil, fmt.Errorf("%w: labels have 1 to %d bytes", ErrColumn, maxLabel)
		}
	}
	if c.alg.overhead() == 0 {
		return nil, c.invalid("has an unknown algorithm")
	}
	for _, io := range o.Indexes {
		i, err := newIndex(c, io)
		if err != nil {
			return nil, err
		}
		if c.Index(i.name) != nil {
			return nil, c.invalid(fmt.Sprintf("has two indexes of the name %q", i.name))
		}
		c.indexes = append(c.indexes, i)
	}
	return c, nil
}

func (c *Column) invalid(reason string) error {
	return fmt.Errorf("%w: %q.%q %s", ErrColumn, c.table, c.column, reason)
}

// Table returns the table's label.
func (c *Column) Table() string { return c.table }

// Column returns the column's label.
func (c *Column) Column() string { return c.column }

// Alg returns how new values are sealed.
func (c *Column) Alg() Alg { return c.alg }

// PrimaryKey reports whether values are bound to their row.
func (c *Column) PrimaryKey() bool { return c.primaryKey }

// Index returns the blind index of a name, or nil.
func (c *Column) Index(name string) *Index {
	for _, i := range c.indexes {
		if i.name == name {
			return i
		}
	}
	return nil
}

// Indexes returns all blind indexes, in the order of their declaration. It must not be changed.
func (c *Column) Indexes() []*Index { return c.indexes }

// authenticated returns what is authenticated beside a value, with the primary key. The scratch goes back to the pool.
func (c *Column) authenticated(fields, primaryKey []byte) (*scratch, error) {
	switch {
	case !c.primaryKey:
		return nil, c.invalid("does not bind the primary key (leave it out, or declare PrimaryKey)")
	case len(primaryKey) == 0:
		return nil, c.invalid("binds the primary key, which is missing (assign it before the row is written)")
	case len(primaryKey) > maxField:
		return nil, c.invalid("has a row whose primary key is too long to be bound")
	}
	s, ok := c.scratches.Get().(*scratch)
	if !ok {
		s = new(scratch)
	}
	s.bytes = appendField(append(s.bytes[:0], fields...), primaryKey)
	return s, nil
}

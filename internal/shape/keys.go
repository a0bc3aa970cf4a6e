package shape

import (
	"fmt"
)

// Range is a range of numbers, both ends included.
type Range struct{ Min, Max int64 }

// empty reports whether there is no range.
func (r Range) empty() bool { return r == Range{} }

// KeyRange are the numbers that a tenant's sequences draw. Ranges of different tenants are apart from each other and
// from that of the shared tables, so that a tenant's rows can come back among those of others with the keys they have.
type KeyRange struct {
	// Big is for columns of type bigint. It must be set.
	Big Range
	// Int is for columns of type integer. Where it is empty, tables with such keys are refused.
	Int Range
}

// Types of the columns that sequences fill.
const (
	typeSmall = "smallint"
	typeInt   = "integer"
	typeBig   = "bigint"
)

// Limits of the types.
const (
	maxInt = 1<<31 - 1
	maxBig = 1<<63 - 1
	minBig = -1 << 63
)

// check refuses ranges that no sequence can have.
func (k KeyRange) check() error {
	switch {
	case k.Big.Min < 1 || k.Big.Max < k.Big.Min:
		return fmt.Errorf("%w: its range of keys is empty or begins below 1 (set Keys.Big)", ErrResidence)
	case !k.Int.empty() && (k.Int.Min < 1 || k.Int.Max < k.Int.Min || k.Int.Max > maxInt):
		return fmt.Errorf("%w: its range of integer keys is empty or not within 1 and %d (set Keys.Int)",
			ErrResidence, maxInt)
	}
	return nil
}

// limitKeys gives the table's sequences the range.
func (t *Table) limitKeys(k KeyRange) error {
	for i := range t.Sequences {
		s := &t.Sequences[i]
		r := k.Big
		switch kind := t.keyType(*s); {
		case kind == typeBig:
			s.Type = typeBig // a serial's sequence is narrower than a column that was widened later
		case kind == typeInt && !k.Int.empty():
			r, s.Type = k.Int, typeInt
		default:
			return t.refused(ErrKeys, s.Column, "its column "+quote(s.Column)+" draws numbers of type "+kind+
				", which has no room for a range of its own for each tenant", "make the column bigint or uuid")
		}
		s.Min, s.Max, s.Start = r.Min, r.Max, r.Min
		if s.Increment < 0 {
			s.Start = r.Max
		}
	}
	return nil
}

// keyType is the type that decides which numbers fit: that of the column. One that is no integer, such as a text made
// from a number, sets no limit but the sequence's own.
func (t *Table) keyType(s Sequence) string {
	if t.isInteger(s.Column) {
		return t.column(s.Column).Type
	}
	return s.Type
}

// isInteger reports whether a column is of one of the types of integers.
func (t *Table) isInteger(column string) bool {
	c := t.column(column)
	return c != nil && (c.Type == typeSmall || c.Type == typeInt || c.Type == typeBig)
}

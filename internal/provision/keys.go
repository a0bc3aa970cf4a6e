package provision

import (
	"strconv"

	"github.com/stratum-hq/stratum-go/internal/shape"
)

// The ranges of integer keys. The shared tables of the registry's database have the numbers up to the first range; each
// schema and database of a tenant, and the shared tables of each other database, have a range of their own, by the
// number in the tenant's label. So a tenant's rows can be put beside those of others with the keys that they have.
const (
	// bigHome is the last number of the registry's shared tables, a million million.
	bigHome = 1 << 40
	// bigRange is how many numbers a range has, four thousand million. Up to the two-millionth range they also fit
	// into the 53 bits that JavaScript has for integers.
	bigRange = 1 << 32
	// maxBigRanges is how many ranges there are.
	maxBigRanges = 1<<31 - bigHome/bigRange

	// The same for columns of type integer, of which there are few.
	intHome      = 1 << 30
	intRange     = 1 << 20
	maxIntRanges = 1<<30/intRange - 1
)

// Keys returns the range of the tenant, or the placement, of this number. Integer columns run out of ranges after a
// thousand; the range is then empty, and tables with such keys are refused.
func Keys(number int64) shape.KeyRange {
	var k shape.KeyRange
	if number > 0 && number < maxBigRanges {
		k.Big = shape.Range{Min: bigHome + number*bigRange + 1, Max: bigHome + (number+1)*bigRange}
	}
	if number > 0 && number < maxIntRanges {
		k.Int = shape.Range{Min: intHome + number*intRange + 1, Max: intHome + (number+1)*intRange}
	}
	return k
}

// Number is the number in a tenant's label.
func Number(label string) int64 {
	n, err := strconv.ParseInt(label, 36, 64)
	if err != nil {
		return 0 // and there is no range for it
	}
	return n
}

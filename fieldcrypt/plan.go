package fieldcrypt

import (
	"fmt"
	"math"
)

// Plan is how long a blind index of a column may be.
type Plan struct {
	// Bits is the recommended length: the longest that still hides.
	Bits int
	// Coincidences is how many other rows each look-up finds on average, and has to open, at that length. They are what
	// hides the value, and what it costs.
	Coincidences float64
	// Min and Max bound the lengths that hide: below Min look-ups open more than the square root of all rows, and above
	// Max fewer than two other rows share an index. Where there are none, both are 0.
	Min, Max int
}

// PlanBits says how many bits a blind index may have that must not tell which rows have the same value, for a column of
// one tenant: so many rows, with so many different values, each about as frequent. The rule is that of CipherSweet
// (https://ciphersweet.paragonie.com/internals/blind-index-planning): an index of L bits over values of K bits leaves
// rows / 2^min(L, K) rows with each index, and that should be at least 2, and less than the square root of the rows.
//
// Several indexes of one column tell together what one of the sum of their lengths would: divide Bits among them.
//
// Columns with few values (a status, a sex, a country) give their values away by frequency whatever the length, because
// K is small. PlanBits returns ErrColumn for those, where no length keeps the rows of one index below the square root,
// and for fewer than 16 rows.
func PlanBits(rows, distinct int) (Plan, error) {
	if rows < minPlanRows || distinct < 1 || distinct > rows {
		return Plan{}, fmt.Errorf("%w: PlanBits wants at least %d rows, and 1 to that many different values",
			ErrColumn, minPlanRows)
	}
	entropy := math.Log2(float64(distinct))
	shared := func(bits int) float64 { return float64(rows) / math.Exp2(math.Min(float64(bits), entropy)) }
	plan := Plan{}
	for bits := 1; bits <= DefaultBits; bits++ {
		rowsEach := shared(bits)
		if rowsEach < minCoincidences {
			break
		}
		if rowsEach > math.Sqrt(float64(rows)) || float64(bits) > math.Ceil(entropy) {
			continue
		}
		if plan.Min == 0 {
			plan.Min = bits
		}
		plan.Max, plan.Bits, plan.Coincidences = bits, bits, rowsEach
	}
	if plan.Bits == 0 {
		return Plan{}, fmt.Errorf("%w: so few different values show by their frequency at any length (leave the index "+
			"out, and filter what is opened)", ErrColumn)
	}
	return plan, nil
}

const (
	minPlanRows     = 16
	minCoincidences = 2
)

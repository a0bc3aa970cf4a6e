package gormstratum

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
)

// EncryptOptions are the options of EncryptInPlace.
type EncryptOptions struct {
	// DryRun reads and encodes everything, and writes nothing: the report says how many rows there are, and which
	// values do not fit their fields. Defaults to false.
	DryRun bool
	// Tenants are whose rows. Defaults to all that are active.
	Tenants []uuid.UUID
	// Batch is how many rows are read and written in one transaction. Defaults to 500.
	Batch int
	// Workers is how many tenants are worked on at once. Defaults to 2.
	Workers int
	// Lease is how long after its last batch a program that was killed keeps its tenant and table from others. Defaults
	// to 30 seconds.
	Lease time.Duration
	// Progress is called after each batch, one call at a time, with what this program has done so far. Defaults to
	// nobody.
	Progress func(core.ReencryptReport)
}

// EncryptInPlace seals the values that columns have in the clear: those of models whose tag says stratum:"plain", and
// that Migrate has put beside the encrypted column. Each row is compared and swapped, so that what the application
// writes meanwhile is kept; it may be killed at any point and called again, and several programs that call it at once
// share the work. While it runs, and before, readers and conditions that go through the plugin see both forms, and
// writers seal.
//
// What could not be sealed stays as it is and is in the report: a value that does not fit the field's type, and one
// that is in a unique blind index already. When nothing is left, also of tenants that are not active, take the word
// plain out of the tag; Migrate then drops the column, or says what is left. See docs/encryption.md, "A column that has
// values".
//
// It is for the operator: with a tenant's ctx the error is core.ErrKeyScope. Without models that say so it returns
// ErrPlain.
func EncryptInPlace(ctx context.Context, db *gorm.DB, options EncryptOptions) (core.ReencryptReport, error) {
	all, err := EncryptedTables(db.WithContext(ctx))
	if err != nil {
		return core.ReencryptReport{}, err
	}
	var inPlace []core.EncryptedTable
	for _, t := range all {
		t.Columns = slices.DeleteFunc(slices.Clone(t.Columns), func(c core.EncryptedColumn) bool {
			return c.Plain == ""
		})
		if len(t.Columns) > 0 {
			inPlace = append(inPlace, t)
		}
	}
	if len(inPlace) == 0 {
		return core.ReencryptReport{}, errNothingPlain
	}
	p, err := pluginOf(db)
	if err != nil {
		return core.ReencryptReport{}, err
	}
	return p.st.Keys.Reencrypt(ctx, core.ReencryptOptions{
		Tables: inPlace, Job: "encrypt in place", DryRun: options.DryRun, Tenants: options.Tenants,
		Batch: options.Batch, Workers: options.Workers, Lease: options.Lease, Progress: options.Progress,
	})
}

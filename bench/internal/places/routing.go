package places

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/google/uuid"
	"github.com/stratum-hq/stratum-go/core"
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/bench/internal/sample"
	"github.com/stratum-hq/stratum-go/bench/internal/world"
)

const (
	slice   = 10 * time.Millisecond
	warmOps = 12 // PostgreSQL plans a prepared statement anew five times before it keeps a plan
	settle  = 3  // operations at the beginning of a slice that do not count
)

// operation is what is measured, through the plugin and by hand.
type operation struct {
	name         string
	plugin, hand func(db *gorm.DB, tenant, id uuid.UUID) error
}

const body = "lorem ipsum lorem ipsum lorem ipsum lorem ipsum lorem ipsum lorem ipsum lorem ipsum lorem ipsum "

func operations() []operation {
	return []operation{
		{
			"point-read",
			func(db *gorm.DB, tenant, id uuid.UUID) error {
				var row world.Ticket
				return theirs(db.First(&row, "id = ?", id).Error, row.TenantID, tenant)
			},
			func(db *gorm.DB, tenant, id uuid.UUID) error {
				var row world.Plain
				return theirs(db.Where("tenant_id = ?", tenant).First(&row, "id = ?", id).Error, row.TenantID, tenant)
			},
		},
		{
			"insert",
			func(db *gorm.DB, _, _ uuid.UUID) error {
				return db.Create(&world.Ticket{Number: 1, Title: "ticket", Body: body}).Error
			},
			func(db *gorm.DB, tenant, _ uuid.UUID) error {
				return db.Create(&world.Plain{TenantID: tenant, Number: 1, Title: "ticket", Body: body}).Error
			},
		},
		{
			"update",
			func(db *gorm.DB, _, id uuid.UUID) error {
				return one(db.Model(&world.Ticket{}).Where("id = ?", id).Update("title", "changed"))
			},
			func(db *gorm.DB, tenant, id uuid.UUID) error {
				plain := db.Model(&world.Plain{}).Where("tenant_id = ? AND id = ?", tenant, id)
				return one(plain.Update("title", "changed"))
			},
		},
	}
}

func theirs(err error, got, want uuid.UUID) error {
	if err == nil && got != want {
		return errors.New("a row of another tenant")
	}
	return err
}

func one(result *gorm.DB) error {
	if result.Error == nil && result.RowsAffected != 1 {
		return gorm.ErrRecordNotFound
	}
	return result.Error
}

// routing compares each operation for each kind of tenant.
func (b *bench) routing(ctx context.Context, w *realm) error {
	for _, h := range w.homes {
		scope := core.WithTenant(ctx, h.tenant.ID)
		sides := []*gorm.DB{w.db.WithContext(scope), h.plain.WithContext(ctx)}
		for _, op := range operations() {
			do := []func(*gorm.DB, uuid.UUID, uuid.UUID) error{op.plugin, op.hand}
			times := [2][]float64{}
			work := func(i int) error {
				p50, err := b.slice(h, func(id uuid.UUID) error { return do[i](sides[i], h.tenant.ID, id) })
				times[i] = append(times[i], p50)
				return err
			}
			for i := range do {
				for range warmOps {
					if err := do[i](sides[i], h.tenant.ID, h.rows[0]); err != nil {
						return fmt.Errorf("%s: %s: %w", h.kind, op.name, err)
					}
				}
			}
			if err := sample.Turns(ctx, b.random, len(do), b.Time, work); err != nil {
				return fmt.Errorf("%s: %s: %w", h.kind, op.name, err)
			}
			name := "places/" + string(w.link) + "/" + string(h.kind) + "/" + op.name
			b.logf("%s: plugin %.0f us, by hand %.0f us, %d slices", name,
				sample.Median(times[0]), sample.Median(times[1]), len(times[0]))
			b.line(name, sample.PairedRatio(times[0], times[1]), sample.AtMost(routingGoal))
		}
	}
	return nil
}

// slice returns the median time of an operation, in microseconds.
func (b *bench) slice(h *home, do func(id uuid.UUID) error) (float64, error) {
	runtime.GC() // whoever goes next does not pay for the garbage of who went before
	var taken []float64
	for n, begun := 0, time.Now(); len(taken) < settle || time.Since(begun) < slice; n++ {
		from := time.Now()
		if err := do(h.rows[b.random.IntN(len(h.rows))]); err != nil {
			return 0, err
		}
		if n >= settle {
			taken = append(taken, float64(time.Since(from).Nanoseconds())/1e3)
		}
	}
	return sample.Median(taken), nil
}

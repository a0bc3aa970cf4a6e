package gormstratum_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// TestEncryptInPlaceBesideUsers: while rows are sealed, whoever reads and looks up finds what is there, and whoever
// writes is not overwritten.
func TestEncryptInPlaceBesideUsers(t *testing.T) {
	t.Parallel()
	const n = 150
	i := newInn(t, n)
	i.move(t)
	db := i.moving.WithContext(i.ctx)
	done := make(chan struct{})
	var users sync.WaitGroup
	written := func(k int) string { return fmt.Sprintf("%s written %d", secret, k) }
	users.Go(func() {
		for k := 0; k < n; k += 3 {
			err := db.Model(&guestMeanwhile{}).Where("email = ?", guestNumber(k).Email).Update("blood", written(k)).Error
			if err != nil {
				t.Error(err)
			}
		}
	})
	users.Go(func() {
		for k := 1; ; k = (k + 3) % (n - 2) {
			var found []guestMeanwhile
			if err := db.Where("age = ?", k).Find(&found).Error; err != nil {
				t.Error(err)
			}
			if len(found) != 1 || found[0].Email != guestNumber(k).Email {
				t.Errorf("guest %d is not found as it is: %d rows", k, len(found))
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	report, err := gormstratum.EncryptInPlace(t.Context(), i.moving, gormstratum.EncryptOptions{Batch: 5})
	close(done)
	users.Wait()
	require.NoError(t, err)
	require.Empty(t, report.Failures)
	report, err = gormstratum.EncryptInPlace(t.Context(), i.moving, gormstratum.EncryptOptions{})
	require.NoError(t, err)
	require.Equal(t, core.ReencryptReport{Done: 2}, report, "nothing is left")
	var all []guestMeanwhile
	require.NoError(t, db.Order("id").Find(&all).Error)
	for k, g := range all {
		if k%3 == 0 {
			require.Equal(t, written(k), g.Blood)
			g.Blood = guestNumber(k).Blood
		}
		requireGuest(t, k, g)
	}
	require.NotContains(t, i.rows(t), secret)
}

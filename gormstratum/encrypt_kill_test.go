package gormstratum_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// childEncrypts tells a child of the test what to encrypt in place.
const childEncrypts = "STRATUM_TEST_ENCRYPT"

// encryptJob is what a child does.
type encryptJob struct {
	DSN, SystemDSN, OwnerDSN string
	KEK                      []byte
}

// encryptingChild encrypts in place as any program would, until it is killed. It says how far it is.
func encryptingChild(text string) int {
	if err := encryptAsChild(context.Background(), text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func encryptAsChild(ctx context.Context, text string) error {
	var j encryptJob
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	kek, err := fieldcrypt.LocalKEK(j.KEK)
	if err != nil {
		return err
	}
	st, err := core.Open(ctx, core.Options{
		DSN: j.DSN, SystemDSN: j.SystemDSN, OwnerDSN: j.OwnerDSN, NoCopies: true, KEK: kek,
	})
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }()
	db, err := gorm.Open(gormstratum.Open(st), &gorm.Config{Logger: logger.Discard})
	if err != nil {
		return err
	}
	if err := db.Use(gormstratum.New(st, gormstratum.Options{Models: []any{&guestMeanwhile{}}})); err != nil {
		return err
	}
	_, err = gormstratum.EncryptInPlace(ctx, db, gormstratum.EncryptOptions{
		Batch: 5, Lease: time.Second, Progress: func(r core.ReencryptReport) { fmt.Println(r.Rows) },
	})
	return err
}

// program starts a child, and kills it a moment after it has done some batches. It reports whether it was at work then.
func (i *inn) program(t *testing.T, batches int, moment time.Duration) (killed bool) {
	t.Helper()
	executable, err := os.Executable()
	require.NoError(t, err)
	options := i.Options()
	text, err := json.Marshal(encryptJob{
		DSN: options.DSN, SystemDSN: options.SystemDSN, OwnerDSN: options.OwnerDSN, KEK: i.kek,
	})
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), executable)
	cmd.Env = append(os.Environ(), childEncrypts+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	var kill *time.Timer
	for n := 1; lines.Scan(); n++ {
		if n == batches {
			kill = time.AfterFunc(moment, func() { _ = cmd.Process.Kill() })
		}
	}
	err = cmd.Wait()
	if kill != nil && !kill.Stop() && err != nil {
		return true
	}
	require.NoError(t, err)
	return false
}

// TestEncryptInPlaceIsKilled twenty times at any point, with two programs at work: each row can be read and found all
// the time, and is sealed once.
func TestEncryptInPlaceIsKilled(t *testing.T) {
	t.Parallel()
	const n, kills = 400, 20
	killed, halfway := 0, 0
	for killed < kills {
		i := newInn(t, n)
		i.move(t)
		for cut := 2; cut > 0 && killed < kills; {
			cut = i.killTwo(t)
			killed += cut
			if sealed := i.requireGuests(t, n); sealed > 0 && sealed < n {
				halfway++
			}
			k := rand.N(n)
			var found guestMeanwhile
			require.NoError(t, i.moving.WithContext(i.ctx).Where("email = ?", guestNumber(k).Email).First(&found).Error)
			requireGuest(t, k, found)
		}
		_, err := gormstratum.EncryptInPlace(t.Context(), i.moving, gormstratum.EncryptOptions{Lease: time.Second})
		require.NoError(t, err)
		require.Equal(t, n, i.requireGuests(t, n), "each row is sealed once")
		require.NotContains(t, i.rows(t), secret)
		require.Equal(t, int64(2*n), i.value(t, "SELECT sum(writes) FROM guests"))
		after := i.used(t, []any{&guestAfter{}})
		require.NoError(t, gormstratum.Migrate(t.Context(), after, gormstratum.MigrateOptions{}))
		i.requireEncryptedTable(t)
	}
	require.Positive(t, halfway, "tables were left half done")
	t.Logf("%d programs were killed; %d times the table was half done", killed, halfway)
}

// killTwo lets two programs work at once, and returns how many of them were killed at work.
func (i *inn) killTwo(t *testing.T) int {
	t.Helper()
	var killed atomic.Int64
	var programs sync.WaitGroup
	for range 2 {
		batches, moment := 1+rand.N(15), rand.N(5*time.Millisecond)
		programs.Go(func() {
			if i.program(t, batches, moment) {
				killed.Add(1)
			}
		})
	}
	programs.Wait()
	return int(killed.Load())
}

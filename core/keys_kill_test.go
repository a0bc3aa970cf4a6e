package core_test

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

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// childKeys tells a child of the test what to seal anew.
const childKeys = "STRATUM_TEST_KEYS"

// keysJob is what a child does: seal tables anew, or what Do says.
type keysJob struct {
	DSN, SystemDSN, OwnerDSN, RolePrefix string
	KEKs                                 [][]byte // the current one first
	Do                                   string
}

// What a child does instead of sealing tables anew.
const (
	doConfig = "config"
	doRewrap = "rewrap"
)

// kekOf is the KEK of these keys, the current one first.
func kekOf(keys ...[]byte) (fieldcrypt.KEK, error) {
	all := make([]fieldcrypt.KEK, len(keys))
	for i, key := range keys {
		var err error
		if all[i], err = fieldcrypt.LocalKEK(key); err != nil {
			return nil, err
		}
	}
	return fieldcrypt.KEKs(all[0], all[1:]...)
}

// reencryptingChild seals anew like any program would, until it is killed. It says how far it is.
func reencryptingChild(text string) int {
	return childCode(reencryptAsChild(context.Background(), text))
}

func reencryptAsChild(ctx context.Context, text string) error {
	var j keysJob
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	kek, err := kekOf(j.KEKs...)
	if err != nil {
		return err
	}
	st, err := core.Open(ctx, core.Options{
		DSN: j.DSN, SystemDSN: j.SystemDSN, OwnerDSN: j.OwnerDSN, RolePrefix: j.RolePrefix, NoCopies: true, KEK: kek,
	})
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }()
	switch j.Do {
	case doConfig:
		return sealAnew(ctx, st, nil)
	case doRewrap:
		fmt.Println("begin")
		_, err = st.Keys.RewrapKEK(ctx, core.RewrapOptions{
			Progress: func(r core.RewrapReport) { fmt.Println(r.Rewrapped) },
		})
		return err
	}
	email, err := st.Keys.Column(emails())
	if err != nil {
		return err
	}
	phone, err := st.Keys.Column(phones())
	if err != nil {
		return err
	}
	return sealAnew(ctx, st, people(email, phone))
}

func sealAnew(ctx context.Context, st *core.Stratum, tables []core.EncryptedTable) error {
	_, err := st.Keys.Reencrypt(ctx, core.ReencryptOptions{
		Tables: tables, Batch: 5, Lease: time.Second,
		Progress: func(r core.ReencryptReport) { fmt.Println(r.Rows) },
	})
	return err
}

// job is what a child of the office does.
func (o office) job() keysJob {
	options := o.Options()
	return keysJob{
		DSN: options.DSN, SystemDSN: options.SystemDSN, OwnerDSN: options.OwnerDSN, KEKs: [][]byte{o.kek},
	}
}

// program starts a child, and kills it a moment after it has done some batches. It reports whether it was at work then.
func (j keysJob) program(t *testing.T, batches int, moment time.Duration) (killed bool) {
	t.Helper()
	executable, err := os.Executable()
	require.NoError(t, err)
	text, err := json.Marshal(j)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), executable)
	cmd.Env = append(os.Environ(), childKeys+"="+string(text))
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

// TestReencryptIsKilled twenty times at any point, with two programs at work: each row can be read all the time, and is
// written once for each key.
func TestReencryptIsKilled(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	const n, kills = 300, 20
	var tenants []uuid.UUID
	for i, isolation := range isolations()[:2] {
		tenants = append(tenants, o.create(t, core.NewTenant{Slug: slugOf(isolation, i), Isolation: isolation}).ID)
		o.fill(t, tenants[i], n)
	}
	sealedWith, killed, halfway := uint32(1), 0, 0
	for killed < kills {
		for _, tenant := range tenants {
			_, err := o.st.Keys.Rotate(t.Context(), tenant)
			require.NoError(t, err)
		}
		sealedWith++
		for done := false; !done; {
			cut := o.job().killTwo(t, 40, 5*time.Millisecond)
			killed += cut
			done = cut == 0 || killed >= kills
			for _, tenant := range tenants {
				anew := 0
				for i, p := range o.rows(t, tenant) {
					o.requirePerson(t, tenant, i, p)
					if sealedVersion(t, p.Email) == sealedWith {
						anew++
					}
				}
				if anew > 0 && anew < n {
					halfway++
				}
			}
		}
		_, err := o.st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{Tables: o.people(), Lease: time.Second})
		require.NoError(t, err)
		for _, tenant := range tenants {
			o.requireSealed(t, tenant, n, sealedWith)
			for _, p := range o.rows(t, tenant) {
				require.EqualValues(t, sealedWith, p.Writes, "once when it was filled, and once for each key")
			}
		}
	}
	require.Positive(t, halfway, "tables were left half done")
	t.Logf("%d programs were killed, with %d keys; %d tables were half done", killed, sealedWith, halfway)
}

// killTwo lets two programs work at once, and returns how many of them were killed at work.
func (j keysJob) killTwo(t *testing.T, maxBatches int, maxMoment time.Duration) int {
	t.Helper()
	var killed atomic.Int64
	var programs sync.WaitGroup
	for range 2 {
		batches, moment := 1+rand.N(maxBatches), rand.N(maxMoment)
		programs.Go(func() {
			if j.program(t, batches, moment) {
				killed.Add(1)
			}
		})
	}
	programs.Wait()
	return int(killed.Load())
}

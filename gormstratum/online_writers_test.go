package gormstratum_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/gormstratum/internal/crm"
	"github.com/stratum-hq/stratum-go/gormstratum/internal/crm/guarded"
)

// ledger is what writers have done: what must be in the tables afterwards, and each write that failed.
type ledger struct {
	mu       sync.Mutex
	writes   int
	rows     map[string]int64 // by table, beyond those there were
	failures []string
	slowest  time.Duration
}

// note adds a write, with the rows that it has made or deleted.
func (l *ledger) note(name string, took time.Duration, rows map[string]int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes++
	l.slowest = max(l.slowest, took)
	if err != nil {
		l.failures = append(l.failures, name+": "+err.Error())
		return
	}
	for table, n := range rows {
		l.rows[table] += n
	}
}

// soFar is the number of writes, and how long the slowest has taken.
func (l *ledger) soFar() (writes int, slowest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.writes, l.slowest
}

// writer is a loop of writes. It deletes only what it has made, so that no write of another fails for good reason.
type writer struct {
	name     string
	ledger   *ledger
	random   *rand.Rand
	accounts int
	rows     int
	count    int
}

// crew are writers that can be told to stop.
type crew struct {
	stop context.CancelFunc
	done sync.WaitGroup
	made atomic.Int64
}

// work runs the writes of each writer in turn until the crew is told to stop. No write is interrupted.
func work(ctx context.Context, writers []*writer, write func(*writer) (string, map[string]int64, error)) *crew {
	ctx, stop := context.WithCancel(ctx)
	c := &crew{stop: stop}
	for _, w := range writers {
		c.done.Go(func() {
			for ctx.Err() == nil {
				w.count++
				began := time.Now()
				name, rows, err := write(w)
				w.ledger.note(w.name+" "+name, time.Since(began), rows, err)
				c.made.Add(1)
			}
		})
	}
	return c
}

// end stops the crew, after each writer has written at least once more.
func (c *crew) end(t *testing.T, more int64) {
	t.Helper()
	target := c.made.Load() + more
	require.Eventually(t, func() bool { return c.made.Load() >= target }, time.Minute, 20*time.Millisecond)
	c.stop()
	c.done.Wait()
}

// writers makes n of them with a ledger in common.
func writers(name string, n int, l *ledger, accounts, rows int) []*writer {
	all := make([]*writer, n)
	for i := range all {
		all[i] = &writer{
			name: fmt.Sprintf("%s%d", name, i), ledger: l, random: rand.New(rand.NewPCG(1, uint64(i))),
			accounts: accounts, rows: rows,
		}
	}
	return all
}

// row is the id of a row that was there from the beginning, and its account.
func (w *writer) row() (id, account int64) {
	id = 1 + w.random.Int64N(int64(w.rows))
	return id, 1 + id%int64(w.accounts)
}

// unique is a text that no other write has.
func (w *writer) unique() string { return fmt.Sprintf("%s-%d", w.name, w.count) }

// plainWrite is one write of the plain version.
func plainWrite(db *gorm.DB) func(*writer) (string, map[string]int64, error) {
	return func(w *writer) (string, map[string]int64, error) {
		id, account := w.row()
		names := slices.Sorted(maps.Keys(plainWrites))
		name := names[w.count%len(names)]
		rows, err := plainWrites[name](db, w, id, account)
		return name, rows, err
	}
}

// plainWrites are what the plain version does, with GORM as always. Each returns the rows that it has added.
var plainWrites = map[string]func(db *gorm.DB, w *writer, id, account int64) (map[string]int64, error){
	"create with associations": func(db *gorm.DB, w *writer, _, account int64) (map[string]int64, error) {
		invoice := crm.Invoice{
			AccountID: account, Number: w.unique(), Lines: []crm.Line{{SKU: "a", Quantity: 1}, {SKU: "b", Quantity: 2}},
			Payments: []crm.Payment{{AccountID: account, Amount: 5}},
		}
		return map[string]int64{"invoices": 1, "lines": 2, "payments": 1}, db.Create(&invoice).Error
	},
	"update": func(db *gorm.DB, w *writer, id, _ int64) (map[string]int64, error) {
		return nil, db.Model(&crm.Task{ID: id}).Update("title", w.unique()).Error
	},
	"save": func(db *gorm.DB, w *writer, id, account int64) (map[string]int64, error) {
		return nil, db.Save(&crm.Invoice{ID: id, AccountID: account, Number: fmt.Sprintf("I-%d", id), Total: int64(w.count)}).Error
	},
	"upsert": func(db *gorm.DB, w *writer, id, account int64) (map[string]int64, error) {
		return nil, db.Clauses(clause.OnConflict{
			Columns: []clause.Column{{Name: "number"}}, DoUpdates: clause.AssignmentColumns([]string{"total"}),
		}).Create(&crm.Invoice{AccountID: account, Number: fmt.Sprintf("I-%d", id), Total: int64(w.count)}).Error
	},
	"upsert on a constraint": func(db *gorm.DB, _ *writer, id, account int64) (map[string]int64, error) {
		return nil, db.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "code"}}, DoNothing: true}).
			Create(&crm.Project{AccountID: account, Code: fmt.Sprintf("P-%d", id)}).Error
	},
	"batch": func(db *gorm.DB, _ *writer, id, _ int64) (map[string]int64, error) {
		return map[string]int64{"comments": 3}, db.Create(&[]crm.Comment{{TaskID: id}, {TaskID: id}, {TaskID: id}}).Error
	},
	"many to many": func(db *gorm.DB, w *writer, id, account int64) (map[string]int64, error) {
		// The task's account is that of its project, which has the same number.
		tag := crm.Tag{AccountID: account, Name: w.unique()}
		return map[string]int64{"tags": 1, "task_tags": 1}, db.Model(&crm.Task{ID: id}).Association("Tags").Append(&tag)
	},
	"create and delete": func(db *gorm.DB, w *writer, _, account int64) (map[string]int64, error) {
		project := crm.Project{AccountID: account, Code: w.unique(), Tasks: []crm.Task{
			{Title: "x", Comments: []crm.Comment{{Body: "c"}}, Tags: []crm.Tag{{AccountID: account, Name: w.unique()}}},
		}}
		if err := db.Create(&project).Error; err != nil {
			return nil, err
		}
		return map[string]int64{"tags": 1}, db.Delete(&project).Error
	},
	"move to another account": func(db *gorm.DB, w *writer, _, account int64) (map[string]int64, error) {
		project := crm.Project{
			AccountID: account, Code: w.unique(), Tasks: []crm.Task{{Title: "x", Comments: []crm.Comment{{Body: "c"}}}},
		}
		if err := db.Create(&project).Error; err != nil {
			return nil, err
		}
		return map[string]int64{"projects": 1, "tasks": 1, "comments": 1},
			db.Model(&project).Update("account_id", 1+account%int64(w.accounts)).Error
	},
	"sign up": func(db *gorm.DB, w *writer, _, _ int64) (map[string]int64, error) {
		err := db.Transaction(func(tx *gorm.DB) error {
			account := crm.Account{Name: w.unique()}
			if err := tx.Create(&account).Error; err != nil {
				return err
			}
			return tx.Create(&crm.User{
				AccountID: account.ID, Email: w.unique(), Roles: []crm.Role{{AccountID: account.ID, Name: "admin"}},
			}).Error
		})
		return map[string]int64{"accounts": 1, "users": 1, "roles": 1, "user_roles": 1}, err
	},
	"move what belongs together": func(db *gorm.DB, w *writer, _, account int64) (map[string]int64, error) {
		invoice := crm.Invoice{
			AccountID: account, Number: w.unique(), Lines: []crm.Line{{SKU: "a"}},
			Payments: []crm.Payment{{AccountID: account, Amount: 1}},
		}
		if err := db.Create(&invoice).Error; err != nil {
			return nil, err
		}
		other := 1 + account%int64(w.accounts)
		return map[string]int64{"invoices": 1, "lines": 1, "payments": 1}, db.Transaction(func(tx *gorm.DB) error {
			if err := tx.Model(&invoice).Update("account_id", other).Error; err != nil {
				return err
			}
			return tx.Model(&invoice.Payments[0]).Update("account_id", other).Error
		})
	},
}

// guardedWrite is one write of the guarded version, for the account's tenant.
func guardedWrite(b business, tenants []context.Context) func(*writer) (string, map[string]int64, error) {
	return func(w *writer) (string, map[string]int64, error) {
		id, account := w.row()
		names := slices.Sorted(maps.Keys(guardedWrites))
		name := names[w.count%len(names)]
		rows, err := guardedWrites[name](b.db.WithContext(tenants[account-1]), w, id)
		return name, rows, err
	}
}

// guardedWrites know nothing of account_id: the trigger writes it, as long as it is there.
var guardedWrites = map[string]func(db *gorm.DB, w *writer, id int64) (map[string]int64, error){
	"create with associations": func(db *gorm.DB, w *writer, _ int64) (map[string]int64, error) {
		return map[string]int64{"invoices": 1, "lines": 1, "payments": 1}, db.Create(&guarded.Invoice{
			Number: w.unique(), Lines: []guarded.Line{{SKU: "a"}}, Payments: []guarded.Payment{{Amount: 1}},
		}).Error
	},
	"update": func(db *gorm.DB, w *writer, id int64) (map[string]int64, error) {
		result := db.Model(&guarded.Task{ID: id}).Update("title", w.unique())
		if result.Error == nil && result.RowsAffected != 1 {
			return nil, fmt.Errorf("%d rows", result.RowsAffected)
		}
		return nil, result.Error
	},
	"upsert": func(db *gorm.DB, w *writer, id int64) (map[string]int64, error) {
		return nil, db.Clauses(clause.OnConflict{
			Columns: []clause.Column{{Name: "number"}}, DoUpdates: clause.AssignmentColumns([]string{"total"}),
		}).Create(&guarded.Invoice{Number: fmt.Sprintf("I-%d", id), Total: int64(w.count)}).Error
	},
	"many to many": func(db *gorm.DB, w *writer, id int64) (map[string]int64, error) {
		return map[string]int64{"tags": 1, "task_tags": 1},
			db.Model(&guarded.Task{ID: id}).Association("Tags").Append(&guarded.Tag{Name: w.unique()})
	},
	"raw": func(db *gorm.DB, w *writer, id int64) (map[string]int64, error) {
		return map[string]int64{"comments": 1},
			db.Exec("INSERT INTO comments (task_id, body) VALUES (?, ?)", id, w.unique()).Error
	},
	"create and delete": func(db *gorm.DB, w *writer, _ int64) (map[string]int64, error) {
		project := guarded.Project{Code: w.unique(), Tasks: []guarded.Task{{Title: "x"}}}
		if err := db.Create(&project).Error; err != nil {
			return nil, err
		}
		return nil, db.Delete(&project).Error
	},
}

// contexts are those of the accounts' tenants, in order.
func (b business) contexts(t *testing.T, accounts int) []context.Context {
	t.Helper()
	all := make([]context.Context, 0, accounts)
	for account := 1; account <= accounts; account++ {
		all = append(all, b.accountContext(t, account))
	}
	return all
}

// holds checks that the tables have what they had and what was written since.
func (l *ledger) holds(t *testing.T, b business, before map[string]int64) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Empty(t, l.failures)
	for _, table := range crmTables() {
		require.Equal(t, before[table]+l.rows[table], b.value(t, "SELECT count(*) FROM "+table), table)
	}
}

// counts are the rows of each table.
func (b business) counts(t *testing.T) map[string]int64 {
	t.Helper()
	counts := map[string]int64{}
	for _, table := range crmTables() {
		counts[table] = b.value(t, "SELECT count(*) FROM "+table)
	}
	return counts
}

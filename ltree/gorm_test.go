package ltree_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/ltree"
)

// folder has every kind of field a model may have.
type folder struct {
	ID     uint
	Path   ltree.Path `gorm:"uniqueIndex;not null"`
	Former *ltree.Path
	Label  ltree.Label
}

// recorder keeps the statements GORM sends.
type recorder struct {
	logger.Interface

	mu         sync.Mutex
	statements []string
}

func (r *recorder) Trace(_ context.Context, _ time.Time, statement func() (string, int64), _ error) {
	text, _ := statement()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.statements = append(r.statements, text)
}

// openGORM returns a handle to a database of the test's own with the table of folder.
func openGORM(t *testing.T) (*gorm.DB, *recorder) {
	t.Helper()
	log := &recorder{Interface: logger.Discard}
	db, err := gorm.Open(postgres.Open(newDatabase(t)), &gorm.Config{Logger: log})
	require.NoError(t, err)
	pool, err := db.DB()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	require.NoError(t, db.AutoMigrate(&folder{}))
	return db, log
}

func TestGORMColumnTypes(t *testing.T) {
	t.Parallel()
	db, _ := openGORM(t)
	columns, err := db.Migrator().ColumnTypes(&folder{})
	require.NoError(t, err)
	types := map[string]string{}
	for _, column := range columns {
		types[column.Name()] = column.DatabaseTypeName()
	}
	require.Equal(t, map[string]string{"id": "int8", "path": "ltree", "former": "ltree", "label": "text"}, types)
}

func TestGORMSecondMigrationChangesNothing(t *testing.T) {
	t.Parallel()
	db, log := openGORM(t)
	log.statements = nil
	require.NoError(t, db.AutoMigrate(&folder{}))
	require.NotEmpty(t, log.statements)
	for _, statement := range log.statements {
		require.True(t, strings.HasPrefix(strings.TrimSpace(statement), "SELECT"), "%s", statement)
	}
}

func TestGORMCreateAndRead(t *testing.T) {
	t.Parallel()
	db, _ := openGORM(t)
	folders := []folder{
		{Path: ltree.MustParse("a"), Label: ltree.MustParseLabel("a")},
		{Path: ltree.MustParse("a.b"), Label: ltree.MustParseLabel("b"), Former: optional("x.b")},
		{Path: ltree.MustParse("ab"), Label: ltree.MustParseLabel("ab"), Former: optional("")},
	}
	require.NoError(t, db.Create(&folders).Error)

	var read []folder
	require.NoError(t, db.Order("path").Find(&read).Error)
	require.Equal(t, folders, read)

	var subtree []folder
	require.NoError(t, db.Order("path").Find(&subtree, "path <@ ?", ltree.MustParse("a")).Error)
	require.Equal(t, folders[:2], subtree)

	var listed []folder
	require.NoError(t, db.Find(&listed, "path IN ?", paths("ab", "zz")).Error)
	require.Equal(t, folders[2:], listed)

	var one folder
	require.NoError(t, db.Where(&folder{Path: ltree.MustParse("a.b")}).First(&one).Error)
	require.Equal(t, folders[1], one)
}

func TestGORMUpdate(t *testing.T) {
	t.Parallel()
	db, _ := openGORM(t)
	row := folder{Path: ltree.MustParse("a"), Former: optional("b"), Label: ltree.MustParseLabel("a")}
	require.NoError(t, db.Create(&row).Error)
	require.NoError(t, db.Model(&row).Updates(map[string]any{"path": ltree.MustParse("c.a"), "former": nil}).Error)

	var read folder
	require.NoError(t, db.First(&read, row.ID).Error)
	require.Equal(t, folder{ID: row.ID, Path: ltree.MustParse("c.a"), Label: ltree.MustParseLabel("a")}, read)

	read.Former = optional("a")
	require.NoError(t, db.Save(&read).Error)
	var again folder
	require.NoError(t, db.First(&again, row.ID).Error)
	require.Equal(t, read, again)
}

func TestGORMRefusesALabelNeverSet(t *testing.T) {
	t.Parallel()
	db, _ := openGORM(t)
	err := db.Create(&folder{Path: ltree.MustParse("a")}).Error
	require.ErrorIs(t, err, ltree.ErrEmptyLabel)
}

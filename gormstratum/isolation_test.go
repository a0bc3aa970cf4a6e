package gormstratum_test

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/gormstratum"
	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/isolation"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// Models of all the shapes that valid rows must be found for without being told how.
type (
	mood string
	cash struct{ Cents int64 } //nolint:recvcheck // as the interfaces of database/sql want it

	// colourful has columns of many types, by value and by pointer.
	colourful struct {
		gormstratum.Tenant
		ID        uint
		Name      string `gorm:"not null;size:4"`
		Nick      *string
		Required  *string `gorm:"not null"`
		Mood      mood    `gorm:"type:mood"`
		Small     int8    `gorm:"type:smallint"`
		Rate      float64
		On        bool
		At        time.Time
		Maybe     *time.Time
		Never     sql.NullString
		Raw       []byte
		Data      map[string]any `gorm:"serializer:json;type:jsonb"`
		Document  string         `gorm:"type:jsonb"`
		Reference uuid.UUID      `gorm:"type:uuid"`
		Day       string         `gorm:"type:date;not null"`
		Cost      cash           `gorm:"type:bigint;not null"`
		Total     int64          `gorm:"->;type:bigint GENERATED ALWAYS AS (1) STORED"`
		CreatedAt time.Time
		UpdatedAt time.Time
		DeletedAt gorm.DeletedAt
		Skip      string `gorm:"-"`
	}
	// pair has a primary key of two columns, one of which refers.
	pair struct {
		gormstratum.Tenant
		ColourfulID uint `gorm:"primaryKey;autoIncrement:false"`
		Colourful   *colourful
		Number      int `gorm:"primaryKey;autoIncrement:false"`
		Note        string
	}
	// named has a text for its key, and a unique key of two columns, one of them a reference that may be empty.
	named struct {
		gormstratum.Tenant
		Name    string  `gorm:"primaryKey;size:40"`
		Code    string  `gorm:"uniqueIndex:codes"`
		OwnerID *string `gorm:"uniqueIndex:codes"`
		Owner   *named
		Marks   []mark `gorm:"polymorphic:Marked"`
	}
	// mark belongs to any model.
	mark struct {
		gormstratum.Tenant
		ID         uuid.UUID `gorm:"type:uuid;primaryKey;default:gen_random_uuid()"`
		MarkedID   string
		MarkedType string
		Text       string
	}
	// advice has rows of everyone beside those of tenants.
	advice struct {
		gormstratum.OwnOrGlobal
		ID   uint
		Slug string `gorm:"uniqueIndex"`
		Text string
	}
	// device has a tenant column of another name, and a serial number that no two tenants have.
	device struct {
		ID     uint
		OrgID  uuid.UUID `stratum:"tenant" gorm:"type:uuid;not null;default:stratum.tenant_id()"`
		Serial string    `gorm:"uniqueIndex"`
		Name   string
	}
	// lonely has nothing but a key.
	lonely struct {
		gormstratum.Tenant
		ID int64
	}
	// hooked is filled in by its own hook.
	hooked struct {
		gormstratum.Tenant
		ID    uuid.UUID `gorm:"type:uuid;primaryKey"`
		Title string    `gorm:"check:title LIKE 'hooked %'"`
		Size  int       `gorm:"check:size > 0"`
	}
	// guest refers to a row of everyone's.
	guest struct {
		gormstratum.Tenant
		ID          uint
		CountryCode string
		Country     *Country
	}
)

// GormDataType, Value and Scan make cash a column of its own type.
func (cash) GormDataType() string { return "bigint" }

func (c cash) Value() (driver.Value, error) { return c.Cents, nil }

func (c *cash) Scan(v any) error {
	switch v := v.(type) {
	case int64:
		c.Cents = v
	case string:
		_, err := fmt.Sscan(v, &c.Cents)
		return err
	}
	return nil
}

func (h *hooked) BeforeCreate(*gorm.DB) error {
	if len(h.Title) < 8 || h.Title[:7] != "hooked " {
		h.Title = "hooked " + h.Title
	}
	return nil
}

func TestIsolationOfEveryShape(t *testing.T) {
	t.Parallel()
	d := newStratum(t)
	d.exec(t, d.OwnerDSN, "CREATE TYPE mood AS ENUM ('calm', 'cross')")
	d.db = openDiscreet(t, d)
	models := [...]any{&colourful{}, &pair{}, &named{}, &mark{}, &lonely{}, &hooked{}, &guest{}, &advice{}, &device{}}
	require.NoError(t, d.db.Use(gormstratum.New(d.st, gormstratum.Options{
		Models:       append(models[:], &Country{}),
		GlobalUnique: []gormstratum.GlobalUnique{{Model: &device{}, Index: "idx_devices_serial", Reason: "the maker's"}},
	})))
	require.NoError(t, gormstratum.Migrate(t.Context(), d.db, gormstratum.MigrateOptions{}))
	for _, model := range models {
		t.Run(fmt.Sprintf("%T", model), func(t *testing.T) {
			t.Parallel()
			require.True(t, stratumtest.AssertIsolated(t, d.db, model).Isolated())
		})
	}
}

// The desk's models, in the configurations of GORM that take another way to the database.
func TestIsolationInEveryConfiguration(t *testing.T) {
	t.Parallel()
	for name, configure := range map[string]func(*gorm.Config){
		"PrepareStmt":            func(c *gorm.Config) { c.PrepareStmt = true },
		"SkipDefaultTransaction": func(c *gorm.Config) { c.SkipDefaultTransaction = true },
		"TranslateError":         func(c *gorm.Config) { c.TranslateError = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, deskModels(), configure)
			require.True(t, stratumtest.AssertIsolated(t, d.db, &Ticket{}).Isolated())
		})
	}
}

// Every path of the description has a name of its own and either a way to be taken or a reason why not.
func TestIsolationPathsAreComplete(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskModels())
	plugin, ok := d.db.Plugins["stratum"].(*gormstratum.Plugin)
	require.True(t, ok)
	subject, err := plugin.Isolation(asSystemContext(t), access.Token{}, d.db, isolation.Options{Model: &Ticket{}})
	require.NoError(t, err)
	require.Equal(t, "Ticket", subject.Model)
	require.Equal(t, []isolation.Table{
		{Name: `"tickets"`, Column: `"tenant_id"`},
		{Name: `"comments"`, Column: `"tenant_id"`},
		{Name: `"tags"`, Column: `"tenant_id"`},
		{Name: `"ticket_tags"`, Column: `"tenant_id"`},
	}, subject.Reached)
	require.ElementsMatch(t, subject.Reached, subject.Owned)
	names := map[string]bool{}
	for _, path := range subject.Paths {
		require.False(t, names[path.Name], path.Name)
		names[path.Name] = true
		require.True(t, path.Skipped != "" || path.Run != nil, path.Name)
	}
	require.Greater(t, len(names), 50)
}

func TestIsolationNeedsThePlugin(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskModels())
	unused := gormstratum.New(d.st)
	_, err := unused.Isolation(t.Context(), access.Token{}, d.db, isolation.Options{Model: &Ticket{}})
	require.ErrorIs(t, err, gormstratum.ErrNotUsed)
	plugin, ok := d.db.Plugins["stratum"].(*gormstratum.Plugin)
	require.True(t, ok)
	_, err = plugin.Isolation(t.Context(), access.Token{}, d.st, isolation.Options{Model: &Ticket{}})
	require.ErrorIs(t, err, gormstratum.ErrNotUsed)
	_, err = plugin.Isolation(asSystemContext(t), access.Token{}, d.db, isolation.Options{Model: &Country{}})
	require.ErrorIs(t, err, gormstratum.ErrModel)
	require.Same(t, d.st, plugin.Stratum(access.Token{}))
}

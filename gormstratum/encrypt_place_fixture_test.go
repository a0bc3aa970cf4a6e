package gormstratum_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// The guests of an inn, as they are before their fields are encrypted, while that is done, and afterwards.
type (
	guestBefore struct {
		gormstratum.Tenant
		ID     uint
		Name   string
		Email  string  `gorm:"type:varchar(100);not null;default:'';uniqueIndex"`
		Phone  *string `gorm:"index"`
		Blood  string
		Age    int
		Born   time.Time
		Weight float64 `gorm:"type:numeric(10,3)"`
		Vip    bool
		Photo  []byte
		Home   Lodging            `gorm:"serializer:json"`
		Bills  map[string]float64 `gorm:"serializer:json;type:jsonb"`
		Token  uuid.UUID          `gorm:"type:uuid"`
		Writes int
	}
	guestMeanwhile struct {
		gormstratum.Tenant
		ID     uint
		Name   string
		Email  string             `gorm:"serializer:encrypted;not null;uniqueIndex" stratum:"searchable,normalize=casefold;trim,plain"`
		Phone  *string            `gorm:"serializer:encrypted;index"                stratum:"searchable,plain=phone_number"`
		Blood  string             `gorm:"serializer:encrypted"                      stratum:"searchable,bits=1,plain"`
		Age    int                `gorm:"serializer:encrypted"                      stratum:"searchable,plain"`
		Born   time.Time          `gorm:"serializer:encrypted"                      stratum:"plain"`
		Weight float64            `gorm:"serializer:encrypted"                      stratum:"plain"`
		Vip    bool               `gorm:"serializer:encrypted"                      stratum:"plain"`
		Photo  []byte             `gorm:"serializer:encrypted"                      stratum:"plain"`
		Home   Lodging            `gorm:"serializer:encrypted"                      stratum:"plain"`
		Bills  map[string]float64 `gorm:"serializer:encrypted"                      stratum:"plain"`
		Token  uuid.UUID          `gorm:"serializer:encrypted"                      stratum:"plain"`
		Writes int
	}
	guestAfter struct {
		gormstratum.Tenant
		ID     uint
		Name   string
		Email  string             `gorm:"serializer:encrypted;not null;uniqueIndex" stratum:"searchable,normalize=casefold;trim"`
		Phone  *string            `gorm:"serializer:encrypted;index"                stratum:"searchable"`
		Blood  string             `gorm:"serializer:encrypted"                      stratum:"searchable,bits=1"`
		Age    int                `gorm:"serializer:encrypted"                      stratum:"searchable"`
		Born   time.Time          `gorm:"serializer:encrypted"`
		Weight float64            `gorm:"serializer:encrypted"`
		Vip    bool               `gorm:"serializer:encrypted"`
		Photo  []byte             `gorm:"serializer:encrypted"`
		Home   Lodging            `gorm:"serializer:encrypted"`
		Bills  map[string]float64 `gorm:"serializer:encrypted"`
		Token  uuid.UUID          `gorm:"serializer:encrypted"`
		Writes int
	}
)

func (guestBefore) TableName() string    { return "guests" }
func (guestMeanwhile) TableName() string { return "guests" }
func (guestAfter) TableName() string     { return "guests" }

// guestColumns are those that are encrypted.
func guestColumns() []string {
	return []string{"email", "phone", "blood", "age", "born", "weight", "vip", "photo", "home", "bills", "token"}
}

// inn is a database with a table that is to be encrypted in place.
type inn struct {
	clinic

	kek    []byte
	plain  *gorm.DB // the models as they were
	moving *gorm.DB // the models with the word plain
}

// newInn has n guests of each of two tenants in the clear, and counts how often each is written.
func newInn(t *testing.T, n int) *inn {
	t.Helper()
	i := &inn{clinic: clinic{desk: newEmpty(t), log: &quietLog{}}, kek: fieldcrypt.NewKey()}
	options := i.Options()
	var err error
	options.KEK, err = fieldcrypt.LocalKEK(i.kek)
	require.NoError(t, err)
	i.st = i.openStratum(t, options)
	require.NoError(t, i.st.Migrate(t.Context()))
	i.plain = i.used(t, []any{&guestBefore{}})
	require.NoError(t, gormstratum.Migrate(t.Context(), i.plain, gormstratum.MigrateOptions{}))
	i.ctx = i.desk.tenant(t, "acme")
	i.tenant, _ = core.TenantFrom(i.ctx)
	for _, ctx := range []context.Context{i.ctx, i.desk.tenant(t, "bolt")} {
		for k := range n {
			g := guestNumber(k)
			require.NoError(t, i.plain.WithContext(ctx).Create(&g).Error)
		}
	}
	i.exec(t, i.OwnerDSN, `CREATE FUNCTION count_write() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN NEW.writes := OLD.writes + 1; RETURN NEW; END $$;
		CREATE TRIGGER count_write BEFORE UPDATE ON guests FOR EACH ROW EXECUTE FUNCTION count_write()`)
	return i
}

// move makes the first step.
func (i *inn) move(t *testing.T) {
	t.Helper()
	i.moving = i.used(t, []any{&guestMeanwhile{}})
	require.NoError(t, gormstratum.Migrate(t.Context(), i.moving, gormstratum.MigrateOptions{}))
}

// guestNumber is the guest of a number, with a secret in each field. The fourth has no telephone.
func guestNumber(k int) guestBefore {
	phone := fmt.Sprintf("%s phone %03d", secret, k)
	g := guestBefore{
		Name: fmt.Sprintf("g%03d", k), Email: fmt.Sprintf("G%03d@%s", k, secret), Phone: &phone,
		Blood: fmt.Sprintf("%s %03d", secret, k), Age: k, Born: time.Date(1970, 1, 2, 3, 4, 5, 6000*k, time.UTC),
		Weight: float64(k) + 0.125, Vip: k%2 == 0, Photo: append([]byte{1, 0, 0, 0, 1, byte(k)}, make([]byte, 40)...), Home: Lodging{secret + " \\x00", `"`},
		Bills: map[string]float64{secret: float64(k)}, Token: uuid.NewSHA1(uuid.Nil, []byte(phone)),
	}
	if k == 4 {
		g.Phone = nil
	}
	return g
}

// requireGuest requires that a guest is the one of a number, whichever form the row has.
func requireGuest(t *testing.T, k int, got guestMeanwhile) {
	t.Helper()
	want := guestNumber(k)
	require.Equal(t, want.Name, got.Name)
	got.Born = got.Born.UTC()
	require.Equal(t, guestMeanwhile{
		Tenant: got.Tenant, ID: got.ID, Name: want.Name, Email: want.Email, Phone: want.Phone, Blood: want.Blood,
		Age: want.Age, Born: want.Born, Weight: want.Weight, Vip: want.Vip, Photo: want.Photo, Home: want.Home,
		Bills: want.Bills, Token: want.Token, Writes: got.Writes,
	}, got)
}

// requireGuests requires that a tenant's guests can all be read, and returns how many are sealed.
func (i *inn) requireGuests(t *testing.T, n int) (sealed int) {
	t.Helper()
	var all []guestMeanwhile
	require.NoError(t, i.moving.WithContext(i.ctx).Order("id").Find(&all).Error)
	require.Len(t, all, n)
	for k, g := range all {
		requireGuest(t, k, g)
		sealed += g.Writes
		require.LessOrEqual(t, g.Writes, 1, "each row is sealed once")
	}
	return sealed
}

// rows are all rows of the table as somebody sees them who has no keys, as text.
func (i *inn) rows(t *testing.T) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), i.AdminDSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	found, err := conn.Query(t.Context(), "SELECT * FROM guests ORDER BY id")
	require.NoError(t, err)
	all, err := pgx.CollectRows(found, pgx.RowToMap)
	require.NoError(t, err)
	return fmt.Sprintf("%s", all)
}

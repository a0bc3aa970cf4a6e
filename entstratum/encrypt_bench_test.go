package entstratum_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/entstratum/internal/clinic/ent"
)

// BenchmarkEncryptedRead reads 10,000 rows, with two columns encrypted and in the clear.
func BenchmarkEncryptedRead(b *testing.B) {
	const rows, batch = 10_000, 500
	c := newClinic(b)
	client := ent.OpenStratum(c.st)
	for from := 0; from < rows; from += batch {
		sealed, plain := make([]*ent.SealedCreate, batch), make([]*ent.PlainCreate, batch)
		for i := range batch {
			email, phone := fmt.Sprintf("person%d@example.org", from+i), fmt.Sprintf("+49 30 %d", from+i)
			sealed[i] = client.Sealed.Create().SetName("x").SetEmail(email).SetPhone(phone)
			plain[i] = client.Plain.Create().SetName("x").SetEmail(email).SetPhone(phone)
		}
		require.NoError(b, client.Sealed.CreateBulk(sealed...).Exec(c.ctx))
		require.NoError(b, client.Plain.CreateBulk(plain...).Exec(c.ctx))
	}
	b.Run("plain", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			all, err := client.Plain.Query().All(c.ctx)
			require.NoError(b, err)
			require.Len(b, all, rows)
		}
	})
	b.Run("encrypted", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			all, err := client.Sealed.Query().All(c.ctx)
			require.NoError(b, err)
			require.Len(b, all, rows)
		}
	})
	b.Run("one plain row", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := client.Plain.Query().First(c.ctx)
			require.NoError(b, err)
		}
	})
	b.Run("one encrypted row", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := client.Sealed.Query().First(c.ctx)
			require.NoError(b, err)
		}
	})
}

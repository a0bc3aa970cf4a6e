package core_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// canary is a value that must be seen in no error and no log.
const canary = "canary-4711@example.org"

// TestKeysTellNothing: on every path that ends in an error, neither the error nor the log has a value, a key or an
// argument.
func TestKeysTellNothing(t *testing.T) {
	t.Parallel()
	log := &syncBuffer{}
	kek := []byte("canary-key-of-thirty-two-bytes-!")
	o := newOffice(t, func(o *core.Options) {
		o.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		o.Keys.TTL = time.Millisecond
	})
	local, err := fieldcrypt.LocalKEK(kek)
	require.NoError(t, err)
	failing := &countingKEK{KEK: local}
	st := o.open(t, func(o *core.Options) {
		o.KEK, o.Keys.TTL = failing, 20*time.Millisecond
		o.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	email, phone := officeColumns(t, st)
	acme, globex := o.create(t, core.NewTenant{Slug: "acme"}).ID, o.create(t, core.NewTenant{Slug: "globex"}).ID
	in := func(tenant uuid.UUID) context.Context { return core.WithTenant(t.Context(), tenant) }
	text, _, err := fieldcrypt.Encode(nil, canary)
	require.NoError(t, err)
	sealed, err := email.Seal(in(acme), acme, nil, text, nil)
	require.NoError(t, err)

	var errs []error
	add := func(name string, err error) {
		t.Helper()
		require.Error(t, err, name)
		errs = append(errs, fmt.Errorf("%s: %w", name, err))
	}
	_, err = email.Open(in(globex), globex, nil, sealed, nil)
	add("another tenant", err)
	_, err = email.Open(in(globex), acme, nil, sealed, nil)
	add("mismatch", err)
	_, err = phone.Open(in(acme), acme, nil, sealed, []byte(canary))
	add("another column", err)
	_, err = phone.Seal(in(acme), acme, nil, text, nil)
	add("no primary key", err)
	_, err = email.Seal(in(acme), acme, nil, text, []byte(canary))
	add("a primary key", err)
	_, err = email.Open(in(acme), acme, nil, []byte(canary), nil)
	add("plaintext", err)
	_, err = email.Index(in(acme), acme, email.Column().Index(""), nil, append([]byte{2}, canary...))
	add("no text", err)
	nobody := uuid.New()
	_, err = email.Seal(in(nobody), nobody, nil, text, nil)
	add("unknown tenant", err)
	_, err = st.Keys.Column(fieldcrypt.ColumnOptions{Table: "t", Column: "c", Alg: 9})
	add("column", err)

	_, err = st.DB().ExecContext(in(acme), `INSERT INTO people (email, phone_plain) VALUES ($1, $2)`, canary, canary)
	require.NoError(t, err, "a table without the CHECK")
	tables := people(email, phone)
	tables[0].Columns[1].FromPlain = func(any) (any, error) { return nil, errors.New("it has no country") }
	report, err := st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{Tables: tables})
	require.NoError(t, err)
	require.EqualValues(t, 2, report.Failed)
	for _, f := range report.Failures {
		add("job", f.Err)
		require.Len(t, f.PrimaryKey, 1)
	}
	missing := people(email, phone)
	missing[0].Name = "nobody"
	_, err = st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{Tables: missing})
	add("no table", err)
	_, err = st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{Tables: people(o.email, o.phone)})
	add("columns of another handle", err)
	add("retire", st.Keys.Retire(t.Context(), acme, 1, people(email, phone)))

	failing.fail(errors.New("the KMS is down"))
	require.Eventually(t, func() bool {
		_, err = email.Open(in(acme), acme, nil, sealed, nil)
		return err != nil
	}, time.Minute, time.Millisecond)
	add("KMS", err)
	failing.fail(nil)
	runAs(t, o.AdminDSN, `UPDATE stratum.tenant_keys SET wrapped = 'canary-4711@example.org'`)
	require.Eventually(t, func() bool {
		_, err = email.Open(in(acme), acme, nil, sealed, nil)
		return errors.Is(err, fieldcrypt.ErrUnwrap)
	}, time.Minute, time.Millisecond)
	add("unwrap", err)
	_, err = st.Keys.Shred(t.Context(), acme, core.ShredOptions{})
	require.NoError(t, err)
	_, err = email.Open(in(acme), acme, nil, sealed, nil)
	add("shredded", err)

	texts := []string{log.String()}
	for _, err := range errs {
		texts = append(texts, fmt.Sprintf("%v\n%+v\n%#v", err, err, errors.Unwrap(err)))
	}
	texts = append(texts, fmt.Sprintf("%v %+v %v %+v", st.Keys, st.Keys, email, email))
	for _, secret := range [][]byte{[]byte(canary), kek, o.kek} {
		for _, form := range []string{
			string(secret), hex.EncodeToString(secret), base64.RawStdEncoding.EncodeToString(secret),
			base64.RawURLEncoding.EncodeToString(secret),
		} {
			for _, text := range texts {
				require.NotContains(t, text, form)
			}
		}
	}
}

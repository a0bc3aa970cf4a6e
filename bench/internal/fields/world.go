package fields

import (
	"context"
	"errors"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// vault is a server with a tenant, whose keys are there.
type vault struct {
	server *stratumtest.Server
	st     *core.Stratum
	tenant core.Tenant
}

func start(ctx context.Context) (_ *vault, err error) {
	server, err := stratumtest.Start(ctx, stratumtest.Options{})
	if err != nil {
		return nil, err
	}
	w := &vault{server: server}
	if err := w.build(ctx); err != nil {
		return nil, errors.Join(err, w.close(ctx))
	}
	return w, nil
}

func (w *vault) build(ctx context.Context) error {
	database, err := w.server.CreateDatabase(ctx, "")
	if err != nil {
		return err
	}
	o := database.Options()
	if o.KEK, err = fieldcrypt.LocalKEK(fieldcrypt.NewKey()); err != nil {
		return err
	}
	if w.st, err = core.Open(ctx, o); err != nil {
		return err
	}
	if err := w.st.Migrate(ctx); err != nil {
		return err
	}
	w.tenant, err = w.st.Tenants.Create(ctx, core.NewTenant{Name: "Acme", Slug: "acme"})
	return err
}

func (w *vault) close(ctx context.Context) error {
	var err error
	if w.st != nil {
		err = w.st.Close()
	}
	return errors.Join(err, w.server.Close(ctx))
}

// plaintext is text of a size, encoded.
func plaintext(size int) []byte {
	text := make([]byte, size)
	text[0] = 1
	return text
}

// subjects are what is compared, raw first.
func (w *vault) subjects(ctx context.Context, size int) ([]subject, error) {
	text := plaintext(size)
	scoped := core.WithTenant(ctx, w.tenant.ID)
	all := make([]subject, 0, 7)
	for _, make := range []func() (subject, error){
		func() (subject, error) { return raw(text) },
		func() (subject, error) { return ring(w.tenant.ID, text) },
		func() (subject, error) {
			return column(scoped, w.st, "column", options("plain", fieldcrypt.AES256GCM, false), text)
		},
		func() (subject, error) {
			return column(scoped, w.st, "bound", options("bound", fieldcrypt.AES256GCM, true), text)
		},
		func() (subject, error) {
			return column(scoped, w.st, "xaes", options("xaes", fieldcrypt.XAES256GCM, false), text)
		},
		func() (subject, error) { return opener(scoped, w.st, text) },
		func() (subject, error) { return tink(text) },
	} {
		s, err := make()
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// indexes are a pooled HMAC, and a blind index.
func (w *vault) indexes(ctx context.Context) ([]operation, error) {
	text := plaintext(32)
	c, err := w.st.Keys.Column(options("indexed", fieldcrypt.AES256GCM, false))
	if err != nil {
		return nil, err
	}
	scoped, buffer := core.WithTenant(ctx, w.tenant.ID), make([]byte, 0, 64)
	return []operation{rawIndex(text), {name: "column", goal: true, run: func() error {
		_, err := c.Index(scoped, w.tenant.ID, c.Column().Index(""), buffer, text)
		return err
	}}}, nil
}

package desk

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/stratum-hq/stratum-go/core"
)

// Limits of the HTTP server.
const (
	readTimeout     = 10 * time.Second
	shutdownTimeout = 10 * time.Second
)

// serve offers the desk over HTTP until ctx ends, and then lets requests that have begun come to their end.
func (d *desk) serve(ctx context.Context, addr string) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: d.app.Handler(), ReadTimeout: readTimeout}
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		stopped <- server.Shutdown(ctx)
	})
	d.printHelp(ctx, "http://"+listener.Addr().String())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

// printHelp prints requests to try, with slugs that exist.
func (d *desk) printHelp(ctx context.Context, url string) {
	slug := "SLUG"
	if page, err := d.app.Stratum().Tenants.List(ctx, core.ListOptions{Limit: 1}); err == nil && len(page.Tenants) > 0 {
		slug = page.Tenants[0].Slug
	}
	d.printf(`serving on %[1]s until Ctrl-C; try:

  curl -s -H 'X-Tenant: %[2]s' '%[1]s/tickets?status=open'
  curl -s -H 'X-Tenant: %[2]s' %[1]s/tickets/T-1001
  curl -s -H 'X-Tenant: %[2]s' %[1]s/report
  curl -s -H 'X-Tenant: %[2]s' %[1]s/tickets -d '{"number": "T-9001", "subject": "A new ticket", "priority": "high"}'
  curl -s -H 'X-Tenant: %[2]s' %[1]s/tickets/T-9001/comments -d '{"author": "ann@example.org", "body": "Me too."}'
  curl -s %[1]s/tickets       # no tenant: refused

`, url, slug)
}

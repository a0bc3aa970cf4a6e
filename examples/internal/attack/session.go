package attack

import (
	"context"
	"database/sql"

	"github.com/stratum-hq/stratum-go/core"
)

const allTickets = "SELECT tenant_id FROM tickets"

// Prepared use a statement that was prepared for another tenant.
func (s *Scene) Prepared() []Attempt {
	return []Attempt{{"a statement that another tenant prepared", OwnRows(), s.foreignPrepared}}
}

// UsedConnections use a connection that another tenant has used.
func (s *Scene) UsedConnections() []Attempt {
	return []Attempt{
		{"a connection that another tenant used", OwnRows(), s.usedConnection},
		{"that connection without a tenant", Refused(core.ErrNoTenant), s.usedConnectionNoTenant},
	}
}

// Goroutines lose the request's context.
func (s *Scene) Goroutines() []Attempt {
	return []Attempt{{"a goroutine with a context of its own", Refused(core.ErrNoTenant), s.goroutine}}
}

func (s *Scene) foreignPrepared(ctx context.Context) (Reached, error) {
	statement, err := s.st.DB().PrepareContext(As(ctx, s.Other), allTickets)
	if err != nil {
		return nil, err
	}
	defer func() { _ = statement.Close() }() // the attempt is over
	if err := readAll(statement.QueryContext(As(ctx, s.Other))); err != nil {
		return nil, err
	}
	return ScanOwners(statement.QueryContext(ctx))
}

func (s *Scene) usedConnection(ctx context.Context) (Reached, error) {
	return s.onUsedConnection(ctx, s.AsMe)
}

func (s *Scene) usedConnectionNoTenant(ctx context.Context) (Reached, error) {
	return s.onUsedConnection(ctx, WithoutTenant)
}

// onUsedConnection queries as the other tenant and then, on the same connection, as somebody else.
func (s *Scene) onUsedConnection(ctx context.Context, next Actor) (Reached, error) {
	conn, err := s.st.DB().Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // it goes back to the pool
	if err := readAll(conn.QueryContext(As(ctx, s.Other), allTickets)); err != nil {
		return nil, err
	}
	return ScanOwners(conn.QueryContext(next(ctx), allTickets))
}

// goroutine forgets to take the request's context along; core.Detach is how it is done.
func (s *Scene) goroutine(context.Context) (got Reached, err error) {
	done := make(chan struct{})
	go func() { //nolint:gosec,contextcheck // what is attempted
		defer close(done)
		got, err = s.orm.Tickets(context.Background())
	}()
	<-done
	return got, err
}

// readAll reads rows for nothing.
func readAll(rows *sql.Rows, err error) error {
	_, err = ScanOwners(rows, err)
	return err
}

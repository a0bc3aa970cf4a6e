package guard

import (
	"context"
	"net"

	"github.com/jackc/pgx/v5"
)

// Lend borrows a connection of the pool until the returned function is called.
func Lend(ctx context.Context, p *Pool) (*pgx.Conn, func(), error) {
	s, err := p.acquire(ctx)
	if err != nil {
		return nil, nil, err
	}
	return s.conn, s.release, nil
}

// Abandon cuts the connection of a session while it is lent.
func Abandon(ctx context.Context, p *Pool) error {
	s, err := p.acquire(ctx)
	if err != nil {
		return err
	}
	defer s.release()
	s.abandon()
	return nil
}

// Counted is nc as one that the returned budget counts.
func Counted(nc net.Conn) (net.Conn, *Budget) {
	p := &Pool{budget: NewBudget(1), sockets: make(map[*socket]struct{}), drained: make(chan struct{})}
	s := &socket{Conn: nc, pool: p}
	p.budget.issue(s)
	return s, p.budget
}

// Overtaken is what a borrower gets whose pool is closed in the moment in which there is a lease for it.
func Overtaken(ctx context.Context, p *Pool) error {
	p.shut()
	p.budget.mu.Lock()
	defer p.budget.mu.Unlock()
	_, err := p.awake(ctx)
	return err
}

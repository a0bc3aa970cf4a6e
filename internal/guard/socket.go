package guard

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// lingerTimeout is how long a closed connection waits for the server to close its end. It is shorter than the patience
// of Close.
const lingerTimeout = 3 * time.Second

// The states of a socket.
const (
	dialling int32 = iota // until the session on it is ready
	made                  // ready for the borrower that it was dialled for
	idle                  // in its pool
	lent
	leaving // closed, or about to be
)

// socket is a connection that counts. Its token comes back when the server has closed its end, which a PostgreSQL
// server does when the process behind it has gone: not before that is there room for another.
type socket struct {
	net.Conn

	pool   *Pool
	claim  atomic.Pointer[claim] // until it is lent
	state  atomic.Int32
	since  atomic.Int64 // when it was ready or used last, in nanoseconds
	closed atomic.Bool
	mu     sync.Mutex // between closing it and setting deadlines
}

// ready says that there is a session on s.
func (s *socket) ready() {
	s.since.Store(time.Now().UnixNano())
	if s.state.CompareAndSwap(dialling, made) && s.isOrphan() {
		b := s.pool.budget
		b.mu.Lock()
		defer b.mu.Unlock()
		b.evict()
	}
}

// lend reports whether s can be lent. One that has been evicted cannot.
func (s *socket) lend() bool {
	if s.state.CompareAndSwap(idle, lent) {
		return true
	}
	if !s.state.CompareAndSwap(made, lent) {
		return false
	}
	s.claim.Store(nil) // with the ctx of the first of many borrowers
	return true
}

// rest ends lend.
func (s *socket) rest() {
	s.since.Store(time.Now().UnixNano())
	s.state.CompareAndSwap(lent, idle) // unless it has been closed
}

// isSpare reports whether nobody has s and nobody is about to: it is idle, or was made for a borrower that is gone.
func (s *socket) isSpare() bool {
	state := s.state.Load()
	return state == idle || state == made && s.isOrphan()
}

// spare marks s as closed if it is spare. From then on it cannot be lent.
func (s *socket) spare() bool {
	return s.state.CompareAndSwap(idle, leaving) || s.isOrphan() && s.state.CompareAndSwap(made, leaving)
}

// isOrphan reports whether the borrower that s was dialled for is gone.
func (s *socket) isOrphan() bool {
	c := s.claim.Load()
	return c != nil && c.gone.Load()
}

// Close does not wait for the server; the token does.
func (s *socket) Close() error {
	b := s.pool.budget
	b.mu.Lock()
	b.closes(s)
	b.mu.Unlock()
	go s.end()
	return nil
}

// end closes s, once.
func (s *socket) end() {
	s.mu.Lock()
	first := s.closed.CompareAndSwap(false, true)
	s.mu.Unlock()
	if !first {
		return
	}
	s.linger()
	_ = s.Conn.Close() // it is closed whatever it says
	b := s.pool.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closing--
	b.giveBack(s)
}

// linger tells the server that nothing more comes, and waits for its end of the connection.
func (s *socket) linger() {
	half, ok := s.Conn.(interface{ CloseWrite() error })
	if !ok || s.Conn.SetDeadline(time.Now().Add(lingerTimeout)) != nil || half.CloseWrite() != nil {
		return
	}
	_, _ = io.Copy(io.Discard, s.Conn) // until the end, or the deadline
}

// Read reads as long as the connection is open.
func (s *socket) Read(p []byte) (int, error) {
	if s.closed.Load() {
		return 0, net.ErrClosed
	}
	return s.Conn.Read(p)
}

// Write writes as long as the connection is open.
func (s *socket) Write(p []byte) (int, error) {
	if s.closed.Load() {
		return 0, net.ErrClosed
	}
	return s.Conn.Write(p)
}

// SetDeadline is not for a connection that lingers.
func (s *socket) SetDeadline(t time.Time) error {
	return s.whileOpen(func() error { return s.Conn.SetDeadline(t) })
}

// SetReadDeadline is not for a connection that lingers.
func (s *socket) SetReadDeadline(t time.Time) error {
	return s.whileOpen(func() error { return s.Conn.SetReadDeadline(t) })
}

// SetWriteDeadline is not for a connection that lingers.
func (s *socket) SetWriteDeadline(t time.Time) error {
	return s.whileOpen(func() error { return s.Conn.SetWriteDeadline(t) })
}

func (s *socket) whileOpen(set func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return net.ErrClosed
	}
	return set()
}

// SyscallConn is for the probe.
func (s *socket) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := s.Conn.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

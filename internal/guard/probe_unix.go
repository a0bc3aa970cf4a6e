//go:build unix

package guard

import (
	"crypto/tls"
	"encoding/binary"
	"net"
	"syscall"
)

// alive looks at an idle connection's socket without blocking and without a round trip: the server has closed it, or
// has said something unasked. Only an error message, or bytes that cannot be read because they are encrypted, count
// against the connection; a changed parameter or a notice does not.
func (p *probe) alive() bool {
	if p.raw == nil {
		return true
	}
	// Control and not Read: after a slow write pgx leaves a goroutine behind that is reading, and Read would wait for
	// it, and it for the server.
	err := p.raw.Control(p.look)
	return err == nil && p.good
}

// probe is made once for a connection, since it is used before each statement.
type probe struct {
	raw       syscall.RawConn // nil where there is no socket to look at
	look      func(fd uintptr)
	encrypted bool
	good      bool // what look has found
	unasked   [512]byte
}

func newProbe(nc net.Conn) *probe {
	p := &probe{}
	if t, ok := nc.(*tls.Conn); ok {
		nc, p.encrypted = t.NetConn(), true
	}
	if sc, ok := nc.(syscall.Conn); ok {
		p.raw, _ = sc.SyscallConn() // it fails for a closed connection, whose next use says so
	}
	p.look = p.peek
	return p
}

func (p *probe) peek(fd uintptr) {
	n, _, err := syscall.Recvfrom(int(fd), p.unasked[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	silent := err == syscall.EAGAIN || err == syscall.EWOULDBLOCK || err == syscall.EINTR
	p.good = silent || err == nil && n > 0 && !p.encrypted && !saysGoodbye(p.unasked[:n])
}

// saysGoodbye looks for an error among messages of the server: outside of a statement it is always the last.
func saysGoodbye(messages []byte) bool {
	const header = 5 // type and length
	for len(messages) > 0 {
		if messages[0] == 'E' {
			return true
		}
		if len(messages) < header {
			return false
		}
		size := 1 + int(binary.BigEndian.Uint32(messages[1:]))
		if size < header || size > len(messages) {
			return false
		}
		messages = messages[size:]
	}
	return false
}

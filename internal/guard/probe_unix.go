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
func alive(nc net.Conn) bool {
	encrypted := false
	if t, ok := nc.(*tls.Conn); ok {
		nc, encrypted = t.NetConn(), true
	}
	raw, ok := nc.(syscall.Conn)
	if !ok {
		return true
	}
	sc, err := raw.SyscallConn()
	if err != nil {
		return false
	}
	good := false
	// Control and not Read: after a slow write pgx leaves a goroutine behind that is reading, and Read would wait for
	// it, and it for the server.
	err = sc.Control(func(fd uintptr) {
		var unasked [512]byte
		n, _, err := syscall.Recvfrom(int(fd), unasked[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case err == syscall.EAGAIN || err == syscall.EWOULDBLOCK || err == syscall.EINTR:
			good = true
		case err == nil && n > 0:
			good = !encrypted && !saysGoodbye(unasked[:n])
		}
	})
	return err == nil && good
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

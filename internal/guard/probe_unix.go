//go:build unix

package guard

import (
	"crypto/tls"
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
	err = sc.Read(func(fd uintptr) bool {
		var first [1]byte
		n, _, err := syscall.Recvfrom(int(fd), first[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case err == syscall.EAGAIN || err == syscall.EWOULDBLOCK || err == syscall.EINTR: //nolint:errorlint // errno
			good = true
		case err == nil && n > 0:
			good = !encrypted && first[0] != 'E'
		}
		return true // one look, no waiting
	})
	return err == nil && good
}

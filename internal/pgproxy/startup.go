package pgproxy

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
)

// Requests that come in the place of a startup message.
const (
	codeCancel = 80877102
	codeTLS    = 80877103
	codeGSS    = 80877104
)

const (
	startupHeader = 8     // length and code
	maxStartup    = 10000 // PostgreSQL's own limit
	protocolMajor = 3
)

// readStartup reads what a client sends first, up to and including the startup message or the request to cancel, which
// it returns. Encryption is declined: the proxy could not read it.
func readStartup(client net.Conn, from *bufio.Reader) (message []byte, code uint32, err error) {
	for {
		var header [startupHeader]byte
		if _, err := io.ReadFull(from, header[:]); err != nil {
			return nil, 0, err
		}
		size, code := binary.BigEndian.Uint32(header[:]), binary.BigEndian.Uint32(header[4:])
		if size < startupHeader || size > maxStartup {
			return nil, 0, errStartup
		}
		message := make([]byte, size)
		copy(message, header[:])
		if _, err := io.ReadFull(from, message[startupHeader:]); err != nil {
			return nil, 0, err
		}
		switch {
		case code == codeTLS || code == codeGSS:
			if _, err := client.Write([]byte{'N'}); err != nil {
				return nil, 0, err
			}
		case code == codeCancel || code>>16 == protocolMajor:
			return message, code, nil
		default:
			return nil, 0, errStartup
		}
	}
}

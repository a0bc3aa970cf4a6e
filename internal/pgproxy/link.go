package pgproxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
)

// link is one client's connection and the one to the server that belongs to it.
type link struct {
	proxy          *Proxy
	client, server net.Conn
}

const (
	messageHeader = 5 // type and length
	lengthField   = 4 // what a length counts of itself
	maxMessage    = 1 << 30
	chunk         = 64 << 10
)

// serve passes everything on until either side ends.
func (l *link) serve() {
	defer l.close()
	from := bufio.NewReaderSize(l.client, chunk)
	message, code, err := readStartup(l.client, from)
	if err != nil {
		return
	}
	if code == codeCancel {
		l.proxy.counter.canceled()
	} else {
		l.proxy.counter.connected()
	}
	if _, err := l.server.Write(message); err != nil {
		return
	}
	var answers sync.WaitGroup
	answers.Go(l.down)
	l.up(from)
	// One end without the other is of no use: the server's answers end with its connection.
	l.close()
	answers.Wait()
}

// up reads the client's messages, counts them and passes them on.
func (l *link) up(from *bufio.Reader) {
	to := bufio.NewWriterSize(l.server, chunk)
	header := make([]byte, messageHeader)
	for {
		if _, err := io.ReadFull(from, header); err != nil {
			return
		}
		size := int(binary.BigEndian.Uint32(header[1:]))
		if size < lengthField || size > maxMessage {
			return
		}
		l.proxy.counter.message(header[0], size+1)
		if _, err := to.Write(header); err != nil {
			return
		}
		if err := l.pass(header[0], to, from, int64(size-lengthField)); err != nil {
			return
		}
		// Messages that came together go on together.
		if from.Buffered() > 0 {
			continue
		}
		if !l.proxy.pause() || to.Flush() != nil {
			return
		}
	}
}

// pass passes a message's body on, and keeps a statement's text where Record asks for it.
func (l *link) pass(kind byte, to io.Writer, from io.Reader, size int64) error {
	if !l.proxy.log.on(kind) {
		_, err := io.CopyN(to, from, size)
		return err
	}
	var body bytes.Buffer
	if _, err := io.CopyN(io.MultiWriter(to, &body), from, size); err != nil {
		return err
	}
	l.proxy.log.add(kind, body.Bytes())
	return nil
}

// down passes the server's answers on.
func (l *link) down() {
	defer l.close()
	buffer := make([]byte, chunk)
	for {
		n, err := l.server.Read(buffer)
		if n > 0 {
			l.proxy.counter.down(n)
			if _, err := l.client.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// close ends both sides. It may be called more than once.
func (l *link) close() {
	_ = l.client.Close() // what is lost with it is meant to be
	_ = l.server.Close()
}

package link

import (
	"context"
	"errors"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Delay is a proxy that hands on each byte a fixed time after it came, in either direction, as a long cable does. What
// follows meanwhile is not held up twice.
type Delay struct {
	network, address string
	oneWay           time.Duration
	listener         net.Listener
	work             sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

// errDSN does not quote the DSN, as the parsers' errors do.
var errDSN = errors.New("link: the DSN cannot be read (give a URL)")

// chunk bounds what is read at once; queued is how many chunks may be on the cable.
const (
	chunk  = 64 << 10
	queued = 1024
)

// StartDelay returns a proxy to the server of dsn, a URL. It listens on a free port of 127.0.0.1 until Close.
func StartDelay(ctx context.Context, dsn string, oneWay time.Duration) (*Delay, error) {
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, errDSN
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &Delay{oneWay: oneWay, listener: listener, conns: map[net.Conn]struct{}{}}
	d.network, d.address = pgconn.NetworkAddress(config.Host, config.Port)
	d.work.Go(d.accept)
	return d, nil
}

// DSN returns a DSN of the same server by way of the proxy.
func (d *Delay) DSN(dsn string) (string, error) {
	parsed, err := url.Parse(dsn)
	if err != nil {
		return "", errDSN
	}
	query := parsed.Query()
	query.Del("host")
	query.Del("port")
	query.Set("sslmode", "disable")
	parsed.Host, parsed.RawQuery = d.listener.Addr().String(), query.Encode()
	return parsed.String(), nil
}

// Close ends the proxy and its connections, and returns when nothing of it is left. Closing again does nothing.
func (d *Delay) Close() error {
	err := d.end()
	d.work.Wait()
	return err
}

func (d *Delay) end() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	for conn := range d.conns {
		_ = conn.Close() // what is on the cable is lost, as it is meant to be
	}
	return d.listener.Close()
}

func (d *Delay) accept() {
	for {
		client, err := d.listener.Accept()
		if err != nil {
			return
		}
		d.work.Go(func() { d.serve(client) })
	}
}

// serve passes on what comes until either side ends.
func (d *Delay) serve(client net.Conn) {
	server, err := new(net.Dialer).Dial(d.network, d.address)
	if err != nil {
		_ = client.Close() // as a server does that is not there
		return
	}
	if d.add(client, server) {
		var both sync.WaitGroup
		both.Go(func() { d.carry(client, server) })
		both.Go(func() { d.carry(server, client) })
		both.Wait()
	}
	d.remove(client, server)
}

// parcel is what was read at once, and when it is due at the other end.
type parcel struct {
	due  time.Time
	data []byte
}

// carry reads from one side and writes to the other, later. At its end both sides end.
func (d *Delay) carry(from, to net.Conn) {
	cable := make(chan parcel, queued)
	var writer sync.WaitGroup
	writer.Go(func() {
		for p := range cable {
			sleepUntil(p.due)
			if _, err := to.Write(p.data); err != nil {
				_ = from.Close() // so that the reader ends, too
			}
		}
		_ = to.Close()
	})
	for {
		data := make([]byte, chunk)
		n, err := from.Read(data)
		if n > 0 {
			cable <- parcel{due: time.Now().Add(d.oneWay), data: data[:n]}
		}
		if err != nil {
			break
		}
	}
	close(cable)
	writer.Wait()
}

// add makes the connections known to Close, unless the proxy has ended.
func (d *Delay) add(conns ...net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	for _, conn := range conns {
		d.conns[conn] = struct{}{}
	}
	return true
}

func (d *Delay) remove(conns ...net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, conn := range conns {
		_ = conn.Close() // it may have ended already
		delete(d.conns, conn)
	}
}

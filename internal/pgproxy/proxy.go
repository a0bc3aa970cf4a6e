package pgproxy

import (
	"context"
	"net"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Proxy passes connections on to one server. It is safe for concurrent use.
type Proxy struct {
	dsn      string
	network  string
	address  string
	listener net.Listener
	counter  *counter
	log      statementLog
	work     sync.WaitGroup
	ended    chan struct{}
	once     sync.Once

	mu    sync.Mutex
	links map[*link]struct{}
	delay time.Duration
}

// Start returns a proxy to the server that dsn, a URL, names. It listens on a free port of 127.0.0.1 until Close, and
// reaches the server without TLS. Errors: ErrDSN, and those of the network.
func Start(ctx context.Context, dsn string) (*Proxy, error) {
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, ErrDSN // the parser's error quotes the DSN
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: listener, counter: newCounter(), ended: make(chan struct{}), links: map[*link]struct{}{}}
	p.network, p.address = pgconn.NetworkAddress(config.Host, config.Port)
	if p.dsn, err = p.Rewrite(dsn); err != nil {
		_ = listener.Close() // the other error tells more
		return nil, err
	}
	p.work.Go(p.accept)
	return p, nil
}

// DSN returns the DSN given to Start, by way of the proxy.
func (p *Proxy) DSN() string { return p.dsn }

// Rewrite returns another DSN of the same server by way of the proxy, for example one of another login.
func (p *Proxy) Rewrite(dsn string) (string, error) {
	parsed, err := url.Parse(dsn)
	if err != nil {
		return "", ErrDSN // the parser's error quotes the DSN
	}
	query := parsed.Query()
	query.Del("host")
	query.Del("port")
	query.Set("sslmode", "disable")
	parsed.Host, parsed.RawQuery = p.listener.Addr().String(), query.Encode()
	return parsed.String(), nil
}

// Port returns the port that the proxy listens on.
func (p *Proxy) Port() string {
	return strconv.Itoa(p.listener.Addr().(*net.TCPAddr).Port) //nolint:forcetypeassert // Start listens on TCP
}

// Counts returns what has passed.
func (p *Proxy) Counts() Counts { return p.counter.read() }

// Reset begins to count at zero.
func (p *Proxy) Reset() { p.counter.reset() }

// Delay holds every message train of a client back for d, as a slow network does. Zero ends that.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Cut breaks all connections that there are. New ones are served.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.close()
	}
}

// Close ends the proxy and every connection, and returns when nothing of it is left. Closing again does nothing.
func (p *Proxy) Close() (err error) {
	p.once.Do(func() {
		close(p.ended)
		err = p.listener.Close()
		p.Cut()
	})
	p.work.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.work.Go(func() { p.connect(client) })
	}
}

func (p *Proxy) connect(client net.Conn) {
	server, err := (&net.Dialer{}).Dial(p.network, p.address)
	if err != nil {
		_ = client.Close() // as a server does that is not there
		return
	}
	l := &link{proxy: p, client: client, server: server}
	if p.add(l) {
		l.serve()
	}
	l.close()
	p.remove(l)
}

// add makes a connection known to Cut, unless the proxy has ended.
func (p *Proxy) add(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.ended:
		return false
	default:
	}
	p.links[l] = struct{}{}
	return true
}

func (p *Proxy) remove(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

// pause waits as long as Delay says. It reports false when the proxy has ended.
func (p *Proxy) pause() bool {
	p.mu.Lock()
	delay := p.delay
	p.mu.Unlock()
	if delay == 0 {
		return true
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-p.ended:
		return false
	case <-timer.C:
		return true
	}
}

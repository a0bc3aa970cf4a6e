package pgproxy

import "sync"

// Counts are what passed the proxy since it started or since Reset. What clients send to connect is not in them.
type Counts struct {
	// RoundTrips is how often clients asked for an answer: simple queries, function calls, and the messages Sync and
	// Flush. It is what a statement costs on a slow network.
	RoundTrips int
	// Messages counts what clients sent, by the type byte of PostgreSQL's protocol: 'Q' is Query, 'P' Parse, 'B' Bind,
	// 'D' Describe, 'E' Execute, 'S' Sync, 'H' Flush, 'C' Close, 'X' Terminate.
	Messages map[byte]int
	// Sequence has the types of the messages in the order in which they came.
	Sequence string
	// Up is how many bytes clients sent, Down how many the server did. Down has the answers to connecting in it.
	Up, Down int
	// Connections is how many clients have connected.
	Connections int
	// Cancels is how many clients have asked to cancel another's query.
	Cancels int
}

// counter gathers Counts.
type counter struct {
	mu     sync.Mutex
	counts Counts
}

func newCounter() *counter { return &counter{counts: Counts{Messages: map[byte]int{}}} }

// message counts one message of a client, of size bytes in all.
func (c *counter) message(kind byte, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.Messages[kind]++
	c.counts.Sequence += string(rune(kind))
	c.counts.Up += size
	switch kind {
	case 'Q', 'F', 'S', 'H':
		c.counts.RoundTrips++
	}
}

func (c *counter) down(size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.Down += size
}

func (c *counter) connected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.Connections++
}

func (c *counter) canceled() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.Cancels++
}

// read returns a copy that does not change any more.
func (c *counter) read() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := c.counts
	counts.Messages = make(map[byte]int, len(c.counts.Messages))
	for kind, n := range c.counts.Messages {
		counts.Messages[kind] = n
	}
	return counts
}

func (c *counter) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts = Counts{Messages: map[byte]int{}}
}

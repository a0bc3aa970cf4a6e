package copies

import (
	"errors"
	"time"
)

// maxQueue is how many bytes of changes wait for a target. A target with more is refreshed.
const maxQueue = 16 << 20

// entry is what the stream brought: a transaction, or a moment of the source that all before it lead up to.
type entry struct {
	xid      uint64
	position uint64 // of the log, at its end
	changes  []change
	size     int
	// stripped says that the changes were not kept. Only a snapshot that sees the transaction makes up for them.
	stripped bool
	// sync is set in place of a transaction.
	sync *moment
}

// stripped are entries without their changes.
func stripped(queue []entry) []entry {
	bare := make([]entry, 0, len(queue))
	for _, e := range queue {
		if e.sync == nil {
			bare = append(bare, entry{xid: e.xid, position: e.position, stripped: true})
		}
	}
	return bare
}

// staleness is how much of a target is to be compared.
type staleness uint8

const (
	fresh  staleness = iota
	partly           // what is not streamed
	wholly
)

// target is what a session knows of a destination.
type target struct {
	Destination

	stale   staleness
	queue   []entry
	size    int
	running bool
	taken   int // entries at the head of the queue that are being worked on
	// epoch changes with each stream: what was begun in an earlier one says nothing of the queue.
	epoch        int
	acknowledged uint64
	failures     int
	retry        time.Time
}

// busy tells whether there is something to do.
func (t *target) busy() bool { return t.stale != fresh || len(t.queue) > 0 }

// push adds an entry. Where too much waits, the changes are let go and the target is refreshed.
func (t *target) push(e entry) {
	if e.sync != nil && t.stale == wholly {
		return
	}
	t.queue = append(t.queue, e)
	t.size += e.size
	if t.size > maxQueue {
		t.strip()
	}
}

func (t *target) strip() {
	taken := len(stripped(t.queue[:t.taken]))
	t.queue, t.size, t.stale, t.taken = stripped(t.queue), 0, wholly, taken
}

// forget drops what can be seen by any snapshot from now on, unless one from before may still be in use.
func (t *target) forget(now moment) {
	if t.running || t.stale != wholly {
		return
	}
	kept := t.queue[:0]
	for _, e := range t.queue {
		if e.sync == nil && !now.snapshot.sees(e.xid) {
			kept = append(kept, e)
		}
	}
	t.queue = kept
}

// settle takes note of a result.
func (t *target) settle(r result, config Config) {
	taken := t.taken
	t.taken = 0
	switch {
	case r.err == nil:
		if taken > 0 {
			t.acknowledged = t.queue[taken-1].position
		}
		t.queue = t.queue[taken:]
		t.size = 0
		for _, e := range t.queue {
			t.size += e.size
		}
		t.failures, t.retry = 0, time.Time{}
	case errors.Is(r.err, errUnseen):
		// The server has written the transaction down and not shown it yet, such as while it waits for a standby.
		t.stale, t.retry = wholly, time.Now().Add(min(config.Backoff, time.Second))
	default:
		t.failures++
		pause := config.Backoff
		for range min(t.failures-1, 30) {
			pause = min(2*pause, config.MaxBackoff)
		}
		t.retry = time.Now().Add(pause)
		t.strip()
	}
}

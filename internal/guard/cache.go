package guard

import (
	"container/list"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// cacheKey identifies a statement. The same text means other tables under another search_path, and other rights under
// another role, so both are part of the key.
type cacheKey struct {
	role string
	path string
	sql  string
}

// statement is what the guard knows of a statement on one session.
type statement struct {
	key     cacheKey
	command sqltext.Command
	// desc has the types of parameters and columns, and the name under which the statement is prepared, "" where it
	// is sent unnamed.
	desc    *pgconn.StatementDescription
	formats []int16  // in which each column is asked for
	columns *columns // made with the first result
}

// volatile reports whether the statement's columns are not its own: those of FETCH are its cursor's, and the next
// cursor of that name may have others. Such a statement is described each time.
func (s *statement) volatile() bool { return s.command.Word == "FETCH" }

// The cache holds descriptions, which are the same for all tenants of a role and a search_path. Nothing that a tenant
// sent or was sent is in it.

// cache is a least-recently-used cache of statements. It belongs to one session and needs no lock.
type cache struct {
	capacity int
	entries  map[cacheKey]*list.Element
	order    *list.List // front: used last
	dropped  []string   // names of prepared statements that the server should forget
}

func newCache(capacity int) *cache {
	return &cache{capacity: capacity, entries: make(map[cacheKey]*list.Element), order: list.New()}
}

// get returns the statement of key, or nil.
func (c *cache) get(key cacheKey) *statement {
	e, ok := c.entries[key]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*statement)
}

// put keeps s, and drops what was not used for the longest time.
func (c *cache) put(s *statement) {
	c.entries[s.key] = c.order.PushFront(s)
	for c.order.Len() > c.capacity {
		c.drop(c.order.Back().Value.(*statement))
	}
}

// drop forgets s; the server is told with the next describe.
func (c *cache) drop(s *statement) {
	e, ok := c.entries[s.key]
	if !ok || e.Value.(*statement) != s {
		return
	}
	c.order.Remove(e)
	delete(c.entries, s.key)
	if s.desc.Name != "" {
		c.dropped = append(c.dropped, s.desc.Name)
	}
}

// takeDropped returns the names to be forgotten by the server, once.
func (c *cache) takeDropped() []string {
	names := c.dropped
	c.dropped = nil
	return names
}

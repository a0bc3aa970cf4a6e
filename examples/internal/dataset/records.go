package dataset

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// Country is the same for every tenant.
type Country struct {
	Code, Name string
}

// Tag is a tenant's own label for tickets.
type Tag struct {
	ID   uuid.UUID
	Name string
}

// Ticket is a tenant's, with its comments and tags.
type Ticket struct {
	ID        uuid.UUID
	Number    string
	Subject   string
	Status    Status
	Priority  Priority
	Requester string  // an email address, or empty
	Country   *string // a code
	OpenedAt  time.Time
	ClosedAt  *time.Time // of a closed ticket
	Comments  []Comment
	Tags      []*Tag
}

// Comment is on a ticket.
type Comment struct {
	Author    string
	Body      string
	WrittenAt time.Time
}

// Status says how far a ticket is.
type Status string

// The statuses of a ticket.
const (
	StatusOpen    Status = "open"
	StatusPending Status = "pending" // waiting for the requester
	StatusClosed  Status = "closed"
)

// Values are the statuses. An enum of ent asks for them.
func (Status) Values() []string {
	return []string{string(StatusOpen), string(StatusPending), string(StatusClosed)}
}

// Valid reports whether s is one of the statuses.
func (s Status) Valid() bool { return slices.Contains(s.Values(), string(s)) }

// Priority says how urgent a ticket is.
type Priority string

// The priorities of a ticket.
const (
	PriorityLow    Priority = "low"
	PriorityNormal Priority = "normal"
	PriorityHigh   Priority = "high"
	PriorityUrgent Priority = "urgent"
)

// Values are the priorities. An enum of ent asks for them.
func (Priority) Values() []string {
	return []string{string(PriorityLow), string(PriorityNormal), string(PriorityHigh), string(PriorityUrgent)}
}

// Valid reports whether p is one of the priorities.
func (p Priority) Valid() bool { return slices.Contains(p.Values(), string(p)) }

// Counts are numbers of rows.
type Counts struct{ Tickets, Comments, Tags int }

// Add adds others to c.
func (c *Counts) Add(others Counts) {
	c.Tickets += others.Tickets
	c.Comments += others.Comments
	c.Tags += others.Tags
}

// Count counts the rows of a tenant.
func (r *Rows) Count() Counts {
	n := Counts{Tickets: len(r.Tickets), Tags: len(r.Tags)}
	for _, ticket := range r.Tickets {
		n.Comments += len(ticket.Comments)
	}
	return n
}

// Ticket returns the ticket of a number, or nil.
func (r *Rows) Ticket(number string) *Ticket { return r.byNumber[number] }

// Refuse is an *InputError at the line of the i-th of the Tenants.
func (d *Dataset) Refuse(i int, reason error) error { return d.places[i].errorf("%v", reason) }

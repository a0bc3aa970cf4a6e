package dataset

import (
	"io/fs"
	"net/mail"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/core"
)

// Dataset is what the CSV files hold, checked and put together.
type Dataset struct {
	Countries []Country
	Tenants   []core.NewTenant // parents before their children
	Rows      map[string]*Rows // by the tenant's slug

	places []position      // of Tenants, for errors
	index  map[string]int  // in Tenants, by slug
	codes  map[string]bool // of countries
	placed map[string]bool // slugs in isolations.csv
}

// Rows are the rows of one tenant.
type Rows struct {
	Tags    []*Tag
	Tickets []*Ticket

	byTag    map[string]*Tag
	byNumber map[string]*Ticket
	tagged   map[[2]string]bool // number and tag
}

// Read reads all files. Its error, an *InputError, names file and line.
func Read(files fs.FS) (*Dataset, error) {
	d := &Dataset{
		Rows: map[string]*Rows{}, index: map[string]int{}, codes: map[string]bool{}, placed: map[string]bool{},
	}
	for _, file := range []struct {
		name    string
		columns []string
		add     func(row) error
	}{
		{"countries.csv", []string{"code", "name"}, d.addCountry},
		{"tenants.csv", []string{"slug", "name", "parent", "external_id"}, d.addTenant},
		{"isolations.csv", []string{"tenant", "isolation"}, d.addIsolation},
		{"tags.csv", []string{"tenant", "name"}, d.addTag},
		{"tickets.csv", []string{
			"tenant", "number", "subject", "status", "priority", "requester", "country", "opened_at", "closed_at",
		}, d.addTicket},
		{"comments.csv", []string{"tenant", "ticket", "author", "body", "written_at"}, d.addComment},
		{"ticket_tags.csv", []string{"tenant", "ticket", "tag"}, d.addTicketTag},
	} {
		if err := readCSV(files, file.name, file.columns, file.add); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *Dataset) addCountry(r row) error {
	if err := r.require("code", "name"); err != nil {
		return err
	}
	code := r.key("code")
	switch {
	case len(code) != 2:
		return r.errorf("country code %q has not two letters", code)
	case d.codes[code]:
		return r.errorf("country %q is there twice", code)
	}
	d.codes[code] = true
	d.Countries = append(d.Countries, Country{Code: code, Name: r.key("name")})
	return nil
}

// addTenant leaves to core.Tenants what a slug or a name may look like.
func (d *Dataset) addTenant(r row) error {
	slug, parent := r.key("slug"), r.key("parent")
	switch {
	case d.Rows[slug] != nil:
		return r.errorf("tenant %q is there twice", slug)
	case parent != "" && d.Rows[parent] == nil:
		return r.errorf("unknown parent %q (a parent stands above its children)", parent)
	}
	d.Rows[slug] = &Rows{
		byTag:    map[string]*Tag{},
		byNumber: map[string]*Ticket{},
		tagged:   map[[2]string]bool{},
	}
	d.index[slug] = len(d.Tenants)
	d.Tenants = append(d.Tenants, core.NewTenant{
		Slug: slug, Name: r.key("name"), ParentSlug: parent, ExternalID: r.key("external_id"),
	})
	d.places = append(d.places, r.position)
	return nil
}

// addIsolation says how far a tenant's rows are kept apart from those of others. A tenant that has no line is kept like
// the one above it.
func (d *Dataset) addIsolation(r row) error {
	if _, err := d.of(r); err != nil {
		return err
	}
	slug, isolation := r.key("tenant"), core.Isolation(r.key("isolation"))
	switch isolation {
	case core.SharedIsolation, core.SchemaIsolation, core.DatabaseIsolation:
	default:
		return r.errorf("unknown isolation %q (shared, schema or database)", isolation)
	}
	if d.placed[slug] {
		return r.errorf("tenant %q is there twice", slug)
	}
	d.placed[slug] = true
	d.Tenants[d.index[slug]].Isolation = isolation
	return nil
}

// of returns the rows of the tenant that r names.
func (d *Dataset) of(r row) (*Rows, error) {
	rows := d.Rows[r.key("tenant")]
	if rows == nil {
		return nil, r.errorf("unknown tenant %q", r.key("tenant"))
	}
	return rows, nil
}

func (d *Dataset) addTag(r row) error {
	rows, err := d.of(r)
	if err != nil {
		return err
	}
	if err := r.require("name"); err != nil {
		return err
	}
	name := r.key("name")
	if rows.byTag[name] != nil {
		return r.errorf("tenant %q has tag %q twice", r.key("tenant"), name)
	}
	tag := &Tag{ID: uuid.New(), Name: name}
	rows.byTag[name] = tag
	rows.Tags = append(rows.Tags, tag)
	return nil
}

func (d *Dataset) addTicket(r row) error {
	rows, err := d.of(r)
	if err != nil {
		return err
	}
	ticket, err := d.ticket(r)
	if err != nil {
		return err
	}
	if rows.byNumber[ticket.Number] != nil {
		return r.errorf("tenant %q has ticket %q twice", r.key("tenant"), ticket.Number)
	}
	rows.byNumber[ticket.Number] = ticket
	rows.Tickets = append(rows.Tickets, ticket)
	return nil
}

// ticket reads and checks a row of tickets.csv.
func (d *Dataset) ticket(r row) (*Ticket, error) {
	if err := r.require("number", "subject"); err != nil {
		return nil, err
	}
	t := &Ticket{
		ID: uuid.New(), Number: r.key("number"), Subject: r.text("subject"),
		Status: Status(r.key("status")), Priority: Priority(r.key("priority")), Requester: r.key("requester"),
	}
	if !t.Status.Valid() {
		return nil, r.errorf("unknown status %q (open, pending or closed)", t.Status)
	}
	if !t.Priority.Valid() {
		return nil, r.errorf("unknown priority %q (low, normal, high or urgent)", t.Priority)
	}
	if _, err := mail.ParseAddress(t.Requester); err != nil && t.Requester != "" {
		return nil, r.errorf("requester %q is not an email address", t.Requester)
	}
	if code := r.key("country"); code != "" {
		if !d.codes[code] {
			return nil, r.errorf("unknown country %q (countries.csv has no such code)", code)
		}
		t.Country = &code
	}
	return t, readTimes(r, t)
}

// readTimes reads when the ticket was opened and, just if it is closed, when that was.
func readTimes(r row, t *Ticket) (err error) {
	if t.OpenedAt, err = r.time("opened_at"); err != nil {
		return err
	}
	if (t.Status == StatusClosed) != (r.key("closed_at") != "") {
		return r.errorf("closed_at goes with status %q, and only with that", StatusClosed)
	}
	if t.Status != StatusClosed {
		return nil
	}
	closed, err := r.time("closed_at")
	if err == nil && closed.Before(t.OpenedAt) {
		err = r.errorf("the ticket is closed before it is opened")
	}
	t.ClosedAt = &closed
	return err
}

// ticketOf returns the ticket that r names.
func (d *Dataset) ticketOf(r row) (*Rows, *Ticket, error) {
	rows, err := d.of(r)
	if err != nil {
		return nil, nil, err
	}
	ticket := rows.byNumber[r.key("ticket")]
	if ticket == nil {
		return nil, nil, r.errorf("tenant %q has no ticket %q", r.key("tenant"), r.key("ticket"))
	}
	return rows, ticket, nil
}

func (d *Dataset) addComment(r row) error {
	_, ticket, err := d.ticketOf(r)
	if err != nil {
		return err
	}
	if err := r.require("author", "body"); err != nil {
		return err
	}
	written, err := r.time("written_at")
	if err != nil {
		return err
	}
	comment := Comment{Author: r.key("author"), Body: r.text("body"), WrittenAt: written}
	ticket.Comments = append(ticket.Comments, comment)
	return nil
}

func (d *Dataset) addTicketTag(r row) error {
	rows, ticket, err := d.ticketOf(r)
	if err != nil {
		return err
	}
	tag := rows.byTag[r.key("tag")]
	if tag == nil {
		return r.errorf("tenant %q has no tag %q", r.key("tenant"), r.key("tag"))
	}
	link := [2]string{ticket.Number, tag.Name}
	if rows.tagged[link] {
		return r.errorf("ticket %q has tag %q twice", ticket.Number, tag.Name)
	}
	rows.tagged[link] = true
	ticket.Tags = append(ticket.Tags, tag)
	return nil
}

package attack

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
)

// Outcome is what must become of an attempt. Another error than the one expected is no success: a misspelt column would
// else look like a refusal.
type Outcome struct {
	refusal error  // the error it must get, for errors.Is
	state   string // or the SQLSTATE
	own     bool   // it must reach rows of its own, to show that it works at all
}

// Refused is an outcome: the attempt gets this error.
func Refused(err error) Outcome { return Outcome{refusal: err} }

// RefusedWith is an outcome: the attempt gets an error of PostgreSQL with this SQLSTATE.
func RefusedWith(state string) Outcome { return Outcome{state: state} }

// Nothing is an outcome: the attempt gets no error and no row.
func Nothing() Outcome { return Outcome{} }

// OwnRows is an outcome: the attempt gets rows, all of them its own.
func OwnRows() Outcome { return Outcome{own: true} }

// Reached are the owners of the rows that an attempt has read or changed: a tenant's id for each row.
type Reached []uuid.UUID

// evidence is what an attempt has brought about.
type evidence struct {
	own     uuid.UUID // the tenant that made it
	rows    Reached
	err     error
	changed bool // a look at all tables afterwards found them different
}

// others counts the rows that are not the attempting tenant's own.
func (e evidence) others() int {
	n := 0
	for _, owner := range e.rows {
		if owner != e.own {
			n++
		}
	}
	return n
}

// kind is how an attempt ends.
type kind int

const (
	held       kind = iota // the boundary
	leaked                 // rows of others
	unexpected             // an error that proves nothing
)

// verdict is an attempt's end, in words.
type verdict struct {
	kind kind
	text string
	err  error // behind the text
}

// judge compares what happened with what must happen.
func (o Outcome) judge(e evidence) verdict {
	switch others := e.others(); {
	case others > 0:
		return verdict{kind: leaked, text: fmt.Sprintf("LEAK: %d rows of others", others)}
	case e.changed:
		return verdict{kind: leaked, text: "LEAK: rows have changed"}
	case e.err != nil && o.expects(e.err):
		return verdict{text: "refused: ", err: e.err}
	case e.err != nil:
		return verdict{kind: unexpected, text: "UNEXPECTED: ", err: e.err}
	case o.refusal != nil || o.state != "":
		return verdict{kind: leaked, text: "LEAK: it was not refused"}
	case o.own && len(e.rows) == 0:
		return verdict{kind: unexpected, text: "UNEXPECTED: not even rows of its own"}
	case len(e.rows) > 0:
		return verdict{text: fmt.Sprintf("own rows only: %d, 0 of others", len(e.rows))}
	}
	return verdict{text: "nothing: 0 rows of others"}
}

func (o Outcome) expects(err error) bool {
	if o.refusal != nil {
		return errors.Is(err, o.refusal)
	}
	var pgErr *pgconn.PgError
	return o.state != "" && errors.As(err, &pgErr) && pgErr.Code == o.state
}

// describe is the verdict as it is printed: an error without its cure, which stands in parentheses, unless all is asked
// for.
func (v verdict) describe(all bool) string {
	if v.err == nil {
		return v.text
	}
	message := strings.Join(strings.Fields(v.err.Error()), " ")
	if !all && v.kind == held {
		message, _, _ = strings.Cut(message, " (")
	}
	return v.text + message
}

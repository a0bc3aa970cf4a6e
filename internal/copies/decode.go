package copies

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pglogrepl"
)

// A transaction with more is not kept: targets are refreshed instead.
const (
	maxChanges = 10_000
	maxBytes   = 8 << 20
)

// change is what happened to a row.
type change struct {
	table   [2]string // schema and name in the source
	kind    byte      // as the messages of the stream begin: I, U or D
	columns []string
	row     []value // as it is now; nil where it was deleted
	key     []value // as it was; nil where the key has not changed
}

// value is one of a row.
type value struct {
	kind byte // n for NULL, t for a text, u for one that has not changed and was not sent
	text []byte
}

// decoder makes transactions of messages.
type decoder struct {
	streamed  map[[2]string]streamedTable
	relations map[uint32][2]string
	columns   map[uint32][]string
	near      uint64 // a transaction's id of about now
	open      *entry
}

// decode returns a transaction when it is complete.
func (d *decoder) decode(data []byte) (*entry, error) {
	message, err := pglogrepl.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("stratum: reading the log of the source: %w", err)
	}
	switch m := message.(type) {
	case *pglogrepl.RelationMessage:
		return nil, d.describe(m)
	case *pglogrepl.BeginMessage:
		d.open = &entry{xid: widen(m.Xid, d.near)}
	case *pglogrepl.CommitMessage:
		done := d.open
		d.open = nil
		done.position = uint64(m.TransactionEndLSN)
		return done, nil
	case *pglogrepl.InsertMessage:
		d.add('I', m.RelationID, m.Tuple, nil)
	case *pglogrepl.UpdateMessage:
		d.add('U', m.RelationID, m.NewTuple, m.OldTuple)
	case *pglogrepl.DeleteMessage:
		d.add('D', m.RelationID, nil, m.OldTuple)
	case *pglogrepl.TruncateMessage:
		d.drop()
	}
	return nil, nil
}

// describe takes note of a table's columns. They come before its first change, and again after each change of its own.
func (d *decoder) describe(m *pglogrepl.RelationMessage) error {
	names := make([]string, len(m.Columns))
	for i, c := range m.Columns {
		names[i] = c.Name + " " + fmt.Sprint(c.DataType, " ", c.TypeModifier)
	}
	name := [2]string{m.Namespace, m.RelationName}
	table, ok := d.streamed[name]
	if !ok {
		return errReshaped
	}
	if table.names != nil && !slices.Equal(table.names, names) {
		return errReshaped
	}
	if d.relations == nil {
		d.relations, d.columns = map[uint32][2]string{}, map[uint32][]string{}
	}
	table.names = names
	d.streamed[name], d.relations[m.RelationID] = table, name
	bare := make([]string, len(names))
	for i, c := range m.Columns {
		bare[i] = strings.Clone(c.Name)
	}
	d.columns[m.RelationID] = bare
	return nil
}

// drop lets the changes of the transaction go.
func (d *decoder) drop() {
	d.open.changes, d.open.size, d.open.stripped = nil, 0, true
}

func (d *decoder) add(kind byte, relation uint32, row, key *pglogrepl.TupleData) {
	if d.open.stripped {
		return
	}
	c := change{
		table: d.relations[relation], kind: kind, columns: d.columns[relation], row: values(row), key: values(key),
	}
	for _, v := range slices.Concat(c.row, c.key) {
		d.open.size += len(v.text) + 16
	}
	d.open.changes = append(d.open.changes, c)
	if len(d.open.changes) > maxChanges || d.open.size > maxBytes {
		d.drop()
	}
}

// values copies a row: the message's memory is used again.
func values(tuple *pglogrepl.TupleData) []value {
	if tuple == nil {
		return nil
	}
	row := make([]value, len(tuple.Columns))
	for i, c := range tuple.Columns {
		row[i] = value{kind: c.DataType, text: bytes.Clone(c.Data)}
	}
	return row
}

package fields

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// byteaOID is that of the type bytea.
const byteaOID = 17

// opening is what is done with a column of a result.
type opening struct {
	at     int
	name   string
	column *Column // nil where it is not known what the column is
	tenant int     // the column of the row's tenant, or -1 for that of ctx
	key    []int   // the columns of the primary key, where it is bound
	opener Opener  // for the tenant of ctx, once there was something to open

	// These are used again for each row.
	buffer, bound []byte
	text          string
}

// Rows returns what opens the rows of a result: see package watch.
func (w *Watcher) Rows(columns []string, types []uint32) (func([]driver.Value) error, error) {
	if w.stored {
		return storedRows(types), nil
	}
	var openings []opening
	for at, name := range columns {
		o, ok, err := w.opening(columns, at, types[at] == byteaOID)
		if err != nil {
			return nil, err
		}
		if o.name = name; ok {
			openings = append(openings, o)
		}
	}
	if len(openings) == 0 {
		return nil, nil
	}
	return func(row []driver.Value) error {
		for i := range openings {
			if err := w.open(&openings[i], row); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// Stored is a sealed value as it is stored, for whoever has asked for it. It goes into a []byte, and into no text that
// it could pass for.
type Stored []byte

// storedRows returns what marks the sealed values of rows that are not opened.
func storedRows(types []uint32) func([]driver.Value) error {
	if !slices.Contains(types, byteaOID) {
		return nil
	}
	return func(row []driver.Value) error {
		for i, value := range row {
			if b, ok := value.([]byte); ok && types[i] == byteaOID && LooksSealed(b) {
				row[i] = Stored(b)
			}
		}
		return nil
	}
}

// opening finds out what a column of a result is.
func (w *Watcher) opening(columns []string, at int, isBytes bool) (o opening, ok bool, err error) {
	name := columns[at]
	found := w.candidates(name)
	plain := w.names.HasPlain("", name)
	switch {
	case len(found) == 0:
		return opening{at: at}, isBytes && !plain, nil
	case !isBytes && plain:
		return o, false, nil
	case !isBytes:
		return o, false, fmt.Errorf("%w: column %q of the result is not the encrypted column %s as it is stored, "+
			"which is bytea (give an expression another name; run %s for a table of before)",
			w.adapter.ErrEncrypted, name, found[0], w.adapter.Migrate)
	case len(found) > 1:
		return o, false, fmt.Errorf("%w: column %q of the result could be %s or %s (give each a name of its own with "+
			"AS)", w.adapter.ErrEncrypted, name, found[0], found[1])
	}
	o = opening{at: at, column: found[0], tenant: -1}
	if o.column.PrimaryKey {
		for _, key := range o.column.Table.PrimaryKey {
			o.key = append(o.key, slices.Index(columns, key))
		}
		if slices.Contains(o.key, -1) {
			return o, false, fmt.Errorf("%w: column %s is bound to the row's primary key, which is not in the result "+
				"(select %q too)", w.adapter.ErrEncrypted, o.column, o.column.Table.PrimaryKey)
		}
	}
	if w.scope.Kind == scope.Tenant {
		return o, true, nil
	}
	if o.tenant = slices.Index(columns, o.column.Table.Tenant); o.tenant < 0 {
		return o, false, fmt.Errorf("%w: column %s is opened with the keys of the row's tenant, which is not in the "+
			"result (select %q too)", w.adapter.ErrEncrypted, o.column, o.column.Table.Tenant)
	}
	return o, true, nil
}

// LooksSealed reports whether bytes are in the form of a sealed value.
func LooksSealed(b []byte) bool {
	h, err := fieldcrypt.ParseHeader(b)
	return err == nil && h.Version < 1<<16
}

// open puts the value in the place of what is stored.
func (w *Watcher) open(o *opening, row []driver.Value) error {
	sealed, ok := row[o.at].([]byte)
	if !ok {
		return nil // NULL
	}
	if o.column == nil {
		if LooksSealed(sealed) {
			return fmt.Errorf("%w: column %q of the result has sealed values, and it cannot be told of which column "+
				"(select it under its own name, from its table; %s.AsStored reads it as it is)",
				w.adapter.ErrEncrypted, o.name, w.adapter.Package)
		}
		return nil
	}
	encoded, err := w.unseal(o, sealed, row)
	switch {
	case err != nil:
	case o.column.Text: // what is by far the most common
		err = fieldcrypt.Decode(encoded, &o.text)
		row[o.at] = o.text
	default:
		row[o.at], err = openedValue(encoded)
	}
	if err != nil {
		return fmt.Errorf("column %s: %w", o.column, err)
	}
	return nil
}

// unseal opens a value with the keys of the tenant of ctx, or of the row's.
func (w *Watcher) unseal(o *opening, sealed []byte, row []driver.Value) (encoded []byte, err error) {
	var key []byte
	if len(o.key) > 0 {
		if key, err = o.primaryKey(row); err != nil {
			return nil, err
		}
	}
	opener := o.opener
	if opener == nil {
		if opener, err = w.opener(o, row); err != nil {
			return nil, err
		}
	}
	encoded, err = opener.Open(w.ctx, o.buffer[:0], sealed, key)
	if err == nil {
		o.buffer = encoded
	}
	return encoded, err
}

// opener finds the keys of the tenant of ctx, and keeps them for the rows behind, or of the row's.
func (w *Watcher) opener(o *opening, row []driver.Value) (Opener, error) {
	if o.tenant >= 0 {
		tenant, err := AsUUID(row[o.tenant])
		if err != nil || tenant == uuid.Nil {
			return nil, fieldcrypt.ErrDecrypt
		}
		return o.column.Opener(w.ctx, tenant)
	}
	opener, err := o.column.Opener(w.ctx, w.scope.Tenant)
	if err == nil {
		o.opener = opener
	}
	return opener, err
}

// primaryKey puts the row's primary key together.
func (o *opening) primaryKey(row []driver.Value) ([]byte, error) {
	parts := make([]any, len(o.key))
	for i, at := range o.key {
		parts[i] = row[at]
	}
	key, err := fieldcrypt.PrimaryKey(o.bound[:0], parts...)
	if err == nil {
		o.bound = key
	}
	return key, err
}

// AsUUID reads a uuid as a driver or an application has it. What is none is uuid.Nil.
func AsUUID(value any) (uuid.UUID, error) {
	switch v := value.(type) {
	case uuid.UUID:
		return v, nil
	case *uuid.UUID:
		if v != nil {
			return *v, nil
		}
		return uuid.Nil, nil
	case [16]byte:
		return v, nil
	case driver.Valuer:
		if text, _ := v.Value(); text != nil && text != value {
			return AsUUID(text)
		}
	case string:
		return uuid.Parse(v)
	case []byte:
		if len(v) == len(uuid.UUID{}) {
			return uuid.UUID(v), nil
		}
		return uuid.ParseBytes(v)
	}
	return uuid.Nil, nil
}

// openedValue returns an opened value as database/sql hands it to whoever scans it.
func openedValue(encoded []byte) (driver.Value, error) {
	var value any
	if err := fieldcrypt.Decode(encoded, &value); err != nil {
		return nil, err
	}
	switch v := value.(type) {
	case string, int64, uint64, float64, bool, time.Time:
		return v, nil
	case []byte:
		return v, nil
	}
	var raw json.RawMessage
	err := fieldcrypt.Decode(encoded, &raw)
	return raw, err
}

var _ interface {
	Statement(sql string) error
	Rows(columns []string, types []uint32) (func(row []driver.Value) error, error)
} = (*Watcher)(nil)

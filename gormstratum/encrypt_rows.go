package gormstratum

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/internal/fields"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// byteaOID is that of the type bytea.
const byteaOID = 17

// opening is what is done with a column of a result.
type opening struct {
	at     int
	name   string
	field  *encryptedField // nil where it is not known what the column is
	tenant int             // the column of the row's tenant, or -1 for that of ctx
	plain  int             // the column of values in the clear, or -1 where it is not in the result by itself
	keys   []int           // the columns of the primary key, where the value is bound to it
	opener *core.Opener    // for the tenant of ctx, once there was something to open

	// These are used again for each row.
	buffer, key []byte
	text        string
}

// Rows returns what opens the rows of a result.
func (w *watcher) Rows(columns []string, types []uint32) (func([]driver.Value) error, error) {
	if w.stored {
		return nil, nil
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

// opening finds out what a column of a result is.
func (w *watcher) opening(columns []string, at int, isBytes bool) (o opening, ok bool, err error) {
	name := columns[at]
	found := w.candidates(name)
	prefix := strings.TrimSuffix(name, lastName(name))
	plain := w.names.hasPlain(strings.TrimSuffix(prefix, "__"), lastName(name))
	switch {
	case len(found) == 0:
		return opening{at: at}, isBytes && !plain && !w.names.inClear(lastName(name)), nil
	case !isBytes && plain:
		return o, false, nil
	case !isBytes:
		return o, false, fmt.Errorf("%w: column %q of the result is not the encrypted column %s as it is stored, "+
			"which is bytea (give an expression another name; run gormstratum.Migrate for a table of before)",
			ErrEncrypted, name, found[0])
	case len(found) > 1:
		return o, false, fmt.Errorf("%w: column %q of the result could be %s or %s (select it AS alias__%s, with the "+
			"alias of its table)", ErrEncrypted, name, found[0], found[1], lastName(name))
	}
	o = opening{at: at, field: found[0], tenant: -1, plain: -1}
	if o.field.plain != "" {
		o.plain = slices.Index(columns, prefix+o.field.plain)
	}
	if err := w.bindRows(&o, columns, prefix); err != nil {
		return o, false, err
	}
	if w.scope.Kind == scope.Tenant {
		return o, true, nil
	}
	t := w.plugin.registry.find(o.field.table.Table)
	for i, c := range columns {
		if c == prefix+t.column || c == t.column && o.tenant < 0 {
			o.tenant = i
		}
	}
	if o.tenant < 0 {
		return o, false, fmt.Errorf("%w: column %s is opened with the keys of the row's tenant, which is not in the "+
			"result (select %q too)", ErrEncrypted, o.field, t.column)
	}
	return o, true, nil
}

// lastName is the name of a column without the relations in front of it.
func lastName(name string) string {
	if i := strings.LastIndex(name, "__"); i > 0 {
		return name[i+2:]
	}
	return name
}

// open puts the value in the place of what is stored.
func (w *watcher) open(o *opening, row []driver.Value) error {
	inClear := o.field != nil && o.plain >= 0 && row[o.plain] != nil
	sealed, ok := row[o.at].([]byte)
	if !ok && !inClear {
		return nil // NULL
	}
	if o.field == nil {
		if fields.LooksSealed(sealed) {
			return fmt.Errorf("%w: column %q of the result has sealed values, and it cannot be told of which column "+
				"(select it under its own name, from its table; gormstratum.AsStored reads it as it is)",
				ErrEncrypted, o.name)
		}
		return nil
	}
	var encoded []byte
	var err error
	switch {
	case inClear && (len(sealed) == 0 || sealed[0] != plainMark):
		encoded, err = o.field.encodePlain(o.field.plainValue(w.ctx, row[o.plain]))
	case o.field.plain != "" && sealed[0] == plainMark:
		encoded, err = o.field.encodePlain(o.field.fromJSON(w.ctx, sealed[1:]))
	default:
		encoded, err = w.unseal(o, sealed, row)
	}
	switch {
	case err != nil:
	case o.field.field.IndirectFieldType.Kind() == reflect.String: // what is by far the most common
		err = fieldcrypt.Decode(encoded, &o.text)
		row[o.at] = o.text
	default:
		row[o.at], err = openedValue(encoded)
	}
	if err != nil {
		return fmt.Errorf("column %s: %w", o.field, err)
	}
	return nil
}

// unseal opens a value with the keys of the tenant of ctx, or of the row's.
func (w *watcher) unseal(o *opening, sealed []byte, row []driver.Value) ([]byte, error) {
	o.key = o.key[:0]
	for _, at := range o.keys {
		var err error
		if o.key, err = fieldcrypt.PrimaryKey(o.key, row[at]); err != nil {
			return nil, fieldcrypt.ErrDecrypt
		}
	}
	var key []byte // nil where it is not bound
	if len(o.keys) > 0 {
		key = o.key
	}
	if o.tenant >= 0 {
		tenant, err := asUUID(row[o.tenant])
		if err != nil || tenant == uuid.Nil {
			return nil, fieldcrypt.ErrDecrypt
		}
		return o.field.sealed.Open(w.ctx, tenant, nil, sealed, key)
	}
	if o.opener == nil {
		opener, err := o.field.sealed.Opener(w.ctx, w.scope.Tenant)
		if err != nil {
			return nil, err
		}
		o.opener = &opener
	}
	encoded, err := o.opener.Open(w.ctx, o.buffer[:0], sealed, key)
	if err == nil {
		o.buffer = encoded
	}
	return encoded, err
}

// binary is a value that a type of the application's has encoded. It is encoded to the same bytes again.
type binary []byte

// MarshalBinary returns the bytes.
func (b binary) MarshalBinary() ([]byte, error) { return b, nil }

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
		if again, _, err := fieldcrypt.Encode(nil, v); err == nil && again[0] == encoded[0] {
			return v, nil
		}
		return binary(v), nil
	}
	var raw json.RawMessage
	err := fieldcrypt.Decode(encoded, &raw)
	return raw, err
}

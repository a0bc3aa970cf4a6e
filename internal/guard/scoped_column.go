package guard

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"
)

// copyColumn gathers the values of a column as the elements of one array.
type copyColumn struct {
	name     string
	oid      uint32
	typeName string

	elementOID, arrayOID uint32
	format               int16
	cast                 string // from the elements to the column
	simple               bool   // the array is written as a text
	buf                  []byte
	nulls                bool
}

// arrayHeader is how an array of one dimension starts: dimensions, whether there are nulls, the type of the elements,
// their number, the index of the first.
const arrayHeader = 5 * 4

// choose says how the elements travel: in the binary form of the column's type where that is a plain one with an array
// type that pgx knows, else as texts, which the server reads as that type. The elements of an array cannot be arrays.
func (c *copyColumn) choose(s *session) {
	c.elementOID, c.arrayOID, c.format = pgtype.TextOID, pgtype.TextArrayOID, pgtype.TextFormatCode
	c.cast, c.simple = "::"+c.typeName, s.simpleProtocol()
	types := s.conn.TypeMap()
	if t, ok := types.TypeForOID(c.oid); ok && !c.simple {
		array, known := types.TypeForName("_" + t.Name)
		if known && isPlain(t.Codec) && t.Codec.FormatSupported(pgtype.BinaryFormatCode) {
			c.elementOID, c.arrayOID, c.format, c.cast = c.oid, array.OID, pgtype.BinaryFormatCode, ""
		}
	}
	c.reset()
}

func isPlain(codec pgtype.Codec) bool {
	switch codec.(type) {
	case *pgtype.ArrayCodec, *pgtype.RangeCodec, *pgtype.MultirangeCodec, *pgtype.CompositeCodec:
		return false
	}
	return true
}

// reset begins the next chunk in the same memory.
func (c *copyColumn) reset() {
	c.nulls = false
	if c.simple {
		c.buf = c.buf[:0]
		return
	}
	c.buf = append(c.buf[:0], make([]byte, arrayHeader)...)
}

// add puts a value behind the others.
func (c *copyColumn) add(types *pgtype.Map, value any) error {
	if c.simple {
		return c.addText(types, value)
	}
	start := len(c.buf)
	c.buf = append(c.buf, 0, 0, 0, 0)
	buf, err := c.encode(types, value)
	switch {
	case err != nil:
		c.buf = c.buf[:start]
		return err
	case buf == nil:
		c.nulls = true
		binary.BigEndian.PutUint32(c.buf[start:], math.MaxUint32)
		return nil
	}
	c.buf = buf
	size := len(buf) - start - 4
	if size > math.MaxInt32 {
		return errTooLong
	}
	binary.BigEndian.PutUint32(c.buf[start:], uint32(size)) //nolint:gosec // compared above
	return nil
}

var errTooLong = errors.New("the value is too long")

// encode appends a value, as pgx does for COPY: a text is also taken for a value that is sent in binary.
func (c *copyColumn) encode(types *pgtype.Map, value any) ([]byte, error) {
	buf, err := types.Encode(c.oid, c.format, value, c.buf)
	if err == nil || c.format == pgtype.TextFormatCode {
		return buf, err
	}
	text, textErr := types.Encode(c.oid, pgtype.TextFormatCode, value, nil)
	var parsed any
	if textErr != nil || types.Scan(c.oid, pgtype.TextFormatCode, text, &parsed) != nil {
		return nil, err
	}
	return types.Encode(c.oid, c.format, parsed, c.buf)
}

// binary completes the array.
func (c *copyColumn) binary(n int) []byte {
	header := c.buf[:0:arrayHeader]
	header = binary.BigEndian.AppendUint32(header, 1)
	nulls := uint32(0)
	if c.nulls {
		nulls = 1
	}
	header = binary.BigEndian.AppendUint32(header, nulls)
	header = binary.BigEndian.AppendUint32(header, c.elementOID)
	header = binary.BigEndian.AppendUint32(header, uint32(n)) //nolint:gosec // at most chunkRows
	binary.BigEndian.AppendUint32(header, 1)
	return c.buf
}

// addText puts a value behind the others in the text form of an array, for the simple protocol.
func (c *copyColumn) addText(types *pgtype.Map, value any) error {
	text, err := types.Encode(c.oid, pgtype.TextFormatCode, value, []byte{})
	switch {
	case err != nil:
		return err
	case bytes.IndexByte(text, 0) >= 0:
		return errNul
	}
	separator := ","
	if len(c.buf) == 0 {
		separator = "{"
	}
	c.buf = append(c.buf, separator...)
	if text == nil {
		c.buf = append(c.buf, "NULL"...)
		return nil
	}
	c.buf = append(c.buf, '"')
	c.buf = append(c.buf, escapeElement.Replace(string(text))...)
	c.buf = append(c.buf, '"')
	return nil
}

// literal completes the text form of the array.
func (c *copyColumn) literal() string { return string(c.buf) + "}" }

//nolint:gochecknoglobals // a constant in all but name
var escapeElement = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

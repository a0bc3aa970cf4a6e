package ltree

import (
	"encoding"
	"fmt"
)

// encoding/json reads and writes both types through these, as values and as keys of objects. JSON's null leaves a value
// as it was, which is that package's convention for every type that is no pointer.
var (
	_ encoding.TextMarshaler   = Path{}
	_ encoding.TextUnmarshaler = (*Path)(nil)
	_ encoding.TextMarshaler   = Label{}
	_ encoding.TextUnmarshaler = (*Label)(nil)
)

// MarshalText returns the text of String and never an error.
func (p Path) MarshalText() ([]byte, error) { return []byte(p.text), nil }

// UnmarshalText sets p to what Parse makes of text, and leaves it as it was on an error, which is Parse's.
func (p *Path) UnmarshalText(text []byte) error {
	path, err := Parse(string(text))
	if err != nil {
		return fmt.Errorf("unmarshal ltree.Path: %w", err)
	}
	*p = path
	return nil
}

// MarshalText returns the text of String and never an error. The zero Label is the empty text, as with netip.Addr, so
// that a struct with a label not yet known can be written and read back.
func (l Label) MarshalText() ([]byte, error) { return []byte(l.name), nil }

// UnmarshalText sets l to what ParseLabel makes of text, or to the zero Label when text is empty. It leaves l as it was
// on an error, which is ParseLabel's.
func (l *Label) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*l = Label{}
		return nil
	}
	label, err := ParseLabel(string(text))
	if err != nil {
		return fmt.Errorf("unmarshal ltree.Label: %w", err)
	}
	*l = label
	return nil
}

package ltree

import "strings"

// MaxLabelLength is the most characters a label may have, which is PostgreSQL 15's limit. Newer servers take 1000.
const MaxLabelLength = 255

// Label is one valid step of a Path. The zero Label is no label: IsZero reports it, Path's methods refuse it, and so
// does the database.
type Label struct { //nolint:recvcheck // a value type whose decoders need a pointer, as in time.Time
	name string // empty, or accepted by checkLabel
}

// ParseLabel returns s as a Label, or a *ParseError that unwraps to ErrEmptyLabel, ErrLabelCharacter or
// ErrLabelTooLong.
func ParseLabel(s string) (Label, error) {
	if offset, err := checkLabel(s); err != nil {
		return Label{}, &ParseError{Input: s, Offset: offset, Err: err}
	}
	return Label{name: s}, nil
}

// MustParseLabel is ParseLabel for constants: it panics where ParseLabel returns an error.
func MustParseLabel(s string) Label {
	label, err := ParseLabel(s)
	if err != nil {
		panic(err)
	}
	return label
}

// String returns the label's text; it is empty for the zero Label only.
func (l Label) String() string { return l.name }

// IsZero reports whether l is the zero Label. encoding/json's omitzero asks it.
func (l Label) IsZero() bool { return l.name == "" }

// Compare returns -1, 0 or 1, bytewise, as PostgreSQL orders the labels of an ltree whatever the locale.
func (l Label) Compare(other Label) int { return strings.Compare(l.name, other.name) }

// checkLabel returns the offset of the first byte that makes s invalid, and why. It stops there, so that an overlong
// input costs no more than a valid one.
func checkLabel(s string) (int, error) {
	if s == "" {
		return 0, ErrEmptyLabel
	}
	for i := range len(s) {
		if !isLabelByte(s[i]) {
			return i, ErrLabelCharacter
		}
		if i == MaxLabelLength {
			return i, ErrLabelTooLong
		}
	}
	return 0, nil
}

// isLabelByte is written out because package unicode would let in letters that only some locales accept.
func isLabelByte(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_':
		return true
	default:
		return false
	}
}

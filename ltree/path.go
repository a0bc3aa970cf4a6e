package ltree

import "strings"

// MaxDepth is the most labels a path may have: PostgreSQL counts them in 16 bits.
const MaxDepth = 65535

// separator stands between two labels. That it sorts below every byte a label may have is what lets Compare look at
// whole texts.
const separator = "."

// Path is a valid ltree value: labels from the root to the leaf, or none. The zero Path is the empty path. Two Paths
// are == when they have the same labels, so a Path may be the key of a map.
type Path struct { //nolint:recvcheck // a value type whose decoders need a pointer, as in time.Time
	text string // labels joined by separator, exactly as PostgreSQL writes them
}

// Parse returns s, labels joined by dots, as a Path. The empty text is the empty path. Nothing is trimmed or folded.
// The error is a *ParseError that unwraps to ErrEmptyLabel, ErrLabelCharacter, ErrLabelTooLong or ErrTooDeep.
func Parse(s string) (Path, error) {
	if offset, err := checkPath(s); err != nil {
		return Path{}, &ParseError{Input: s, Offset: offset, Err: err}
	}
	return Path{text: s}, nil
}

// MustParse is Parse for constants: it panics where Parse returns an error.
func MustParse(s string) Path {
	path, err := Parse(s)
	if err != nil {
		panic(err)
	}
	return path
}

// New returns the path that consists of labels, root first. It returns ErrEmptyLabel for a zero Label and ErrTooDeep
// for more than MaxDepth of them.
func New(labels ...Label) (Path, error) { return Path{}.Append(labels...) }

// String returns the labels joined by dots, which Parse reads back. It is empty for the empty path.
func (p Path) String() string { return p.text }

// IsZero reports whether p is the empty path. encoding/json's omitzero asks it.
func (p Path) IsZero() bool { return p.text == "" }

// Depth returns the number of labels, PostgreSQL's nlevel. It is 0 for the empty path.
func (p Path) Depth() int {
	if p.IsZero() {
		return 0
	}
	return strings.Count(p.text, separator) + 1
}

// Labels returns the labels, root first, in a slice of the caller's own. It is nil for the empty path.
func (p Path) Labels() []Label {
	if p.IsZero() {
		return nil
	}
	labels := make([]Label, 0, p.Depth())
	for name := range strings.SplitSeq(p.text, separator) {
		labels = append(labels, Label{name: name})
	}
	return labels
}

// Label returns the label at position i, counted from 0 at the root, and false where the path has none.
func (p Path) Label(i int) (Label, bool) {
	if i < 0 || i >= p.Depth() {
		return Label{}, false
	}
	return Label{name: p.text[p.start(i) : p.start(i+1)-len(separator)]}, true
}

// Root returns the first label, and false for the empty path.
func (p Path) Root() (Label, bool) {
	name, _, _ := strings.Cut(p.text, separator)
	return Label{name: name}, name != ""
}

// Leaf returns the last label, and false for the empty path.
func (p Path) Leaf() (Label, bool) {
	name := p.text[strings.LastIndex(p.text, separator)+1:]
	return Label{name: name}, name != ""
}

// start returns the offset at which label i begins in the text. For i == Depth() it is one separator past the end, so
// that start(i+1)-1 is where label i ends, whichever label it is.
func (p Path) start(i int) int {
	offset := 0
	for ; i > 0; i-- {
		next := strings.Index(p.text[offset:], separator)
		if next < 0 {
			return len(p.text) + len(separator)
		}
		offset += next + len(separator)
	}
	return offset
}

// checkPath returns the offset of the first byte that makes s invalid, and why.
func checkPath(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	offset, depth := 0, 0
	for name := range strings.SplitSeq(s, separator) {
		if depth++; depth > MaxDepth {
			return offset, ErrTooDeep
		}
		if i, err := checkLabel(name); err != nil {
			return offset + i, err
		}
		offset += len(name) + len(separator)
	}
	return 0, nil
}

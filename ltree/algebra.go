package ltree

import (
	"fmt"
	"strings"
)

// Append returns p with labels added below it. It returns ErrEmptyLabel for a zero Label and ErrTooDeep when the
// result would have more than MaxDepth labels.
func (p Path) Append(labels ...Label) (Path, error) {
	if p.Depth()+len(labels) > MaxDepth {
		return Path{}, ErrTooDeep
	}
	names := make([]string, 0, len(labels)+1)
	if !p.IsZero() {
		names = append(names, p.text)
	}
	for i, label := range labels {
		if label.IsZero() {
			return Path{}, fmt.Errorf("append label %d: %w", i, ErrEmptyLabel)
		}
		names = append(names, label.name)
	}
	return Path{text: strings.Join(names, separator)}, nil
}

// Concat returns p with the labels of tail added below it, PostgreSQL's ||. It returns ErrTooDeep when the result
// would have more than MaxDepth labels.
func (p Path) Concat(tail Path) (Path, error) {
	switch {
	case p.IsZero():
		return tail, nil
	case tail.IsZero():
		return p, nil
	case p.Depth()+tail.Depth() > MaxDepth:
		return Path{}, ErrTooDeep
	default:
		return Path{text: p.text + separator + tail.text}, nil
	}
}

// Parent returns p without its last label. It returns false when p has fewer than two labels: a root has no parent,
// and the empty path, although PostgreSQL calls it an ancestor of every path, is nobody's parent.
func (p Path) Parent() (Path, bool) {
	end := strings.LastIndex(p.text, separator)
	if end < 0 {
		return Path{}, false
	}
	return Path{text: p.text[:end]}, true
}

// Ancestors returns the paths above p, root first and p's parent last. It holds neither p nor the empty path: it has
// Depth()-1 entries, and none for a root or the empty path.
func (p Path) Ancestors() []Path {
	if p.Depth() < 2 {
		return nil
	}
	ancestors := make([]Path, 0, p.Depth()-1)
	for i := range len(p.text) {
		if p.text[i] == separator[0] {
			ancestors = append(ancestors, Path{text: p.text[:i]})
		}
	}
	return ancestors
}

// IsAncestorOf reports whether every label of p leads other, PostgreSQL's p @> other. As there, a path is its own
// ancestor, and the empty path is everyone's; for a proper ancestor ask p != other as well.
func (p Path) IsAncestorOf(other Path) bool {
	rest, found := strings.CutPrefix(other.text, p.text)
	return found && (p.IsZero() || rest == "" || rest[0] == separator[0])
}

// IsDescendantOf reports whether every label of other leads p, PostgreSQL's p <@ other. As there, a path is its own
// descendant, and everyone is the empty path's; for a proper descendant ask p != other as well.
func (p Path) IsDescendantOf(other Path) bool { return other.IsAncestorOf(p) }

// Compare returns -1, 0 or 1 in the order of PostgreSQL's btree on ltree: label by label, bytewise, and an ancestor
// before its descendants. A subtree is therefore contiguous in a sorted list. Use it as slices.SortFunc(paths,
// ltree.Path.Compare).
func (p Path) Compare(other Path) int {
	// Equal to comparing label by label, because the separator sorts below every byte a label may have.
	return strings.Compare(p.text, other.text)
}

// LCA returns the longest path that is a proper ancestor of each of paths, PostgreSQL's lca. Proper means that the
// LCA of "a.b" and "a.b.c" is "a", not "a.b", and that the LCA of "a.b" alone is "a". Paths that share no label, or one
// of which is a root, have the empty path. It returns false where PostgreSQL's lca is NULL: for no paths at all, or
// when one of them is empty and so has no proper ancestor.
func LCA(paths ...Path) (Path, bool) {
	if len(paths) == 0 || paths[0].IsZero() {
		return Path{}, false
	}
	common, _ := paths[0].Parent()
	for _, path := range paths[1:] {
		if path.IsZero() {
			return Path{}, false
		}
		parent, _ := path.Parent()
		common = commonPrefix(common, parent)
	}
	return common, true
}

// commonPrefix returns the longest path that leads both a and b. It looks at each byte once: a path may have megabytes,
// and dropping one label after the other would take quadratic time.
func commonPrefix(a, b Path) Path {
	end, i := 0, 0
	for ; i < min(len(a.text), len(b.text)) && a.text[i] == b.text[i]; i++ {
		if a.text[i] == separator[0] {
			end = i
		}
	}
	if a.endsLabel(i) && b.endsLabel(i) {
		end = i
	}
	return Path{text: a.text[:end]}
}

// endsLabel reports whether a label of p ends before offset i.
func (p Path) endsLabel(i int) bool { return i == len(p.text) || p.text[i] == separator[0] }

// Subpath returns length labels of p, beginning at offset, PostgreSQL's subpath(p, offset, length). A negative offset
// counts from the end. A negative length leaves that many labels off the end, and a length that goes past the end
// stops there. It returns ErrInvalidPositions for an offset at or beyond the end and for an end before the offset,
// thus for every Subpath of the empty path.
//
// As in PostgreSQL, a negative offset that is still before the root counts from the end once more: of "a.b.c", offset
// -4 is "c". Only below -2*Depth is it an error.
func (p Path) Subpath(offset, length int) (Path, error) {
	depth := p.Depth()
	start := wrapOffset(offset, depth)
	end := depth
	switch {
	case length < 0:
		end = depth + length
	case length < depth-start: // compared this way round, a huge length cannot overflow
		end = start + length
	}
	return p.slice(start, end)
}

// SubpathFrom returns the labels of p from offset to the end, PostgreSQL's subpath(p, offset). Offset and error are
// those of Subpath.
func (p Path) SubpathFrom(offset int) (Path, error) {
	depth := p.Depth()
	return p.slice(wrapOffset(offset, depth), depth)
}

// wrapOffset counts a negative offset from the end, and twice so because PostgreSQL's subpath does.
func wrapOffset(offset, depth int) int {
	for range 2 {
		if offset < 0 {
			offset += depth
		}
	}
	return offset
}

// slice returns the labels from start up to, not including, end, with the checks of PostgreSQL's inner_subltree.
func (p Path) slice(start, end int) (Path, error) {
	if start < 0 || start >= p.Depth() || start > end {
		return Path{}, ErrInvalidPositions
	}
	if start == end {
		return Path{}, nil
	}
	return Path{text: p.text[p.start(start) : p.start(end)-len(separator)]}, nil
}

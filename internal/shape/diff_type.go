package shape

import (
	"regexp"
	"slices"
	"strconv"
)

// conversion is what a change of type does to values.
type conversion int

const (
	losing     conversion = iota // some may not fit
	widening                     // all fit, and are written anew
	relabelled                   // all stay as they are
)

// compareTypes compares types as the server prints them. What it does not know is losing.
func compareTypes(from, to string) conversion {
	if from == to {
		return relabelled
	}
	f, t := parseType(from), parseType(to)
	switch {
	case f.name == "character varying" && t.name == "character varying":
		return relabelledIf(len(t.modifiers) == 0 || len(f.modifiers) == 1 && f.modifiers[0] <= t.modifiers[0])
	case f.name == "character varying" && to == "text", from == "text" && to == "character varying":
		return relabelled
	case f.name == "numeric" && t.name == "numeric":
		return compareNumeric(f.modifiers, t.modifiers)
	}
	for _, order := range [][]string{{typeSmall, typeInt, typeBig, "numeric"}, {"real", "double precision"}} {
		if i := slices.Index(order, from); i >= 0 && slices.Index(order, to) > i {
			return widening
		}
	}
	return losing
}

func relabelledIf(fits bool) conversion {
	if fits {
		return relabelled
	}
	return losing
}

// compareNumeric compares precisions and scales. A smaller scale rounds, and a larger one takes digits from in front of
// the point.
func compareNumeric(from, to []int) conversion {
	switch {
	case len(to) == 0:
		return relabelled
	case len(from) < 2 || len(to) < 2:
		return losing
	case to[1] == from[1]:
		return relabelledIf(to[0] >= from[0])
	case to[1] > from[1] && to[0]-to[1] >= from[0]-from[1]:
		return widening
	default:
		return losing
	}
}

// typeName is a type with its modifiers, such as numeric(12,2).
type typeName struct {
	name      string
	modifiers []int
}

func parseType(text string) typeName {
	m := regexp.MustCompile(`^([a-z ]+)(?:\((\d+)(?:,(-?\d+))?\))?$`).FindStringSubmatch(text)
	if m == nil {
		return typeName{name: text}
	}
	t := typeName{name: m[1]}
	for _, digits := range m[2:] {
		if n, err := strconv.Atoi(digits); err == nil {
			t.modifiers = append(t.modifiers, n)
		}
	}
	return t
}

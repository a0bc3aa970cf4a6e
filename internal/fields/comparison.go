package fields

// Comparison is = $1, <> $1, != $1, IN ($1, $2) or NOT IN ($1, $2), behind a column.
type Comparison struct {
	Negated bool
	Marks   []int // the words that are parameters
	Last    int
}

// ComparisonAt reads what stands behind a column.
func ComparisonAt(words []Word, at int) (c Comparison, ok bool) {
	list := false
	switch first, second := TextAt(words, at), TextAt(words, at+1); {
	case first == "=":
		at++
	case first == "<>" || first == "!=":
		c.Negated, at = true, at+1
	case first == "<" && second == ">", first == "!" && second == "=":
		c.Negated, at = true, at+2
	case first == "IN":
		list, at = true, at+1
	case first == "NOT" && second == "IN":
		c.Negated, list, at = true, true, at+2
	default:
		return c, false
	}
	if !list {
		c.Marks, c.Last = []int{at}, at
		return c, IsParameter(TextAt(words, at))
	}
	if TextAt(words, at) != "(" {
		return c, false
	}
	for at++; IsParameter(TextAt(words, at)); at += 2 {
		c.Marks = append(c.Marks, at)
		if TextAt(words, at+1) == ")" {
			c.Last = at + 1
			return c, true
		}
		if TextAt(words, at+1) != "," {
			break
		}
	}
	return c, false
}

// IsParameter reports whether a word is $1 or another parameter.
func IsParameter(text string) bool {
	return len(text) > 1 && text[0] == '$' && text[1] >= '0' && text[1] <= '9'
}

// MayPrecede and MayFollow know between what a comparison stands for itself.
func MayPrecede(text string) bool {
	switch text {
	case "", "(", "AND", "OR", "NOT", "WHERE", "ON", "HAVING", "WHEN":
		return true
	}
	return false
}

// MayFollow is MayPrecede for what stands behind.
func MayFollow(text string) bool {
	switch text {
	case "", ")", ";", "AND", "OR", "ORDER", "GROUP", "LIMIT", "OFFSET", "FETCH", "FOR", "RETURNING", "UNION", "WHERE",
		"LEFT", "RIGHT", "INNER", "FULL", "CROSS", "NATURAL", "JOIN", "THEN":
		return true
	}
	return false
}

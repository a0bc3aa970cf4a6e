package shape

// Canonical and Relocate are open to tests, the latter with a set of relations by schema and name.
func Canonical(text string) string { return canonical(text) }

// Relocate moves the relations in inside into another schema.
func Relocate(text, schema string, inside map[[2]string]bool) string {
	return relocate(text, func(n name) string {
		if inside[[2]string{n.schema, n.name}] {
			return schema
		}
		return n.schema
	})
}

// Loses and Rewrites say what a change of type does.
func Loses(from, to string) bool { return compareTypes(from, to) == losing }

// Rewrites reports whether all values fit and are written anew.
func Rewrites(from, to string) bool { return compareTypes(from, to) == widening }

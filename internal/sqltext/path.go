package sqltext

import "strings"

// SplitPath splits a search_path at the commas that are not part of a quoted name.
func SplitPath(path string) []string {
	quoted := false
	entries := strings.FieldsFunc(path, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ',' && !quoted
	})
	for i, entry := range entries {
		entries[i] = strings.TrimSpace(entry)
	}
	return entries
}

// PathName is the schema that an entry of a search_path stands for: in small letters where it is not quoted.
func PathName(entry string) string {
	if quoted, ok := strings.CutPrefix(entry, `"`); ok {
		return strings.ReplaceAll(strings.TrimSuffix(quoted, `"`), `""`, `"`)
	}
	return strings.ToLower(entry)
}

package sqltext

import "strings"

// Quote returns a name as SQL has it, part by part: schema and table, or one of them. It always quotes: to do so only
// where needed would need the server's list of keywords.
func Quote(parts ...string) string {
	quoted := make([]string, len(parts))
	for i, part := range parts {
		quoted[i] = `"` + strings.ReplaceAll(strings.ReplaceAll(part, "\x00", ""), `"`, `""`) + `"`
	}
	return strings.Join(quoted, ".")
}

// QuoteEach quotes a list of columns or roles.
func QuoteEach(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = Quote(name)
	}
	return strings.Join(quoted, ", ")
}

// Literal returns a text as SQL has it. The form with E, where there is a backslash, means the same whatever
// standard_conforming_strings is.
func Literal(text string) string {
	quoted := "'" + strings.ReplaceAll(text, "'", "''") + "'"
	if strings.Contains(quoted, `\`) {
		return "E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}

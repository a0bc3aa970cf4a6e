package isolation

import (
	"math/rand/v2"
	"strings"
	"time"

	"github.com/google/uuid"
)

// textLength is how many characters a text has that may have any number of them.
const textLength = 16

// Text returns a text that the column accepts, as SQL would read it: one of its labels, or a new value of its type.
// A column that the database does not know has any text.
func (c *Column) Text() string {
	if c == nil {
		return letters(textLength)
	}
	if len(c.Labels) > 0 {
		return c.Labels[0]
	}
	switch c.Type {
	case "uuid":
		return uuid.NewString()
	case "json", "jsonb":
		return "{}"
	case "smallint", "integer", "bigint", "numeric", "real", "double precision", "money":
		return "1"
	case "boolean":
		return "true"
	case "date":
		return time.Now().UTC().Format(time.DateOnly)
	case "timestamp with time zone", "timestamp without time zone":
		return time.Now().UTC().Format(time.RFC3339)
	case "inet", "cidr":
		return "192.0.2.1"
	case "interval":
		return "1 hour"
	}
	if strings.HasSuffix(c.Type, "[]") {
		return "{}"
	}
	if c.Length > 0 {
		return letters(min(c.Length, textLength))
	}
	return letters(textLength)
}

// IsText reports whether the column holds any text.
func (c *Column) IsText() bool {
	if c == nil {
		return true
	}
	return len(c.Labels) == 0 && (c.Type == "text" || c.Type == "character varying" || c.Type == "character")
}

// Other returns a text that the column accepts and that is not old, where one is known.
func (c *Column) Other(old string) (text string, ok bool) {
	if c != nil && len(c.Labels) > 0 {
		for _, label := range c.Labels {
			if label != old {
				return label, true
			}
		}
		return "", false
	}
	// A CHECK that could not be read may want anything.
	if c != nil && c.Checked || !c.IsText() {
		return "", false
	}
	for text = c.Text(); text == old; {
		text = c.Text()
	}
	return text, true
}

// letters returns n random lower-case letters. What must not collide is checked by the database.
func letters(n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = 'a' + byte(rand.IntN('z'-'a'+1)) //nolint:gosec // a test's value, no secret
	}
	return string(text)
}

package ltree

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
)

var (
	_ driver.Valuer = Path{}
	_ sql.Scanner   = (*Path)(nil)
	_ driver.Valuer = Label{}
	_ sql.Scanner   = (*Label)(nil)
)

// Value implements driver.Valuer with the text of String and never returns an error. The empty path is the empty ltree,
// not NULL; for NULL pass a nil *Path or an invalid sql.Null[ltree.Path].
func (p Path) Value() (driver.Value, error) { return p.text, nil }

// Scan implements sql.Scanner for the string or []byte that a driver yields for ltree and for text. It returns ErrNull
// for NULL, because an absent path taken for the empty one would be taken for everyone's ancestor; ErrSource for
// another type; otherwise what Parse returns. It leaves p as it was on an error.
func (p *Path) Scan(src any) error {
	text, err := sourceText(src)
	if err != nil {
		return fmt.Errorf("scan ltree.Path: %w", err)
	}
	path, err := Parse(text)
	if err != nil {
		return fmt.Errorf("scan ltree.Path: %w", err)
	}
	*p = path
	return nil
}

// GormDataType makes ltree the type of the column when GORM's migrator creates one for a field of type Path.
func (Path) GormDataType() string { return "ltree" }

// Value implements driver.Valuer with the text of String. It returns ErrEmptyLabel for the zero Label, lest a label
// that was never set is stored as one.
func (l Label) Value() (driver.Value, error) {
	if l.IsZero() {
		return nil, fmt.Errorf("value of ltree.Label: %w", ErrEmptyLabel)
	}
	return l.name, nil
}

// Scan implements sql.Scanner for the string or []byte that a driver yields for text and for an ltree of one label. It
// returns ErrNull for NULL, ErrSource for another type, otherwise what ParseLabel returns. It leaves l as it was on an
// error.
func (l *Label) Scan(src any) error {
	text, err := sourceText(src)
	if err != nil {
		return fmt.Errorf("scan ltree.Label: %w", err)
	}
	label, err := ParseLabel(text)
	if err != nil {
		return fmt.Errorf("scan ltree.Label: %w", err)
	}
	*l = label
	return nil
}

// GormDataType makes text the type of the column when GORM's migrator creates one for a field of type Label.
func (Label) GormDataType() string { return "text" }

// sourceText copies a []byte, because the driver reuses it for the next row.
func sourceText(src any) (string, error) {
	switch src := src.(type) {
	case string:
		return src, nil
	case []byte:
		return string(src), nil
	case nil:
		return "", ErrNull
	default:
		return "", fmt.Errorf("%w, got %T", ErrSource, src)
	}
}

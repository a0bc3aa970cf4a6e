package isolation

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// ErrNoTable is returned for a table that is not there, or has no such tenant column.
var ErrNoTable = errors.New("stratumtest: the table is not there as the model declares it (migrate first)")

// Column is a column as the database has it.
type Column struct {
	// Name is the column's name.
	Name string `json:"name"`
	// Type is the type without its length, for a domain that of its base.
	Type string `json:"type"`
	// Length is how many characters fit. 0 is any number.
	Length int `json:"length"`
	// NotNull says that NULL is refused.
	NotNull bool `json:"not_null"`
	// Default says that the database has a value for a row that brings none.
	Default bool `json:"default"`
	// Labels are the only values, of an enumeration or of a simple CHECK. Empty where there is no such list.
	Labels []string `json:"labels"`
	// Checked says that a CHECK concerns the column, whether or not its values could be read.
	Checked bool `json:"-"`
}

// Unique is a unique key other than the primary key.
type Unique struct {
	// Name is the name of its index.
	Name string `json:"name"`
	// Columns are the columns, "" for an expression.
	Columns []string `json:"columns"`
	// Partial says that it holds for some rows only.
	Partial bool `json:"partial"`
}

// Reference is a foreign key.
type Reference struct {
	// Name is the constraint's name.
	Name string `json:"name"`
	// Columns refer to RefColumns.
	Columns    []string `json:"columns"`
	RefColumns []string `json:"ref_columns"`
	// Schema and Table are what is referred to.
	Schema string `json:"schema"`
	Table  string `json:"table"`
}

// Facts are what the database knows of a table.
type Facts struct {
	// Secured and Forced say whether row-level security is on, and binds the owner.
	Secured bool `json:"secured"`
	Forced  bool `json:"forced"`

	// Primary are the columns of the primary key, in its order.
	Primary []string `json:"primary"`

	Columns    []Column    `json:"columns"`
	Checks     []string    `json:"checks"`
	Uniques    []Unique    `json:"uniques"`
	References []Reference `json:"references"`
}

// Column returns the facts of a column, or nil.
func (f *Facts) Column(name string) *Column {
	i := slices.IndexFunc(f.Columns, func(c Column) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &f.Columns[i]
}

// IsUnique reports whether a unique key has the column.
func (f *Facts) IsUnique(name string) bool {
	return slices.ContainsFunc(f.Uniques, func(u Unique) bool { return slices.Contains(u.Columns, name) })
}

// ReadFacts asks the database of a table, named as in SQL. It returns ErrNoTable where there is none, or none with the
// tenant column.
func ReadFacts(ctx context.Context, db *sql.DB, table, column string) (*Facts, error) {
	var text []byte
	err := db.QueryRowContext(ctx, factsSQL, table).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("%w: %s", ErrNoTable, table)
	}
	if err != nil {
		return nil, fmt.Errorf("stratumtest: reading what table %s is: %w", table, err)
	}
	f := &Facts{}
	if err := json.Unmarshal(text, f); err != nil {
		return nil, fmt.Errorf("stratumtest: reading what table %s is: %w", table, err)
	}
	if column != "" && f.Column(column) == nil {
		return nil, fmt.Errorf("%w: %s has no column %q", ErrNoTable, table, column)
	}
	f.readChecks()
	return f, nil
}

// The one form of a CHECK whose values can be read, as PostgreSQL prints "c IN ('a', 'b')" and "c = 'a'". A literal
// beside another operator, such as a pattern, is none of the values.
var (
	listedValues = regexp.MustCompile(`= (?:ANY \(+ARRAY\[(.*?)\]|('(?:[^']|'')*'))`)
	literal      = regexp.MustCompile(`'((?:[^']|'')*)'`)
)

// readChecks finds the columns that a CHECK concerns, and their values where it lists them.
func (f *Facts) readChecks() {
	for i := range f.Columns {
		c := &f.Columns[i]
		name := regexp.MustCompile(`(^|\W)` + regexp.QuoteMeta(c.Name) + `($|\W)`)
		for _, check := range f.Checks {
			if !name.MatchString(check) {
				continue
			}
			c.Checked = true
			if len(c.Labels) == 0 {
				c.Labels = valuesOf(check)
			}
		}
	}
}

func valuesOf(check string) []string {
	found := listedValues.FindStringSubmatch(check)
	if found == nil {
		return nil
	}
	var values []string
	for _, v := range literal.FindAllStringSubmatch(found[1]+found[2], -1) {
		values = append(values, strings.ReplaceAll(v[1], "''", "'"))
	}
	return values
}

// Quote returns a name, with its schema or without, as in SQL.
func Quote(name string) string { return sqltext.Quote(strings.Split(name, ".")...) }
